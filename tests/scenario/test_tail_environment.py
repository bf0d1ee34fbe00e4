"""Whatever the machine does: nothing is lost, nothing comes twice, and errors are counted.

The numbers of cases are those of the catalogue in tests/unit/test_catalogue.py.
"""

import errno
import logging
import os
import resource
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from surge_exporter.core.lines import MAX_LINE_BYTES
from surge_exporter.runtime.filesystem import Listing, OsFileSystem, Stamp, Status
from tests.tailing import STEPS, HookedFiles, Tailing, append, let_time_pass, record


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return the path of a file in a folder of logs, there and empty."""
    folder = tmp_path / "logs"
    folder.mkdir()
    path = folder / "local_1.jsonl"
    path.touch()
    return path


class FewDescriptors(HookedFiles):
    """A kernel that gives out no more than so many descriptors, listings included."""

    def __init__(self, most: int, wanted: int) -> None:
        """Take how many there are, and how many the tailer thinks it may hold."""
        super().__init__(most_held=wanted)
        self.most = most

    def scan(self, pattern: str) -> Listing:
        """List, if there is a descriptor for it."""
        if len(self.held) >= self.most:
            return Listing([], [OSError(errno.EMFILE, "Too many open files")])
        return super().scan(pattern)

    def open(self, path: str) -> int:
        """Open, if there is a descriptor for it."""
        if len(self.held) >= self.most:
            raise OSError(errno.EMFILE, "Too many open files")
        return super().open(path)


class LaggingFiles(HookedFiles):
    """A server whose answers are as of some moments ago, like those of NFS."""

    def __init__(self) -> None:
        """Begin up to date."""
        super().__init__()
        self.size: int | None = None

    def status(self, descriptor: int) -> Status:
        """Return an old size."""
        status = super().status(descriptor)
        size = status.stamp.size if self.size is None else min(status.stamp.size, self.size)
        return status._replace(stamp=Stamp(size, status.stamp.changed_ns))

    def read(self, descriptor: int, size: int, offset: int) -> bytes:
        """Read up to the old size."""
        if self.size is not None:
            size = max(0, min(size, self.size - offset))
        return super().read(descriptor, size, offset)


@contextmanager
def most_descriptors(soft: int) -> Iterator[None]:
    """Set what the process may have open."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_what_is_no_regular_file_is_left_alone(log: Path) -> None:
    """Case 35. To open a FIFO would wait for its writer, to read a device for ever."""
    folder = log.parent
    os.mkfifo(folder / "local_fifo.jsonl")
    (folder / "local_folder.jsonl").mkdir()
    (folder / "local_zero.jsonl").symlink_to("/dev/zero")
    (folder / "local_nothing.jsonl").symlink_to("nothing")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(folder / "local_socket.jsonl"))
        files = HookedFiles()
        tailing = Tailing(folder, files=files)
        append(log, record(1))
        tailing.poll()

    tailing.assert_read_once(record(1))
    assert files.opened == [str(log)]
    assert tailing.counts.read_errors == 0


@pytest.mark.parametrize("step", ["after_scan", "before_open"])
def test_a_file_replaced_by_a_fifo_before_it_is_opened_stops_nobody(log: Path, step: str) -> None:
    """Case 35."""
    files = HookedFiles()
    tailing = Tailing(log.parent, files=files)
    new = log.with_name("local_0.jsonl")
    append(new, record(0))
    append(log, record(1))

    def replace() -> None:
        new.unlink()
        os.mkfifo(new)

    files.once(step, replace)
    tailing.poll()

    assert not files.pending
    tailing.assert_read_once(record(1))
    assert len(files.held) == 1


def test_a_directory_may_come_later(tmp_path: Path) -> None:
    """Case 37."""
    folder = tmp_path / "some" / "logs"
    tailing = Tailing(folder)
    assert tailing.counts.files == 0
    folder.mkdir(parents=True)
    append(folder / "local_1.jsonl", record(1))
    tailing.poll()

    tailing.assert_read_once(record(1))
    assert tailing.counts.read_errors == 0


def test_a_directory_may_be_replaced(log: Path) -> None:
    """Case 38. Files of the old one are read to their end."""
    tailing = Tailing(log.parent)
    with log.open("ab", buffering=0) as writer:
        log.parent.rename(log.parent.with_name("old"))
        writer.write(record("late") + b"\n")
        tailing.poll()
        log.parent.mkdir()
        append(log, record("new"))
        writer.write(record("later") + b"\n")
        tailing.poll()
        shutil.rmtree(log.parent)
        writer.write(record("latest") + b"\n")
        tailing.poll()

    tailing.assert_read_once(*map(record, ["late", "new", "later", "latest"]))


