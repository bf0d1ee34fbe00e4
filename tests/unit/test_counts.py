"""Counts of any length, from records and from the rows of a table."""

import pytest

from surge_exporter.core.counts import Counts, CountsError, RequestCounts, parse_counts
from surge_exporter.core.cycle import Telemetry
from surge_exporter.model import HOUR, OutOfWindow, Source, UnixSeconds
from tests.telemetry import request_line

START = UnixSeconds(1_750_000_200.0)
WIDTH = 300
DAY = 24 * HOUR


def counted(*times: float, now: float = START + 10_000 * DAY) -> Counts:
    reader = RequestCounts(Telemetry())
    for at in times:
        reader.ingest(Source.REQUESTS, request_line(at), now=UnixSeconds(now), live=False)
    return reader.counts()


def rows(*counts: object, start: float = START, width: int = WIDTH) -> list[bytes]:
    return [f"{start + i * width:.0f},{count}".encode() for i, count in enumerate(counts)]


def fault(lines: list[bytes]) -> str:
    with pytest.raises(CountsError) as raised:
        parse_counts(lines)
    return str(raised.value)


def test_requests_are_counted_in_buckets_of_five_minutes_whatever_their_order() -> None:
    found = counted(START + 600, START + 299, START, START + 601)

    assert (found.requests, found.start, found.bucket_seconds) == ([2, 0], START, WIDTH)


def test_the_bucket_of_the_newest_request_is_not_complete() -> None:
    assert counted(START, START + 300, START + 599).requests == [1]
    assert counted(START).requests == []
    assert counted().requests == []


def test_more_than_four_weeks_are_counted() -> None:
    found = counted(*(START + day * DAY for day in range(100)), START + 100 * DAY)

    assert (sum(found.requests), found.hours) == (100, 2400.0)


def test_requests_of_the_future_are_left_out() -> None:
    reader = RequestCounts(Telemetry())
    block = request_line(START) + request_line(START + 300) + request_line(START + 1000)

    ingested = reader.ingest(Source.REQUESTS, block, now=UnixSeconds(START + 300), live=False)

    assert (ingested.lines, ingested.records) == (3, 3)
    assert ingested.out_of_window == {OutOfWindow.FUTURE: 1}
    assert reader.counts().requests == [1]


def test_what_is_no_record_is_rejected() -> None:
    reader = RequestCounts(Telemetry())

    ingested = reader.ingest(Source.REQUESTS, b"garbage\n", now=START, live=False)

    assert (ingested.records, len(ingested.rejected)) == (0, 1)


def test_what_came_before_four_weeks_of_silence_is_left_out() -> None:
    found = counted(START - 29 * DAY, START - 29 * DAY + 300, START, START + 300)

    assert (found.requests, found.start, found.earlier) == ([1], START, 2)
    assert counted(START - 28 * DAY, START, START + 300).earlier == 0


def test_rows_are_counts_of_buckets() -> None:
    found = parse_counts(rows(5, 0, 7))

    assert found == Counts(requests=[5, 0, 7], bucket_seconds=WIDTH, start=START)


@pytest.mark.parametrize(
    "lines",
    [
        [b"bucket_start_epoch,count", *rows(5, 7)],
        [b"\xef\xbb\xbfstart,requests\r", *(line + b"\r" for line in rows(5, 7)), b"\r"],
        [b"", *rows(5, 7), b""],
        rows("5.0", " 7 "),
        [b"2025-06-15T15:10:00Z,5", b"2025-06-15T15:15:00Z,7"],
        [b"1750000200000,5", b"1750000500000,7"],
    ],
    ids=["header", "windows", "blank_lines", "decimals", "iso", "milliseconds"],
)
def test_rows_may_come_in_the_forms_that_programs_write(lines: list[bytes]) -> None:
    found = parse_counts(lines)

    assert (found.requests, found.start) == ([5, 7], START)


@pytest.mark.parametrize("width", [60, 300, 900, 3600])
def test_the_width_of_buckets_is_that_of_the_rows(width: int) -> None:
    found = parse_counts(rows(1, 2, 3, start=START // width * width, width=width))

    assert (found.bucket_seconds, found.requests) == (width, [1, 2, 3])


def test_a_bucket_without_a_row_counts_as_none_and_is_told() -> None:
    found = parse_counts(rows(1, 2, 3) + rows(9, 9, start=START + 5 * WIDTH))

    assert (found.requests, found.missing) == ([1, 2, 3, 0, 0, 9, 9], 2)


def test_silence_at_the_end_is_known_from_its_rows() -> None:
    assert parse_counts(rows(0, 1, 2, 0, 0)).requests == [1, 2, 0, 0]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"no comma", "expected bucket_start_epoch,count, got 'no comma'"),
        (b"soon,5", "expected ISO 8601 or epoch seconds, got 'soon'"),
        (b"-5,5", "expected a time after 2000, got '-5'"),
        (b"\xff,5", "expected ISO 8601 or epoch seconds, got "),
        (b"1750000800,many", "expected a whole number of requests, got 'many'"),
        (b"1750000800,", "expected a whole number of requests, got ''"),
        (b"1750000800,1.5", "expected a whole number of requests, got '1.5'"),
        (b"1750000800,-1", "expected a whole number of requests, got '-1'"),
        (b"1750000800,nan", "expected a whole number of requests, got 'nan'"),
        (b"1750000800,inf", "expected a whole number of requests, got 'inf'"),
        (b"1750000800,5,6", "expected a whole number of requests, got '5,6'"),
        (b"1750000800.5,5", "expected whole seconds, got '1750000800.5,5'"),
        (b"1750000500,5", "expected a bucket that begins after 1750000500, got 1750000500"),
        (b"1749999900,5", "expected a bucket that begins after 1750000500, got 1749999900"),
        (
            b"1750000850,5",
            "expected a bucket that begins at a multiple of 300 s, as wide as most are, got",
        ),
    ],
)
def test_a_row_that_is_no_count_is_named_by_its_line(line: bytes, said: str) -> None:
    assert fault([b"start,count", *rows(5, 7), line]).startswith(f"line 4: {said}")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "expected rows of at least two buckets, got 0"),
        ([b"start,count"], "expected rows of at least two buckets, got 0"),
        (rows(1), "expected rows of at least two buckets, got 1"),
        (
            rows(1, 2, width=700),
            "expected buckets of 60 s to 3600 s that divide the hour, got 700 s",
        ),
        (rows(1, 2, width=1), "expected buckets of 60 s to 3600 s that divide the hour, got 1 s"),
        (rows(1, 2, width=7200), "expected buckets of 60 s to 3600 s"),
    ],
)
def test_rows_that_make_no_buckets_are_refused(lines: list[bytes], said: str) -> None:
    assert fault(lines).startswith(said)
