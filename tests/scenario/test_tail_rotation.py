"""However files are rotated, each line comes out once.

The numbers of cases are those of the catalogue in tests/unit/test_catalogue.py.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from surge_exporter.runtime.tail import ROTATE_GRACE_SECONDS
from tests.tailing import HookedFiles, Tailing, append, record


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return the path of a file in a folder of logs, there and empty."""
    folder = tmp_path / "logs"
    folder.mkdir()
    path = folder / "local_1.jsonl"
    path.touch()
    return path


@pytest.mark.parametrize("target", ["local_2.jsonl", "old.1", "../old.1"])
def test_a_renamed_file_is_read_to_its_end_and_the_new_one_from_its_beginning(
    log: Path, target: str
) -> None:
    """Cases 19 and 20. Renamed within the pattern, out of it, and to another directory."""
    tailing = Tailing(log.parent)
    with log.open("ab", buffering=0) as writer:
        writer.write(record("before") + b"\n")
        tailing.poll()
        log.rename(log.parent / target)
        writer.write(record("late") + b"\n")
        append(log, record("new"))
        tailing.poll()
        writer.write(record("later") + b"\n")
        tailing.poll(after=ROTATE_GRACE_SECONDS - 1)

    tailing.assert_read_once(*map(record, ["before", "late", "new", "later"]))
    assert tailing.counts.rotations == 1


def test_a_file_that_was_quiet_for_long_is_followed_when_it_is_renamed_away(log: Path) -> None:
    """Case 20. The grace begins when the file goes, not when it last grew."""
    tailing = Tailing(log.parent)
    with log.open("ab", buffering=0) as writer:
        writer.write(record("before") + b"\n")
        tailing.poll()
        tailing.poll(after=3600)
        log.rename(log.parent / "old.1")
        for _ in range(3):
            tailing.poll(after=1)
        writer.write(record("late") + b"\n")
        tailing.poll(after=1)

    tailing.assert_read_once(record("before"), record("late"))


def test_a_file_renamed_away_is_closed_once_it_no_longer_grows(log: Path) -> None:
    """Cases 19 and 20."""
    files = HookedFiles()
    append(log, record("before"))
    tailing = Tailing(log.parent, files=files)
    log.rename(log.parent / "old.1")
    tailing.settle()

    assert not files.held


def test_a_copy_in_the_directory_is_not_read_again(log: Path) -> None:
    """Case 21. Half a copy, the whole, truncation, and life goes on."""
    tailing = Tailing(log.parent)
    copy = log.with_name("local_copy.jsonl")
    append(log, record(1, size=500), record(2, size=500))
    tailing.poll()
    copy.write_bytes(log.read_bytes()[:700])
    tailing.poll()
    append(log, record(3))
    shutil.copy(log, copy)
    append(log, record(4))
    tailing.poll()
    log.write_bytes(b"")
    append(log, record(5))
    tailing.poll()

    tailing.assert_read_once(*map(record, [3, 4, 5]), record(1, size=500), record(2, size=500))
    assert tailing.counts.truncations == 1


def test_what_was_truncated_unseen_is_read_from_the_copy(log: Path) -> None:
    """Case 21."""
    tailing = Tailing(log.parent)
    append(log, record(1), record(2))
    tailing.poll()
    append(log, record(3))
    shutil.copy(log, log.with_name("local_copy.jsonl"))
    log.write_bytes(b"")
    append(log, record(4))
    tailing.poll()

    tailing.assert_read_once(*map(record, [1, 2, 3, 4]))


def test_a_copy_that_is_still_written_is_read_on_after_the_original_is_truncated(
    log: Path,
) -> None:
    """Case 21. A copy of a part waits, however long it takes."""
    tailing = Tailing(log.parent)
    copy = log.with_name("local_copy.jsonl")
    append(log, *map(record, range(50)))
    tailing.poll()
    append(log, *map(record, range(50, 60)))
    whole = log.read_bytes()
    log.write_bytes(b"")
    for end in range(0, len(whole), 100):
        copy.write_bytes(whole[:end])
        tailing.poll(after=100)
    copy.write_bytes(whole)
    tailing.poll()

    tailing.assert_read_once(*map(record, range(60)))


def test_a_copy_elsewhere_saves_nobody_and_harms_nobody(log: Path) -> None:
    """Case 22. What was written between the last poll and the truncation is lost to everyone."""
    tailing = Tailing(log.parent)
    append(log, record("seen"))
    tailing.poll()
    append(log, record("destroyed"))
    shutil.copy(log, log.parent.parent / "copy")
    log.write_bytes(b"")
    tailing.poll()
    append(log, record("after"))
    tailing.poll()

    tailing.assert_read_once(record("seen"), record("after"))
    assert tailing.counts.truncations == 1


