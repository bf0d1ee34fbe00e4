"""A tail that goes on where another stood: what came since is live, once, whatever happened."""

import gzip
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from surge_exporter.core.checkpoint import Checkpoint, decode, encode
from surge_exporter.model import Source, UnixSeconds
from surge_exporter.runtime import memory
from tests.fakes import NOW
from tests.snapshots import totals
from tests.tailing import HookedFiles, Tailing, append, let_time_pass, record

HOUR = 3600.0


def at(seconds: float, name: str = "") -> bytes:
    """Return a record of so many seconds after now."""
    return record(name, at=datetime.fromtimestamp(NOW + seconds, UTC).isoformat())


BEFORE = [at(-100 + n, f"before {n}") for n in range(50)]
WHILE_DOWN = [at(n, f"down {n}") for n in range(30)]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return a log that a tail has read, and will have left, by now."""
    log = tmp_path / "local_1.jsonl"
    append(log, *BEFORE[:20])
    return log


def followed(log: Path) -> Tailing:
    """Return a tail that saw the log grow."""
    tailing = Tailing(log.parent, pattern="local_*")
    append(log, *BEFORE[20:])
    tailing.poll()
    return tailing


def left(tailing: Tailing) -> Checkpoint:
    """End a tail as a kill does; return where it stood, by way of the disk."""
    checkpoint = Checkpoint(
        at=tailing.clock.now(),
        number=1,
        traces=tailing.tail.traces(),
        owed=totals(),
        owed_lines={},
    )
    tailing.tail.close()
    return decode(encode(checkpoint), tailing.clock.now())


def resumed(log: Path, checkpoint: Checkpoint, *, after: float = 60.0) -> Tailing:
    """Return a tail that goes on, once it has read all there is."""
    tailing = Tailing(log.parent, pattern="local_*", started=False)
    tailing.clock.advance(after)
    tailing.tail.resume(checkpoint.at, checkpoint.traces)
    tailing.poll()
    return tailing


def rotate(log: Path) -> None:
    append(log, *WHILE_DOWN[:10])
    log.rename(log.with_name("local_1.jsonl.1"))
    append(log, *WHILE_DOWN[10:])


def rotate_twice(log: Path) -> None:
    rotate(log)
    log.with_name("local_1.jsonl.1").rename(log.with_name("local_1.jsonl.2"))
    log.rename(log.with_name("local_1.jsonl.1"))
    log.touch()


def compress(log: Path) -> None:
    append(log, *WHILE_DOWN[:10])
    log.with_name("local_1.jsonl.gz").write_bytes(gzip.compress(log.read_bytes()))
    log.unlink()
    append(log, *WHILE_DOWN[10:])


def copy_and_truncate(log: Path) -> None:
    append(log, *WHILE_DOWN[:10])
    shutil.copy(log, log.with_name("local_1.jsonl.1"))
    os.truncate(log, 0)
    append(log, *WHILE_DOWN[10:])


def back_up(log: Path) -> None:
    shutil.copy(log, log.with_name("local_1.jsonl.bak"))
    append(log, *WHILE_DOWN)


def cut_the_beginning_off(log: Path) -> None:
    append(log, *WHILE_DOWN)
    lines = log.read_bytes().splitlines(keepends=True)
    temporary = log.with_name("temporary")
    temporary.write_bytes(b"".join(lines[10:]))
    temporary.rename(log)


def write_another(log: Path) -> None:
    append(log.with_name("local_2.jsonl"), *WHILE_DOWN)


@pytest.mark.parametrize(
    "act",
    [
        lambda log: append(log, *WHILE_DOWN),
        rotate,
        rotate_twice,
        compress,
        copy_and_truncate,
        back_up,
        cut_the_beginning_off,
        write_another,
    ],
    ids=["append", "rotate", "rotate twice", "gzip", "copytruncate", "copy", "cut", "another"],
)
def test_what_was_written_while_nobody_looked_is_live_once(
    log: Path, act: Callable[[Path], None]
) -> None:
    """Case 49. With a state file."""
    checkpoint = left(followed(log))
    act(log)
    tailing = resumed(log, checkpoint)
    append(log, at(61, "after"))
    tailing.poll()

    assert sorted(tailing.live_lines) == sorted([*WHILE_DOWN, at(61, "after")])


def test_what_was_read_before_fills_the_windows_again(log: Path) -> None:
    tailing = resumed(log, left(followed(log)))

    tailing.assert_read_once(*BEFORE)
    assert tailing.live_lines == []


def test_lines_read_after_the_checkpoint_are_read_again(log: Path) -> None:
    """No scrape has shown them."""
    tailing = followed(log)
    checkpoint = left(tailing)
    append(log, *WHILE_DOWN)

    assert resumed(log, checkpoint).live_lines == WHILE_DOWN


def test_what_was_written_long_before_the_window_is_live_all_the_same(log: Path) -> None:
    checkpoint = left(followed(log))
    append(log, *WHILE_DOWN)
    os.utime(log, (NOW + 30, NOW + 30))

    tailing = resumed(log, checkpoint, after=20 * HOUR)

    assert tailing.live_lines == WHILE_DOWN


def test_a_file_that_was_there_and_not_followed_is_history(log: Path, tmp_path: Path) -> None:
    """The patterns were widened."""
    checkpoint = left(followed(log))
    old = [at(-2 * HOUR + n, f"old {n}") for n in range(10)]
    append(tmp_path / "local_0.jsonl", *old)

    tailing = resumed(log, checkpoint)

    assert tailing.live_lines == []
    tailing.assert_read_once(*BEFORE, *old)


def test_a_file_that_lost_its_end_in_a_crash_is_read_on_from_there(log: Path) -> None:
    """The state had reached the disk before the log did."""
    checkpoint = left(followed(log))
    kept = b"".join(line + b"\n" for line in BEFORE[:40])
    log.write_bytes(kept)

    tailing = resumed(log, checkpoint)
    append(log, *WHILE_DOWN)
    tailing.poll()

    tailing.assert_read_once(*BEFORE[:40], *WHILE_DOWN)
    assert tailing.live_lines == WHILE_DOWN


def test_a_copy_on_its_way_is_not_taken_for_a_file_that_lost_its_end(log: Path) -> None:
    checkpoint = left(followed(log))
    data = log.read_bytes()
    log.with_name("local_0.jsonl").write_bytes(data[: len(data) // 2])

    tailing = resumed(log, checkpoint)
    log.with_name("local_0.jsonl").write_bytes(data)
    append(log, *WHILE_DOWN)
    tailing.poll()

    tailing.assert_read_once(*BEFORE, *WHILE_DOWN)


def test_a_long_line_that_was_being_dropped_is_dropped_to_its_end(log: Path) -> None:
    tailing = followed(log)
    append(log, b"x" * 3_000_000, end=b"")
    tailing.poll()
    checkpoint = left(tailing)
    append(log, b"x" * 1000, *WHILE_DOWN)

    tailing = resumed(log, checkpoint)

    assert tailing.live_lines == WHILE_DOWN
    assert sum(chunk.too_long for chunk in tailing.chunks if chunk.live) == 0


def test_a_second_kill_before_any_scrape_loses_nothing(log: Path) -> None:
    checkpoint = left(followed(log))
    append(log, *WHILE_DOWN[:10])
    resumed(log, checkpoint).tail.close()
    append(log, *WHILE_DOWN[10:])

    assert resumed(log, checkpoint).live_lines == WHILE_DOWN


def test_a_chain_of_restarts_counts_each_line_once(log: Path) -> None:
    checkpoint = left(followed(log))
    live = []
    for number in range(10):
        append(log, at(60 * number, str(number)))
        if number % 3 == 2:
            log.rename(log.with_name(f"local_1.jsonl.{number}"))
        tailing = resumed(log, checkpoint, after=60.0 * number)
        live += tailing.live_lines
        checkpoint = left(tailing)

    assert live == [at(60 * number, str(number)) for number in range(10)]


def test_many_old_files_do_not_make_the_state_grow_with_each_restart(tmp_path: Path) -> None:
    for number in range(20):
        path = tmp_path / f"local_{number}.jsonl"
        append(path, at(-100 * HOUR, str(number)), at(-99 * HOUR, str(number)))
        os.utime(path, (NOW - 99 * HOUR, NOW - 99 * HOUR))
    checkpoint = left(Tailing(tmp_path, pattern="local_*"))
    sizes = []
    for _ in range(5):
        checkpoint = left(resumed(tmp_path / "local_1.jsonl", checkpoint))
        sizes.append(len(checkpoint.traces[Source.REQUESTS]))

    assert sizes == [20] * 5


def test_of_many_files_those_written_last_are_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In whatever order they were met, and held or not."""
    monkeypatch.setattr(memory, "_MOST_SAVED", 256)
    for name in ("b_old", "a_new", "c_old"):
        let_time_pass(tmp_path)
        for number in range(128):
            append(tmp_path / f"local_{name}_{number}", at(number, name))
    let_time_pass(tmp_path)
    for number in range(128):
        append(tmp_path / f"local_c_old_{number}", at(number, "more"))
    tailing = Tailing(tmp_path, pattern="local_*", files=HookedFiles(most_held=300))
    remembered = left(tailing).traces[Source.REQUESTS]

    assert {Path(trace.path).name.rpartition("_")[0] for trace in remembered} == {
        "local_a_new",
        "local_c_old",
    }


def test_a_clock_that_was_ahead_when_the_state_was_saved_makes_no_history(log: Path) -> None:
    checkpoint = left(followed(log))
    ahead = Checkpoint(
        at=UnixSeconds(checkpoint.at + 8 * HOUR),
        number=1,
        traces=checkpoint.traces,
        owed=checkpoint.owed,
        owed_lines={},
    )
    rotate(log)

    assert sorted(resumed(log, ahead).live_lines) == sorted(WHILE_DOWN)
