"""Decode heartbeat lines: a block of bytes in, ticks and rejected lines out. Never raises."""

from collections.abc import Mapping
from datetime import UTC, tzinfo
from typing import Any

from surge_exporter.core.fields import MISSING, field_at
from surge_exporter.core.lines import clean_lines
from surge_exporter.core.objects import Decoded, decode_objects, read_timestamp, rejected, show
from surge_exporter.model import Rejected, RejectReason, Tick

TICK_FIELDS: Mapping[str, str] = {
    "timestamp": "timestamp",
    "gitea_alive": "perception.gitea_alive",
    "inference_ok": "perception.model_health.inference_ok",
}
"""Every field of a heartbeat line, and the path where it stands by default."""

_FLAT_PATHS: Mapping[str, tuple[str, ...]] = {
    "gitea_alive": ("gitea_alive",),
    "inference_ok": ("model_health.inference_ok", "inference_ok"),
}
"""Where writers of flat ticks put the same fields."""

_MARKS = ("tick_id", "perception", "gitea_alive", "model_health", "inference_ok")
"""A line with none of these says nothing that a heartbeat says."""


class TickDecoder:
    """Decodes heartbeat lines, with fields at the paths of `fields` and naive times in `zone`."""

    def __init__(self, fields: Mapping[str, str] | None = None, zone: tzinfo = UTC) -> None:
        self._paths = {**TICK_FIELDS, **(fields or {})}
        self._zone = zone

    def decode(self, block: bytes) -> Decoded[Tick]:
        """Return the ticks and rejections of a block of whole lines."""
        decoded: Decoded[Tick] = Decoded()
        for line in clean_lines(block):
            decoded.lines += 1
            decode_objects(line, self._from_object, decoded)
        return decoded

    def _from_object(self, found: Mapping[str, Any]) -> Tick | Rejected:
        at = read_timestamp(found, self._paths["timestamp"], self._zone)
        if isinstance(at, Rejected):
            return at
        if not self._is_tick(found):
            detail = f"expected a heartbeat's {', '.join(_MARKS)}"
            return rejected(RejectReason.MISSING_FIELD, detail)
        try:
            return Tick(at, self._check(found, "gitea_alive"), self._check(found, "inference_ok"))
        except ValueError as error:
            return rejected(RejectReason.BAD_VALUE, str(error))

    def _is_tick(self, found: Mapping[str, Any]) -> bool:
        """Say whether anything marks an object as a heartbeat: any line has a timestamp."""
        checks = (self._paths[name] for name in _FLAT_PATHS)
        return any(field_at(found, path) is not MISSING for path in (*_MARKS, *checks))

    def _check(self, found: Mapping[str, Any], name: str) -> bool | None:
        """Return what the tick says of one check; null says nothing.

        Nor does a `model_health` that is text ("unreadable"): it has no checks inside.
        """
        for path in (self._paths[name], *_FLAT_PATHS[name]):
            value = field_at(found, path)
            if isinstance(value, bool):
                return value
            if value is not MISSING and value is not None:
                raise ValueError(f"expected {path!r} to be true or false, got {show(value)}")
        return None
