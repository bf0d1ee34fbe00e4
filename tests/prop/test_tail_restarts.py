"""Whenever the exporter is killed, and whatever happens meanwhile, its lives count a line once.

`SURGE_HISTORIES` says how many histories to try; a failure names the seed and the steps. What
random histories have found stands below them, in little.
"""

import errno
import os
import shutil
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from tests.fakes import NOW
from tests.histories import DESTROYS, KEEPS_ALL
from tests.lives import Lives, resume, save
from tests.tailing import HookedFiles, Tailing, append, record

HISTORIES = int(os.environ.get("SURGE_HISTORIES", "300"))
CALLS = 30  # a first poll makes fewer of a kind

pytestmark = pytest.mark.timeout(3600)


def lost(history: Lives) -> set[bytes]:
    """Return the lines that no counter has."""
    return history.must_count - set(history.counted)


def doubled(history: Lives) -> tuple[Counter[bytes], Counter[bytes]]:
    """Return the lines that the counters, or the windows of one life, have more than once."""
    return history.counted - history.expected, history.doubled


@pytest.mark.parametrize("batch", range(10))
def test_a_line_is_counted_exactly_once_however_often_the_exporter_is_killed(
    batch: int, tmp_path: Path, far: Path
) -> None:
    for seed in range(batch, HISTORIES, 10):
        history = Lives(tmp_path / str(seed), seed, far / str(seed))
        history.live(KEEPS_ALL + DESTROYS)

        assert lost(history) == set(), (seed, history.steps)
        assert doubled(history) == (Counter(), Counter()), (seed, history.steps)
        assert not history.files.held
        history.clear()


