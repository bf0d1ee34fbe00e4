"""Every accepted form of a timestamp, and that nothing but ValueError refuses the others."""

import math
import time
from collections.abc import Iterator
from datetime import UTC, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from surge_exporter.core.timestamps import EARLIEST, parse_timestamp

AT = 1_774_818_251.0
"""2026-03-29T21:04:11Z."""

NEW_YORK = ZoneInfo("America/New_York")


@pytest.fixture
def _local_time_of_new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as environment:
        environment.setenv("TZ", "America/New_York")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-03-29T21:04:11Z", AT),
        ("2026-03-29T21:04:11+00:00", AT),
        ("2026-03-29T21:04:11-00:00", AT),
        ("2026-03-29T23:04:11+02:00", AT),
        ("2026-03-29T16:34:11-0430", AT),
        ("2026-03-29T23:04:11+02", AT),
        ("2026-03-29T21:04:11.532190+00:00", AT + 0.53219),
        ("2026-03-29T21:04:11.5Z", AT + 0.5),
        ("2026-03-29T21:04:11,5Z", AT + 0.5),
        ("2026-03-29T21:04:11.532190123Z", AT + 0.53219),
        ("2026-03-29 21:04:11Z", AT),
        ("2026-03-29t21:04:11z", AT),
        ("2026-03-29t21:04:11.5z", AT + 0.5),
        ("2026-03-29T21:04:11 UTC", AT),
        ("2026-03-29 21:04:11.5 UTC", AT + 0.5),
        ("2026-03-29 21:04:11 utc", AT),
        ("2026-03-29 21:04:11 GMT", AT),
        (" 2026-03-29T21:04:11Z\n", AT),
        ("20260329T210411Z", AT),
        ("20260329_210411", AT),
        ("2026-03-29T21:04Z", AT - 11),
        ("2026-03-29", AT - 75_851),
        ("20260329", AT - 75_851),
        ("2026-03-29T21:04:60Z", AT + 49),
        ("2026-03-29T21:04:60.5Z", AT + 49.5),
        ("2026-03-29T21:59:60+00:00", AT + 3349),
        ("2016-12-31T23:59:60Z", 1_483_228_800.0),
        ("2000-01-01T00:00:00Z", EARLIEST),
        ("9999-12-31T23:59:59Z", 253_402_300_799.0),
    ],
)
def test_text_in_a_form_of_iso_8601_is_read(text: str, at: float) -> None:
    """Case 15."""
    assert parse_timestamp(text) == at


@pytest.mark.parametrize(
    ("number", "at"),
    [
        (1_774_818_251, AT),
        (1_774_818_251.5, AT + 0.5),
        (1_774_818_251_500, AT + 0.5),
        (1_774_818_251_500_000, AT + 0.5),
        (1_774_818_251_500_000_000, AT + 0.5),
        (1e18, 1e9),
        (2**64, 2**64 / 1e9),
        (EARLIEST, EARLIEST),
    ],
)
def test_the_magnitude_of_a_number_tells_seconds_from_smaller_units(
    number: float, at: float
) -> None:
    """Case 16."""
    assert parse_timestamp(number) == at


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("1774818251", AT),
        ("1774818251.5", AT + 0.5),
        (" 1774818251 ", AT),
        ("1774818251500", AT + 0.5),
        ("1774818251500000", AT + 0.5),
        ("1774818251500000000", AT + 0.5),
        ("1e18", 1e9),
    ],
)
def test_a_number_may_be_text(text: str, at: float) -> None:
    """Case 16."""
    assert parse_timestamp(text) == at


@pytest.mark.parametrize("text", ["1774011512345", "1774011512345.5", "2033011512345"])
def test_digits_that_happen_to_spell_a_date_and_a_time_are_epoch_milliseconds(text: str) -> None:
    """Case 16."""
    assert parse_timestamp(text) == float(text) / 1e3


