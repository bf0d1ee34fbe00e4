"""What one process leaves to the next: back as it was, or refused with a reason."""

from dataclasses import replace
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surge_exporter.core.checkpoint import OLDEST_SECONDS, Checkpoint, decode, encode
from surge_exporter.core.envelope import StateError
from surge_exporter.core.identity import Sample, Sketch, Trace
from surge_exporter.core.tally import LineCounts
from surge_exporter.model import RejectReason, Source, UnixSeconds
from surge_exporter.snapshot import StateFault
from tests.fakes import NOW
from tests.snapshots import totals

TRACE = Trace(
    path="logs/local_\udcff.jsonl",
    sketch=Sketch(b'{"a":1}\n\xff', [Sample(1024, 256, 99)], [(2000, 3000)]),
    offset=5000,
    anchor=b"\xff\n",
    is_within_line=True,
)
CHECKPOINT = Checkpoint(
    at=NOW,
    number=7,
    traces={Source.REQUESTS: (TRACE,), Source.HEARTBEAT: ()},
    owed=totals(),
    owed_lines={Source.REQUESTS: LineCounts(lines=3, rejected={RejectReason.JSON: 1})},
)


def test_what_is_encoded_comes_back() -> None:
    assert decode(encode(CHECKPOINT), NOW) == CHECKPOINT


@given(st.binary(max_size=200), st.integers(min_value=0), st.binary(max_size=50))
def test_any_content_of_a_file_comes_back(head: bytes, offset: int, anchor: bytes) -> None:
    trace = Trace("path", Sketch(head), offset, anchor)
    checkpoint = replace(CHECKPOINT, traces={Source.REQUESTS: (trace,)})

    assert decode(encode(checkpoint), NOW).traces[Source.REQUESTS] == (trace,)


@given(st.binary(max_size=300))
def test_any_other_file_is_refused(data: bytes) -> None:
    with pytest.raises(StateError) as refused:
        decode(data, NOW)

    assert refused.value.fault is StateFault.CORRUPT


@given(st.data())
def test_a_damaged_file_is_refused_wherever_the_damage_is(data: st.DataObject) -> None:
    whole = encode(CHECKPOINT)
    place = data.draw(st.integers(0, len(whole) - 2))
    damaged = whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]

    with pytest.raises(StateError):
        decode(damaged, NOW)


@given(st.data())
def test_a_file_cut_short_is_refused(data: st.DataObject) -> None:
    whole = encode(CHECKPOINT)

    with pytest.raises(StateError):
        decode(whole[: data.draw(st.integers(0, len(whole) - 2))], NOW)


def test_another_version_is_refused_as_such() -> None:
    with pytest.raises(StateError, match="expected version 1, got 2") as refused:
        decode(encode(CHECKPOINT).replace(b"state 1 ", b"state 2 ", 1), NOW)

    assert refused.value.fault is StateFault.VERSION


def test_a_file_of_the_right_form_and_the_wrong_content_is_refused() -> None:
    body = b'{"at":"yesterday"}'

    with pytest.raises(StateError, match="at") as refused:
        decode(b"surge-exporter state 1 %08x\n%s\n" % (crc32(body), body), NOW)

    assert refused.value.fault is StateFault.CORRUPT


def test_a_state_of_a_day_is_used_and_an_older_one_refused() -> None:
    data = encode(CHECKPOINT)
    assert decode(data, UnixSeconds(NOW + OLDEST_SECONDS)) == CHECKPOINT

    with pytest.raises(StateError, match="expected one of the last 24 h") as refused:
        decode(data, UnixSeconds(NOW + OLDEST_SECONDS + 1))

    assert refused.value.fault is StateFault.TOO_OLD
