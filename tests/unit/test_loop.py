"""The daemon's loop: who asks gets what is true now, whatever else goes on."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from surge_exporter.core.cycle import Telemetry
from surge_exporter.core.lines import MAX_LINE_BYTES
from surge_exporter.metrics import METRICS
from surge_exporter.model import (
    HOUR,
    DemandLevel,
    Dependency,
    OutOfWindow,
    RejectReason,
    Severity,
    Source,
)
from surge_exporter.runtime import questions, reloads
from surge_exporter.runtime.clock import QueueWaker
from surge_exporter.runtime.loop import POLL_SECONDS
from surge_exporter.snapshot import Snapshot
from tests.fakes import NOW, ScriptedWaker
from tests.looping import SECONDS, Rig, of, of_all, recent, requests_total, running
from tests.telemetry import request_line, tick_line


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody wait for a loop that the test does not turn."""
    monkeypatch.setattr(reloads, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(questions, "PATIENCE_SECONDS", 0.0)


@pytest.mark.usefixtures("_impatient")
def test_before_the_first_turn_there_is_no_observation(tmp_path: Path) -> None:
    rig = Rig(tmp_path, ScriptedWaker())

    snapshot = rig.loop.snapshot()

    assert (snapshot.observation, snapshot.verdict, rig.loop.ready) == (None, None, False)


def test_after_the_first_turn_there_is_an_observation(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.request()

    snapshot = rig.loop.snapshot()

    assert snapshot.at == NOW
    assert recent(snapshot) == 1
    assert snapshot.verdict
    assert rig.loop.ready


def test_without_any_telemetry_demand_is_unknown_and_no_level_is_claimed(tmp_path: Path) -> None:
    snapshot = Rig(tmp_path).scrape()
    level = next(metric for metric in METRICS if metric.name == "surge_demand_level")

    assert snapshot.observation
    assert snapshot.observation.stale
    assert dict(level.read(snapshot))[DemandLevel.UNKNOWN,] == 1.0


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("surge_source_up", {(s,) for s in Source}),
        ("surge_source_lines_total", {(s,) for s in Source}),
        ("surge_source_rejected_lines_total", {(s, r) for s in Source for r in RejectReason}),
        (
            "surge_source_out_of_window_records_total",
            {(s, o) for s in Source for o in OutOfWindow},
        ),
        ("surge_heartbeat_checks_total", {(d,) for d in Dependency}),
        ("surge_heartbeat_check_failures_total", {(d,) for d in Dependency}),
        ("surge_exporter_label_overflows_total", {("caller",), ("model",)}),
    ],
)
def test_a_fresh_exporter_shows_every_known_label_at_zero(
    tmp_path: Path, name: str, expected: set[tuple[str, ...]]
) -> None:
    metric = next(metric for metric in METRICS if metric.name == name)

    assert dict(metric.read(Rig(tmp_path).scrape())) == dict.fromkeys(expected, 0)


