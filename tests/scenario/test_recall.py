"""Weeks of history beside hours of windows: forecasts need all of it, windows wait for none."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from surge_exporter.core.cycle import Cycle, Telemetry
from surge_exporter.core.history import BUCKET_SECONDS, decode, encode
from surge_exporter.model import HOUR, Demand, Seconds, Source, UnixSeconds
from surge_exporter.runtime.recall import Recall
from tests.fakes import NOW, FakeClock
from tests.tailing import Tailing
from tests.telemetry import request_line

DAY = 24 * HOUR
START = NOW - 5 * DAY


def lines(begin: float, end: float) -> Iterator[bytes]:
    """Yield requests with a rhythm of a day."""
    at = begin
    while at < end:
        yield request_line(at, caller="a")
        at += 120 + 60 * math.sin(at / DAY * 2 * math.pi)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a log a day, the newest as old as now."""
    for day in range(5):
        path = tmp_path / f"local_{day}.jsonl"
        end = START + (day + 1) * DAY
        path.write_bytes(b"".join(lines(START + day * DAY, end)))
        os.utime(path, (end, end))
    return tmp_path


class Reader:
    """A cycle whose windows are read by one tail, and whose history by another."""

    def __init__(self, folder: Path, saved: bytes | None = None) -> None:
        self.clock = FakeClock()
        self.cycle = Cycle(Telemetry())
        self.tailing = Tailing(folder, started=False)
        until = UnixSeconds(NOW - 12 * HOUR + BUCKET_SECONDS)
        since = self.cycle.begin_recall(until, None if saved is None else decode(saved))
        self.recall: Recall | None = None
        if since is not None:
            history = Tailing(folder, window_seconds=NOW - since, started=False)
            self.recall = Recall(history.tail, self.cycle, self.clock)
        self.poll()

    def poll(self) -> None:
        """Read what is new."""
        for chunk in self.tailing.tail.poll():
            self.cycle.ingest(Source.REQUESTS, chunk.block, now=NOW, live=chunk.live)

    def demand(self) -> Demand:
        """Return demand as it is now."""
        return self.cycle.observe(NOW).demand


def all_at_once(folder: Path) -> Demand:
    """Return demand by a cycle that has read everything."""
    cycle = Cycle(Telemetry())
    for path in sorted(folder.glob("local_*")):
        cycle.ingest(Source.REQUESTS, path.read_bytes(), now=NOW, live=False)
    return cycle.observe(NOW).demand


def test_windows_are_there_before_history_and_nothing_is_forecast_from_a_part(
    folder: Path,
) -> None:
    demand = Reader(folder).demand()

    assert demand.recent.requests == all_at_once(folder).recent.requests
    assert [f.horizon_seconds for f in demand.forecasts] == [6 * HOUR]
    assert demand.forecast.history_seconds is None
    assert demand.surge_test is None


def test_what_is_recalled_makes_the_forecast_of_who_has_read_everything(folder: Path) -> None:
    reader = Reader(folder)
    assert reader.recall is not None
    reader.recall.step(Seconds(1.0))

    assert reader.recall.is_over
    assert reader.demand().forecasts == all_at_once(folder).forecasts
    assert reader.demand().surge_test == all_at_once(folder).surge_test


def test_what_is_written_meanwhile_is_counted_once(folder: Path) -> None:
    reader = Reader(folder)
    with (folder / "local_4.jsonl").open("ab") as file:
        file.write(request_line(NOW - 400) * 50)
    assert reader.recall is not None
    reader.recall.step(Seconds(1.0))
    reader.poll()

    assert reader.demand().forecasts == all_at_once(folder).forecasts


def test_a_history_that_was_saved_is_not_read_again(folder: Path) -> None:
    reader = Reader(folder)
    assert reader.recall is not None
    reader.recall.step(Seconds(1.0))
    saved = reader.cycle.saved_history(NOW)
    assert saved is not None

    again = Reader(folder, encode(saved))

    assert again.recall is None
    assert again.demand().forecasts == reader.demand().forecasts


def test_a_history_is_not_saved_before_it_is_whole(folder: Path) -> None:
    assert Reader(folder).cycle.saved_history(NOW) is None


def test_of_a_history_saved_long_ago_the_rest_is_recalled(folder: Path) -> None:
    whole = Reader(folder)
    assert whole.recall is not None
    whole.recall.step(Seconds(1.0))
    old = Cycle(Telemetry())
    for day in range(3):
        block = (folder / f"local_{day}.jsonl").read_bytes()
        old.ingest(Source.REQUESTS, block, now=UnixSeconds(START + 3 * DAY), live=False)
    saved = old.saved_history(UnixSeconds(START + 3 * DAY))
    assert saved is not None

    reader = Reader(folder, encode(saved))
    assert reader.recall is not None
    reader.recall.step(Seconds(1.0))

    assert reader.demand().forecasts == whole.demand().forecasts


def test_a_recall_that_is_given_up_closes_its_files(folder: Path) -> None:
    reader = Reader(folder)
    assert reader.recall is not None
    reader.recall.close()

    assert reader.recall.is_over
    reader.recall.step(Seconds(1.0))
    assert reader.demand().forecast.history_seconds is None


def test_a_recall_that_fails_publishes_no_half_of_a_history(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = Reader(folder)
    assert reader.recall is not None
    monkeypatch.setattr(reader.cycle, "recall", lambda *_: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        reader.recall.step(Seconds(1.0))

    assert reader.recall.is_over
    assert reader.demand().forecast.history_seconds is None
    assert reader.cycle.saved_history(NOW) is None
