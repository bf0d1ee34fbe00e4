"""Whatever bytes come: nothing raises or is lost, and the fast way says what the slow one does."""

import json
import math
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surge_exporter.core.lines import clean_lines, cut_lines
from surge_exporter.core.records import REQUEST_FIELDS, RequestDecoder
from surge_exporter.core.ticks import TickDecoder
from surge_exporter.core.timestamps import EARLIEST
from surge_exporter.model import Rejected, RejectReason, Request, Tick
from tests.telemetry import NOW, request_line, tick_line

TYPED = RequestDecoder()
UNTYPED = RequestDecoder({"error": "elsewhere"})  # any remapped field, here one no record has

DECODERS = pytest.mark.parametrize(
    "decoder", [TYPED, UNTYPED, TickDecoder()], ids=["typed", "untyped", "ticks"]
)

FIELDS = (*REQUEST_FIELDS, "surge-exporter:at", "perception", "gitea_alive", "inference_ok", "x")

NUMBERS = st.sampled_from(
    [
        *("0", "-0", "-0.0", "1", "-1", "12", "12.0", "1.5", "1e2", "-1e2", "1e-400"),
        *("1e999", "-1e999", "NaN", "Infinity", "-Infinity", "01", "1.", ".5", "+1", "0x1"),
        *("4294967296", "4294967297", "1e9", "1000000001", "18446744073709551616"),
        *("9" * length for length in (30, 310, 4300, 4301, 5000)),
        *("1774811051", "1774811051.25", "1774811051532", "946684799", "1e18", "1e20"),
    ]
)
GOOD_STAMPS = st.sampled_from(
    [
        *("2026-03-29T21:04:11.532190+00:00", "2026-03-29T21:04:11Z", "2026-03-29T21:04:11"),
        *("2026-03-29t21:04:60z", "2026-03-29 21:04:11 UTC", "20260329", "1774011512345"),
        *("9999-12-31T23:59:59Z", 1_774_811_051, 1_774_811_051.25, 1_774_811_051_532),
    ]
).map(json.dumps)
BAD_STAMPS = st.sampled_from(
    ["1999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "2026-03-29T25:00:00Z", "", "soon", 0, 1e20]
).map(json.dumps)
TEXTS = st.text(st.characters(), max_size=20).map(json.dumps) | st.sampled_from(
    [
        *(r'"tick\ud800"', r'"\ude00\ud83d"', r'"\ud83d\ude00"', r'"\u0000"', r'"\q"', r'"\u12"'),
        *('"raw\ttab"', '"raw\0nul"', '"caf\u00e9"', '"\u2028"', '"open', "'single'"),
    ]
)
SCALARS = (
    NUMBERS
    | GOOD_STAMPS
    | BAD_STAMPS
    | TEXTS
    | st.sampled_from(["true", "false", "null", "tru", ""])
)
NESTED = st.sampled_from(["[]", "{}", '{"a": {"b": [1]}}', "[1,]", '{"a": 1,}', "[" * 200_000]) | (
    st.integers(1, 90).map(lambda depth: "[" * depth + "]" * depth)
)
VALUES = SCALARS | NESTED


def spelled(pairs: Iterable[tuple[str, str]]) -> bytes:
    """Return the text of an object whose values are JSON text, or are meant to look like it."""
    body = ", ".join(f"{json.dumps(name)}: {value}" for name, value in pairs)
    return f"{{{body}}}".encode(errors="replace")


VALID = st.fixed_dictionaries(
    {"timestamp": GOOD_STAMPS, "success": st.sampled_from(["true", "false"])},
    optional={
        **dict.fromkeys(("caller", "model"), st.sampled_from(['"a"', '"b"', "7", "null"])),
        **dict.fromkeys(("prompt_len", "completion_tokens"), st.integers(0, 2**32).map(str)),
        **dict.fromkeys(("duration_ms", "latency_ms"), st.floats(0, 1e9).map(repr)),
        "gitea_alive": st.sampled_from(["true", "false", "null", '"unreadable"']),
        "x": st.sampled_from(["1e999", '{"a": [null]}', '"\u2028"']),
    },
)
"""Fields and their text: each of these makes a record."""

INSTANTS = st.integers(0, 10**9).map(NOW.__add__)
GOOD = VALID.map(lambda found: spelled(found.items())) | st.builds(request_line, INSTANTS).map(
    bytes.strip
)
OBJECTS = GOOD | st.builds(
    lambda found, more: spelled([*found.items(), *more]),  # a name may come twice
    VALID,
    st.lists(st.tuples(st.sampled_from(FIELDS), VALUES), max_size=3),
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Return an object with a piece replaced by any bytes, as a torn or broken write would."""
    line = draw(OBJECTS)
    start = draw(st.integers(0, len(line)))
    length = draw(st.integers(0, 4) | st.integers(0, len(line)))
    return line[:start] + draw(st.binary(max_size=4)) + line[start + length :]


LINES = st.one_of(
    GOOD,
    OBJECTS,
    mutated(),
    st.builds(tick_line, INSTANTS).map(bytes.strip),
    VALUES.map(lambda text: text.encode(errors="replace")),
    st.binary(max_size=20),
    OBJECTS.map(b"\xef\xbb\xbf".__add__),
    OBJECTS.map(b"\0\0\0".__add__),
    OBJECTS.map(lambda line: line.replace(b'"a"', b'"\xff"')),
    OBJECTS.map(lambda line: line + b"\r"),
).map(lambda line: line.replace(b"\n", b" "))
BLANK = st.sampled_from([b"", b" ", b"\r", b"\0", b"\xef\xbb\xbf"])
GLUED = st.lists(OBJECTS, min_size=2, max_size=3).map(b"".join)


def joined(lines: Iterable[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


# Glued objects and blank lines are not mixed: where they make up for each other, the count of
# lines, and nothing else, may be wrong.
BLOCKS = st.one_of(
    st.lists(GOOD, max_size=6),
    st.lists(LINES | BLANK, max_size=6),
    st.lists(OBJECTS | GLUED, max_size=6),
).map(joined)


def plain(requests: Iterable[Request]) -> list[dict[str, Any]]:
    """Return all that a request says; of its timestamp only what it means."""
    return [{**msgspec.structs.asdict(request), "timestamp": None} for request in requests]


@DECODERS
@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | st.lists(LINES | BLANK | GLUED).map(joined))
def test_no_bytes_raise(decoder: RequestDecoder | TickDecoder, block: bytes) -> None:
    decoded = decoder.decode(block)

    assert all(EARLIEST <= record.at < math.inf for record in decoded.records)
    assert all(isinstance(rejected.reason, RejectReason) for rejected in decoded.rejected)
    assert all(len(rejected.excerpt) <= 200 for rejected in decoded.rejected)
    assert all(f"{r.detail}{r.excerpt}".encode() for r in decoded.rejected)
    assert len(decoded.records) + len(decoded.rejected) >= decoded.lines


@DECODERS
@settings(max_examples=150, deadline=None)
@given(BLOCKS)
def test_a_block_is_what_its_lines_are_and_each_line_is_accounted_for(
    decoder: RequestDecoder | TickDecoder, block: bytes
) -> None:
    whole = decoder.decode(block)

    records: list[Request | Tick] = []
    rejections: list[Rejected] = []
    lines = list(clean_lines(block))
    for line in lines:
        one = decoder.decode(line + b"\n")
        assert one.lines == 1
        assert one.records or one.rejected
        records.extend(one.records)
        rejections.extend(one.rejected)
    assert whole.lines == len(lines)
    assert whole.records == records
    assert whole.rejected == rejections


@settings(max_examples=400, deadline=None)
@given(BLOCKS)
def test_a_typed_decode_says_what_an_untyped_one_does(block: bytes) -> None:
    fast, slow = TYPED.decode(block), UNTYPED.decode(block)

    assert plain(fast.records) == plain(slow.records)
    assert fast.rejected == slow.rejected
    assert fast.lines == slow.lines


PIECES = st.sampled_from([b"\n", b"\n\n", b"\r\n", b"a", b"bc", b"defgh", "🦙".encode(), b"\0"])


@st.composite
def chunkings(draw: st.DrawFn) -> list[bytes]:
    """Return any bytes, cut anywhere."""
    text = b"".join(draw(st.lists(PIECES, max_size=40)))
    cuts = draw(st.lists(st.integers(0, len(text)), max_size=20))
    return [text[a:b] for a, b in pairwise([0, *sorted(cuts), len(text)])]


@settings(max_examples=500, deadline=None)
@given(chunkings(), st.integers(0, 12))
def test_bytes_read_in_any_chunks_give_the_same_lines(chunks: list[bytes], limit: int) -> None:
    *complete, partial = b"".join(chunks).split(b"\n")
    blocks: list[bytes] = []
    rest, discarding, too_long, consumed = b"", False, 0, 0

    for chunk in chunks:
        cut = cut_lines(rest + chunk, discarding=discarding, limit=limit)
        rest, discarding = (rest + chunk)[cut.consumed :], cut.discarding
        blocks.append(cut.block)
        too_long += cut.too_long
        consumed += cut.consumed
        assert len(rest) <= limit

    assert b"".join(blocks) == joined(line for line in complete if len(line) <= limit)
    assert too_long == sum(len(line) > limit for line in [*complete, partial])
    assert discarding is (len(partial) > limit)
    assert rest == (b"" if discarding else partial)
    assert consumed + len(rest) == len(b"".join(chunks))


@settings(max_examples=200, deadline=None)
@given(chunkings(), st.integers(0, 12))
def test_chunks_are_cut_like_the_whole(chunks: list[bytes], limit: int) -> None:
    whole = cut_lines(b"".join(chunks), limit=limit)
    lines, rest, discarding, too_long = b"", b"", False, 0

    for chunk in chunks:
        cut = cut_lines(rest + chunk, discarding=discarding, limit=limit)
        rest, discarding = (rest + chunk)[cut.consumed :], cut.discarding
        lines, too_long = lines + cut.block, too_long + cut.too_long

    assert (lines, too_long, discarding) == (whole.block, whole.too_long, whole.discarding)


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_a_block_in_any_chunks_decodes_alike(data: st.DataObject) -> None:
    block = data.draw(BLOCKS)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(block)), max_size=8)))
    records: list[Request] = []
    rejections: list[Rejected] = []
    rest = b""

    for start, stop in pairwise([0, *cuts, len(block)]):
        cut = cut_lines(rest + block[start:stop])
        rest = (rest + block[start:stop])[cut.consumed :]
        decoded = TYPED.decode(cut.block)
        records.extend(decoded.records)
        rejections.extend(decoded.rejected)

    assert records == TYPED.decode(block).records
    assert rejections == TYPED.decode(block).rejected
    assert rest == b""
