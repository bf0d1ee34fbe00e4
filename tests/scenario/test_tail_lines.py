"""Whatever the bytes and however they come in: each whole line comes out once, and nothing else.

The numbers of cases are those of the catalogue in tests/unit/test_catalogue.py.
"""

import os
import random
import time
import tracemalloc
from itertools import islice
from pathlib import Path

import pytest

from surge_exporter.core.lines import BOM, MAX_LINE_BYTES, clean_lines
from surge_exporter.runtime import stream
from tests.tailing import HookedFiles, Tailing, append, record

CORPUS = "\n".join(
    ["one", "", "twö \U0001f680 e\u0301", "three\r", " \u2028 ", "x" * 90, "vier\x0b", ""]
).encode()
"""Lines of every kind, with characters of up to four bytes and a combining one."""

TERABYTE = 1 << 40


class ShortReads(HookedFiles):
    """A kernel that returns no more than so many bytes at a time."""

    def __init__(self, most: int) -> None:
        """Take the most that a read returns."""
        super().__init__()
        self._most = most

    def read(self, descriptor: int, size: int, offset: int) -> bytes:
        """Read a little."""
        return super().read(descriptor, min(size, self._most), offset)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return the path of a file that is there and empty."""
    path = tmp_path / "local_1.jsonl"
    path.touch()
    return path


def test_a_partial_line_comes_out_once_it_is_finished(log: Path) -> None:
    """Case 1."""
    tailing = Tailing(log.parent)
    line = record("partial")
    for cut in range(1, len(line) + 1):
        append(log, line[cut - 1 : cut], end=b"")
        assert tailing.poll() == []
    append(log, "")

    assert tailing.poll() == [line]


@pytest.mark.parametrize("gone", ["deleted", "moved away"])
def test_a_complete_last_line_without_newline_comes_out_once_the_file_is_final(
    log: Path, gone: str
) -> None:
    """Case 1. No beginning of a JSON object is an object: what reads as a record is whole."""
    tailing = Tailing(log.parent)
    append(log, record("last"), end=b"")
    tailing.poll()
    log.unlink() if gone == "deleted" else log.rename(log.with_suffix(".old"))
    if gone == "moved away":
        assert tailing.poll() == []  # it may be finished yet
    tailing.settle()

    tailing.assert_read_once(record("last"))


@pytest.mark.parametrize("gone", ["deleted", "moved away"])
def test_an_incomplete_last_line_never_comes_out(log: Path, gone: str) -> None:
    """Case 1. Wherever it was cut."""
    tailing = Tailing(log.parent)
    for cut in range(1, len(record("cut"))):
        append(log, record(cut), end=b"\n")
        append(log, record("cut")[:cut], end=b"")
        tailing.poll()
        log.unlink() if gone == "deleted" else log.rename(log.with_suffix(".old"))
    tailing.settle()

    tailing.assert_read_once(*map(record, range(1, len(record("cut")))))


def test_a_deleted_file_may_go_on_behind_its_unfinished_line(log: Path) -> None:
    """Case 1. The writer holds it, finishes the line and writes another."""
    tailing = Tailing(log.parent)
    with log.open("ab", buffering=0) as writer:
        writer.write(record("unfinished"))
        tailing.poll()
        log.unlink()
        tailing.poll()
        writer.write(b"\n" + record("more") + b"\n")
        tailing.poll()

    assert tailing.lines == [record("unfinished"), b"", record("more")]


@pytest.mark.parametrize("size", range(1, 65))
def test_lines_come_out_whole_however_they_are_split_over_writes(log: Path, size: int) -> None:
    """Cases 2 and 3."""
    tailing = Tailing(log.parent)
    for start in range(0, len(CORPUS), size):
        append(log, CORPUS[start : start + size], end=b"")
        tailing.poll()

    assert tailing.lines == CORPUS.split(b"\n")[:-1]
    tailing.assert_bytes_kept()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_lines_come_out_whole_however_little_the_kernel_returns(log: Path, size: int) -> None:
    """Cases 2 and 3. A short read is neither the end of the file nor a sign of truncation."""
    tailing = Tailing(log.parent, files=ShortReads(size))
    for _ in range(3):
        append(log, CORPUS, end=b"")
        tailing.poll()

    assert tailing.lines == CORPUS.split(b"\n")[:-1] * 3
    assert tailing.counts.truncations == 0


@pytest.mark.parametrize("size", range(1, 65))
def test_lines_come_out_whole_however_they_are_split_over_reads(
    log: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """Cases 2 and 3."""
    monkeypatch.setattr(stream, "_CHUNK_BYTES", size)
    tailing = Tailing(log.parent)
    append(log, CORPUS, end=b"")
    tailing.poll()

    assert tailing.lines == CORPUS.split(b"\n")[:-1]


def test_a_line_seen_half_written_comes_out_whole(log: Path) -> None:
    """Case 2. A read may see a part of one write."""
    files = HookedFiles()
    tailing = Tailing(log.parent, files=files)
    append(log, record("torn")[:20], end=b"")
    files.once("at_end", lambda: append(log, record("torn")[20:]))
    tailing.poll()
    tailing.poll()

    assert tailing.lines == [record("torn")]


def test_bytes_that_are_no_text_pass_as_they_are(log: Path) -> None:
    """Case 4. The decoder repairs or rejects; here nothing is decoded."""
    tailing = Tailing(log.parent)
    lines = [b'"\xff"', b'"\xf0\x9f\x9a"', b'"\xed\xa0\x80"']
    append(log, *lines)

    assert tailing.poll() == lines


def test_nulls_before_the_text_are_skipped_and_counted(log: Path) -> None:
    """Case 5. Truncated under a writer that keeps its place, a file begins with NULs."""
    tailing = Tailing(log.parent)
    append(log, b"\0" * 100_000 + record(1), record(2))

    assert tailing.poll() == [record(1), record(2)]
    assert tailing.counts.skipped_bytes == 100_000
    tailing.assert_bytes_kept()


def test_a_terabyte_of_hole_is_jumped_over(log: Path) -> None:
    """Case 5."""
    files = HookedFiles()
    tailing = Tailing(log.parent, files=files)
    append(log, record(1))
    os.truncate(log, TERABYTE)
    append(log, record(2))
    before = files.read_bytes
    began = time.monotonic()
    tailing.poll()

    assert tailing.lines == [record(1), record(2)]
    assert time.monotonic() - began < 1
    assert files.read_bytes - before < 1_000_000
    assert tailing.counts.skipped_bytes == TERABYTE - len(record(1)) - 1


def test_a_line_broken_off_by_nulls_does_not_spoil_the_next(log: Path) -> None:
    """Case 5. So it looks where the power failed."""
    tailing = Tailing(log.parent)
    append(log, record(1)[:30] + b"\0" * 3_000_000 + record(2), record(3))
    tailing.poll()

    assert tailing.lines == [record(1)[:30], record(2), record(3)]
    tailing.assert_bytes_kept()


def test_a_line_broken_off_in_the_middle_of_a_block_does_not_spoil_the_next(log: Path) -> None:
    """Case 5. Where no reading begins or ends at the NULs, it is the decoder that sees them."""
    tailing = Tailing(log.parent)
    append(log, record(1)[:30] + b"\0" * 100 + record(2), record(3))
    tailing.poll()
    block = b"".join(chunk.block for chunk in tailing.chunks)

    assert list(clean_lines(block)) == [record(1)[:30], record(2), record(3)]


@pytest.mark.parametrize("ending", [b"\r\n", b"\r\r\n"])
def test_a_carriage_return_belongs_to_the_line_ending(log: Path, ending: bytes) -> None:
    """Case 6."""
    tailing = Tailing(log.parent)
    append(log, record(1), record(2), end=ending)
    tailing.poll()
    block = b"".join(chunk.block for chunk in tailing.chunks)

    assert list(clean_lines(block)) == [record(1), record(2)]


@pytest.mark.parametrize("separator", ["\r", "\u2028", "\u0085", "\x0b", "\x0c", "\x1c"])
def test_only_a_newline_ends_a_line(log: Path, separator: str) -> None:
    """Case 6."""
    tailing = Tailing(log.parent)
    append(log, f"one{separator}two")

    assert tailing.poll() == [f"one{separator}two".encode()]


def test_a_byte_order_mark_is_no_part_of_a_line(log: Path) -> None:
    """Case 7. At the beginning, where files were joined, and after truncation."""
    tailing = Tailing(log.parent)
    append(log, BOM + record(1), BOM + record(2))
    tailing.poll()
    log.write_bytes(b"")
    append(log, BOM + record(3))
    tailing.poll()
    block = b"".join(chunk.block for chunk in tailing.chunks)

    assert list(clean_lines(block)) == [record(1), record(2), record(3)]


def test_a_line_of_a_hundred_megabytes_costs_no_memory_and_no_neighbour(log: Path) -> None:
    """Case 8."""
    tailing = Tailing(log.parent)
    append(log, record(1))
    with log.open("ab") as writer:
        for _ in range(100):
            writer.write(b"x" * 1_000_000)
    append(log, "", record(2))
    tracemalloc.start()
    tailing.poll()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert tailing.lines == [record(1), record(2)]
    assert sum(chunk.too_long for chunk in tailing.chunks) == 1
    assert peak < 8_000_000
    tailing.assert_bytes_kept()


def test_a_long_line_that_grows_is_read_and_counted_once(log: Path) -> None:
    """Case 8. What is dropped is consumed at once, not read again by each poll."""
    files = HookedFiles()
    tailing = Tailing(log.parent, files=files)
    for _ in range(20):
        append(log, b"x" * MAX_LINE_BYTES, end=b"")
        tailing.poll()
    append(log, "", record(1))
    tailing.poll()

    assert tailing.lines == [record(1)]
    assert sum(chunk.too_long for chunk in tailing.chunks) == 1
    assert files.read_bytes < 30 * MAX_LINE_BYTES


def test_a_line_of_exactly_the_limit_comes_out(log: Path) -> None:
    """Case 8."""
    tailing = Tailing(log.parent)
    line = random.Random(1).randbytes(MAX_LINE_BYTES).replace(b"\n", b" ").replace(b"\0", b" ")
    append(log, line)

    assert tailing.poll() == [line]


@pytest.mark.parametrize("taken", [0, 1, 2, 5])
def test_a_poll_given_up_halfway_is_ended_by_the_next(log: Path, taken: int) -> None:
    """What was not taken is not lost, and what was taken does not come again."""
    append(log, *(record(n, size=60_000) for n in range(10)))
    append(log.with_name("local_2.jsonl"), *(record(n, size=50_000) for n in range(10, 15)))
    tailing = Tailing(log.parent, started=False)
    poll = tailing.tail.poll()
    tailing.chunks += islice(poll, taken)
    del poll
    tailing.poll()

    tailing.assert_read_once(
        *(record(n, size=60_000) for n in range(10)),
        *(record(n, size=50_000) for n in range(10, 15)),
    )
    assert tailing.live_lines == []
