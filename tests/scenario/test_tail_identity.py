"""A file is known by what it says: not by its path, and not by its inode for long.

The numbers of cases are those of the catalogue in tests/unit/test_catalogue.py.
"""

import os
import shutil
from itertools import pairwise
from pathlib import Path

import pytest

from surge_exporter.core.cycle import Cycle, Telemetry
from surge_exporter.core.identity import Candidate, ReadAt, Relation, Trace
from surge_exporter.model import Source
from surge_exporter.runtime.filesystem import Listing, OsFileSystem, Status
from surge_exporter.runtime.tail import Tail
from tests.fakes import FakeClock
from tests.tailing import HookedFiles, Tailing, append, lines_of, record


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return the path of a file in a folder of logs, there and empty."""
    folder = tmp_path / "logs"
    folder.mkdir()
    path = folder / "local_1.jsonl"
    path.touch()
    return path


@pytest.mark.parametrize("seconds", [0, 61], ids=["held", "closed"])
def test_a_reused_inode_is_another_file(log: Path, seconds: float) -> None:
    """Case 25. Most file systems give it to the next file at once, if nobody holds it."""
    tailing = Tailing(log.parent)
    for number in range(20):
        append(log, record(number))
        tailing.poll()
        log.unlink()
        for _ in range(3):
            tailing.poll(after=seconds)
    append(log, record("last"))
    tailing.poll()

    tailing.assert_read_once(*map(record, range(20)), record("last"))


class OneInode(HookedFiles):
    """A file system that gives the same inode to every file, one after the other."""

    def scan(self, pattern: str) -> Listing:
        """List, with the same inode for all."""
        listing = super().scan(pattern)
        return Listing([entry._replace(key=(1, 1)) for entry in listing.entries], listing.errors)

    def status(self, descriptor: int) -> Status:
        """Return what the file is, but for its inode."""
        return super().status(descriptor)._replace(key=(1, 1))


def test_an_inode_reused_for_certain_is_another_file(log: Path) -> None:
    """Case 25. Once a file is closed, only its content says that it is the same."""
    tailing = Tailing(log.parent, files=OneInode())
    for number in range(5):
        append(log, record(number))
        tailing.poll()
        log.unlink()
        tailing.settle()
    append(log, record("last"))
    tailing.poll()

    tailing.assert_read_once(*map(record, range(5)), record("last"))


def test_the_inode_of_a_file_that_was_passed_over_may_be_reused(log: Path) -> None:
    """Case 25. Here no scan was without it."""
    append(log, record("old", at="2026-03-01T00:00:00Z", size=500))
    os.utime(log, (0, 0))
    files = OneInode()
    tailing = Tailing(log.parent, files=files)
    assert not files.held
    log.unlink()
    append(log, record("new", size=500), record("newer"))
    tailing.poll()

    tailing.assert_read_once(record("new", size=500), record("newer"))


@pytest.mark.parametrize("is_held", [True, False])
@pytest.mark.parametrize("preamble", [200, 2000, 20_000])
def test_files_that_begin_alike_are_two_once_they_differ(
    log: Path, preamble: int, *, is_held: bool
) -> None:
    """Case 26. Until then, the second is taken for a copy."""
    tailing = Tailing(log.parent)
    alike = [record(f"alike {n}") for n in range(preamble // 80)]
    append(log, *alike, *(record(f"one {n}") for n in range(1000)))
    tailing.poll()
    if not is_held:
        log.unlink()
        tailing.settle()
    other = log.with_name("local_2.jsonl")
    append(other, *alike)
    tailing.poll()
    for start in range(0, preamble // 80 + 10, 5):
        append(other, *(record(f"two {n}") for n in range(start, start + 5)))
        tailing.poll()
    twos = [record(f"two {n}") for n in range(start + 5)]

    tailing.assert_read_once(*alike, *alike, *(record(f"one {n}") for n in range(1000)), *twos)


def test_a_file_of_one_line_is_read_at_once(log: Path) -> None:
    """Case 27."""
    tailing = Tailing(log.parent)
    append(log, record(1))
    append(log.with_name("local_2.jsonl"), record(2))

    assert tailing.poll() == [record(1), record(2)]


def _copy_out_and_back(log: Path) -> None:
    away = log.parent / "away"
    shutil.copy(log, away)
    log.unlink()
    away.rename(log)


def _copy_and_rename_over(log: Path) -> None:
    """Replace a file as editors and rsync do: the same bytes, another inode."""
    temporary = log.parent / ".local_1.jsonl.Xy3"
    shutil.copy(log, temporary)
    temporary.rename(log)


def _rename_and_copy_back(log: Path) -> None:
    log.rename(log.parent / "away")
    shutil.copy(log.parent / "away", log)


@pytest.mark.parametrize(
    "replace", [_copy_out_and_back, _copy_and_rename_over, _rename_and_copy_back]
)
@pytest.mark.parametrize("seconds", [0, 61], ids=["held", "closed"])
def test_the_same_bytes_in_another_inode_are_read_on_where_they_were_left(
    log: Path, replace: "object", seconds: float
) -> None:
    """Case 29."""
    assert callable(replace)
    tailing = Tailing(log.parent)
    append(log, record(1), record(2))
    tailing.poll()
    content = log.read_bytes()
    log.rename(log.parent / "gone")
    for _ in range(3):
        tailing.poll(after=seconds)
    log.write_bytes(content)
    replace(log)
    append(log, record(3))
    tailing.poll()
    replace(log)
    append(log, record(4))
    tailing.poll()

    tailing.assert_read_once(*map(record, [1, 2, 3, 4]))


@pytest.mark.parametrize("is_in_place", [True, False])
@pytest.mark.parametrize("kept", [2, 5, 9])
def test_a_file_with_its_beginning_cut_off_is_read_on_where_it_was(
    log: Path, kept: int, *, is_in_place: bool
) -> None:
    """Case 30. `tail -n KEPT log > new`, and then `mv new log` or `cat new > log`."""
    tailing = Tailing(log.parent)
    append(log, *map(record, range(10)))
    tailing.poll()
    lines = log.read_bytes().splitlines(keepends=True)[-kept:]
    if is_in_place:
        log.write_bytes(b"".join(lines))
    else:
        (log.parent / "new").write_bytes(b"".join(lines))
        (log.parent / "new").rename(log)
    append(log, record(10))
    tailing.poll()

    tailing.assert_read_once(*map(record, range(11)))


def test_a_cut_file_is_known_though_its_writer_went_on_in_the_uncut_one(log: Path) -> None:
    """Case 30."""
    tailing = Tailing(log.parent)
    append(log, *map(record, range(10)))
    tailing.poll()
    with log.open("ab", buffering=0) as writer:
        lines = log.read_bytes().splitlines(keepends=True)
        (log.parent / "new").write_bytes(b"".join(lines[-4:]))
        (log.parent / "new").rename(log)
        writer.write(record("late") + b"\n")
    append(log, record(10))
    tailing.poll()

    tailing.assert_read_once(*map(record, range(11)), record("late"))


def test_a_cut_file_that_kept_one_line_is_read_again_rather_than_not(log: Path) -> None:
    """Case 30. One line may be written twice: it proves nothing."""
    tailing = Tailing(log.parent)
    append(log, record(1), record(2))
    tailing.poll()
    log.write_bytes(record(2) + b"\n")
    append(log, record(3))
    tailing.poll()

    tailing.assert_read_once(*map(record, [1, 2, 2, 3]))


@pytest.mark.parametrize("pattern", ["current.jsonl", "*.jsonl"])
def test_a_link_that_is_set_to_another_file_leads_there(log: Path, pattern: str) -> None:
    """Case 31. With the files themselves in the pattern or not."""
    link = log.with_name("current.jsonl")
    link.symlink_to(log)
    tailing = Tailing(log.parent, pattern=pattern)
    append(log, record(1))
    tailing.poll()
    tomorrow = log.with_name("local_2.jsonl")
    append(log, record(2))
    append(tomorrow, record(3))
    new = log.with_name("new")
    new.symlink_to(tomorrow)
    new.rename(link)
    tailing.poll()
    append(log, record(4))
    append(tomorrow, record(5))
    tailing.poll()

    tailing.assert_read_once(*map(record, [1, 2, 3, 4, 5]))


def test_a_circle_of_links_leads_nowhere_and_stops_nobody(log: Path) -> None:
    """Case 31."""
    log.with_name("local_2.jsonl").symlink_to("local_3.jsonl")
    log.with_name("local_3.jsonl").symlink_to("local_2.jsonl")
    log.with_name("round").symlink_to(".")
    tailing = Tailing(log.parent, pattern="**/local_*.jsonl")
    append(log, record(1))
    tailing.poll()

    tailing.assert_read_once(record(1))
    assert tailing.counts.read_errors == 0


def test_two_names_and_two_patterns_are_one_file(log: Path) -> None:
    """Case 32."""
    os.link(log, log.with_name("local_2.jsonl"))
    tailing = Tailing(log.parent, patterns=("local_*.jsonl", "*_1.jsonl", "*"))
    for number, name in enumerate(["local_1.jsonl", "local_2.jsonl"]):
        append(log.with_name(name), record(number))
        tailing.poll()

    tailing.assert_read_once(record(0), record(1))
    assert tailing.counts.files == 1


def test_a_file_of_two_sources_belongs_to_the_first(log: Path) -> None:
    """Case 32."""
    cycle = Cycle(Telemetry())
    pattern = (str(log.parent / "*"),)
    tail = Tail(
        OsFileSystem(),
        FakeClock(),
        {Source.HEARTBEAT: pattern, Source.REQUESTS: pattern},
        window_seconds=3600,
        timestamps=cycle.timestamps,
    )
    list(tail.poll())
    append(log, record(1))
    chunks = list(tail.poll())

    assert lines_of(chunks) == [record(1)]
    assert [chunk.source for chunk in chunks] == [Source.HEARTBEAT]


def test_what_a_copy_repeats_is_known_even_if_the_original_grew_meanwhile(log: Path) -> None:
    """Case 21. The original was read before the line came, the copy is met behind it."""
    files = HookedFiles()
    tailing = Tailing(log.parent, files=files)
    append(log, record(1))
    tailing.poll()

    def grow_and_copy() -> None:
        append(log, record(2))
        shutil.copy(log, log.with_name("local_2.jsonl"))

    log.with_name("local_2.jsonl").touch()
    files.once("before_open", grow_and_copy)
    tailing.poll()
    tailing.poll()

    assert not files.pending
    tailing.assert_read_once(record(1), record(2))


def test_what_a_copy_repeats_is_known_even_if_the_original_was_closed_and_grew_meanwhile(
    log: Path,
) -> None:
    """Cases 21 and 42. The original is opened again, and read before its copy."""
    files = HookedFiles(most_held=2)
    tailing = Tailing(log.parent, files=files)
    append(log, record(1))
    tailing.poll()
    for name in ("local_3.jsonl", "local_4.jsonl"):
        append(log.with_name(name), record(name))
        tailing.poll(after=1)
    assert len(files.held) == 2

    def grow_and_copy() -> None:
        append(log, record(2))
        shutil.copy(log, log.with_name("local_2.jsonl"))

    log.with_name("local_2.jsonl").touch()
    files.once("before_open", grow_and_copy)
    tailing.poll()
    append(log, record(5))
    tailing.poll()

    assert not files.pending
    tailing.assert_read_once(*(record(n) for n in (1, 2, "local_3.jsonl", "local_4.jsonl", 5)))


@pytest.mark.parametrize("most_held", [1000, 32])
def test_a_new_file_is_compared_with_those_alone_that_begin_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most_held: int
) -> None:
    """Or the time for many files would grow with their square, be they held or not."""
    compared: list[Trace] = []
    relation_to = Candidate.relation_to

    def count(candidate: Candidate, trace: Trace, origin: ReadAt | None = None) -> Relation:
        compared.append(trace)
        return relation_to(candidate, trace, origin)

    monkeypatch.setattr(Candidate, "relation_to", count)
    lines = [record(number, size=number % 3 * 600) for number in range(200)]
    for number, line in enumerate(lines):
        append(tmp_path / f"local_{number}.jsonl", line, record("same"))
    for number in range(0, 200, 20):
        shutil.copy(tmp_path / f"local_{number}.jsonl", tmp_path / f"local_copy{number}.jsonl")
    tailing = Tailing(tmp_path, files=HookedFiles(most_held=most_held))

    tailing.assert_read_once(*lines, *[record("same")] * 200)
    assert len(compared) < 50


def test_the_copy_of_a_copy_of_a_part_is_known_too(log: Path) -> None:
    """Case 21. Numbered backups: each is copied to the next, at any time."""
    tailing = Tailing(log.parent, pattern="local_*")
    names = [log, *(log.with_name(f"local_1.jsonl.{n}") for n in range(1, 4))]
    for number in range(30):
        append(log, record(number))
        if number % 3 == 0:
            tailing.poll()
        for newer, older in reversed(list(pairwise(names))):
            if newer.exists() and number % 2:
                shutil.copy(newer, older)
        if number % 5 == 0:
            tailing.poll()
            log.write_bytes(b"")
    tailing.poll()

    tailing.assert_read_once(*map(record, range(30)))
