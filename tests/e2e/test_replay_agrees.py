"""`replay` tells of the same episodes as Prometheus with the shipped rules would have.

Both get the same three and a half days of a simulated fleet. `replay` reads the files, as a user
runs it. Prometheus gets what the exporter would have shown each minute, and evaluates the rules.
"""

import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from pathlib import Path

import pytest

from surge_exporter import config as configuration
from surge_exporter.core.cycle import Cycle
from surge_exporter.core.scenario import EpisodeKind, Scenario, episode_at
from surge_exporter.core.simulate import FAILING_CALLER, Line, telemetry
from surge_exporter.model import HOUR, Source, Tuning, UnixSeconds
from surge_exporter.render.rules import ALERTS_FILE, rule_files
from surge_exporter.rules.catalogue import alerts
from surge_exporter.rules.choices import Choices
from surge_exporter.rules.scope import alert_name
from surge_exporter.runtime.writer import TelemetryWriter
from surge_exporter.signals import SIGNALS, surge_factors
from surge_exporter.web.exposition import SnapshotCollector
from tests.promtool import History, Labels, Series, firing
from tests.snapshots import snapshot

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(180),
    pytest.mark.xdist_group("replay_agrees"),  # one process, or the fixture would run in each
]

START = UnixSeconds(1_774_224_000.0)
"""2026-03-23T00:00:00Z."""
HOURS = 84
STEP_SECONDS = 60
TOLERANCE_SECONDS = 2 * STEP_SECONDS

TROUBLES = (
    (EpisodeKind.FAILING_CALLER, 28.0, 2.0, 0.9),
    (EpisodeKind.GITEA_OUTAGE, 36.0, 0.75, 1.0),
    (EpisodeKind.INFERENCE_FAILURES, 40.0, 1.0, 0.6),
    (EpisodeKind.INFERENCE_FAILURES, 50.0, 0.5, 1.0),
    (EpisodeKind.BATCH_JOB, 54.0, 3.0, 0.6),
    (EpisodeKind.GITEA_OUTAGE, 60.0, 1.0, 1.0),
    (EpisodeKind.SURGE, 66.0, 2.0, 5.0),
    (EpisodeKind.GITEA_OUTAGE, 76.0, 1.0, 0.5),
)
"""Hours after `START`, hours long, magnitude."""
SILENCE_HOURS = (60.3, 60.8)
"""Nothing is logged, during an outage: what is known of it ends, and begins again."""

CONFIG = """\
capacity_requests_per_second: 0.11
signals:
  forecast_error:
    min_history_days: 1
"""
"""So that rows alert, too, which would not in so few days."""


@dataclass(frozen=True, slots=True, order=True)
class Fired:
    """An alert from its firing until it was over; times in seconds after `START`."""

    alert: str
    severity: str
    subject: str
    start: float
    end: float | None
    """None if it fires still at the end of the history."""

    def agrees(self, other: "Fired") -> bool:
        """Say whether both are the same episode."""
        if (self.end is None) != (other.end is None):
            return False
        times = ((self.start, other.start), (self.end or 0, other.end or 0))
        return self.what == other.what and all(abs(a - b) <= TOLERANCE_SECONDS for a, b in times)

    @property
    def what(self) -> tuple[str, str, str]:
        """What alerts, in which severity and of whom."""
        return self.alert, self.severity, self.subject


def history() -> list[Line]:
    """Return what the fleet logged."""
    scenario = Scenario(
        start=START,
        requests_per_hour=300,
        rhythm=0.5,
        episodes=tuple(episode_at(*trouble) for trouble in TROUBLES),
    )
    stop = UnixSeconds(START + HOURS * HOUR)
    silent_from, silent_until = (START + hours * HOUR for hours in SILENCE_HOURS)
    lines = telemetry(scenario, seed=5, start=START, stop=stop)
    return [line for line in lines if not silent_from < line.at < silent_until]