def test_a_directory_gone_for_long_comes_back_as_it_was(log: Path) -> None:
    """Case 38. A server was away for an hour: nothing in it is news."""
    others = [log.with_name(f"local_{n}.jsonl") for n in range(2, 30)]
    for path in (log, *others):
        append(path, record(path.name))
    tailing = Tailing(log.parent)
    away = log.parent.rename(log.parent.with_name("away"))
    tailing.settle()
    assert tailing.counts.files == 0
    away.rename(log.parent)
    append(log, record("news"))

    assert tailing.poll() == [record("news")]
    assert tailing.counts.files == 29


def test_a_file_that_may_not_be_read_is_read_once_it_may(
    log: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Case 39. Each attempt is counted, each change logged."""
    files = HookedFiles()
    tailing = Tailing(log.parent, files=files)
    append(log.with_name("local_0.jsonl"), record(0))
    append(log, record(1))
    files.fail("before_open", errno.EACCES, times=5)
    with caplog.at_level(logging.INFO):
        for _ in range(7):
            tailing.poll()

    tailing.assert_read_once(record(0), record(1))
    assert tailing.counts.read_errors == 5
    assert [entry.levelname for entry in caplog.records] == ["WARNING", "INFO"]


def test_what_could_not_be_read_at_the_start_is_still_history(log: Path) -> None:
    """Case 39. What is written after the start is news."""
    append(log, record("history"))
    files = HookedFiles()
    files.fail("before_open", errno.EACCES)
    tailing = Tailing(log.parent, files=files)
    append(log, record("news"))
    tailing.poll()

    tailing.assert_read_once(record("history"), record("news"))
    assert tailing.live_lines == [record("news")]


def test_a_directory_that_cannot_be_listed_is_no_empty_one(log: Path) -> None:
    """Case 39. Files that were closed are not forgotten, those held not given up."""
    append(log, record(1))
    old = log.with_name("local_0.jsonl")
    append(old, record(0))
    os.utime(old, (0, 0))
    files = HookedFiles()
    tailing = Tailing(log.parent, files=files, window_seconds=-1e9)
    for _ in range(5):
        files.fail("after_scan", errno.EACCES)
        tailing.poll(after=100)
    append(log, record(2))
    append(old, record(3))
    tailing.poll()

    assert tailing.live_lines == [record(3), record(2)]
    assert tailing.counts.read_errors == 5


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_directory_that_may_not_be_listed_counts_as_an_error(log: Path) -> None:
    """Case 39. With the real thing."""
    tailing = Tailing(log.parent)
    log.parent.chmod(0)
    tailing.poll()
    log.parent.chmod(0o755)
    append(log, record(1))
    tailing.poll()

    tailing.assert_read_once(record(1))
    assert tailing.counts.read_errors == 1


@pytest.mark.parametrize(("most", "wanted"), [(5, 1000), (1000, 4), (4, 4), (2, 1)])
def test_more_files_than_descriptors_are_read_all_the_same(
    tmp_path: Path, most: int, wanted: int
) -> None:
    """Case 42. Whether the tailer knows how many it may hold or runs into it."""
    files = FewDescriptors(most, wanted)
    tailing = Tailing(tmp_path, files=files)
    paths = [tmp_path / f"local_{n}.jsonl" for n in range(12)]
    expected = []
    for number in range(60):
        path = paths[number * number % len(paths)]
        expected.append(record(number))
        append(path, expected[-1])
        if number % 3 == 0:
            tailing.poll(after=1)
    for _ in range(3):
        tailing.poll()

    tailing.assert_read_once(*expected)
    assert tailing.counts.files == len({number * number % 12 for number in range(60)})
    assert len(files.held) <= min(most, wanted)


def test_empty_files_are_not_held_for_want_of_descriptors(tmp_path: Path) -> None:
    """Case 42."""
    files = HookedFiles(most_held=3)
    paths = [tmp_path / f"local_{n}.jsonl" for n in range(10)]
    for path in paths:
        path.touch()
    tailing = Tailing(tmp_path, files=files)
    assert len(files.held) <= 3
    for path in paths:
        append(path, record(path.name))
    tailing.poll()

    tailing.assert_read_once(*(record(path.name) for path in paths))


def test_of_more_files_than_descriptors_those_written_last_stay_open(tmp_path: Path) -> None:
    """Case 42. They are the ones to go on, or to be gone before the next look."""
    files = HookedFiles(most_held=4)
    paths = [tmp_path / f"local_{n}.jsonl" for n in range(12)]
    for path in paths:
        append(path, record(path.name))
        let_time_pass(tmp_path)
    tailing = Tailing(tmp_path, files=files)
    before = len(files.opened)
    for path in paths[-3:]:  # the fourth that is held is the one opened last
        append(path, record(f"more of {path.name}"))
    tailing.poll()

    assert len(files.opened) == before == len(paths)
    assert tailing.live_lines == [record(f"more of {path.name}") for path in reversed(paths[-3:])]


def test_to_close_a_file_for_want_of_descriptors_is_no_look_at_all_of_them(
    tmp_path: Path,
) -> None:
    """Case 42. Or the time for many files would grow with their square."""
    files = HookedFiles(most_held=64)
    for number in range(400):
        append(tmp_path / f"local_{number}.jsonl", record(number))
    tailing = Tailing(tmp_path, files=files)

    tailing.assert_read_once(*map(record, range(400)))
    assert len(files.held) <= 64
    assert files.looks < 400 * 8


def test_a_file_closed_for_want_of_descriptors_may_be_rotated_and_rewritten(
    tmp_path: Path,
) -> None:
    """Case 42. It is known again by its content."""
    files = FewDescriptors(3, 2)
    tailing = Tailing(tmp_path, pattern="local_*", files=files)
    log = tmp_path / "local_1.jsonl"
    expected = []
    for number in range(40):
        append(tmp_path / f"local_other{number % 4}", record(f"other{number}"))
        append(log, record(number))
        expected += [record(f"other{number}"), record(number)]
        tailing.poll(after=1)
        if number % 4 == 0:
            shutil.copy(log, tmp_path / f"local_copy{number}")
            log.write_bytes(b"")
        elif number % 4 == 2:
            log.rename(tmp_path / f"local_old{number}")
        tailing.poll(after=1)

    tailing.assert_read_once(*expected)


def test_a_real_lack_of_descriptors_loses_nothing(tmp_path: Path) -> None:
    """Case 42. With the real thing."""
    tailing = Tailing(tmp_path)
    expected = []
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))  # noqa: PTH208
    for number in range(40):
        expected.append(record(number))
        append(tmp_path / f"local_{number % 20}.jsonl", expected[-1])
        with most_descriptors(highest + 7):
            tailing.poll(after=1)
    tailing.poll()

    tailing.assert_read_once(*expected)
    tailing.tail.close()


def test_half_of_the_descriptors_are_left_to_others() -> None:
    """Case 42."""
    with most_descriptors(300):
        assert OsFileSystem().most_held() == 150


def test_a_file_that_seems_smaller_than_it_was_is_read_on(log: Path) -> None:
    """Case 43. A server may answer with the size of some moments ago."""
    files = LaggingFiles()
    tailing = Tailing(log.parent, files=files)
    append(log, record(1), record(2))
    tailing.poll()
    for size in (0, 10, len(record(1)) + 1, 2 * len(record(1))):
        files.size = size
        tailing.poll()
        files.size = None
        append(log, record(f"behind {size}"))
        tailing.poll()

    tailing.assert_read_once(
        record(1), record(2), *(record(f"behind {n}") for n in (0, 10, 76, 2 * len(record(1))))
    )
    assert tailing.counts.truncations <= 1  # to nothing is what truncation looks like


@pytest.mark.parametrize("code", [errno.ESTALE, errno.ENOTCONN])
@pytest.mark.parametrize("step", ["before_read", "before_status"])
def test_a_stale_descriptor_is_opened_anew_by_its_path(log: Path, step: str, code: int) -> None:
    """Case 43."""
    files = HookedFiles()
    tailing = Tailing(log.parent, files=files)
    append(log, record(1), record(2))
    tailing.poll()
    append(log, record(3))
    files.fail(step, code, times=2)
    tailing.poll()
    append(log, record(4))
    for _ in range(3):
        tailing.tail.measure()
        tailing.poll(after=10)

    assert not files.pending
    assert len(files.held) == 1
    tailing.assert_read_once(*map(record, [1, 2, 3, 4]))


def test_a_file_extended_in_advance_is_read_as_it_is_filled(log: Path) -> None:
    """Case 44. NULs at the end are not yet written: neither a line nor a part of one."""
    tailing = Tailing(log.parent)
    with log.open("r+b", buffering=0) as writer:
        writer.truncate(4096)
        tailing.poll()
        for number in range(20):
            line = record(number) + b"\n"
            writer.write(line[:20])
            assert tailing.poll() == []
            writer.write(line[20:])
            assert tailing.poll() == [record(number)]

    tailing.assert_read_once(*map(record, range(20)))
    assert tailing.counts.skipped_bytes == 0


def test_a_file_extended_in_advance_before_the_start_is_filled_live(log: Path) -> None:
    """Case 44."""
    append(log, record("history"))
    os.truncate(log, 4096)
    tailing = Tailing(log.parent)
    with log.open("r+b", buffering=0) as writer:
        writer.seek(len(record("history")) + 1)
        writer.write(record("live") + b"\n")
        tailing.poll()

    assert tailing.lines == [record("history"), record("live")]
    assert tailing.live_lines == [record("live")]


def test_nulls_set_aside_do_not_make_a_line_too_long(log: Path) -> None:
    """Case 44."""
    tailing = Tailing(log.parent)
    log.write_bytes(record(1)[:20] + bytes(3 * MAX_LINE_BYTES))
    tailing.poll()
    with log.open("r+b", buffering=0) as writer:
        writer.write(record(1) + b"\n")
        tailing.poll()

    assert tailing.lines == [record(1)]
    assert sum(chunk.too_long for chunk in tailing.chunks) == 0


def test_nulls_set_aside_are_looked_through_once(log: Path) -> None:
    """Case 44. A gigabyte of them must not be read by each poll."""
    size = 20_000_000
    files = HookedFiles()
    tailing = Tailing(log.parent, files=files)
    log.write_bytes(bytes(size))
    tailing.poll()
    with log.open("r+b", buffering=0) as writer:
        for number in range(50):
            writer.write(record(number) + b"\n")
            tailing.poll()
            tailing.poll()

    tailing.assert_read_once(*map(record, range(50)))
    assert files.read_bytes < 2 * size


def test_text_amid_nulls_that_were_looked_through_is_found(log: Path) -> None:
    """Case 44. A writer that keeps its place, in a file truncated and extended again."""
    tailing = Tailing(log.parent)
    log.write_bytes(bytes(1_000_000))
    tailing.poll()
    with log.open("r+b", buffering=0) as writer:
        writer.seek(500_000)
        writer.write(record(1) + b"\n")
        tailing.poll()
        writer.write(record(2) + b"\n")
        tailing.poll()

    assert tailing.lines == [record(1), record(2)]
    assert tailing.counts.skipped_bytes == 500_000


@pytest.mark.parametrize("hours", [1, -1, 8, -8])
def test_a_jump_of_the_clock_changes_nothing(log: Path, hours: float) -> None:
    """Case 48. The wall clock decides where the window begins, at first sight of a file."""
    tailing = Tailing(log.parent)
    append(log, record(1))
    tailing.poll()
    tailing.clock.set_wall(tailing.clock.now() + hours * 3600)
    append(log, record(2))
    tailing.poll()
    log.rename(log.with_name("local_2.jsonl"))
    append(log, record(3))
    tailing.poll()

    tailing.assert_read_once(*map(record, [1, 2, 3]))


def test_what_cannot_be_read_now_is_read_later(log: Path) -> None:
    """Case 50. The place is kept, whatever happens, and attempts grow rarer."""
    files = HookedFiles()
    tailing = Tailing(log.parent, files=files)
    append(log, record(1))
    tailing.poll()
    append(log, record(2))
    files.fail("before_read", errno.EIO, times=6)
    for _ in range(40):
        tailing.poll(after=1)
    errors_within_40_seconds = tailing.counts.read_errors
    tailing.poll(after=60)

    assert not files.pending
    assert errors_within_40_seconds == 6
    tailing.assert_read_once(record(1), record(2))


def test_an_error_within_a_line_too_long_does_not_make_two_of_it(log: Path) -> None:
    """Cases 8 and 50."""
    files = HookedFiles()
    tailing = Tailing(log.parent, files=files)
    append(log, record(1), b"x" * 3 * MAX_LINE_BYTES, end=b"\n")
    os.truncate(log, log.stat().st_size - 1)
    tailing.poll()
    files.fail("before_read", errno.EIO)
    append(log, b"x" * 100, record(2))
    tailing.poll()
    tailing.poll(after=2)

    tailing.assert_read_once(record(1), record(2))
    assert sum(chunk.too_long for chunk in tailing.chunks) == 1


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("turn", range(4))
def test_an_error_at_any_step_loses_nothing(log: Path, step: str, turn: int) -> None:
    """Case 50. At every place where the kernel is asked something."""
    files = HookedFiles()
    tailing = Tailing(log.parent, files=files)
    names = ["local_1.jsonl", "local_2.jsonl", "local_3.jsonl"]
    for number, name in enumerate(names):
        append(log.with_name(name), record(number))
    shutil.copy(log, log.with_name("local_4.jsonl"))
    for _ in range(turn):
        files.once(step, lambda: None)
    files.fail(step, errno.EIO)
    for _ in range(4):
        tailing.poll(after=5)

    tailing.assert_read_once(*map(record, range(3)))
