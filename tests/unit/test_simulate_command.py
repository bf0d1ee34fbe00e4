"""`simulate` at the command line, and the writing and pacing behind it and the demo."""

import itertools
import json
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from surge_exporter.core.simulate import Line
from surge_exporter.core.timestamps import parse_timestamp
from surge_exporter.model import HOUR, Source, UnixSeconds
from surge_exporter.runtime.writer import TelemetryWriter, pace
from tests.commandline import run, sentence
from tests.fakes import NOW, FakeClock, ScriptedWaker

MODULE = "surge_exporter.commands.simulate"


def simulate(folder: Path, *arguments: str) -> None:
    """Write telemetry of six hours around 2026-03-30 00:00 UTC, but for what the arguments say."""
    result = run(
        *("simulate", "--no-wait", "--telemetry-dir", str(folder), "--rate", "60"),
        *("--start", "2026-03-30T02:00:00Z", "--history", "4", "--duration", "2"),
        *arguments,
    )
    assert (result.exit_code, result.stdout) == (0, "")


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def times(data: bytes) -> list[UnixSeconds]:
    return [parse_timestamp(json.loads(line)["timestamp"]) for line in data.splitlines()]


def test_each_day_and_source_has_its_file_by_utc_date(tmp_path: Path) -> None:
    simulate(tmp_path)

    written = files(tmp_path)
    midnight = parse_timestamp("2026-03-30T00:00:00Z")
    assert list(written) == [
        "heartbeat/ticks_20260329.jsonl",
        "heartbeat/ticks_20260330.jsonl",
        "metrics/local_20260329.jsonl",
        "metrics/local_20260330.jsonl",
    ]
    for name, data in written.items():
        assert all((at >= midnight) is ("20260330" in name) for at in times(data))


def test_telemetry_runs_from_the_history_to_the_end_of_the_duration(tmp_path: Path) -> None:
    simulate(tmp_path)

    written = sorted(itertools.chain.from_iterable(map(times, files(tmp_path).values())))
    start = parse_timestamp("2026-03-30T02:00:00Z")
    assert written[0] == start - 4 * HOUR
    assert start + 2 * HOUR - 60 <= written[-1] < start + 2 * HOUR


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("a", "7"), ("b", "7"), ("c", "8")):
        simulate(tmp_path / name, "--seed", seed)

    assert files(tmp_path / "a") == files(tmp_path / "b") != files(tmp_path / "c")


def test_the_rate_is_in_requests_per_hour(tmp_path: Path) -> None:
    simulate(tmp_path / "slow")
    simulate(tmp_path / "fast", "--rate", "600")

    slow, fast = (
        sum(data.count(b"\n") for name, data in files(tmp_path / kind).items() if "local" in name)
        for kind in ("slow", "fast")
    )
    assert fast == pytest.approx(10 * slow, rel=0.2)


def test_what_was_there_before_is_kept(tmp_path: Path) -> None:
    simulate(tmp_path)
    before = files(tmp_path)

    simulate(tmp_path, "--start", "2026-03-30T04:00:00Z", "--history", "0")

    assert all(data.startswith(before[name]) for name, data in files(tmp_path).items())


def test_report_reads_all_that_was_written(tmp_path: Path) -> None:
    simulate(tmp_path)

    result = run("report", "--json", "--telemetry-dir", str(tmp_path))

    assert (result.exit_code, result.stderr) == (0, "")
    sources = json.loads(result.stdout)["sources"]
    lines = sum(data.count(b"\n") for data in files(tmp_path).values())
    assert sum(source["lines"] for source in sources.values()) == lines