def test_while_history_is_being_read_readers_get_a_snapshot_without_it(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.request()
    rig.files.once("before_read", lambda: rig.clock.advance(1.0))

    assert rig.loop.snapshot().observation is None
    assert rig.loop.snapshot().observation is not None


def test_a_scrape_sees_the_lines_that_were_written_just_before_it(tmp_path: Path) -> None:
    rig = Rig(tmp_path, QueueWaker())
    seen = []

    with running(rig):
        for _ in range(50):
            rig.request()
            seen.append(recent(rig.scrape()))

    assert seen == list(range(1, 51))


def test_who_asks_after_the_reading_of_a_turn_is_answered_by_the_next(tmp_path: Path) -> None:
    asked = threading.Event()

    class TellingWaker(QueueWaker):
        def wake(self) -> None:
            super().wake()
            asked.set()

    rig = Rig(tmp_path, TellingWaker())
    late: list[Future[Snapshot]] = []

    def write_and_ask() -> None:
        if not late:
            rig.request()
            asked.clear()
            late.append(pool.submit(rig.scrape))
            asked.wait(SECONDS)

    rig.tail.polled = write_and_ask
    with ThreadPoolExecutor() as pool, running(rig):
        rig.scrape()

        assert recent(late[0].result(SECONDS)) == 1


def test_values_decay_when_traffic_stops(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.request()
    counts = [recent(rig.scrape())]

    rig.clock.advance(6 * HOUR + 60)
    counts.append(recent(rig.scrape()))

    assert counts == [1, 0]


def test_a_caller_that_vanished_from_both_windows_is_shown_no_more(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.request()
    rig.scrape()
    rig.clock.advance(12 * HOUR + 60)

    observation = rig.scrape().observation

    assert observation
    assert observation.callers == ()


def test_what_was_there_before_the_start_is_in_the_windows_and_not_in_the_counters(
    tmp_path: Path,
) -> None:
    rig = Rig(tmp_path)
    rig.write(request_line(NOW - 60), b"no json\n", ticks=[tick_line(NOW - 60)])

    snapshot = rig.scrape()

    assert recent(snapshot) == 1
    assert requests_total(snapshot) == []
    assert (snapshot.totals.ticks, snapshot.totals.prompt_characters) == (0, 0)
    assert (of(snapshot).lines, of(snapshot).read_bytes) == (0, 0)
    assert set(of(snapshot).rejected.values()) == {0}


def test_every_counter_is_zero_in_the_first_scrape_of_a_process(tmp_path: Path) -> None:
    """The process before may have ended lower: only a fall tells Prometheus of a new one."""
    rig = Rig(tmp_path)
    rig.loop.snapshot()
    rig.write(request_line(NOW), b"no json\n", ticks=[tick_line(NOW)])

    looks = [rig.scrape() for _ in range(2)]

    assert [(look.totals.ticks, of(look).lines, of(look).read_bytes > 0) for look in looks] == [
        (0, 0, False),
        (1, 2, True),
    ]
    assert [of(look).rejected[RejectReason.JSON] for look in looks] == [0, 1]


def test_a_scrape_comes_with_where_reading_stood_and_what_it_owes(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.loop.snapshot()
    rig.request()

    answers = []
    for _ in range(2):
        answers.append(rig.loop.scrape())
        rig.loop.arrived(answers[-1])
    first, second = (answer.checkpoint for answer in answers)

    assert first is not None
    assert second is not None
    (trace,) = second.traces[Source.REQUESTS]
    assert (trace.path, trace.offset) == (str(rig.requests), rig.requests.stat().st_size)
    assert [sum(s.requests for s in c.owed.series) for c in (first, second)] == [1, 0]
    assert first.owed_lines[Source.REQUESTS].lines == 1
    assert second.owed_lines == {}
    assert second.number > first.number


def test_what_a_scrape_that_came_too_late_withheld_is_withheld_by_the_next(
    tmp_path: Path,
) -> None:
    rig = Rig(tmp_path)
    rig.loop.snapshot()
    rig.write(request_line(NOW))

    late = rig.loop.scrape()
    looks = [late.snapshot, rig.scrape(), rig.scrape()]

    assert [(requests_total(look), of(look).lines) for look in looks] == [
        ([0], 0),
        ([0], 0),
        ([1], 1),
    ]


def test_a_process_pays_what_the_one_before_it_owes(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.loop.snapshot()
    rig.write(request_line(NOW), b"no json\n", ticks=[tick_line(NOW)])
    checkpoint = rig.loop.scrape().checkpoint
    rig.write(request_line(NOW))

    again = Rig(tmp_path, checkpoint=checkpoint)
    looks = [again.scrape() for _ in range(2)]

    assert [(requests_total(look), of(look).lines, look.totals.ticks) for look in looks] == [
        ([0], 0, 0),
        ([2], 3, 1),
    ]
    assert recent(looks[0]) == 2


def test_there_is_no_checkpoint_until_all_that_came_since_the_last_one_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "PATIENCE_SECONDS", 0.0)
    rig = Rig(tmp_path, ScriptedWaker())

    assert rig.loop.scrape().checkpoint is None


def test_a_second_tally_holds_history_and_what_came_later(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.write(request_line(NOW - 60), b"no json\n")
    before = rig.scrape()
    rig.request()

    after = rig.scrape()

    assert [of_all(snapshot).lines for snapshot in (before, after)] == [2, 3]
    assert [of(snapshot).lines for snapshot in (before, after)] == [0, 1]
    assert of_all(after).rejected[RejectReason.JSON] == 1
    assert of_all(after).read_bytes == rig.requests.stat().st_size


def test_while_history_is_being_read_readers_see_how_far_it_is(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.request()
    rig.files.once("before_read", lambda: rig.clock.advance(1.0))

    snapshot = rig.loop.snapshot()

    assert snapshot.observation is None
    assert of_all(snapshot).read_bytes == rig.requests.stat().st_size


def test_a_source_says_where_its_files_are_looked_for(tmp_path: Path) -> None:
    assert of(Rig(tmp_path).scrape()).patterns == (f"{tmp_path}/local_*.jsonl",)


def test_sources_without_files_are_warned_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rig = Rig(tmp_path)
    rig.request()

    for _ in range(3):
        rig.scrape()

    assert [r.message for r in caplog.records] == [
        f"found no file source=heartbeat patterns={tmp_path}/ticks_*.jsonl"
    ]


def test_what_is_written_later_is_counted(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.write(request_line(NOW - 60))
    rig.scrape()
    late, future = request_line(NOW - 13 * HOUR), request_line(NOW + HOUR)
    live = (request_line(NOW), late, future, b"no json\n", b"[]\n")
    rig.write(*live, ticks=[tick_line(NOW, gitea=False)])

    snapshot = rig.scrape()

    assert recent(snapshot) == 2
    assert of(snapshot).lines == 5
    assert of(snapshot).read_bytes == sum(map(len, live))
    assert of(snapshot).rejected[RejectReason.JSON] == 1
    assert of(snapshot).rejected[RejectReason.NOT_OBJECT] == 1
    assert of(snapshot).out_of_window == {OutOfWindow.LATE: 1, OutOfWindow.FUTURE: 1}
    assert snapshot.totals.failed_checks[Dependency.GITEA] == 1


def test_a_new_series_is_zero_in_the_first_scrape_and_has_its_count_in_the_next(
    tmp_path: Path,
) -> None:
    rig = Rig(tmp_path)
    rig.scrape()
    rig.write(*[request_line(NOW)] * 3)

    assert [requests_total(rig.scrape()) for _ in range(2)] == [[0], [3]]


def test_only_scrapes_make_a_new_series_known(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.scrape()
    rig.request()

    assert [requests_total(rig.loop.snapshot()) for _ in range(2)] == [[0], [0]]
    assert [requests_total(rig.scrape()) for _ in range(2)] == [[0], [1]]


def test_labels_that_are_idle_for_long_are_forgotten(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.scrape()
    rig.request()
    rig.scrape()

    rig.clock.advance(8 * 24 * HOUR)
    rig.loop.turn()

    assert requests_total(rig.scrape()) == []


def test_the_directories_of_telemetry_are_watched(tmp_path: Path) -> None:
    rig = Rig(tmp_path)

    rig.loop.turn()

    assert rig.watcher.watched == [str(tmp_path)]


def test_directories_are_watched_before_anybody_looks_into_them(tmp_path: Path) -> None:
    """Case 47. What is written in between is announced."""
    rig = Rig(tmp_path)
    watched: list[str] = []
    rig.files.once("after_scan", lambda: watched.extend(rig.watcher.watched))

    rig.loop.turn()

    assert watched == [str(tmp_path)]


def test_a_reload_brings_new_thresholds_and_keeps_what_was_read(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.scrape()
    rig.request()
    rig.scrape()
    key = ("demand_surge", Severity.WARNING)
    rig.tuning = replace(rig.tuning, thresholds={**rig.tuning.thresholds, key: 2.5})
    rig.clock.advance(5.0)

    assert rig.loop.reload() is None
    snapshot = rig.scrape()
    assert snapshot.tuning.thresholds[key] == 2.5
    assert requests_total(snapshot) == [1]
    assert snapshot.exporter.reload_success_at == NOW + 5.0


def test_a_reload_with_other_telemetry_settings_reads_again(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.write(request_line(NOW - 2 * HOUR), request_line(NOW - 60))
    before = recent(rig.scrape())
    rig.telemetry = Telemetry(horizon_seconds=HOUR)

    assert rig.loop.reload() is None
    snapshot = rig.scrape()
    assert (before, recent(snapshot), snapshot.horizon_seconds) == (2, 1, HOUR)
    assert snapshot.exporter.reload_successful
    assert requests_total(snapshot) == []


def test_a_reload_with_other_telemetry_settings_loses_no_line_and_no_count(
    tmp_path: Path,
) -> None:
    rig = Rig(tmp_path)
    rig.scrape()
    rig.request()
    rig.scrape()
    rig.write(request_line(NOW), b"no json\n", ticks=[tick_line(NOW)])
    rig.telemetry = Telemetry(horizon_seconds=HOUR)

    assert rig.loop.reload() is None
    rig.scrape()
    snapshot = rig.scrape()
    assert requests_total(snapshot) == [2]
    assert (of(snapshot).lines, of(snapshot).rejected[RejectReason.JSON]) == (3, 1)
    assert snapshot.totals.ticks == 1
    assert of_all(snapshot).lines == 3
    assert recent(snapshot) == 2


def test_a_reload_with_other_telemetry_settings_keeps_the_counts_of_the_tail(
    tmp_path: Path,
) -> None:
    rig = Rig(tmp_path)
    rig.request()
    rig.scrape()
    rig.tail.counts[Source.REQUESTS].read_errors = 2
    rig.tail.counts[Source.REQUESTS].rotations = 3
    rig.tail.counts[Source.REQUESTS].truncations = 4
    rig.telemetry = Telemetry(horizon_seconds=HOUR)

    rig.loop.reload()

    status = of(rig.scrape())
    assert (status.read_errors, status.rotations, status.truncations) == (2, 3, 4)


@pytest.mark.parametrize("fault", [ValueError("c.yml: windw"), RuntimeError("a bug")])
def test_a_reload_that_fails_keeps_the_old_configuration_and_says_so(
    tmp_path: Path, fault: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    rig = Rig(tmp_path)
    rig.request()
    rig.fault = fault

    assert rig.loop.reload() == str(fault)
    snapshot = rig.scrape()
    assert not snapshot.exporter.reload_successful
    assert snapshot.exporter.reload_success_at == NOW
    assert recent(snapshot) == 1
    assert f"reload failed, old configuration kept error={fault}" in caplog.text


def test_a_configuration_that_was_mended_is_loaded(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.fault = ValueError("c.yml: windw")
    rig.loop.reload()
    rig.fault = None

    assert rig.loop.reload() is None
    assert rig.scrape().exporter.reload_successful


def test_a_signal_handler_only_asks_for_a_reload(tmp_path: Path) -> None:
    rig = Rig(tmp_path, ScriptedWaker())
    rig.fault = ValueError("c.yml: windw")

    rig.loop.request_reload()

    rig.clock.advance(1.0)
    rig.fault = None
    rig.loop.turn()
    rig.loop.turn()
    with running(rig):
        assert rig.scrape().exporter.reload_success_at == NOW + 1.0


@pytest.mark.usefixtures("_impatient")
def test_a_reload_that_has_to_wait_does_not_claim_success(tmp_path: Path) -> None:
    fault = Rig(tmp_path, ScriptedWaker()).loop.reload()

    assert fault == "the exporter is busy reading; it will reload as soon as it can"


def test_a_turn_that_fails_is_logged_and_the_loop_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rig = Rig(tmp_path, QueueWaker())
    rig.files.once("after_scan", _fail)
    rig.request()

    with running(rig):
        snapshot = rig.scrape()

    assert recent(snapshot) == 1
    assert "turn failed failures=1" in caplog.text
    assert "LookupError: a bug" in caplog.text


def test_turns_that_fail_all_the_time_end_the_loop(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rig = Rig(tmp_path, ScriptedWaker())
    rig.tail.polled = _fail

    with pytest.raises(LookupError, match="a bug"):
        rig.loop.run()

    assert len([r for r in caplog.records if "turn failed" in r.message]) == 10


def test_failures_count_only_in_a_row(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig(tmp_path, ScriptedWaker())
    rig.tail.polled = _one_by_one(*[_fail] * 9, _succeed, *[_fail] * 9, rig.loop.stop)

    rig.loop.run()

    assert caplog.text.count("turn failed failures=9") == 2


def _fail() -> None:
    raise LookupError("a bug")


def _succeed() -> None:
    pass


def _one_by_one(*steps: Callable[[], None]) -> Callable[[], None]:
    """Return something that takes the next step each time it is called."""
    left = iter(steps)

    def step() -> None:
        next(left)()

    return step


def test_without_hints_the_loop_polls_every_second(tmp_path: Path) -> None:
    waker = ScriptedWaker()
    rig = Rig(tmp_path, waker)
    rig.tail.polled = _one_by_one(_succeed, _succeed, rig.loop.stop)

    rig.loop.run()

    assert waker.waited == [POLL_SECONDS] * 2


def test_stopping_ends_the_loop_and_closes_the_files(tmp_path: Path) -> None:
    rig = Rig(tmp_path, QueueWaker())
    rig.request()
    before = open_files()

    with running(rig):
        rig.scrape()

    assert open_files() == before


def test_stopping_does_not_wait_for_the_rest_of_a_long_read(tmp_path: Path) -> None:
    rig = Rig(tmp_path, ScriptedWaker())
    rig.request()
    rig.files.once("before_read", rig.loop.stop)

    rig.loop.run()

    assert not rig.loop.ready


def open_files() -> int:
    """Return how many descriptors this process holds."""
    return len(list(Path("/proc/self/fd").iterdir()))


def test_who_waits_for_an_answer_when_the_loop_stops_gets_the_last_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "PATIENCE_SECONDS", 10 * SECONDS)
    rig = Rig(tmp_path, ScriptedWaker())
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(rig.loop.snapshot)
        rig.loop.stop()
        rig.loop.run()

        assert waiting.result(SECONDS).at == NOW


def test_the_newest_rejected_lines_are_kept_newest_first_and_no_more(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.write(*(b"no json %d\n" % number for number in range(25)))
    rig.scrape()
    rig.write(ticks=[b"no tick\n"])

    newest = rig.scrape().exporter.newest_rejected

    assert [rejected.excerpt for _, rejected in newest] == [
        "no tick",
        *(f"no json {number}" for number in range(24, 15, -1)),
    ]
    assert newest[0][0] is Source.HEARTBEAT


def test_a_line_that_is_too_long_is_a_rejected_line_like_others(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.scrape()
    rig.write(b"x" * (MAX_LINE_BYTES + 1) + b"\n", request_line(NOW))

    snapshot = rig.scrape()

    assert recent(snapshot) == 1
    assert (of(snapshot).lines, of(snapshot).rejected[RejectReason.TOO_LONG]) == (2, 1)
    assert [r.reason for _, r in snapshot.exporter.newest_rejected] == [RejectReason.TOO_LONG]


def test_rejected_lines_are_warned_of_with_what_would_mend_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rig = Rig(tmp_path)
    bad = (b"no json\n", b'{"timestamp": "\x1b[2J soon", "success": true}\n')
    rig.write(*bad, ticks=[tick_line(NOW)])

    rig.scrape()

    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.message.startswith("lines rejected source=requests count=2 last_reason=json")
    assert "\x1b" not in record.message


def test_every_reader_of_many_gets_one_consistent_snapshot(tmp_path: Path) -> None:
    rig = Rig(tmp_path, QueueWaker())
    enough = threading.Event()

    def write() -> None:
        while not enough.is_set():
            rig.request()

    def read() -> list[Snapshot]:
        return [rig.scrape() for _ in range(15)]

    with ThreadPoolExecutor(9) as pool, running(rig):
        rig.scrape()
        rig.request()
        writer = pool.submit(write)
        readers = [pool.submit(read) for _ in range(8)]
        try:
            found = [reader.result(SECONDS) for reader in readers]
        finally:
            enough.set()
        writer.result(SECONDS)

    for seen in found:
        assert [recent(snapshot) for snapshot in seen] == [of(s).lines for s in seen]
        assert all(of(snapshot).lines for snapshot in seen)
        assert sorted(of(s).lines for s in seen) == [of(s).lines for s in seen]
