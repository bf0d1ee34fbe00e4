"""Compressed files are known by what they say and not by how it is packed: case 28."""

import gzip
import os
import random
import tracemalloc
import zlib
from pathlib import Path

import pytest

from surge_exporter.runtime import unzipped
from surge_exporter.runtime.content import Plain
from surge_exporter.runtime.filesystem import OsFileSystem, Stamp
from surge_exporter.runtime.unzipped import Unzipped
from tests.fakes import NOW
from tests.tailing import HookedFiles, Tailing, append, record


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return the path of a file that is there and empty."""
    path = tmp_path / "local_1.jsonl"
    path.touch()
    return path


@pytest.fixture
def packed(log: Path) -> Path:
    """Return the path where the file's compressed copy goes."""
    return log.with_name("local_1.jsonl.1.gz")


def test_the_compressed_copy_of_what_was_read_yields_nothing(log: Path, packed: Path) -> None:
    """Case 28. Rotated, compressed in two steps, and the plain file deleted."""
    tailing = Tailing(log.parent, pattern="local_*")
    append(log, *map(record, range(1000)))
    tailing.poll()
    old = log.with_name("local_1.jsonl.1")
    log.rename(old)
    append(log, record("new"))
    data = gzip.compress(old.read_bytes())
    for end in range(0, len(data), 1000):
        packed.write_bytes(data[:end])
        tailing.poll()
    packed.write_bytes(data)
    tailing.poll()
    old.unlink()
    tailing.settle()

    tailing.assert_read_once(*map(record, range(1000)), record("new"))


def test_what_only_the_compressed_copy_holds_is_read_from_it(log: Path, packed: Path) -> None:
    """Case 28."""
    tailing = Tailing(log.parent, pattern="local_*")
    append(log, record(1), record(2))
    tailing.poll()
    append(log, record(3))
    packed.write_bytes(gzip.compress(log.read_bytes()))
    log.write_bytes(b"")
    append(log, record(4))
    tailing.poll()

    tailing.assert_read_once(*map(record, [1, 2, 3, 4]))


def test_a_compressed_file_never_seen_before_is_read_once(log: Path, packed: Path) -> None:
    """Case 28. Once it is whole: a wrong checksum, or none, means that it is still written."""
    files = HookedFiles()
    tailing = Tailing(log.parent, pattern="local_*", files=files)
    data = gzip.compress(record(1) + b"\n" + record(2) + b"\n")
    for end in range(len(data)):
        packed.write_bytes(data[:end])
        assert tailing.poll() == []
    packed.write_bytes(data)
    for _ in range(3):
        tailing.poll()

    tailing.assert_read_once(record(1), record(2))
    assert len(files.held) == 1  # the log; what is compressed will not grow


def test_the_last_line_of_a_compressed_file_needs_no_newline(log: Path, packed: Path) -> None:
    """Cases 1 and 28."""
    tailing = Tailing(log.parent, pattern="local_*")
    packed.write_bytes(gzip.compress(record(1) + b"\n" + record(2)))
    tailing.poll()

    tailing.assert_read_once(record(1), record(2))


def test_a_last_line_that_may_yet_be_finished_is_not_taken_from_the_compressed_copy(
    log: Path, packed: Path
) -> None:
    """Cases 1 and 28."""
    tailing = Tailing(log.parent, pattern="local_*")
    append(log, record(1), end=b"\n")
    append(log, record(2), end=b"")
    packed.write_bytes(gzip.compress(log.read_bytes()))
    for _ in range(3):
        tailing.poll()
    append(log, "", record(3))
    tailing.poll()
    log.unlink()
    tailing.settle()

    tailing.assert_read_once(*map(record, [1, 2, 3]))


def test_files_joined_and_padded_are_one_text(log: Path, packed: Path) -> None:
    """Case 28. What `cat one.gz two.gz` makes, and tapes; also when the second comes later."""
    tailing = Tailing(log.parent, pattern="local_*")
    packed.write_bytes(gzip.compress(record(1) + b"\n") + b"\0" * 512)
    tailing.poll()
    with packed.open("ab") as file:
        file.write(gzip.compress(record(2) + b"\n") + b"garbage")
    tailing.poll()

    tailing.assert_read_once(record(1), record(2))


@pytest.mark.parametrize("is_renamed", [True, False])
def test_a_file_unpacked_again_yields_nothing(
    log: Path, packed: Path, *, is_renamed: bool
) -> None:
    """Case 28."""
    tailing = Tailing(log.parent, pattern="local_*")
    packed.write_bytes(gzip.compress(record(1) + b"\n"))
    tailing.poll()
    content = gzip.decompress(packed.read_bytes())
    if is_renamed:
        packed = packed.rename(packed.with_name("local_9.gz"))
        tailing.poll()
    packed.with_suffix("").write_bytes(content)
    packed.unlink()
    tailing.settle()
    append(packed.with_suffix(""), record(2))
    tailing.poll()

    tailing.assert_read_once(record(1), record(2))


def test_a_file_may_become_a_compressed_one_in_place_and_back(log: Path) -> None:
    """Case 28."""
    tailing = Tailing(log.parent)
    append(log, record(1))
    tailing.poll()
    log.write_bytes(gzip.compress(record(1) + b"\n" + record(2) + b"\n"))
    tailing.poll()
    log.write_bytes(b"")
    append(log, record(3), record(4))
    tailing.poll()

    tailing.assert_read_once(*map(record, [1, 2, 3, 4]))


