"""A wall clock that jumps: windows as if nothing had happened, counters that count once.

The oracle is another exporter, started at that moment on the same files by the same clock.
"""

import os
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surge_exporter.core.cycle import Telemetry
from surge_exporter.metrics import METRICS
from surge_exporter.model import HOUR, Dependency, Observation, OutOfWindow, Source
from surge_exporter.snapshot import Snapshot
from tests.fakes import NOW
from tests.looping import Rig, of, of_all, recent, requests_total
from tests.telemetry import request_line, spread, tick_line

DAY = 24 * HOUR
REST = 60.0
"""After a jump, the next one is served so much later at the soonest."""


def windows(observation: Observation) -> Observation:
    """Return what is said of the windows; a long life knows more of what is usual."""
    return replace(
        observation,
        demand=replace(observation.demand, forecasts=(), surge_test=None),
        callers=tuple(replace(caller, surge_test=None) for caller in observation.callers),
    )


class Fleet:
    """A rig, and writers whose clocks are right though that of the exporter may not be."""

    def __init__(self, folder: Path) -> None:
        self.rig = Rig(folder)
        self.folder = folder
        self.offset = 0.0
        self.live = self.live_ticks = self.rotations = 0
        history = spread(26, NOW - 13 * HOUR, NOW)  # at half past, relative to now
        self.rig.write(
            *(request_line(at, caller=f"caller{n % 3}") for n, at in enumerate(history)),
            ticks=(tick_line(at, gitea=n % 4 > 0) for n, at in enumerate(history)),
        )
        self.rig.scrape()

    @property
    def true_now(self) -> float:
        """The time of everybody else."""
        return self.rig.clock.now() - self.offset

    def set_clock(self, offset: float) -> None:
        """Set the exporter's clock so far off the truth."""
        self.rig.clock.set_wall(self.true_now + offset)
        self.offset = offset

    def write(self, at: float, *, success: bool = True) -> None:
        """Write a request and a tick, stamped with some time; no two are the same."""
        at += self.live / 1e4
        self.rig.write(
            request_line(at, success=success, caller="live"), ticks=[tick_line(at, gitea=success)]
        )
        self.live += 1
        self.live_ticks += 1

    def rotate(self) -> None:
        """Let the writers go on in new files."""
        self.rotations += 1
        for path in (self.rig.requests, self.rig.ticks):
            path.rename(path.with_stem(f"{path.stem}_{self.rotations}"))

    def look(self) -> Snapshot:
        """Return a scrape with windows, once it may be expected to have some."""
        snapshot = self.rig.scrape()
        if snapshot.observation is None:
            self.rig.clock.advance(REST)
            snapshot = self.rig.scrape()
        return snapshot

    def assert_as_if_just_started(self) -> Observation:
        """Check the windows against those of an exporter that starts now."""
        observation = self.look().observation
        fresh = Rig(self.folder, clock=self.rig.clock)
        expected = fresh.scrape().observation
        fresh.tail.close()
        assert observation is not None
        assert expected is not None
        assert windows(observation) == windows(expected)
        return observation

    def assert_counted_once(self) -> None:
        """Check every counter of lines against what was written since the start."""
        self.look()
        snapshot = self.rig.scrape()
        assert sum(requests_total(snapshot)) == self.live
        assert of(snapshot).lines == self.live
        assert of(snapshot, Source.HEARTBEAT).lines == snapshot.totals.ticks == self.live_ticks


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


def jumps_total(snapshot: Snapshot) -> float:
    metric = next(m for m in METRICS if m.name == "surge_exporter_clock_jumps_total")
    ((_, value),) = metric.read(snapshot)
    assert isinstance(value, int)
    return value


Stamp = Callable[[Fleet], float]

STAMPS = {
    "by the right clock": lambda fleet: fleet.true_now,
    "by the wrong clock": lambda fleet: fleet.rig.clock.now(),
}


