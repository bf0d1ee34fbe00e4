"""At the start: the end of what is there is history, the rest is left alone, nothing is lost.

The numbers of cases are those of the catalogue in tests/unit/test_catalogue.py, those of
sections are of the research notes on tailing.
"""

import errno
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.fakes import NOW
from tests.tailing import HookedFiles, Tailing, append, record
from tests.telemetry import iso

HOUR = 3600.0
WINDOW = 12 * HOUR


def at(seconds: float, name: str = "") -> bytes:
    """Return a record of so many seconds after now."""
    return record(name, at=iso(NOW + seconds))


def touch(path: Path, seconds: float) -> None:
    """Set the time of modification to so many seconds after now."""
    os.utime(path, (NOW + seconds, NOW + seconds))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return a path in a folder of logs; there is no file."""
    folder = tmp_path / "logs"
    folder.mkdir()
    return folder / "local_1.jsonl"


@pytest.mark.parametrize("step", ["before_open", "after_open", "before_status", "before_read"])
@pytest.mark.parametrize("turn", range(5))
def test_a_file_that_grows_while_it_is_first_read_is_read_once(
    log: Path, step: str, turn: int
) -> None:
    """Case 47. Wherever the line comes."""
    append(log, *map(record, range(100)))
    files = HookedFiles()
    for _ in range(turn):
        files.once(step, lambda: None)
    for number in range(3):
        files.once(step, partial(append, log, record(f"late {number}")))
    tailing = Tailing(log.parent, files=files)
    tailing.poll()
    tailing.poll()

    late = [record(f"late {n}") for n in range(3 - files.pending)]
    tailing.assert_read_once(*map(record, range(100)), *late)


def test_a_file_that_appears_while_others_are_read_is_live(log: Path) -> None:
    """Case 47."""
    append(log, at(-1))
    files = HookedFiles()
    files.once("at_end", lambda: append(log.with_name("local_2.jsonl"), at(0)))
    tailing = Tailing(log.parent, files=files)
    tailing.poll()

    tailing.assert_read_once(at(-1), at(0))
    assert tailing.live_lines == [at(0)]


def test_the_unfinished_line_at_the_start_is_live_once_it_is_finished(log: Path) -> None:
    """Case 47."""
    append(log, record(1), end=b"\n")
    append(log, record(2)[:30], end=b"")
    tailing = Tailing(log.parent)
    append(log, record(2)[30:])
    tailing.poll()

    assert tailing.lines == [record(1), record(2)]
    assert tailing.live_lines == [record(2)]


def test_a_restart_reads_what_the_first_run_read(log: Path) -> None:
    """Case 49. Copies and rotated files are told apart without having seen it happen."""
    tailing = Tailing(log.parent, pattern="local_*")
    for number in range(40):
        append(log, record(number))
        if number % 7 == 0:
            tailing.poll()
        if number % 10 == 3:
            shutil.copy(log, log.with_name(f"local_1.jsonl.copy{number}"))
        if number % 10 == 9:
            log.rename(log.with_name(f"local_1.jsonl.{number}"))
    tailing.poll()
    again = Tailing(log.parent, pattern="local_*")

    tailing.assert_read_once(*map(record, range(40)))
    again.assert_read_once(*map(record, range(40)))
    assert again.live_lines == []


def test_files_are_read_by_their_time_of_modification_the_newest_first(log: Path) -> None:
    """Section 7.1."""
    for name, seconds in (("local_1", -50), ("local_2", -10), ("local_3", -90), ("a", -10)):
        path = log.with_name(f"{name}.jsonl")
        append(path, at(seconds, name))
        touch(path, seconds)
    tailing = Tailing(log.parent, pattern="*.jsonl")

    assert tailing.lines == [
        at(-10, "a"),
        at(-10, "local_2"),
        at(-50, "local_1"),
        at(-90, "local_3"),
    ]


def test_a_long_file_is_read_from_where_the_window_begins(log: Path) -> None:
    """Section 7.2."""
    lines = [at(-20 * WINDOW + n * 20 * WINDOW / 100_000, str(n)) for n in range(100_000)]
    append(log, *lines)
    files = HookedFiles()
    tailing = Tailing(log.parent, files=files)

    assert tailing.lines[-5000:] == lines[-5000:]
    assert len(tailing.lines) < 6500
    assert files.read_bytes < log.stat().st_size / 10
    assert tailing.counts.full_scans == 0


@pytest.mark.parametrize("layout", ["a file a day", "one file"])
def test_of_a_long_history_little_is_read_but_the_window(log: Path, layout: str) -> None:
    """Section 7: whatever the files are, the rest costs a few looks."""
    lines: list[bytes] = []
    for day in range(30):
        start = (day - 30) * 24 * HOUR
        lines = [record("x", at=iso(NOW + start + n * 86.4), size=900) for n in range(1000)]
        path = log.with_name(f"local_{day}.jsonl") if layout == "a file a day" else log
        append(path, *lines)
        touch(path, start + 24 * HOUR)
    files = HookedFiles()
    tailing = Tailing(log.parent, files=files)
    window = sum(map(len, lines[500:]))
    history = sum(path.stat().st_size for path in log.parent.iterdir())

    assert tailing.lines[-500:] == lines[500:]
    assert files.read_bytes < window + history / 20
    assert tailing.counts.full_scans == 0


def test_lines_in_great_disorder_are_found_and_the_file_is_read_from_its_beginning(
    log: Path,
) -> None:
    """Section 7.3. What bisection assumes is checked, and if it is wrong, not relied on."""
    old = [at(-20 * WINDOW + n, f"old {n}") for n in range(30_000)]
    new = [at(-WINDOW / 2 + n / 10, f"new {n}") for n in range(3000)]
    append(log, *old[:10_000], *new, *old[10_000:])
    tailing = Tailing(log.parent)

    assert set(new) <= set(tailing.lines)
    assert tailing.counts.full_scans == 1


@pytest.mark.parametrize("is_old", [True, False])
@pytest.mark.parametrize("size", [0, 10_000, 1_000_000])
def test_a_file_is_skipped_only_if_its_last_lines_are_as_old_as_it_says(
    log: Path, size: int, *, is_old: bool
) -> None:
    """Section 7.1. `touch -d` is the one lie a modification time tells."""
    lines = [at(-2 * WINDOW), at(-2 * WINDOW + 1 if is_old else -60, "x" * size)]
    append(log, *lines, end=b"\n")
    append(log, b'{"unfinished', end=b"")
    touch(log, -3 * WINDOW)
    tailing = Tailing(log.parent)

    assert tailing.lines == ([] if is_old else lines)
    assert tailing.live_lines == []


def test_an_old_file_that_could_not_be_looked_into_is_history(log: Path) -> None:
    """Case 50. And section 7.1."""
    append(log, at(-2 * WINDOW))
    touch(log, -2 * WINDOW)
    files = HookedFiles()
    files.fail("before_read", errno.EIO)
    tailing = Tailing(log.parent, files=files)
    append(log, at(0))
    tailing.poll(after=2)

    assert tailing.live_lines == [at(0)]


@pytest.mark.parametrize("size", [0, 1, 100, 5000, 70_000, 3_000_000])
def test_a_skipped_file_that_grows_is_read_from_where_it_ended(log: Path, size: int) -> None:
    """Section 7.1, whatever stands at its end."""
    append(log, at(-2 * WINDOW, "x" * size))
    append(log, at(-2 * WINDOW), end=b"")
    touch(log, -2 * WINDOW)
    tailing = Tailing(log.parent)
    append(log, "", at(0))
    tailing.poll()

    assert tailing.lines == [at(-2 * WINDOW), at(0)]
    assert tailing.live_lines == tailing.lines


def test_a_skipped_file_that_ends_in_a_line_too_long_is_read_behind_it(log: Path) -> None:
    """Case 8. And section 7.1."""
    append(log, at(-2 * WINDOW), b"x" * 5_000_000, end=b"\n")
    os.truncate(log, log.stat().st_size - 1)
    touch(log, -2 * WINDOW)
    tailing = Tailing(log.parent)
    append(log, "y", at(0))
    tailing.poll()

    assert tailing.lines == [at(0)]


def _rename(log: Path) -> Path:
    return log.rename(log.with_name("local_2.jsonl"))


def _copy(log: Path) -> Path:
    return Path(shutil.copy(log, log.with_name("local_2.jsonl")))


def _copy_back(log: Path) -> Path:
    log.rename(log.with_name("away"))
    return Path(shutil.copy(log.with_name("away"), log))


def _truncate(log: Path) -> Path:
    shutil.copy(log, log.with_name("local_2.jsonl"))
    log.write_bytes(b"")
    return log


@pytest.mark.parametrize("happens", [_rename, _copy, _copy_back, _truncate])
def test_a_skipped_file_is_no_news_whatever_happens_to_it(
    log: Path, happens: Callable[[Path], Path]
) -> None:
    """Section 7.1."""
    append(log, *(at(-2 * WINDOW + n) for n in range(1000)))
    touch(log, -2 * WINDOW)
    tailing = Tailing(log.parent)
    where = happens(log)
    tailing.settle()
    append(where, at(0))
    tailing.poll()

    assert tailing.lines == [at(0)]


def test_a_file_that_comes_later_with_old_lines_is_history(log: Path) -> None:
    """A directory mounted late, a backup restored: windows take it, counters do not."""
    tailing = Tailing(log.parent)
    away = log.parent / "away"
    append(away, *(at(-20 * WINDOW + n * WINDOW / 1000) for n in range(20_000)))
    away.rename(log)
    append(log.with_name("local_2.jsonl"), at(0, "news"))
    tailing.poll()
    append(log, at(0, "more news"))
    tailing.poll()

    assert tailing.live_lines == [at(0, "news"), at(0, "more news")]
    assert 1000 < len(tailing.lines) < 3000


def test_an_old_file_that_comes_later_is_left_alone(log: Path) -> None:
    """What nobody would have read at the start, nobody reads later."""
    tailing = Tailing(log.parent)
    away = log.parent / "away"
    append(away, *(at(-2 * WINDOW + n) for n in range(1000)))
    touch(away, -2 * WINDOW)
    away.rename(log)
    tailing.poll()

    assert tailing.lines == []
    assert (tailing.tail.history_before or NOW) < NOW - WINDOW


def test_a_thousand_old_files_are_skipped_without_being_held(tmp_path: Path) -> None:
    """Section 7.1. Two small reads for each, and none at all by the polls that follow."""
    for number in range(1000):
        path = tmp_path / f"local_{number}.jsonl"
        append(path, at(-2 * WINDOW))
        touch(path, -2 * WINDOW)
    files = HookedFiles()
    tailing = Tailing(tmp_path, files=files)
    before = files.read_bytes
    tailing.poll()

    assert tailing.counts.files == 1000
    assert not files.held
    assert files.read_bytes == before
