"""Reading files to their end: every byte once, in blocks of whole lines, with a tally."""

import gzip
import io
import random
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from surge_exporter.core.cycle import Cycle, Telemetry
from surge_exporter.core.lines import MAX_LINE_BYTES
from surge_exporter.model import HOUR, OutOfWindow, RejectReason, Source, UnixSeconds
from surge_exporter.runtime.inputs import (
    STDIN,
    BrokenInputError,
    Input,
    InputError,
    expand,
    on_disk,
    read_blocks,
    read_end,
    total_bytes,
)
from surge_exporter.runtime.reading import FileTally, newest_record, read_into, source_status
from tests.telemetry import NOW, request_line, tick_line

PACKS = pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])


def file(path: Path, data: bytes) -> Input:
    path.write_bytes(data)
    return Input(str(path), path.name)


def lines(data: bytes) -> list[bytes]:
    return data.split(b"\n")[:-1]


def long_lines() -> bytes:
    """Return lines of any length, some longer than what is read at once."""
    rng = random.Random(3)
    return b"".join(
        rng.randbytes(rng.choice([0, 9, 700, 100_000])).replace(b"\n", b" ") + b"\n"
        for _ in range(40)
    )


def test_paths_keep_their_order_and_a_glob_that_of_names(tmp_path: Path) -> None:
    for name in ("c", "a", "b"):
        (tmp_path / f"{name}.jsonl").touch()
    (tmp_path / "first").touch()

    found = expand([str(tmp_path / "first"), STDIN, str(tmp_path / "*.jsonl")])

    names = [one.name.removeprefix(f"{tmp_path}/") for one in found]
    assert names == ["first", "standard input", "a.jsonl", "b.jsonl", "c.jsonl"]


def test_a_glob_that_matches_nothing_is_nothing(tmp_path: Path) -> None:
    assert expand([str(tmp_path / "*.jsonl")]) == []


@pytest.mark.parametrize("name", ["gone", "."])
def test_a_path_that_is_no_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=str(tmp_path)):
        expand([str(tmp_path / name)])


def test_the_size_of_inputs_is_that_on_disk(tmp_path: Path) -> None:
    packed = gzip.compress(bytes(1000))

    inputs = [file(tmp_path / "a", bytes(7)), file(tmp_path / "b", packed)]

    assert total_bytes(inputs) == 7 + len(packed)


def test_standard_input_is_a_file_for_the_time_being(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"line\n")))

    with on_disk({Source.REQUESTS: expand([STDIN])}) as inputs:
        (copy,) = inputs[Source.REQUESTS]
        assert Path(copy.path).read_bytes() == b"line\n"
        assert copy.name == "standard input"

    assert not Path(copy.path).exists()


def test_files_are_read_where_they_are(tmp_path: Path) -> None:
    given = {Source.REQUESTS: [file(tmp_path / "a", b"")], Source.HEARTBEAT: []}

    with on_disk(given) as inputs:
        assert inputs == given


@PACKS
@pytest.mark.parametrize("end", [b"", b"unended"])
def test_blocks_are_whole_lines_and_together_the_file(
    tmp_path: Path, pack: Callable[[bytes], bytes], end: bytes
) -> None:
    data = long_lines() + end
    chunks = list(read_blocks(Source.REQUESTS, file(tmp_path / "a", pack(data))))

    assert all(chunk.block.endswith(b"\n") for chunk in chunks if chunk.block)
    assert b"".join(chunk.block for chunk in chunks) == data + (b"\n" if end else b"")
    assert sum(chunk.read_bytes for chunk in chunks) == len(data)
    assert {chunk.source for chunk in chunks} == {Source.REQUESTS}


@pytest.mark.parametrize("end", [b"\n", b"\nafter\n", b""])
def test_a_line_that_is_too_long_is_dropped_and_counted_once(tmp_path: Path, end: bytes) -> None:
    data = b"before\n" + b"x" * (3 * MAX_LINE_BYTES) + end

    chunks = list(read_blocks(Source.REQUESTS, file(tmp_path / "a", data)))

    assert sum(chunk.too_long for chunk in chunks) == 1
    assert b"".join(chunk.block for chunk in chunks) == b"before\n" + end[1:]