@pytest.mark.parametrize(
    ("text", "zone", "at"),
    [
        ("2026-03-29T21:04:11", UTC, AT),
        ("2026-03-29T17:04:11", NEW_YORK, AT),
        ("2026-01-29T16:04:11", NEW_YORK, AT - 59 * 86400),
        ("2026-03-29 17:04:60", NEW_YORK, AT + 49),
        ("2026-03-29T23:04:11", timezone(timedelta(hours=2)), AT),
        ("2026-11-01T01:30:00", NEW_YORK, 1_793_511_000.0),
    ],
)
def test_text_without_an_offset_is_in_the_zone(text: str, zone: tzinfo, at: float) -> None:
    """Case 14."""
    assert parse_timestamp(text, zone) == at


@pytest.mark.parametrize(
    "stamp", ["2026-03-29T21:04:11Z", "2026-03-29 21:04:11 UTC", "1774818251", 1_774_818_251]
)
def test_what_says_its_own_zone_ignores_the_other(stamp: str | int) -> None:
    assert parse_timestamp(stamp, NEW_YORK) == AT


@pytest.mark.usefixtures("_local_time_of_new_york")
@pytest.mark.parametrize(
    "text", ["2026-03-29T21:04:11", "2026-03-29 21:04:11 UTC", "2026-03-29T21:04:11Z"]
)
def test_the_local_time_of_the_machine_does_not_matter(text: str) -> None:
    """Case 14."""
    assert parse_timestamp(text) == AT


@pytest.mark.usefixtures("_local_time_of_new_york")
def test_an_hour_that_local_time_has_twice_is_one_hour_in_utc() -> None:
    """Case 14."""
    first, second = (parse_timestamp(f"2026-11-01T0{hour}:30:00") for hour in (1, 2))

    assert second - first == 3600


@pytest.mark.parametrize(
    "stamp",
    [
        "",
        " ",
        "yesterday",
        "UTC",
        "2026-13-01T00:00:00Z",
        "2026-03-29T25:00:00Z",
        "2026-03-29T21:04:61Z",
        "2026-03-29T21:60:11Z",
        "2026-03-29T21:04:11+25:00",
        "29/03/2026 21:04",
        "2026-03-29T21:04:11 Europe/Berlin",
        "\ud800",
        "\0",
        "1774818251\0",
        "nan",
        "inf",
        "-Infinity",
        "1e400",
        "9" * 64,
        pytest.param("1" * 100_000, id="a very long number"),
        math.nan,
        math.inf,
        -math.inf,
        1e20,
        pytest.param(10**400, id="10**400"),
        pytest.param(-(10**400), id="-(10**400)"),
    ],
)
def test_what_is_no_timestamp_is_refused(stamp: str | float) -> None:
    """Cases 15 and 16."""
    with pytest.raises(ValueError, match="expected"):
        parse_timestamp(stamp)


@pytest.mark.parametrize(
    "stamp",
    [
        True,
        False,
        0,
        -1,
        -1_774_818_251,
        EARLIEST - 1,
        "0",
        "-1774818251",
        "1970-01-01T00:00:00Z",
        "1999-12-31T23:59:59Z",
        "0001-01-01T00:00:00+14:00",
        "0001-01-01T00:00:00",
    ],
)
def test_a_time_before_2000_is_refused(stamp: str | float) -> None:
    with pytest.raises(ValueError, match="expected a time after 2000"):
        parse_timestamp(stamp, NEW_YORK)


ALMOST_TIMESTAMPS = st.text(
    st.sampled_from("0123456789") | st.sampled_from("0123456789-:+.,TWZtz UTCGMeinfa_\0\ud800"),
    max_size=40,
)


@settings(max_examples=400, deadline=None)
@given(st.text(st.characters(), max_size=80) | ALMOST_TIMESTAMPS | st.floats() | st.integers())
@example("9999-12-31T23:59:60")
@example("0001-01-01T00:00:60")
def test_whatever_comes_is_a_finite_time_or_a_value_error(stamp: str | float) -> None:
    """Cases 15 and 16."""
    try:
        at = parse_timestamp(stamp, NEW_YORK)
    except ValueError:
        return

    assert EARLIEST <= at < math.inf


@settings(max_examples=200, deadline=None)
@given(st.integers(10**9, 4 * 10**9), st.sampled_from(["", "000", "000000", "000000000"]))
def test_an_epoch_number_is_the_same_as_text_and_in_every_unit(second: int, zeros: str) -> None:
    text = f"{second}{zeros}"

    assert parse_timestamp(text) == parse_timestamp(int(text)) == float(second)