@pytest.mark.parametrize("stamp", STAMPS.values(), ids=STAMPS)
@pytest.mark.parametrize(
    "offsets",
    [(1,), (-1,), (8,), (-8,), (8, 0), (-8, 0), (1, 0), (-1, 0), (8, -8, 0), (11, 0), (-200, 0)],
    ids=str,
)
def test_after_every_jump_the_windows_are_those_of_a_fresh_start(
    fleet: Fleet, offsets: tuple[int, ...], stamp: Stamp
) -> None:
    for hours in offsets:
        fleet.write(stamp(fleet))
        fleet.set_clock(hours * HOUR)
        fleet.assert_as_if_just_started()
        fleet.write(stamp(fleet), success=False)
        fleet.assert_as_if_just_started()
        fleet.rig.clock.advance(2 * REST)
    fleet.write(stamp(fleet))

    fleet.assert_as_if_just_started()
    fleet.assert_counted_once()


def test_after_a_sleep_the_windows_are_those_of_a_fresh_start(fleet: Fleet) -> None:
    fleet.write(NOW)
    fleet.rig.clock.suspend(8 * HOUR)
    assert fleet.assert_as_if_just_started().stale
    fleet.write(NOW + 8 * HOUR)

    assert not fleet.assert_as_if_just_started().stale
    fleet.assert_counted_once()


def test_what_a_wrong_clock_dropped_is_in_the_windows_once_it_is_right(fleet: Fleet) -> None:
    before = recent(fleet.look())
    fleet.set_clock(-8 * HOUR)
    fleet.look()
    fleet.write(fleet.true_now)
    dropped = of(fleet.look())
    fleet.set_clock(0)
    fleet.rig.clock.advance(REST)

    assert dropped.out_of_window[OutOfWindow.FUTURE] == 1
    assert recent(fleet.look()) == before + 1


def test_a_clock_for_which_all_is_too_old_leaves_no_trace(fleet: Fleet) -> None:
    fleet.set_clock(13 * HOUR)
    assert recent(fleet.look()) == 0
    fleet.set_clock(0)

    fleet.assert_as_if_just_started()
    fleet.assert_counted_once()


def test_a_jump_that_nobody_saw_there_and_back_changes_nothing(fleet: Fleet) -> None:
    before = fleet.look().observation
    fleet.set_clock(8 * HOUR)
    fleet.set_clock(0)
    after = fleet.rig.scrape().observation

    assert before is not None
    assert after is not None
    assert windows(after) == windows(before)
    assert jumps_total(fleet.look()) == 0


@pytest.mark.parametrize("offset", [60.0, -60.0])
def test_a_slew_rebuilds_nothing(fleet: Fleet, offset: float) -> None:
    fleet.look()
    passed = fleet.rig.tail.counts[Source.REQUESTS].passed_bytes
    fleet.set_clock(offset)

    fleet.assert_as_if_just_started()
    assert jumps_total(fleet.look()) == 0
    assert fleet.rig.tail.counts[Source.REQUESTS].passed_bytes == passed


def test_jumps_are_counted_and_logged(fleet: Fleet, caplog: pytest.LogCaptureFixture) -> None:
    fleet.set_clock(8 * HOUR)
    fleet.look()
    fleet.look()

    assert jumps_total(fleet.look()) == 1
    assert [record.message for record in caplog.records] == [
        "clock jumped, filling the windows anew from the logs seconds=+28800 jumps=1"
    ]


def test_a_jump_warns_of_nothing_else_and_claims_no_hint_was_missed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rig = Rig(tmp_path)
    rig.request()
    rig.scrape()
    caplog.clear()
    rig.clock.suspend(HOUR)
    rig.scrape()

    assert len(caplog.records) == 1
    assert rig.watcher.grown == []


def test_a_reload_right_after_a_jump_that_went_wrong_counts_once(fleet: Fleet) -> None:
    fleet.write(NOW)
    fleet.look()
    fleet.set_clock(8 * HOUR)
    fleet.write(NOW)
    fleet.rig.files.once("before_read", _fail)
    with pytest.raises(LookupError):
        fleet.rig.loop.turn()
    fleet.rig.telemetry = Telemetry(horizon_seconds=HOUR)
    fleet.rig.loop.reload()

    fleet.assert_counted_once()


def _fail() -> None:
    raise LookupError("a bug")


