"""What a line is: where bytes are cut, and what of a line is no part of it."""

import pytest

from surge_exporter.core.lines import MAX_LINE_BYTES, Cut, clean_lines, cut_lines


@pytest.mark.parametrize(
    ("data", "block", "consumed"),
    [
        (b"", b"", 0),
        (b"partial", b"", 0),
        (b"one\n", b"one\n", 4),
        (b"one\ntwo\n", b"one\ntwo\n", 8),
        (b"one\ntwo\npar", b"one\ntwo\n", 8),
        (b"\n\n", b"\n\n", 2),
        (b"one\r\ntwo\r", b"one\r\n", 5),
        ("one\u2028\u0085\x0b\x0c\n".encode(), "one\u2028\u0085\x0b\x0c\n".encode(), 11),
    ],
)
def test_data_is_cut_after_its_last_newline(data: bytes, block: bytes, consumed: int) -> None:
    assert cut_lines(data) == Cut(block, consumed, too_long=0, discarding=False)


def test_a_line_of_exactly_the_limit_is_kept() -> None:
    assert cut_lines(b"12345\n", limit=5).block == b"12345\n"


def test_a_line_over_the_limit_is_dropped_and_its_neighbours_are_kept() -> None:
    cut = cut_lines(b"one\n123456\ntwo\n", limit=5)

    assert cut == Cut(b"one\ntwo\n", consumed=15, too_long=1, discarding=False)


def test_many_short_lines_are_longer_than_the_limit_together() -> None:
    assert cut_lines(b"one\ntwo\n", limit=5) == Cut(b"one\ntwo\n", 8, 0, discarding=False)


def test_a_partial_line_of_exactly_the_limit_waits_for_its_newline() -> None:
    assert cut_lines(b"one\n12345", limit=5) == Cut(b"one\n", 4, 0, discarding=False)


def test_a_partial_line_over_the_limit_is_dropped_at_once() -> None:
    cut = cut_lines(b"one\n123456", limit=5)

    assert cut == Cut(b"one\n", consumed=10, too_long=1, discarding=True)


def test_the_middle_of_a_line_being_dropped_is_consumed_and_not_counted_again() -> None:
    cut = cut_lines(b"789" * 10, discarding=True, limit=5)

    assert cut == Cut(b"", consumed=30, too_long=0, discarding=True)


def test_the_line_after_a_dropped_one_is_kept() -> None:
    cut = cut_lines(b"rest of it\ntwo\npar", discarding=True, limit=5)

    assert cut == Cut(b"two\n", consumed=15, too_long=0, discarding=False)


def test_a_dropped_line_may_be_followed_by_another() -> None:
    cut = cut_lines(b"rest\n123456\n1234567", discarding=True, limit=5)

    assert cut == Cut(b"", consumed=19, too_long=2, discarding=True)


def test_a_megabyte_is_the_limit() -> None:
    line = b"x" * MAX_LINE_BYTES

    assert cut_lines(line + b"\n").too_long == 0
    assert cut_lines(line + b"x\n").too_long == 1


@pytest.mark.parametrize(
    ("block", "lines"),
    [
        (b"", []),
        (b"\n \n\t\n\r\n\0\0\n\xef\xbb\xbf\n", []),
        (b"one\ntwo\n", [b"one", b"two"]),
        (b"one", [b"one"]),
        (b"one\r\ntwo\r\n", [b"one", b"two"]),
        (b" one\t\n", [b"one"]),
        (b"one\rtwo\n", [b"one\rtwo"]),
        (b"\xef\xbb\xbfone\n\xef\xbb\xbftwo\n", [b"one", b"two"]),
        (b"\0\0\0one\ntwo\0\n", [b"one", b"two"]),
        (b"\0\0\xef\xbb\xbfone\n", [b"one"]),
        (b"o\0ne\n", [b"o\0ne"]),
        (b'{"half\0\0{"next"\0\n', [b'{"half', b'{"next"']),
        ("one\u2028two\u0085three\x0b\n".encode(), ["one\u2028two\u0085three\x0b".encode()]),
        (b"\xff\n", [b"\xff"]),
    ],
)
def test_only_what_is_no_part_of_a_line_is_stripped(block: bytes, lines: list[bytes]) -> None:
    assert list(clean_lines(block)) == lines
