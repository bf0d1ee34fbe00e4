"""`replay` at the command line: what it prints, and what it says of mistakes."""

import json
import pty
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from surge_exporter.cli import main
from surge_exporter.model import HOUR
from surge_exporter.signals import SIGNALS
from tests.commandline import run, sentence
from tests.fakes import FakeClock
from tests.telemetry import NOW, request_line, spread, tick_line

MODULE = "surge_exporter.commands.replay"
DAY = 24 * HOUR
MINUTES = 240


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """Let the machine's clock be a day after the telemetry."""
    clock = FakeClock(NOW + DAY)
    monkeypatch.setattr(f"{MODULE}.SystemClock", lambda: clock)
    return clock


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an empty folder the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ticks(*, down: range = range(60, 70), minutes: int = MINUTES) -> bytes:
    """Return a tick a minute, the forge down in some of them."""
    return b"".join(tick_line(NOW + 60 * n, gitea=n not in down) for n in range(minutes))


def requests(*, failing: range = range(0)) -> bytes:
    """Return a request every other minute of each of two callers, one of which fails at times."""
    return b"".join(
        request_line(NOW + 60 * n, caller=caller, success=caller == "a" or n not in failing)
        for n in range(0, MINUTES, 2)
        for caller in ("a", "b_bot")
    )


def write(name: str, data: bytes) -> None:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def telemetry() -> None:
    """Write four hours with an outage of the forge and a failing caller."""
    write("metrics/local_20260329.jsonl", requests(failing=range(120, 150)))
    write("heartbeat/ticks_20260329.jsonl", ticks())