def test_a_compressed_file_written_anew_after_a_broken_one_is_read(
    log: Path, packed: Path
) -> None:
    """Case 28."""
    tailing = Tailing(log.parent, pattern="local_*")
    good = gzip.compress(b"".join(record(n) + b"\n" for n in range(500)))
    bad = good[:400] + bytes(800) + good[1200:]
    packed.write_bytes(bad)
    assert tailing.poll() == []
    with packed.open("r+b") as file:  # the same size, inode and name
        file.write(good)
    tailing.poll()

    tailing.assert_read_once(*map(record, range(500)))


def test_another_compression_is_not_taken_for_text(log: Path) -> None:
    """Case 28. It is counted as an error once, and its neighbours are read."""
    tailing = Tailing(log.parent, pattern="local_*")
    log.with_name("local_1.jsonl.zst").write_bytes(b"\x28\xb5\x2f\xfd" + os.urandom(1000) + b"\n")
    append(log, record(1))
    for _ in range(3):
        tailing.poll()

    tailing.assert_read_once(record(1))
    assert tailing.counts.read_errors == 1


def test_at_the_start_an_old_compressed_file_is_not_looked_into(log: Path, packed: Path) -> None:
    """Case 28."""
    packed.write_bytes(gzip.compress(record(1) + b"\n"))
    os.utime(packed, (NOW - 14 * 3600, NOW - 14 * 3600))
    files = HookedFiles()
    tailing = Tailing(log.parent, pattern="local_*", files=files)
    tailing.poll()

    assert tailing.lines == []
    assert tailing.counts.files == 2
    assert files.read_bytes < 100


def test_at_the_start_a_recent_compressed_file_is_history(log: Path, packed: Path) -> None:
    """Case 28."""
    packed.write_bytes(gzip.compress(record(1) + b"\n"))
    append(log, record(2))
    tailing = Tailing(log.parent, pattern="local_*")
    append(log, record(3))
    tailing.poll()

    tailing.assert_read_once(*map(record, [1, 2, 3]))
    assert tailing.live_lines == [record(3)]


def test_a_long_text_needs_little_memory(
    log: Path, packed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Case 28. It is looked through over several polls, and then read without being kept."""
    monkeypatch.setattr(unzipped, "_MOST_AT_ONCE_BYTES", 10_000_000)
    tailing = Tailing(log.parent, pattern="local_*")
    line = record("x", size=100_000) + b"\n"
    packer = zlib.compressobj(9, wbits=31)
    packed.write_bytes(packer.compress(line * 500) + packer.flush())
    tracemalloc.start()
    read = [sum(len(chunk.block) for chunk in tailing.tail.poll()) for _ in range(7)]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert read[:4] == [0] * 4
    assert sum(read) == 500 * len(line)
    assert peak < 12_000_000


def test_a_long_text_is_read_by_the_first_poll_if_it_is_history(
    log: Path, packed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Case 28. Until the windows are loaded, nobody waits for less."""
    monkeypatch.setattr(unzipped, "_MOST_AT_ONCE_BYTES", 100_000)
    packed.write_bytes(gzip.compress(b"".join(record(n, size=1000) + b"\n" for n in range(1000))))
    tailing = Tailing(log.parent, pattern="local_*")

    tailing.assert_read_once(*(record(n, size=1000) for n in range(1000)))


def test_nulls_in_the_text_are_skipped(log: Path, packed: Path) -> None:
    """Cases 5 and 28."""
    tailing = Tailing(log.parent, pattern="local_*")
    packed.write_bytes(gzip.compress(bytes(200_000) + record(1) + b"\n" + bytes(100_000)))
    tailing.poll()

    tailing.assert_read_once(record(1))
    assert tailing.counts.skipped_bytes == 200_000


@pytest.mark.parametrize("seed", range(5))
def test_text_is_read_at_any_place(tmp_path: Path, seed: int) -> None:
    random_ = random.Random(seed)
    data = random_.randbytes(3_000_000)[: random_.choice([0, 10, 1000, 3_000_000])] * 2
    path = tmp_path / "x"
    path.write_bytes(gzip.compress(data[:1000], 1) + gzip.compress(data[1000:], 1))
    files = OsFileSystem()
    descriptor = files.open(str(path))
    text = Unzipped(files, descriptor)
    stamp = Stamp(path.stat().st_size, 0)

    assert text.measure(stamp) == len(data)
    assert Plain(files, descriptor).measure(stamp) == path.stat().st_size
    for _ in range(30):
        start, size = random_.randrange(len(data) + 100), random_.choice([1, 4096, 2_000_000])
        assert text.read_at(size, start) == data[start : start + size]
    assert text.measure(stamp) == len(data)
    files.close(descriptor)


def test_the_unfinished_last_line_of_a_compressed_file_that_was_there_is_history(
    tmp_path: Path,
) -> None:
    data = record(1) + b"\n" + record(2)
    (tmp_path / "local_1.jsonl.gz").write_bytes(gzip.compress(data))

    tailing = Tailing(tmp_path, pattern="local_*")

    tailing.assert_read_once(record(1), record(2))
    assert tailing.live_lines == []
