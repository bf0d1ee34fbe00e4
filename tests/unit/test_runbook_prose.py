"""The prose of the runbooks names only what there is: commands, flags, metrics, settings."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from surge_exporter.commands.prose import prose, runbooks
from surge_exporter.config import parse
from surge_exporter.metrics import COLLECTOR_DURATION, COLLECTOR_SUCCESS, METRICS
from surge_exporter.render.runbooks import INDEX, SECTIONS, check_prose
from surge_exporter.rules.catalogue import every_alert, recordings
from surge_exporter.rules.choices import Choices
from tests.markdown import FENCE, INLINE, commands, fault, fenced
from tests.servers import installed

PROSE = prose()

ALERTS = {alert.name for alert in every_alert(Choices())}
RECORDED = {rule.name for group in recordings(Choices()) for rule in group.rules}
_METRIC = re.compile(r"\b(?:[a-z_]+:)?surge_(?!exporter\b)[a-z_]+(?::[a-z0-9_]+)?\b")
_SENTENCE_END = re.compile(r"[.!?:](?:\s|$)")


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        ("report --telemetry-dir DIR", None),
        ("repeat --telemetry-dir DIR", "no such command: repeat"),
        ("report --telemetry DIR --now", "report: "),
        ("render pictures", "no such command: render pictures"),
    ],
)
def test_a_command_that_is_none_would_be_noticed(words: str, wrong: str | None) -> None:
    found = fault(words.split())

    assert found is None if wrong is None else found is not None and wrong in found


def test_there_is_prose_for_every_alert_and_for_nothing_else() -> None:
    assert set(PROSE) == ALERTS


def test_each_runbook_has_its_sections() -> None:
    check_prose(PROSE)


@pytest.mark.parametrize("alert", PROSE)
def test_each_section_says_something(alert: str) -> None:
    text = FENCE.sub("", PROSE[alert])
    for section in SECTIONS:
        content = text.partition(f"## {section}\n")[2].partition("\n## ")[0]
        assert len(_SENTENCE_END.findall(content)) >= 2, section


@pytest.mark.parametrize("alert", PROSE)
def test_a_runbook_can_be_read_in_a_terminal_at_night(alert: str) -> None:
    lines = PROSE[alert].splitlines()

    assert 30 <= len(lines) <= 60
    assert max(map(len, lines)) <= 125


@pytest.mark.parametrize("alert", PROSE)
def test_every_command_in_a_runbook_is_one(alert: str) -> None:
    assert [found for words in commands(PROSE[alert]) if (found := fault(words))] == []


@pytest.mark.parametrize("alert", PROSE)
def test_every_metric_in_a_runbook_is_one(alert: str) -> None:
    families = {family.name for family in (*METRICS, COLLECTOR_SUCCESS, COLLECTOR_DURATION)}
    named = set(_METRIC.findall(PROSE[alert]))

    assert named - families - RECORDED == set()


@pytest.mark.parametrize("alert", PROSE)
def test_every_alert_that_a_runbook_points_to_has_one(alert: str) -> None:
    assert set(re.findall(r"\bSurge[A-Z]\w+", PROSE[alert])) <= set(PROSE)


@pytest.mark.parametrize("alert", PROSE)
def test_every_setting_in_a_runbook_can_be_set(alert: str) -> None:
    for found in INLINE.findall(FENCE.sub("", PROSE[alert])):
        if re.match(r"(signals|telemetry|window|limits|scaling): \{", found):
            parse(found)


@pytest.mark.e2e
def test_every_query_in_a_runbook_can_be_asked(tmp_path: Path) -> None:
    promtool = installed("promtool")
    queries = [query for text in PROSE.values() for query in fenced(text, "promql")]
    rules = [{"record": f"a:b{i}:c", "expr": query} for i, query in enumerate(queries)]
    path = tmp_path / "rules.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))

    result = subprocess.run(
        [promtool, "check", "rules", path], capture_output=True, text=True, check=False
    )

    assert (result.returncode, result.stderr) == (0, "")
    assert f"{len(queries)} rules found" in result.stdout


def test_the_exporter_serves_a_page_for_each_runbook() -> None:
    pages = runbooks()

    assert set(pages) == {INDEX, *PROSE}
    assert all(pages[alert].startswith(f"# {alert}\n") for alert in PROSE)


def test_pages_are_made_once() -> None:
    assert runbooks() is runbooks()
