"""Turn any accepted form of a timestamp into Unix seconds."""

from datetime import UTC, datetime, tzinfo

from surge_exporter.model import UnixSeconds

EARLIEST = UnixSeconds(946_684_800.0)
"""2000-01-01: anything older is a clock that was never set, not telemetry."""

_MILLISECONDS_FROM = 1e11  # 1e11 s is the year 5138; 1e11 ms is 1973
_MICROSECONDS_FROM = 1e14
_NANOSECONDS_FROM = 1e17
_LONGEST_TEXT = 64
_DATE_DIGITS = len("YYYYMMDD")


def parse_timestamp(value: str | float, zone: tzinfo = UTC) -> UnixSeconds:
    """Return Unix seconds for ISO 8601 text or an epoch number.

    Text without an offset is read in `zone`. Numbers, also as text, are epoch seconds,
    milliseconds, microseconds or nanoseconds, told apart by their magnitude.

    Raises:
        ValueError: no known form, or before 2000.

    >>> parse_timestamp("2026-03-29T21:04:11.5+02:00")
    1774811051.5
    >>> parse_timestamp(1774811051500)
    1774811051.5
    """
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return _checked(_parse_unusual(value, zone), value)
        if moment.tzinfo is None:
            if len(value) > _DATE_DIGITS and value[: _DATE_DIGITS + 1].isdigit():
                # Some epoch milliseconds read as a date too: 1774011512345 as 1774-01-15 23:45.
                return _checked(_parse_unusual(value, zone), value)
            moment = moment.replace(tzinfo=zone)
        return _checked(moment.timestamp(), value)
    return _checked(_from_epoch(value), value)


def _checked(at: float, value: str | float) -> UnixSeconds:
    if at >= EARLIEST:  # also false for NaN
        return UnixSeconds(at)
    raise ValueError(f"expected a time after 2000, got {value!r:.80}")


def _from_epoch(number: float) -> float:
    try:
        number = float(number)
    except OverflowError:
        raise ValueError("expected epoch seconds, got a number beyond any clock") from None
    if number < _MILLISECONDS_FROM:
        return number
    if number < _MICROSECONDS_FROM:
        return number / 1e3
    if number < _NANOSECONDS_FROM:
        return number / 1e6
    at = number / 1e9
    if at < _MILLISECONDS_FROM:
        return at
    raise ValueError(f"expected an epoch number, got {number!r}")


def _parse_unusual(text: str, zone: tzinfo) -> float:
    """Forms that `fromisoformat` refuses: lower case, a leap second, " UTC", epoch text."""
    if len(text) > _LONGEST_TEXT:
        raise ValueError(f"expected a timestamp, got {len(text)} characters")
    plain = text.strip().upper().removesuffix("UTC").removesuffix("GMT").rstrip()
    had_name = plain != text.strip().upper()
    try:
        return _from_epoch(float(plain))
    except ValueError:
        pass
    leap = plain.replace(":60", ":59", 1) if plain[16:19] == ":60" else plain
    try:
        moment = datetime.fromisoformat(leap)
    except ValueError:
        raise ValueError(f"expected ISO 8601 or epoch seconds, got {text!r}") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC if had_name else zone)
    return moment.timestamp() + (leap != plain)
