"""The prose of the runbooks names only what there is: commands, flags, metrics, settings."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

from surge_exporter import cli
from surge_exporter.commands.prose import prose, runbooks
from surge_exporter.config import parse
from surge_exporter.metrics import COLLECTOR_DURATION, COLLECTOR_SUCCESS, METRICS
from surge_exporter.render.runbooks import INDEX, SECTIONS, check_prose
from surge_exporter.rules.catalogue import every_alert, recordings
from surge_exporter.rules.choices import Choices
from tests.servers import installed

PROSE = prose()

ALERTS = {alert.name for alert in every_alert(Choices())}
RECORDED = {rule.name for group in recordings(Choices()) for rule in group.rules}
METRICS_TO_COME = frozenset(
    {
        "surge_host_memory_ratio",
        "surge_host_cpu_ratio",
        "surge_host_memory_available_bytes",
        "surge_host_gpu_memory_ratio",
        "surge_model_tier_recommended",
        "surge_model_tier_current",
    }
)
"""Of the scaler: `test_nothing_is_said_to_be_to_come_that_has_come` says when to delete them."""

_HELP = cli.main.context_settings["help_option_names"]
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+)`")
_METRIC = re.compile(r"\b(?:[a-z_]+:)?surge_(?!exporter\b)[a-z_]+(?::[a-z0-9_]+)?\b")
_SENTENCE_END = re.compile(r"[.!?:](?:\s|$)")


def fenced(text: str, language: str) -> Iterator[str]:
    """Yield the lines of all code blocks of a language."""
    for found, block in _FENCE.findall(text):
        if found == language:
            yield from block.splitlines()


def commands(text: str) -> Iterator[list[str]]:
    """Yield each surge-exporter command, in blocks and in running text, as its words."""
    inline = _INLINE.findall(_FENCE.sub("", text))
    for line in (*fenced(text, "sh"), *inline):
        if line.startswith("surge-exporter "):
            yield shlex.split(line)[1:]
        elif line.startswith("render "):
            yield shlex.split(line)


def fault(words: list[str], group: click.Group = cli.main, path: str = "") -> str | None:
    """Return what is wrong with a command, as click would say it; nothing is run."""
    name, *rest = words
    path = f"{path} {name}".strip()
    command = group.commands.get(name)
    if command is None:
        return f"no such command: {path}"
    if isinstance(command, click.Group):
        return fault(rest, command, path)
    try:
        context = click.Context(
            command, help_option_names=cli.main.context_settings["help_option_names"]
        )
        command.make_parser(context).parse_args(rest)
    except click.UsageError as error:
        return f"{path}: {error.message}"
    return None


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
    text = _FENCE.sub("", PROSE[alert])
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

    assert named - families - METRICS_TO_COME - RECORDED == set()


@pytest.mark.parametrize("alert", PROSE)
def test_every_alert_that_a_runbook_points_to_has_one(alert: str) -> None:
    assert set(re.findall(r"\bSurge[A-Z]\w+", PROSE[alert])) <= set(PROSE)


@pytest.mark.parametrize("alert", PROSE)
def test_every_setting_in_a_runbook_can_be_set(alert: str) -> None:
    for found in _INLINE.findall(_FENCE.sub("", PROSE[alert])):
        if re.match(r"(signals|telemetry|window|limits): \{", found):
            parse(found)


def test_nothing_is_said_to_be_to_come_that_has_come() -> None:
    families = {family.name for family in METRICS}

    assert families.isdisjoint(METRICS_TO_COME)


def test_names_to_come_are_named_somewhere() -> None:
    everything = " ".join(PROSE.values())

    assert [name for name in METRICS_TO_COME if name not in everything] == []


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