def test_numbered_backups_that_move_up_are_one_rotation(log: Path) -> None:
    tailing = Tailing(log.parent, pattern="local_*")
    for number in range(5):
        append(log, record(number))
        tailing.poll()
        for old in (3, 2, 1):
            if (backup := log.with_name(f"local_1.jsonl.{old}")).exists():
                backup.rename(log.with_name(f"local_1.jsonl.{old + 1}"))
        log.rename(log.with_name("local_1.jsonl.1"))
        log.touch()
    tailing.poll()

    tailing.assert_read_once(*map(record, range(5)))
    assert tailing.counts.rotations == 5


@pytest.mark.parametrize("lines", [1, 3, 10])
def test_a_file_truncated_and_grown_again_is_read_from_its_beginning(
    log: Path, lines: int
) -> None:
    """Case 23. To less than before, to the same size, and to more."""
    tailing = Tailing(log.parent)
    append(log, *(record(f"old{n}") for n in range(3)))
    tailing.poll()
    log.write_bytes(b"")
    append(log, *(record(f"new{n}") for n in range(lines)))
    tailing.poll()

    tailing.assert_read_once(
        *(record(f"old{n}") for n in range(3)), *(record(f"new{n}") for n in range(lines))
    )


def test_a_file_rewritten_to_the_same_size_and_time_is_read_from_its_beginning(
    log: Path,
) -> None:
    """Case 23. Size and time are what others look at; neither is the content."""
    tailing = Tailing(log.parent)
    append(log, record("old1"), record("old2"))
    tailing.poll()
    before = log.stat()
    with log.open("r+b") as writer:
        writer.write(record("new1") + b"\n" + record("new2") + b"\n")
    os.utime(log, ns=(before.st_atime_ns, before.st_mtime_ns))
    tailing.poll()

    assert log.stat().st_size == before.st_size
    assert log.stat().st_mtime_ns == before.st_mtime_ns
    tailing.assert_read_once(*map(record, ["old1", "old2", "new1", "new2"]))
    assert tailing.counts.truncations == 1


def test_a_deleted_file_is_read_to_its_end_before_the_new_one(log: Path) -> None:
    """Case 24."""
    tailing = Tailing(log.parent)
    append(log, record("seen"))
    tailing.poll()
    append(log, record("unseen"))
    log.unlink()
    append(log, record("new"))

    assert tailing.poll() == [record("unseen"), record("new")]


def test_days_may_alternate(log: Path) -> None:
    """Case 33. Two files grow in turn: nothing is closed for not being today's."""
    tailing = Tailing(log.parent)
    tomorrow = log.with_name("local_2.jsonl")
    expected = []
    for hour in range(48):
        for path in (log, tomorrow) if hour >= 24 else (log,):
            expected.append(record(f"{path.name} {hour}"))
            append(path, expected[-1])
        tailing.poll(after=3600)

    tailing.assert_read_once(*expected)


def test_the_old_days_file_is_followed_for_a_while_behind_its_last_growth(log: Path) -> None:
    """Case 33. With a rotator that moves yesterday's file away at midnight."""
    tailing = Tailing(log.parent)
    with log.open("ab", buffering=0) as writer:
        writer.write(record(0) + b"\n")
        tailing.poll()
        log.rename(log.parent / "old.1")
        for number in range(1, 10):
            tailing.poll(after=ROTATE_GRACE_SECONDS - 1)
            writer.write(record(number) + b"\n")
        tailing.poll()

    tailing.assert_read_once(*map(record, range(10)))


def test_a_file_missing_from_one_listing_is_not_gone(log: Path) -> None:
    """Case 34. A listing during a rename may show neither name."""
    files = HookedFiles()
    tailing = Tailing(log.parent, files=files)
    append(log, record("unfinished"), end=b"")
    tailing.poll(after=3600)
    files.hide(log)
    tailing.poll(after=3600)
    tailing.poll()
    append(log, "", record("next"))
    tailing.poll()

    assert tailing.lines == [record("unfinished"), record("next")]
    assert len(files.opened) == 1


def test_a_file_seen_under_both_names_is_read_once(log: Path) -> None:
    """Case 34. A listing during a rename may show both names."""
    tailing = Tailing(log.parent)
    os.link(log, log.with_name("local_2.jsonl"))
    append(log, record(1))
    tailing.poll()

    tailing.assert_read_once(record(1))


def _swap(log: Path) -> Callable[[], None]:
    def swap() -> None:
        log.rename(log.with_name("local_0.jsonl"))
        append(log, record("new"))

    return swap


@pytest.mark.parametrize("step", ["after_scan", "before_open", "after_open"])
def test_a_file_replaced_between_listing_and_opening_is_met_by_the_next_poll(
    log: Path, step: str
) -> None:
    """Case 36."""
    files = HookedFiles()
    tailing = Tailing(log.parent, files=files)
    log.unlink()
    append(log, record("old"))
    files.once(step, _swap(log))
    tailing.poll()
    tailing.poll()

    assert not files.pending
    tailing.assert_read_once(record("old"), record("new"))
