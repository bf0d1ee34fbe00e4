"""What makes one file a copy of another, a part of it, or something else."""

import random

import pytest

from surge_exporter.core.identity import (
    HEAD_BYTES,
    Candidate,
    ReadAt,
    Relation,
    Sketch,
    Trace,
    find_anchor,
    find_overlap,
    recent_lines,
)

LINES = [b'{"number":%d,"filler":"%s"}\n' % (n, b"x" * (n % 90)) for n in range(2000)]
TEXT = b"".join(LINES)


def reader(data: bytes) -> ReadAt:
    """Return what reads some bytes."""
    return lambda size, offset: data[offset : offset + size]


def trace_of(data: bytes) -> Trace:
    """Return the trace of bytes that were consumed in chunks of any size."""
    sketch, anchor, offset = Sketch(), b"", 0
    sizes = random.Random(len(data))
    while offset < len(data):
        chunk = data[offset : offset + sizes.choice([10, 1000, 65536])]
        sketch.extend(offset, chunk)
        anchor = recent_lines(anchor, chunk)
        offset += len(chunk)
    return Trace("path", sketch, offset, anchor)


def relation(data: bytes, trace: Trace) -> Relation:
    """Return what some bytes are to a trace."""
    return Candidate(reader(data), len(data)).relation_to(trace)


@pytest.mark.parametrize("more", [b"", b"{", b"{}\n" * 1000])
def test_a_file_that_holds_all_that_was_consumed_is_the_same(more: bytes) -> None:
    assert relation(TEXT + more, trace_of(TEXT)) is Relation.SAME


@pytest.mark.parametrize("size", [1, 100, 5000, 100_000, len(TEXT) - 1])
def test_a_beginning_is_a_part(size: int) -> None:
    assert relation(TEXT[:size], trace_of(TEXT)) is Relation.PART


@pytest.mark.parametrize("size", [100, 5000, 100_000, len(TEXT) - 300])
def test_a_beginning_with_nulls_behind_it_is_still_written(size: int) -> None:
    data = TEXT[:size].ljust(len(TEXT) + 10, b"\0")

    assert relation(data, trace_of(TEXT)) is Relation.PART


@pytest.mark.parametrize("place", [0, 500, 3000, 20_000, 60_000])
def test_a_file_that_says_something_else_from_some_place_on_is_different(place: int) -> None:
    other = TEXT[:place] + TEXT[place:].replace(b"number", b"nummer")

    assert relation(other[: place + place // 4 + 1000], trace_of(TEXT)) is Relation.DIFFERENT
    assert relation(other, trace_of(TEXT)) is Relation.DIFFERENT


def test_nothing_is_known_of_a_file_of_which_nothing_was_consumed() -> None:
    assert relation(TEXT, trace_of(b"")) is Relation.DIFFERENT
    assert relation(b"", trace_of(TEXT)) is Relation.DIFFERENT


def test_a_short_line_is_not_overlooked_where_the_other_has_a_hole() -> None:
    sketch = Sketch()
    sketch.skip(0, 50_000)
    sketch.extend(50_000, LINES[0])
    trace = Trace("path", sketch, 50_000 + len(LINES[0]), LINES[0])

    assert relation(bytes(40_000) + LINES[1], trace) is Relation.DIFFERENT
    assert relation(bytes(50_010) + LINES[1], trace) is Relation.DIFFERENT
    assert relation(bytes(40_000), trace) is Relation.PART
    assert relation(bytes(50_000) + LINES[0], trace) is Relation.SAME


def test_a_sketch_stays_small() -> None:
    sketch = Sketch()
    for number in range(1000):
        sketch.extend(number * 65536, bytes(65536))
        sketch.skip((number + 1) * 65536, (number + 1) * 65536)

    assert len(sketch.head) == HEAD_BYTES
    assert len(sketch.samples) < 8 * 16 + 200
    assert len(sketch.holes) <= 100


@pytest.mark.parametrize("kept", [2, 50, 2000])
def test_the_anchor_is_found_where_the_beginning_was_cut_off(kept: int) -> None:
    data = b"".join(LINES[-kept:]) + b"{}\n"

    assert find_anchor(reader(data), len(data), trace_of(TEXT)) == len(data) - 3


@pytest.mark.parametrize("data", [b"", b"{}\n", b"x" + b"".join(LINES[-2:]), LINES[-1]])
def test_no_anchor_is_found_where_there_is_none(data: bytes) -> None:
    assert find_anchor(reader(data), len(data), trace_of(TEXT)) is None


def test_an_anchor_of_equal_lines_proves_nothing() -> None:
    text = TEXT + LINES[0] * 3

    assert find_anchor(reader(LINES[0] * 3), 3 * len(LINES[0]), trace_of(text)) is None


@pytest.mark.parametrize("kept", [2, 50, 1990])
@pytest.mark.parametrize("more", [b"", b"{}\n", b"{}\n" * 50_000])
def test_lines_amid_those_that_were_read_are_recognised(kept: int, more: bytes) -> None:
    middle = b"".join(LINES[-kept - 5 : -5])
    data = middle + more

    assert find_overlap(reader(data), trace_of(TEXT), reader(TEXT)) == len(middle)


@pytest.mark.parametrize("data", [b"", b"{}\n", LINES[5] + b"{}\n", b"unfinished"])
def test_lines_that_were_not_read_overlap_with_nothing(data: bytes) -> None:
    assert find_overlap(reader(data), trace_of(TEXT), reader(TEXT)) is None
