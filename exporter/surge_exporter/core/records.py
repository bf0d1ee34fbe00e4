"""Decode request lines: a block of bytes in, records and rejected lines out. Never raises."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any

import msgspec

from surge_exporter.core.fields import MISSING, field_at
from surge_exporter.core.lines import clean_lines
from surge_exporter.core.objects import Decoded, decode_objects, read_timestamp, rejected, show
from surge_exporter.core.timestamps import EARLIEST, parse_timestamp
from surge_exporter.model import MAX_SIZE, Rejected, RejectReason, Request

REQUEST_FIELDS: Mapping[str, str] = {
    name: name for name in (*Request.__struct_fields__, "error") if name != "at"
}
"""Every field of a request line, and the path where it stands by default."""

_TYPED = msgspec.json.Decoder(Request)
_NOT_TYPED = (msgspec.DecodeError, RecursionError, ValueError)
_LONGEST_DURATION_SECONDS = 1e9
_NAMES = ("caller", "model")
_SIZES = ("prompt_len", "response_len", "prompt_tokens", "response_tokens", "completion_tokens")
_DURATIONS = ("duration_seconds", "duration_ms", "latency_ms")


class RequestDecoder:
    """Decodes request lines, with fields at the paths of `fields` and naive times in `zone`.

    Three ways of growing cost and tolerance give the same records: a typed decode of the whole
    block, of one line, and an untyped one (`decode_objects`). Remapped fields take the last.
    """

    def __init__(self, fields: Mapping[str, str] | None = None, zone: tzinfo = UTC) -> None:
        self._paths = {**REQUEST_FIELDS, **(fields or {})}
        self._zone = zone
        self._typed = self._paths == REQUEST_FIELDS

    def decode(self, block: bytes) -> Decoded[Request]:
        """Return the records and rejections of a block of whole lines."""
        if self._typed:
            records = self._decode_block(block)
            if records is not None:
                return Decoded(records=records, lines=len(records))
        decoded: Decoded[Request] = Decoded()
        for line in clean_lines(block):
            self._decode_line(line, decoded)
        return decoded

    def _decode_block(self, block: bytes) -> list[Request] | None:
        """All lines at once, or None where one of them needs a closer look."""
        try:
            records = _TYPED.decode_lines(block)
            # Blank lines, glued objects and objects over several lines change the count.
            if len(records) != block.count(b"\n"):
                return None
            for record in records:
                self._set_time(record)
        except _NOT_TYPED:
            return None
        return records

    def _decode_line(self, line: bytes, decoded: Decoded[Request]) -> None:
        decoded.lines += 1
        if self._typed:
            try:
                record = _TYPED.decode(line)
                self._set_time(record)
            except _NOT_TYPED:
                pass
            else:
                decoded.records.append(record)
                return
        decode_objects(line, self._from_object, decoded)

    def _set_time(self, record: Request) -> None:
        """The hot path: what `parse_timestamp` does, without a call for the usual form."""
        text = record.timestamp
        try:
            moment = datetime.fromisoformat(text)  # type: ignore[arg-type]
            if moment.tzinfo is not None:
                record.at = moment.timestamp()
                if record.at >= EARLIEST:
                    return
        except (TypeError, ValueError):
            pass
        record.at = parse_timestamp(text, self._zone)

    def _from_object(self, found: Mapping[str, Any]) -> Request | Rejected:
        at = read_timestamp(found, self._paths["timestamp"], self._zone)
        if isinstance(at, Rejected):
            return at
        values = {name: _present(field_at(found, path)) for name, path in self._paths.items()}
        if values["success"] is None:
            return rejected(RejectReason.MISSING_FIELD, f"expected {self._paths['success']!r}")
        try:
            return Request(timestamp=at, at=at, **dict(self._checked(values)))
        except ValueError as error:
            return rejected(RejectReason.BAD_VALUE, str(error))

    def _checked(self, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        if not isinstance(values["success"], bool):
            raise ValueError(self._expected("success", "true or false", values))  # noqa: TRY004
        yield "success", values["success"]
        for name in _NAMES:
            value = values[name]
            if isinstance(value, bool) or not isinstance(value, str | int | None):
                raise ValueError(self._expected(name, "text", values))  # noqa: TRY004
            yield name, value
        for name in _SIZES:
            value = values[name]
            if value is not None and not _is_number(value, MAX_SIZE):
                raise ValueError(self._expected(name, f"a number from 0 to {MAX_SIZE}", values))
            yield name, None if value is None else int(value)
        for name in _DURATIONS:
            value = values[name]
            if value is not None and not _is_number(value, _LONGEST_DURATION_SECONDS):
                raise ValueError(self._expected(name, "a duration of at least 0", values))
            yield name, None if value is None else float(value)

    def _expected(self, name: str, what: str, values: Mapping[str, Any]) -> str:
        return f"expected {self._paths[name]!r} to be {what}, got {show(values[name])}"


def _present(value: Any) -> Any:
    return None if value is MISSING else value


def _is_number(value: Any, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= most