@PACKS
def test_progress_adds_up_to_the_size_on_disk(
    tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    steps: list[int] = []
    packed = file(tmp_path / "a", pack(long_lines()))

    for _ in read_blocks(Source.REQUESTS, packed, steps.append):
        pass

    assert sum(steps) == total_bytes([packed])
    assert min(steps) >= 0


def test_gzip_files_that_were_appended_to_each_other_are_one(tmp_path: Path) -> None:
    both = file(tmp_path / "a", gzip.compress(b"one\n") + gzip.compress(b"two\n"))

    chunks = list(read_blocks(Source.REQUESTS, both))

    assert b"".join(chunk.block for chunk in chunks) == b"one\ntwo\n"


def read_until_broken(one: Input) -> bytes:
    """Return the whole lines that come before the data turns out to be broken."""
    blocks: list[bytes] = []
    with pytest.raises(BrokenInputError, match=f"{one.name}: broken gzip data: "):
        blocks.extend(chunk.block for chunk in read_blocks(Source.REQUESTS, one))
    return b"".join(blocks)


@pytest.mark.parametrize("level", [0, 9])
def test_gzip_data_that_is_cut_gives_every_whole_line_before_the_cut(
    tmp_path: Path, level: int
) -> None:
    whole = b"".join(b"line %d\n" % number for number in range(40_000))
    packed = gzip.compress(whole, level)[:-1000]
    left = zlib.decompressobj(wbits=31).decompress(packed)

    read = read_until_broken(file(tmp_path / "a", packed))

    assert 0 < len(left) < len(whole)
    assert read == left[: left.rindex(b"\n") + 1]


def test_where_gzip_data_turns_into_nonsense_little_before_it_is_lost(tmp_path: Path) -> None:
    whole = b"a line\n" * 40_000
    packed = gzip.compress(whole, 0)

    read = read_until_broken(file(tmp_path / "a", packed[:-30_000] + b"\xff" * 30_000))

    assert read.startswith(whole[: -30_000 - 2048])


def end_of(one: Input) -> list[bytes]:
    return lines(b"".join(chunk.block for chunk in read_end(Source.REQUESTS, one)))


@pytest.mark.parametrize("end", [b"", b"unended"])
def test_the_end_of_a_short_file_is_all_of_it(tmp_path: Path, end: bytes) -> None:
    assert [line for line in end_of(file(tmp_path / "a", b"one\ntwo\n" + end)) if line] == [
        b"one",
        b"two",
        *([end] if end else []),
    ]


def test_the_end_of_a_large_file_begins_with_a_whole_line(tmp_path: Path) -> None:
    everything = [b"%06d" % number for number in range(100_000)]

    end = end_of(file(tmp_path / "a", b"\n".join(everything) + b"\n"))[:-1]

    assert 10_000 < len(end) < len(everything)
    assert end == everything[-len(end) :]


def test_a_gzip_file_has_no_end_to_look_at(tmp_path: Path) -> None:
    assert end_of(file(tmp_path / "a", gzip.compress(b"one\n"))) == []


@pytest.mark.parametrize("read", [read_blocks, read_end])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, read: Callable[..., object]) -> None:
    gone = Input(str(tmp_path / "gone"), "what it is called")

    with pytest.raises(InputError, match="what it is called: cannot be read: No such file"):
        list(read(Source.REQUESTS, gone))  # type: ignore[call-overload]


def tallied(tmp_path: Path, data: bytes) -> FileTally:
    inputs = {Source.REQUESTS: [file(tmp_path / "a.jsonl", data)]}
    ((tally,),) = read_into(Cycle(Telemetry(), report_at=NOW), inputs, NOW).values()
    return tally


