"""A manager elsewhere asks the exporter of its host."""

import pytest

from surge_exporter.modelling.checks import exporter_check
from surge_exporter.scaling.preflight import Operation
from tests.servers import free_port
from tests.unit.test_cli_preflight import ALLOWED, DENIED, exporter


def test_the_answer_is_that_of_the_exporter() -> None:
    for given in (ALLOWED, DENIED):
        with exporter(given) as url:
            found = exporter_check(url)(given.model, given.operation)
        assert found == given


def test_where_no_exporter_answers_everything_is_allowed_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    found = exporter_check(f"http://127.0.0.1:{free_port()}")("large", Operation.GENERATE)
    assert (found.allowed, found.model, found.recommended_model) == (True, "large", "large")
    assert "allowed without a check error=http://127.0.0.1:" in caplog.text


def test_an_exporter_that_watches_no_host_allows_everything() -> None:
    with exporter(None) as url:
        assert exporter_check(url)("large", Operation.LOAD).allowed


def test_a_url_of_something_else_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="expected http:// or https://, got 'ftp://h'"):
        exporter_check("ftp://h")