def replay(*arguments: str) -> Any:
    """Return the JSON of a replay with windows of an hour that nothing was wrong with."""
    result = run("replay", "--json", "--horizon", "1", *arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    return json.loads(result.stdout)


def refused(result: Result) -> str:
    """Return the sentence with which a wrong use ended."""
    assert result.exit_code == 2
    return sentence(result)


def failed(result: Result) -> str:
    """Return the sentence with which a right use ended that could not be fulfilled."""
    assert result.exit_code == 1
    return sentence(result)


def test_markdown_tells_the_timeline_what_it_adds_up_to_and_what_to_change() -> None:
    telemetry()

    result = run("replay", "--horizon", "1", "--pages-per-week", "0")

    assert (result.exit_code, result.stderr) == (0, "")
    text = result.stdout
    assert text.startswith("# 2 pages and 1 ticket in up to a week\n")
    assert "2026-03-29 19:04 to 2026-03-29 23:03 UTC, looked at every 1 min through" in text
    assert "no seasonal test in all of this time" in text
    assert (
        "| 2026-03-29 20:06 | 1 h 17 min | ticket | SurgeGiteaOutages | warning |  | 10 | 1"
        " | 3 of 60 Gitea checks failed in the last 1 h | Cache forge state"
        " | value fell to 0 |\n"
    ) in text
    assert (
        "| 2026-03-29 20:09 | 15 min | page | SurgeGiteaDown | critical |  | 540 | 300"
        " | Gitea has been down for 5 min: 6 of 60 Gitea checks failed in the last 1 h"
    ) in text
    assert "| SurgeCallerFailures | warning | b_bot | 0.5 | 0.2 |" in text
    assert (
        "| gitea_outages | SurgeGiteaOutages | warning | ticket | 1 | 1.0"
        " | 1 h 17 min | 1 h 17 min |\n"
    ) in text
    assert "| gitea_outages | warning | 1 | 1.0 | 11 | never |\n" in text
    assert "--set gitea_outages.warning=11 --set gitea_down.critical=550`" in text


def test_json_has_stable_keys() -> None:
    telemetry()

    found = replay("--pages-per-week", "0")

    assert list(found) == [
        *("start", "end", "weeks", "step_seconds", "horizon_hours", "seasonal_test_from"),
        *("pages_per_week_wished", "episodes", "summary", "suggestions"),
    ]
    assert found["episodes"][0] == {
        "signal": "gitea_outages",
        "alert": "SurgeGiteaOutages",
        "severity": "warning",
        "subject": None,
        "notice": "ticket",
        "active_since": "2026-03-29T20:04:00+00:00",
        "start": "2026-03-29T20:06:00+00:00",
        "end": "2026-03-29T21:23:00+00:00",
        "duration_seconds": 4620.0,
        "peak": 10.0,
        "threshold": 1.0,
        "evidence": "3 of 60 Gitea checks failed in the last 1 h",
        "action": "cache_forge_state",
        "action_title": "Cache forge state",
        "resolution": "fell",
        "resolved_value": 0.0,
    }
    assert [e["subject"] for e in found["episodes"]] == [None, None, "b_bot"]
    assert len(found["summary"]) == sum(
        len(signal.thresholds) for signal in SIGNALS if signal.is_in_telemetry
    )
    assert found["summary"][-6] == {
        "signal": "gitea_outages",
        "alert": "SurgeGiteaOutages",
        "severity": "warning",
        "notice": "ticket",
        "episodes": 1,
        "episodes_per_week": 1.0,
        "seconds": 4620.0,
        "seconds_per_week": 4620.0,
    }
    assert found["suggestions"][-2] == {
        "signal": "gitea_outages",
        "severity": "warning",
        "threshold": 1.0,
        "episodes_per_week": 1.0,
        "suggested_threshold": 11.0,
        "suggested_episodes_per_week": 0.0,
    }


def test_calm_telemetry_has_nothing_to_tell() -> None:
    write("heartbeat/ticks_20260329.jsonl", ticks(down=range(0)))

    text = run("replay").stdout

    assert "Nothing would have paged." in text
    assert "no threshold needs to be another" in text


def test_another_threshold_is_tried_with_set() -> None:
    telemetry()

    found = replay(
        *("--set", "gitea_outages.warning=20", "--set", "gitea_down.critical=541"),
        *("--set", "caller_failures.min_requests=99"),
    )

    assert found["episodes"] == []


def test_set_goes_before_the_configuration() -> None:
    telemetry()
    write(
        "surge.yml",
        b"signals: {gitea_outages: {warning: 20}, gitea_down: {min_failed_checks: 11}}\n",
    )

    given = ("--config.file", "surge.yml")
    configured = replay(*given)
    tried = replay(*given, "--set", "gitea_outages.warning=5")

    assert [e["signal"] for e in configured["episodes"]] == ["caller_failures"]
    assert [e["threshold"] for e in tried["episodes"]] == [5, 0.2]


def test_a_suggestion_none_would_do_is_said() -> None:
    write("metrics/local_20260329.jsonl", requests(failing=range(MINUTES)))

    text = run("replay", "--horizon", "1", "--pages-per-week", "0").stdout

    assert "| caller_failures | warning | 0.2 | 1.0 | none would do |  |\n" in text


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("nonsense", "--set: expected signal.threshold=number, like demand_surge.warning=2, got"),
        ("demand_surge.warning=high", "--set: expected signal.threshold=number, like"),
        ("=", "--set: expected signal.threshold=number, like"),
        ("traffic.warning=2", "--set: unknown setting signals.traffic; known there: demand_surge"),
        ("demand_surge.loud=2", "--set: unknown setting signals.demand_surge.loud; known there:"),
        ("demand_surge=2", "--set: unknown setting signals.demand_surge.; known there: warning"),
        ("demand_surge.warning=nan", "--set: signals.demand_surge.warning: expected a number"),
        ("demand_surge.warning=-1", "--set: signals.demand_surge.warning: expected a number"),
        ("demand_surge.warning=4", "--set: signals.demand_surge.critical: expected at least its"),
    ],
)
def test_what_cannot_be_set_is_refused(assignment: str, said: str) -> None:
    telemetry()

    assert refused(run("replay", "--set", assignment)).startswith(said)


@pytest.mark.parametrize("step", ["0", "-1", "nan", "inf", "soon", "3601"])
def test_an_impossible_step_is_refused(step: str) -> None:
    result = run("replay", "--step", step)

    assert (result.exit_code, result.stdout) == (2, "")
    assert "Invalid value for '--step'" in result.stderr


@pytest.mark.parametrize(
    ("files", "arguments", "said"),
    [
        ({}, [], "no telemetry: expected files like metrics/local_*.jsonl or heartbeat/ticks_"),
        ({}, ["--metrics", "no.jsonl"], "no such file: no.jsonl"),
        ({}, ["--config.file", "no.yml"], "no.yml: cannot be read: No such file or directory"),
    ],
)
def test_what_cannot_be_found_gets_a_sentence(
    files: Mapping[str, bytes], arguments: list[str], said: str
) -> None:
    for name, data in files.items():
        write(name, data)

    assert refused(run("replay", *arguments)).startswith(said)


