"""Decode one line that is, or should be, a JSON object, as tolerantly as is sound."""

import json
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any, Generic, NoReturn, TypeVar

from surge_exporter.core.fields import MISSING, field_at
from surge_exporter.core.timestamps import parse_timestamp
from surge_exporter.model import Rejected, RejectReason, UnixSeconds

Record = TypeVar("Record")

_EXCERPT_CHARACTERS = 200


@dataclass(slots=True)
class Decoded(Generic[Record]):
    """What a block held: every line that says something became a record, or was rejected.

    `repaired` counts lines that were not UTF-8 and gave a record all the same.
    """

    records: list[Record] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    lines: int = 0
    repaired: int = 0


def rejected(reason: RejectReason, detail: str, excerpt: str = "") -> Rejected:
    """Return a rejection; whoever knows the line fills in the excerpt."""
    return Rejected(reason, detail, excerpt[:_EXCERPT_CHARACTERS])


def decode_objects(
    line: bytes,
    read: Callable[[Mapping[str, Any]], Record | Rejected],
    decoded: Decoded[Record],
) -> None:
    """Add to `decoded` what `read` makes of the objects on a line, or why there are none.

    A line that is not UTF-8 is read with its bad bytes replaced: its numbers are still good.
    Objects glued together (a writer died before its newline) each count, but only if the whole
    line is objects.
    """
    try:
        text = line.decode()
        repaired = False
    except UnicodeDecodeError:
        text = line.decode(errors="replace")
        repaired = True
    outcomes: list[Record | Rejected]
    try:
        values = _parse_values(text)
    except (ValueError, RecursionError) as error:
        reason = RejectReason.ENCODING if repaired else RejectReason.JSON
        detail = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        outcomes = [rejected(reason, f"expected a JSON object, got {detail}")]
    else:
        odd = [value for value in values if not isinstance(value, dict)]
        if odd:
            detail = f"expected a JSON object, got {show(odd[0])}"
            outcomes = [rejected(RejectReason.NOT_OBJECT, detail)]
        else:
            outcomes = [read(value) for value in values]
    kept = False
    for outcome in outcomes:
        if isinstance(outcome, Rejected):
            decoded.rejected.append(rejected(outcome.reason, outcome.detail, text))
        else:
            decoded.records.append(outcome)
            kept = True
    decoded.repaired += repaired and kept


def show(value: Any) -> str:
    """Return the beginning of a value, for a message; `repr` fails on one nested deeply."""
    return reprlib.repr(value)


def read_timestamp(found: Mapping[str, Any], path: str, zone: tzinfo) -> UnixSeconds | Rejected:
    """Return the time that stands at `path` of an object, or why there is none."""
    when = field_at(found, path)
    if when is MISSING or when is None:
        return rejected(RejectReason.MISSING_FIELD, f"expected {path!r}")
    try:
        if isinstance(when, bool) or not isinstance(when, str | int | float):
            raise ValueError(f"expected a timestamp, got {show(when)}")  # noqa: TRY301, TRY004
        return parse_timestamp(when, zone)
    except ValueError as error:
        return rejected(RejectReason.BAD_TIMESTAMP, str(error))


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name}, which is not JSON")


def _parse_integer(digits: str) -> int | float:
    """Return infinity where Python refuses thousands of digits: the line may not need them."""
    try:
        return int(digits)
    except ValueError:
        return float(digits)


_JSON = json.JSONDecoder(parse_constant=_refuse_constant, parse_int=_parse_integer)
_JSON_SPACE = " \t\n\r"


def _parse_values(text: str) -> list[Any]:
    """Return the JSON values that make up the whole text; raise ValueError if they do not."""
    values, position = [], 0
    while position < len(text):
        value, position = _JSON.raw_decode(text, position)
        values.append(value)
        while position < len(text) and text[position] in _JSON_SPACE:
            position += 1
    return values