def test_a_tally_says_what_became_of_every_line(tmp_path: Path) -> None:
    good, misspelt = request_line(NOW), request_line(NOW, caller="x").replace(b'"x"', b'"\xff"')
    too_long = b"x" * (MAX_LINE_BYTES + 1) + b"\n"

    tally = tallied(tmp_path, good + b"\n" + misspelt + b"first\n[]\nsecond\n" + too_long)

    assert (tally.name, tally.lines, tally.records, tally.repaired) == ("a.jsonl", 6, 2, 1)
    assert tally.rejected == {
        RejectReason.JSON: 2,
        RejectReason.NOT_OBJECT: 1,
        RejectReason.TOO_LONG: 1,
    }


def test_the_first_rejected_line_is_kept(tmp_path: Path) -> None:
    tally = tallied(tmp_path, b"first\n[]\n")

    assert tally.first_rejected is not None
    assert tally.first_rejected.excerpt == "first"


def test_a_tally_says_how_many_records_were_in_no_window(tmp_path: Path) -> None:
    old, new, ahead = (request_line(NOW + offset) for offset in (-13 * HOUR, 0, 1))

    tally = tallied(tmp_path, old + new + ahead + ahead)

    assert tally.out_of_window == {OutOfWindow.LATE: 1, OutOfWindow.FUTURE: 2}
    assert (tally.lines, tally.records) == (4, 4)


def test_a_tally_of_a_broken_file_says_so_and_counts_what_came_before(tmp_path: Path) -> None:
    tally = tallied(tmp_path, gzip.compress(request_line(NOW)) + b"trailing")

    assert (tally.lines, tally.records) == (1, 1)
    assert tally.fault is not None
    assert tally.fault.startswith("a.jsonl: broken gzip data: ")


def test_a_status_adds_up_the_tallies_of_its_files() -> None:
    tallies = [
        FileTally("a", lines=3, records=2, repaired=1, read_bytes=30),
        FileTally(
            "b", lines=2, records=0, read_bytes=20, rejected={RejectReason.JSON: 2}, fault="b"
        ),
    ]
    tallies[0].out_of_window[OutOfWindow.LATE] = 1

    status = source_status(Source.HEARTBEAT, tallies, NOW)

    assert (status.source, status.up, status.files) == (Source.HEARTBEAT, True, 2)
    assert (status.lines, status.repaired, status.read_bytes) == (5, 1, 50)
    assert status.read_errors == 1
    assert status.rejected == {**dict.fromkeys(RejectReason, 0), RejectReason.JSON: 2}
    assert status.out_of_window == {OutOfWindow.LATE: 1, OutOfWindow.FUTURE: 0}


def test_a_source_without_files_is_not_up() -> None:
    assert not source_status(Source.REQUESTS, [], NOW).up


@pytest.mark.parametrize("ends_only", [True, False])
@pytest.mark.parametrize(
    ("offsets", "newest"),
    [
        ((-60, 0, -30), 0),
        ((-60, 0, 301), 0),
        ((-60, 0, 300), 300),
        ((301, 400), 400),
        ((), None),
    ],
)
def test_the_newest_record_is_one_of_a_clock_that_can_be_right(
    tmp_path: Path,
    offsets: tuple[float, ...],
    newest: float | None,
    ends_only: bool,  # noqa: FBT001 - a table's column
) -> None:
    ticks = b"".join(tick_line(NOW + offset) for offset in offsets)
    inputs = {Source.REQUESTS: [], Source.HEARTBEAT: [file(tmp_path / "a", ticks + b"{}\n")]}

    found = newest_record(
        Cycle(Telemetry()), inputs, not_after=UnixSeconds(NOW + 300), ends_only=ends_only
    )

    assert found == (None if newest is None else NOW + newest)


def test_the_newest_record_may_lie_before_the_end_of_a_large_file(tmp_path: Path) -> None:
    older = b"".join(request_line(NOW - HOUR + index) for index in range(3000))
    inputs = {Source.REQUESTS: [file(tmp_path / "a", request_line(NOW) + older)]}

    by_end, by_all = (
        newest_record(Cycle(Telemetry()), inputs, not_after=NOW, ends_only=ends_only)
        for ends_only in (True, False)
    )

    assert by_end == NOW - HOUR + 2999
    assert by_all == NOW