def test_garbage_gets_a_sentence() -> None:
    write("metrics/local_1.jsonl", b"garbage\n")

    said = failed(run("replay"))

    assert said.startswith("no line could be read as telemetry: 1 of 1 line of metrics/local_1")


def test_empty_files_hold_nothing_to_replay() -> None:
    write("metrics/local_1.jsonl", b"")

    result = run("replay")

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines() == [
        "Note: metrics/local_1.jsonl is empty: nothing in it counts.",
        "Error: nothing to replay: expected a record, got empty files",
    ]


def test_one_record_is_a_short_replay() -> None:
    write("metrics/local_1.jsonl", request_line(NOW))

    found = replay()

    assert found["start"] == found["end"] == "2026-03-29T19:04:00+00:00"
    assert found["episodes"] == found["suggestions"] == []


def test_lines_that_are_no_telemetry_are_told_of_and_passed_over() -> None:
    write("heartbeat/ticks_1.jsonl", ticks() + b"garbage\n")

    result = run("replay")

    assert result.exit_code == 0
    assert result.stderr.startswith("Note: 1 of 241 lines of heartbeat/ticks_1.jsonl holds no")


def test_a_line_of_a_clock_that_is_wrong_does_not_stretch_the_replay() -> None:
    write("heartbeat/ticks_1.jsonl", ticks() + tick_line(NOW + 1000 * DAY))

    result = run("replay", "--json")

    assert json.loads(result.stdout)["end"] == "2026-03-29T23:03:00+00:00"
    assert result.stderr == "Note: 1 record of the future, by this machine's clock, left out.\n"


def test_telemetry_of_a_wrong_clock_alone_is_replayed_in_its_own_time(clock: FakeClock) -> None:
    clock.set_wall(NOW - 1000 * DAY)
    telemetry()

    assert [e["signal"] for e in replay()["episodes"]] == [
        "gitea_outages",
        "gitea_down",
        "caller_failures",
    ]


def test_long_work_shows_a_progress_bar_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(f"{MODULE}._SHOW_PROGRESS_FROM_STEPS", 1)
    telemetry()

    reading, writing = pty.openpty()
    with open(writing, "w", encoding="utf-8") as terminal:  # noqa: PTH123 - a descriptor
        monkeypatch.setattr(sys, "stderr", terminal)
        main(["replay", "--json"], standalone_mode=False)
        terminal.write("\nend\n")
    with open(reading, encoding="utf-8") as screen:  # noqa: PTH123
        shown = "".join(iter(screen.readline, "end\n"))

    assert "Replaying" in shown
    assert "100%" in shown
    assert json.loads(capsys.readouterr().out)["weeks"] == 1.0


@pytest.mark.parametrize(("name", "magic"), [("replay.svg", b"<?xml"), ("REPLAY.PNG", b"\x89PNG")])
def test_a_picture_is_drawn_beside_the_text(name: str, magic: bytes) -> None:
    telemetry()

    replay("--plot", name)

    assert Path(name).read_bytes().startswith(magic)


def test_the_picture_shows_demand_and_each_signal_that_alerted_once() -> None:
    telemetry()
    times = spread(300, NOW - 30 * HOUR, NOW)
    write("metrics/local_20260328.jsonl", b"".join(request_line(at) for at in times))

    replay("--plot", "replay.svg")

    drawn = Path("replay.svg").read_text(encoding="utf-8")
    for name in ("requests", "expected", "gitea_outages", "gitea_down", "caller_failures"):
        assert drawn.count(f">{name}<") == 1
    assert "heavy_batch" not in drawn


def test_a_picture_of_another_form_is_refused_before_anything_is_read() -> None:
    said = refused(run("replay", "--plot", "replay.gif"))

    assert said == "expected a file that ends in .svg or .png for --plot, got replay.gif"


def test_a_picture_without_the_library_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def without(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("surge_exporter.render.plots.import_module", without)

    said = refused(run("replay", "--plot", "replay.svg"))

    assert said == "expected matplotlib for --plot: pip install 'surge-exporter[plot]'"


def test_a_picture_that_cannot_be_written_is_a_failure() -> None:
    telemetry()

    said = failed(run("replay", "--plot", "no/replay.svg"))

    assert said == "no/replay.svg: cannot be written: No such file or directory"