@pytest.mark.parametrize("batch", range(4))
def test_the_windows_of_the_last_life_hold_what_stands_in_files(
    batch: int, tmp_path: Path, far: Path
) -> None:
    for seed in range(batch, HISTORIES // 2, 4):
        history = Lives(tmp_path / str(seed), seed, far / str(seed))
        history.live(KEEPS_ALL)

        assert history.lacking == set(), (seed, history.steps)
        assert lost(history) == set(), (seed, history.steps)
        assert doubled(history) == (Counter(), Counter()), (seed, history.steps)
        history.clear()


@pytest.mark.parametrize("batch", range(4))
def test_a_line_counts_once_with_few_descriptors(batch: int, tmp_path: Path, far: Path) -> None:
    rotations = [name for name in KEEPS_ALL + DESTROYS if name != "delete_unfinished_line"]
    for seed in range(batch, HISTORIES // 3, 4):
        history = Lives(tmp_path / str(seed), seed, far / str(seed), most_held=2)
        history.reopens_at_once = True
        history.live(rotations)

        assert lost(history) == set(), (seed, history.steps)
        assert doubled(history) == (Counter(), Counter()), (seed, history.steps)
        history.clear()


@pytest.mark.parametrize("batch", range(4))
def test_no_line_is_uncounted_when_files_are_trimmed_as_well(
    batch: int, tmp_path: Path, far: Path
) -> None:
    """After a short absence; what began before a long one, and is not known again, is history."""
    for seed in range(batch, HISTORIES // 3, 4):
        history = Lives(tmp_path / str(seed), seed, far / str(seed))
        history.chance_of_absence = 0.0
        history.live((*KEEPS_ALL, *DESTROYS, "trim", "trim"))

        assert lost(history) == set(), (seed, history.steps)
        history.clear()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return a log of which lines 1 to 5 have been read."""
    log = tmp_path / "local_1.jsonl"
    log.touch()
    return log


def lines(*names: int | str) -> list[bytes]:
    """Return lines as they were written a moment ago."""
    return [record(name, "2026-03-29T21:04:11Z") for name in names]


def saved_life(log: Path, *read: bytes) -> bytes:
    """Live until some lines are read; return what the next life counts on from."""
    tailing = Tailing(log.parent, pattern="local_*")
    append(log, *read)
    tailing.poll()
    saved = save(tailing)
    tailing.tail.close()
    return saved


@pytest.mark.parametrize("begins", [b"{", b'{"timestamp":"2026', lines(6)[0]])
def test_an_unfinished_first_line_does_not_make_a_new_file_the_rest_of_the_old_one(
    log: Path, begins: bytes
) -> None:
    """Cut short by a crash, a file says less than was read of it; so does one just begun."""
    saved = saved_life(log, *lines(1, 2, 3, 4, 5))
    log.rename(log.with_name("local_1.jsonl.1"))
    append(log, begins, end=b"")

    tailing = resume(log.parent, saved)
    tailing.poll()
    append(log, lines(6)[0].removeprefix(begins))
    tailing.poll()

    assert tailing.live_lines == lines(6)
    tailing.assert_read_once(*lines(1, 2, 3, 4, 5, 6))


def test_a_first_line_that_every_file_has_does_not_make_a_new_file_the_rest_of_the_old_one(
    log: Path,
) -> None:
    saved = saved_life(log, b'{"log":"begins"}', *lines(1, 2))
    log.rename(log.with_name("local_1.jsonl.1"))
    append(log, b'{"log":"begins"}')

    tailing = resume(log.parent, saved)
    tailing.poll()
    append(log, *lines(3))
    tailing.poll()

    assert tailing.live_lines == [b'{"log":"begins"}', *lines(3)]


def test_a_copy_that_has_only_begun_is_not_what_is_left_of_a_file_that_is_gone(log: Path) -> None:
    saved = saved_life(log, *lines(1, 2, 3, 4, 5))
    log.unlink()
    append(log, *lines(6, 7))
    copy = log.with_name("local_1.jsonl.1")
    copy.write_bytes(log.read_bytes()[:8])

    tailing = resume(log.parent, saved)
    tailing.poll()
    copy.write_bytes(log.read_bytes())
    tailing.poll()

    tailing.assert_read_once(*lines(6, 7))


def test_two_files_at_one_path_and_of_one_length_are_both_known_again(
    log: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Records of a fixed size, rotated by size: the next file is as long as the one before."""
    tailing = Tailing(log.parent, pattern="local_*")
    append(log, *lines(1, 2))
    tailing.poll()
    outside = tmp_path_factory.mktemp("outside") / "old"
    log.rename(outside)
    append(log, *lines(3, 4))
    tailing.poll()
    saved = save(tailing)
    tailing.tail.close()
    shutil.copy(outside, log.with_name("local_1.jsonl.1"))

    tailing = resume(log.parent, saved)
    tailing.poll()

    assert tailing.live_lines == []


@pytest.mark.parametrize("step", ["before_open", "before_status", "before_read"])
def test_an_error_in_the_first_poll_of_a_life_counts_nothing_twice(log: Path, step: str) -> None:
    read, unread = lines(1, 2, 3, 4, 5), lines(6, 7, 8)
    saved = saved_life(log, *read)
    append(log, *unread)
    for calls in range(CALLS):
        files = failing_files(step, errno.EIO, calls)
        tailing = resume(log.parent, saved, files=files)
        tailing.poll()
        files.clear()
        tailing.settle()

        assert tailing.live_lines == unread, calls
        tailing.assert_read_once(*read, *unread)
        tailing.tail.close()


def test_an_old_copy_is_not_what_is_left_of_a_file_that_cannot_be_read_yet(log: Path) -> None:
    read = lines(1, 2, 3, 4, 5)
    append(log.with_name("local_1.jsonl.1"), *read[:3])
    saved = saved_life(log, *read)
    for calls in range(CALLS):
        files = failing_files("before_read", errno.EIO, calls)
        tailing = resume(log.parent, saved, files=files)
        tailing.poll()
        files.clear()
        tailing.settle()

        tailing.assert_read_once(*read)
        tailing.tail.close()


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE])
def test_who_is_killed_after_an_error_in_the_first_poll_leaves_nothing_to_be_counted_twice(
    log: Path, code: int
) -> None:
    unread = lines(6, 7, 8)
    saved = saved_life(log, *lines(1, 2, 3, 4, 5))
    append(log, *unread)
    for calls in range(CALLS):
        tailing = resume(log.parent, saved, files=failing_files("before_read", code, calls))
        tailing.poll()
        shown, saved_again = tailing.live_lines, save(tailing)
        tailing.tail.close()
        tailing = resume(log.parent, saved_again)
        tailing.settle()

        assert shown + tailing.live_lines == unread, calls
        tailing.tail.close()


def test_a_long_history_is_not_counted_if_it_cannot_be_read_at_once(log: Path) -> None:
    """One larger than a chunk, with an error amid it."""
    read = lines(*(f"{number} {'x' * 1000}" for number in range(300)))
    saved = saved_life(log, *read)
    for calls in range(CALLS):
        files = failing_files("before_read", errno.EIO, calls)
        tailing = resume(log.parent, saved, files=files)
        tailing.poll()
        files.clear()
        tailing.settle()

        assert tailing.live_lines == [], calls
        tailing.assert_read_once(*read)
        tailing.tail.close()


@pytest.mark.parametrize("begun", ["2026-03-29T21:04:11Z", "2026-03-29T20:00:00Z"])
def test_each_of_many_files_that_are_written_to_goes_on_where_it_was(
    tmp_path: Path, begun: str
) -> None:
    """A log per agent, begun a moment or an hour ago; the state is to know each of them."""
    logs = [tmp_path / f"local_{number}.jsonl" for number in range(300)]
    for log in logs:
        log.touch()
    tailing = Tailing(tmp_path, pattern="local_*")
    for log in logs:
        append(log, record(log.name, begun))
    tailing.poll()
    saved = save(tailing)
    tailing.tail.close()
    for log in logs:
        append(log, *lines(f"{log.name} again"))

    tailing = resume(tmp_path, saved, now=NOW + 10)
    tailing.poll()

    expected = Counter(line for log in logs for line in lines(f"{log.name} again"))
    assert Counter(tailing.live_lines) == expected


def failing_files(step: str, code: int, calls: int) -> HookedFiles:
    """Return files of which a step fails once, after so many calls."""
    files = HookedFiles()
    for _ in range(calls):
        files.once(step, lambda: None)
    files.fail(step, code)
    return files


def test_what_was_left_of_a_file_and_grows_into_a_copy_of_it_counts_nothing_again(
    log: Path,
) -> None:
    saved = saved_life(log, *lines(1, 2, 3, 4, 5))
    whole = log.read_bytes()
    log.unlink()
    copy = log.with_name("local_1.jsonl.1")
    copy.write_bytes(whole[: len(whole) // 2])

    tailing = resume(log.parent, saved)
    tailing.poll()
    copy.write_bytes(whole)
    append(copy, *lines(6))
    tailing.poll()

    assert tailing.live_lines == lines(6)
    tailing.assert_read_once(*lines(1, 2, 3, 4, 5, 6))


def test_a_file_copied_and_truncated_amid_the_first_poll_of_a_life_counts_once(
    tmp_path: Path,
) -> None:
    for calls in range(CALLS):
        log = tmp_path / str(calls) / "local_1.jsonl"
        log.parent.mkdir()
        log.touch()
        saved = saved_life(log, *lines(1, 2, 3, 4))
        files = HookedFiles()
        for _ in range(calls):
            files.once("before_read", lambda: None)
        files.once("before_read", partial(copy_and_truncate, log))
        tailing = resume(log.parent, saved, files=files)
        tailing.poll()
        files.clear()
        append(log, *lines(5, 6))
        tailing.settle()

        assert tailing.live_lines == lines(5, 6), calls
        tailing.tail.close()


def copy_and_truncate(log: Path) -> None:
    """Rotate as logrotate does for writers that never reopen."""
    shutil.copy(log, log.with_name("local_1.jsonl.1"))
    os.truncate(log, 0)
