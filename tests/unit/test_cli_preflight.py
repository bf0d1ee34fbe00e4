"""`preflight`: yes or no, why, and what to do instead; of a running exporter or of this host."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from surge_exporter.model import Seconds
from surge_exporter.scaling.preflight import Operation, Preflight
from surge_exporter.scaling.resources import GIB
from surge_exporter.snapshot import Answered
from surge_exporter.web.server import WebServer
from tests.commandline import run, sentence
from tests.model_server import SMALL
from tests.ollama import ollama
from tests.servers import free_port
from tests.snapshots import NOW
from tests.unit.test_app import service

ALLOWED = Preflight(
    allowed=True,
    reason="medium may serve (CPU 34 %, memory 71.8 %)",
    operation=Operation.GENERATE,
    model="medium",
    tier="medium",
    recommended_model="medium",
)
DENIED = replace(
    ALLOWED,
    allowed=False,
    reason="memory is 93 % used, 90 % or more",
    model="large",
    retry_after_seconds=Seconds(30.0),
)


@contextmanager
def exporter(found: Preflight | None) -> Iterator[str]:
    """Serve an answer; yield where."""
    answered = None if found is None else Answered(preflight=found, sampled_at=NOW)
    server = WebServer(("127.0.0.1:0",), service(answered=answered))
    try:
        yield server.urls[0]
    finally:
        server.stop()


def test_what_is_allowed_exits_with_0_and_says_why() -> None:
    with exporter(ALLOWED) as url:
        result = run("preflight", "--url", url)

    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "Allowed: medium may serve (CPU 34 %, memory 71.8 %)\n"


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ({}, "; use medium instead or try again in 30 s"),
        ({"retry_after_seconds": None}, "; use medium instead"),
        ({"recommended_model": None}, "; try again in 30 s"),
        ({"recommended_model": None, "retry_after_seconds": None}, ""),
    ],
)
def test_what_is_denied_exits_with_1_and_says_what_else(
    changes: dict[str, Any], hint: str
) -> None:
    with exporter(replace(DENIED, **changes)) as url:
        result = run("preflight", "--url", url, "--model", "large")

    assert result.exit_code == 1
    assert result.stdout == f"Denied: memory is 93 % used, 90 % or more{hint}\n"


def test_the_json_is_that_of_the_api() -> None:
    with exporter(DENIED) as url:
        result = run("preflight", "--url", f"{url}/", "--json")

    found = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (found["allowed"], found["recommended_model"], found["sampled_at"]) == (
        False,
        "medium",
        NOW,
    )


def test_an_exporter_that_watches_no_host_is_no_permission() -> None:
    with exporter(None) as url:
        result = run("preflight", "--url", url)

    assert result.exit_code == 1
    assert "scaling.enabled" in sentence(result)


def test_an_exporter_that_is_not_there_is_no_permission() -> None:
    url = f"http://127.0.0.1:{free_port()}"

    result = run("preflight", "--url", url)

    assert result.exit_code == 1
    assert f"{url} does not answer: " in sentence(result)


def test_an_address_that_is_none_is_wrong_usage() -> None:
    result = run("preflight", "--url", "localhost:10074")

    assert result.exit_code == 2
    assert sentence(result) == "--url: expected http:// or https://, got 'localhost:10074'"


def test_without_an_exporter_this_host_is_looked_at(tmp_path: Path) -> None:
    config = tmp_path / "surge.yml"
    config.write_text(
        "scaling:\n"
        "  thresholds:\n"
        "    {upgrade_below: 1, degrade_from: 1, cpu_degrade_from: null, least_available_gib: 0}\n"
        "  models:\n"
        "    - {name: tiny, tier: small, memory_gib: 0.001}\n"
        "    - {name: huge, tier: large, memory_gib: 900000}\n"
    )

    small = run("preflight", "--config.file", str(config), "--model", "tiny", "--json")
    large = run("preflight", "--config.file", str(config), "--model", "huge")

    assert json.loads(small.stdout)["sampled_at"]
    assert (large.exit_code, large.stdout.startswith("Denied: huge needs ")) == (1, True)


def test_a_model_that_nobody_configured_is_denied() -> None:
    result = run("preflight", "--model", "nope")

    assert result.exit_code == 1
    assert result.stdout == "Denied: nope is not one of the 3 models configured\n"


def test_without_a_scaler_there_is_no_answer(tmp_path: Path) -> None:
    config = tmp_path / "surge.yml"
    config.write_text("scaling: {enabled: false}\n")

    result = run("preflight", "--config.file", str(config))

    assert result.exit_code == 2
    assert "scaling.enabled is false" in sentence(result)


def _with_server(tmp_path: Path, url: str, total_gib: float) -> str:
    config = tmp_path / "surge.yml"
    models = [{"name": SMALL, "tier": "large", "memory_gib": total_gib}]
    scaling = {"models": models, "server": {"kind": "ollama", "url": url}}
    config.write_text(json.dumps({"scaling": scaling}))
    return str(config)


def test_what_the_configured_server_has_loaded_may_go_on(tmp_path: Path) -> None:
    nearly_all = 0.97 * psutil.virtual_memory().total / GIB
    with ollama({SMALL: 1}) as server:
        config = _with_server(tmp_path, server.url, nearly_all)
        without = run("preflight", "--config.file", config, "--model", SMALL)
        server.acquire(f"{SMALL}")
        with_it = run("preflight", "--config.file", config, "--model", SMALL)

    assert without.exit_code == 1
    assert "are free for it" in without.stdout
    assert with_it.exit_code == 0


def test_a_configured_server_that_does_not_answer_is_said_and_done_without(tmp_path: Path) -> None:
    config = _with_server(tmp_path, f"http://127.0.0.1:{free_port()}", 0.001)

    result = run("preflight", "--config.file", config, "--model", SMALL)

    assert result.exit_code == 0
    assert result.stderr.startswith("surge-exporter: what is loaded is not known: ollama")