def test_it_says_on_stderr_how_much_it_wrote(tmp_path: Path) -> None:
    result = run(
        *("simulate", "--no-wait", "--telemetry-dir", str(tmp_path)),
        *("--start", "2026-03-30", "--history", "1", "--duration", "1", "--rate", "60"),
    )

    said = re.fullmatch(r"Wrote (\d+) lines of history.\nWrote (\d+) lines.\n", result.stderr)
    assert said is not None
    assert sum(map(int, said.groups())) == sum(
        data.count(b"\n") for data in files(tmp_path).values()
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--no-wait"], "--no-wait writes a certain time: give --duration HOURS"),
        (["--start", "soon"], "--start: expected ISO 8601 or epoch seconds, got 'soon'"),
        (
            ["--no-wait", "--duration", "1", "--start", "9999-12-31T23:59:00"],
            "expected a time within the years 1 to 9999",
        ),
        (["--history", "1e9"], "expected a time within the years 1 to 9999"),
    ],
)
def test_an_impossible_time_gets_a_sentence(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    arguments = ["--history", "0", *arguments]

    result = run("simulate", "--telemetry-dir", str(tmp_path), *arguments)

    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == f"Error: {said}"
    assert result.stdout == ""


@pytest.mark.parametrize("number", ["nan", "inf", "-1", "many"])
@pytest.mark.parametrize("option", ["--rate", "--history", "--duration", "--speed"])
def test_an_impossible_number_is_refused(tmp_path: Path, option: str, number: str) -> None:
    result = run("simulate", "--telemetry-dir", str(tmp_path), option, number)

    assert result.exit_code == 2
    assert f"Invalid value for '{option}'" in result.stderr
    assert files(tmp_path) == {}


def test_a_directory_that_cannot_be_made_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")

    result = run("simulate", "--telemetry-dir", str(tmp_path / "file"))

    assert result.exit_code == 1
    assert sentence(result).startswith(f"cannot write under {tmp_path / 'file'}: ")


@pytest.fixture
def own_signals() -> Iterator[None]:
    """Put the handlers back as they were."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("own_signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_live_telemetry_keeps_to_the_clock_until_a_signal_stops_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    clock = FakeClock()
    waker = ScriptedWaker(
        [
            lambda: clock.advance(60),
            lambda: clock.advance(120),
            lambda: signal.raise_signal(number),
        ]
    )
    monkeypatch.setattr(f"{MODULE}.SystemClock", lambda: clock)
    monkeypatch.setattr(f"{MODULE}.QueueWaker", lambda: waker)

    result = run("simulate", "--telemetry-dir", str(tmp_path), "--history", "0", "--speed", "20")

    assert result.exit_code == 0
    ticks = next(data for name, data in files(tmp_path).items() if "ticks" in name)
    assert len(times(ticks)) == 60
    assert times(ticks)[-1] <= NOW + 20 * 180


def line(at: float, source: Source = Source.REQUESTS) -> Line:
    return Line(UnixSeconds(at), source, f'{{"at":{at}}}')


def lines(*offsets: float) -> list[Line]:
    return [line(NOW + offset) for offset in offsets]


def never() -> bool:
    return False


class Paced:
    """A script of seconds to let pass at each wait; told to stop when it is at its end."""

    def __init__(self, *seconds: float) -> None:
        self.stopped = False
        self.clock = FakeClock()
        steps = [self._advance(step) for step in seconds]
        self.waker = ScriptedWaker([*steps, self._stop])

    def _advance(self, seconds: float) -> Callable[[], None]:
        return lambda: self.clock.advance(seconds)

    def _stop(self) -> None:
        self.stopped = True

    def batches(self, written: Iterator[Line] | list[Line]) -> list[list[Line]]:
        """Return what came, until it was told to stop."""
        return [
            batch for batch in pace(written, self.clock, self.waker, lambda: self.stopped) if batch
        ]


def test_lines_come_when_the_clock_says_that_they_were_written() -> None:
    written = lines(-5, 0, 1, 2, 10)

    assert Paced(1, 0.5, 0.5, 8).batches(written) == [
        written[0:2],
        written[2:3],
        written[3:4],
        written[4:5],
    ]


def test_lines_that_are_due_together_come_together() -> None:
    written = lines(1, 2, 3, 9)

    assert Paced(5).batches(written) == [written[:3]]


def test_pacing_ends_with_the_lines() -> None:
    paced = Paced(1)

    assert paced.batches(lines(-1, 1)) == [lines(-1), lines(1)]
    assert not paced.stopped


def test_pacing_waits_briefly_and_only_for_what_is_to_come() -> None:
    paced = Paced(1)
    paced.batches(lines(-1, 0, 1))

    assert len(paced.waker.waited) == 1
    assert max(paced.waker.waited) <= 0.1


def test_what_was_due_before_the_stop_is_not_lost() -> None:
    clock, stopped = FakeClock(), iter([False, False, True])

    came = pace(lines(-2, -1, 0), clock, ScriptedWaker(), lambda: next(stopped, True))

    assert list(itertools.chain.from_iterable(came)) == lines(-2, -1)


def test_an_endless_past_is_written_in_batches_and_can_be_stopped() -> None:
    endless = (line(NOW - 1e6) for _ in itertools.count())
    clock, waker = FakeClock(), ScriptedWaker()
    written: list[Line] = []

    for batch in pace(endless, clock, waker, lambda: len(written) >= 5000):
        written.extend(batch)

    assert 5000 <= len(written) < 10_000
    assert waker.waited == []


def test_lines_are_on_disk_as_soon_as_they_are_written(tmp_path: Path) -> None:
    with TelemetryWriter(tmp_path) as writer:
        assert writer.write([line(NOW), line(NOW, Source.HEARTBEAT)]) == 2

        assert files(tmp_path) == {
            "heartbeat/ticks_20260329.jsonl": f'{{"at":{NOW}}}\n'.encode(),
            "metrics/local_20260329.jsonl": f'{{"at":{NOW}}}\n'.encode(),
        }