def test_until_the_windows_are_filled_anew_they_are_withheld(fleet: Fleet) -> None:
    fleet.set_clock(8 * HOUR)
    fleet.rig.files.once("before_read", lambda: fleet.rig.clock.advance(1.0))

    during = fleet.rig.scrape()

    assert (during.observation, during.verdict) == (None, None)
    assert fleet.rig.scrape().observation is not None


def test_a_second_jump_waits_a_minute_with_the_windows_withheld(fleet: Fleet) -> None:
    fleet.set_clock(8 * HOUR)
    fleet.look()
    fleet.set_clock(0)
    fleet.write(NOW)

    assert fleet.rig.scrape().observation is None
    assert not fleet.rig.loop.ready
    fleet.rig.clock.advance(59)
    assert fleet.rig.scrape().observation is None
    fleet.rig.clock.advance(1)
    assert fleet.rig.scrape().observation is not None
    assert fleet.rig.loop.ready
    fleet.assert_counted_once()


def test_a_jump_in_the_midst_of_a_turn_is_shown_to_nobody(fleet: Fleet) -> None:
    fleet.look()
    fleet.write(NOW)
    fleet.rig.files.once("before_read", lambda: fleet.set_clock(8 * HOUR))

    assert fleet.rig.scrape().observation is None
    fleet.assert_as_if_just_started()
    fleet.assert_counted_once()


def test_a_clock_that_is_right_again_at_the_end_of_a_turn_leaves_no_trace(fleet: Fleet) -> None:
    fleet.look()
    fleet.write(NOW)
    fleet.rig.files.once("before_read", lambda: fleet.set_clock(13 * HOUR))
    fleet.rig.tail.polled = lambda: fleet.set_clock(0)

    fleet.rig.scrape()

    fleet.assert_as_if_just_started()
    fleet.assert_counted_once()