def replayed(folder: Path, lines: Sequence[Line]) -> list[Fired]:
    """Return what `surge-exporter replay` says of the lines."""
    with TelemetryWriter(folder) as writer:
        writer.write(lines)
    config = folder / "surge.yml"
    config.write_text(CONFIG)
    command = [
        *(sys.executable, "-m", "surge_exporter", "replay", "--json"),
        *("--step", str(STEP_SECONDS), "--config.file", str(config)),
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return [
        Fired(
            alert=episode["alert"],
            severity=episode["severity"],
            subject=episode["subject"] or "",
            start=_seconds(episode["start"]),
            end=None if episode["end"] is None else _seconds(episode["end"]),
        )
        for episode in json.loads(done.stdout)["episodes"]
    ]


def _seconds(time: str) -> float:
    return datetime.fromisoformat(time).timestamp() - START


def evaluated(folder: Path, lines: Sequence[Line]) -> list[Fired]:
    """Return what Prometheus makes of the exporter's metrics, scraped each minute."""
    config = folder / "surge.yml"
    config.write_text(CONFIG)
    shown = scraped(lines, configuration.load(config))
    return list(episodes(firing(folder, rule_files(Choices())[ALERTS_FILE], shown)))


def scraped(lines: Sequence[Line], config: configuration.Config) -> History:
    """Return the samples of all families that the signals' alerts read."""
    tuning = configuration.tuning(config)
    cycle = Cycle(configuration.telemetry(config))
    cycle.set_surge_factors(**surge_factors(tuning))
    read = _families()
    minutes = HOURS * 60 + 1
    found: dict[Series, list[float | None]] = defaultdict(lambda: [None] * minutes)
    begin = 0
    for minute in range(minutes):
        now = UnixSeconds(START + minute * STEP_SECONDS)
        end = begin
        while end < len(lines) and lines[end].at <= now:
            end += 1
        for source in Source:
            block = "".join(f"{line.text}\n" for line in lines[begin:end] if line.source is source)
            if block:
                cycle.ingest(source, block.encode(), now=now, live=True)
        begin = end
        for series, value in _scrape(cycle, now, tuning, read):
            found[series][minute] = value
    return found


def _families() -> set[str]:
    """Which metrics the signals' alerts read; what else a scrape holds would take its time."""
    (signals,) = (group for group in alerts(Choices()) if group.name == "surge-signals")
    return {name for alert in signals.rules for name in re.findall(r"\bsurge_\w+", alert.expr)}


def _scrape(
    cycle: Cycle, now: UnixSeconds, tuning: Tuning, names: set[str]
) -> Iterator[tuple[Series, float]]:
    shown = snapshot(at=now, observation=cycle.observe(now), tuning=tuning)
    for family in SnapshotCollector(lambda: shown).collect():
        for sample in family.samples:
            if sample.name in names:
                labels = {**sample.labels, "job": "surge", "instance": "fleet:10074"}
                yield (sample.name, frozenset(labels.items())), sample.value


def episodes(fires: Iterable[Sequence[Labels]]) -> Iterator[Fired]:
    """Yield from when to when each alert fired, given which did at each minute."""
    since: dict[tuple[str, str, str], float] = {}
    at = 0.0
    for minute, found in enumerate(fires):
        at = float(minute * STEP_SECONDS)
        now = {_what(labels) for labels in found}
        assert len(now) == len(found), "two alerts are of one subject"
        for what in since.keys() - now:
            yield Fired(*what, start=since.pop(what), end=at)
        for what in now - since.keys():
            since[what] = at
    for what, start in since.items():
        yield Fired(*what, start=start, end=None)


def _what(labels: Labels) -> tuple[str, str, str]:
    subject = labels.get("caller", labels.get("horizon", ""))
    return labels["alertname"], labels["severity"], subject


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Fired], list[Fired]]:
    """What `replay` says, and what Prometheus does."""
    lines = history()
    return (
        replayed(tmp_path_factory.mktemp("replay"), lines),
        evaluated(tmp_path_factory.mktemp("promtool"), lines),
    )


def test_replay_and_prometheus_name_the_same_episodes(
    both: tuple[list[Fired], list[Fired]],
) -> None:
    told, fired = (sorted(episodes, key=attrgetter("what", "start")) for episodes in both)

    assert [episode.what for episode in told] == [episode.what for episode in fired]
    assert [pair for pair in zip(told, fired, strict=True) if not pair[0].agrees(pair[1])] == []


def test_every_row_that_telemetry_tells_of_alerts_in_the_history(
    both: tuple[list[Fired], list[Fired]],
) -> None:
    told, _ = both
    found = {(episode.alert, episode.severity) for episode in told}

    assert found == {
        (alert_name(signal), severity)
        for signal in SIGNALS
        for severity in signal.thresholds
        if signal.is_in_telemetry
    }


def test_an_alert_is_of_whom_it_is_about(both: tuple[list[Fired], list[Fired]]) -> None:
    told, _ = both
    subjects: dict[str, set[str]] = defaultdict(set)
    for episode in told:
        subjects[episode.alert].add(episode.subject)

    assert subjects["SurgeCallerFailures"] == {FAILING_CALLER}
    assert subjects["SurgeForecastError"] <= {"1h", "6h", "24h"}