def test_a_clock_set_while_history_was_read_is_noticed(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.write(request_line(NOW), request_line(NOW - HOUR))
    rig.clock.set_wall(0.0)
    rig = Rig(tmp_path, clock=rig.clock)
    rig.files.once("at_end", lambda: rig.clock.set_wall(NOW))

    assert rig.scrape().observation is None
    assert recent(rig.scrape()) == 2


@pytest.mark.parametrize("days", [8, -8])
def test_a_clock_that_is_days_off_for_a_moment_makes_nobody_idle(fleet: Fleet, days: int) -> None:
    fleet.write(NOW)
    for offset in (0, 0, days * DAY, 0):
        fleet.set_clock(offset)
        fleet.look()
        fleet.rig.clock.advance(600)
        fleet.rig.loop.turn()

    assert requests_total(fleet.look()) == [1]


def test_a_clock_that_is_days_off_when_labels_are_looked_at_makes_nobody_idle(
    fleet: Fleet,
) -> None:
    fleet.write(NOW)
    fleet.look()
    fleet.look()
    fleet.rig.clock.advance(600)
    fleet.rig.tail.polled = lambda: fleet.set_clock(8 * DAY)
    fleet.rig.loop.turn()

    assert requests_total(fleet.look()) == [1]


def test_labels_are_idle_from_their_last_use_whatever_the_clock_did_since(fleet: Fleet) -> None:
    fleet.write(NOW)
    fleet.look()
    fleet.look()
    fleet.rig.clock.advance(4 * DAY)
    fleet.rig.loop.turn()
    fleet.rig.clock.suspend(30 * DAY)
    fleet.rig.loop.turn()
    assert requests_total(fleet.look()) == [1]

    fleet.rig.clock.advance(4 * DAY)
    fleet.rig.loop.turn()

    assert requests_total(fleet.look()) == []


def test_an_exporter_started_by_a_wrong_clock_is_right_once_the_clock_is(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    for wrong in (-365 * DAY, 365 * DAY):
        fleet.rig.tail.close()
        fleet.set_clock(wrong)
        fleet.rig = Rig(tmp_path, clock=fleet.rig.clock)
        fleet.rig.scrape()
        fleet.set_clock(0)

        fleet.assert_as_if_just_started()
        assert requests_total(fleet.look()) == []


def test_a_file_begun_while_the_clock_was_behind_is_live(fleet: Fleet) -> None:
    fleet.set_clock(-8 * HOUR)
    fleet.look()
    fleet.rotate()
    fleet.write(fleet.rig.clock.now())
    fleet.rig.clock.advance(REST)
    fleet.set_clock(0)

    fleet.assert_as_if_just_started()
    fleet.assert_counted_once()


def test_a_file_begun_before_a_jump_ahead_is_live(fleet: Fleet) -> None:
    fleet.rotate()
    fleet.write(NOW)
    fleet.set_clock(8 * HOUR)

    fleet.assert_as_if_just_started()
    fleet.assert_counted_once()


def test_a_file_too_old_for_a_clock_that_is_ahead_is_read_when_it_is_right(
    tmp_path: Path,
) -> None:
    fleet = Fleet(tmp_path)
    old = tmp_path / "local_old.jsonl"
    old.write_bytes(request_line(NOW - 10 * HOUR) + request_line(NOW - 7 * HOUR))
    os.utime(old, (NOW - 7 * HOUR,) * 2)
    fleet.rig = Rig(tmp_path, clock=fleet.rig.clock)
    fleet.rig.scrape()
    for offset in (8 * HOUR, 0):
        fleet.set_clock(offset)
        fleet.assert_as_if_just_started()
        fleet.rig.clock.advance(REST)

    assert requests_total(fleet.look()) == []


def test_what_was_rejected_in_history_is_counted_for_the_windows_once(fleet: Fleet) -> None:
    fleet.rig.write(b"no json\n")
    before = fleet.look()
    fleet.set_clock(HOUR)

    after = fleet.look()

    assert of_all(after).lines == of_all(before).lines
    assert of_all(after).rejected == of_all(before).rejected
    assert of(after).rejected == of(before).rejected


def test_what_counts_beside_lines_goes_on(fleet: Fleet) -> None:
    fleet.rig.tail.counts[Source.REQUESTS].rotations = 3
    fleet.write(NOW, success=False)
    fleet.look()
    fleet.set_clock(8 * HOUR)
    fleet.look()

    snapshot = fleet.look()

    assert of(snapshot).rotations == 3
    assert snapshot.totals.failed_checks[Dependency.GITEA] == 1


class Step(NamedTuple):
    """What happens next, and how much: see `play`."""

    what: str
    amount: float = 0.0


# Record times and window edges stay apart by design: jumps are whole hours, no two of which are
# twelve apart, and all happens within 25 minutes; history stands at half past.
STEPS = st.one_of(
    st.sampled_from([0, 1, -1, 8, -8]).map(lambda hours: Step("jump", hours * HOUR)),
    st.floats(-50, 50).map(lambda seconds: Step("slew", seconds)),
    st.integers(1, 55).map(lambda seconds: Step("wait", seconds)),
    st.sampled_from([Step("write right"), Step("write wrong"), Step("rotate"), Step("look")]),
)


def play(fleet: Fleet, step: Step) -> None:
    jump = round(fleet.offset / HOUR) * HOUR
    match step:
        case ("jump", offset):
            fleet.set_clock(offset)
        case ("slew", seconds):
            fleet.set_clock(jump + seconds)
        case ("wait", seconds):
            fleet.rig.clock.advance(seconds)
        case ("write right", _):
            fleet.write(fleet.true_now)
        case ("write wrong", _):
            fleet.write(fleet.rig.clock.now(), success=False)
        case ("rotate", _):  # and look: of a file nobody saw, nobody knows whose clock it had
            fleet.rotate()
            fleet.write(fleet.rig.clock.now())
            fleet.rig.scrape()
        case _:
            fleet.assert_as_if_just_started()


@settings(max_examples=150, deadline=None)
@given(steps=st.lists(STEPS, min_size=3, max_size=25))
def test_whatever_the_clock_does_windows_are_right_and_lines_count_once(
    steps: list[Step],
) -> None:
    with ExitStack() as stack:
        fleet = Fleet(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        stack.callback(fleet.rig.tail.close)
        for step in steps:
            play(fleet, step)

        fleet.assert_as_if_just_started()
        fleet.assert_counted_once()
