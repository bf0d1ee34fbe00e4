"""Builders: telemetry as the fleet writes it, and as the decoders read it."""

import json
from datetime import UTC, datetime
from typing import Any

from surge_exporter.model import HOUR, Request, Seconds, Tick, UnixSeconds

NOW = UnixSeconds(1_774_811_040.0)
"""2026-03-29T19:04:00Z: an instant on the epoch's minute, for tests that need any."""

MINUTE = Seconds(60.0)
SIX_HOURS = Seconds(6 * HOUR)


def iso(at: float) -> str:
    """Return an instant as the fleet's writers spell it, to the microsecond.

    >>> iso(NOW)
    '2026-03-29T19:04:00+00:00'
    """
    return datetime.fromtimestamp(at, UTC).isoformat()


def request_line(
    at: float,
    *,
    caller: str | None = "heartbeat_tick",
    model: str | None = "hermes4:14b",
    success: bool = True,
    prompt_len: int = 400,
    response_len: int = 400,
    **fields: Any,
) -> bytes:
    """Return one line of a request log; `fields` are further ones, such as `duration_ms`."""
    return _line(
        timestamp=iso(at),
        model=model,
        caller=caller,
        prompt_len=prompt_len,
        response_len=response_len,
        success=success,
        **fields,
    )


def tick_line(at: float, *, gitea: bool | None = True, inference: bool | None = True) -> bytes:
    """Return one line of a heartbeat log; a check that is None is left out."""
    health = {} if inference is None else {"inference_ok": inference}
    perception: dict[str, Any] = {"model_health": {"ollama_running": True, **health}}
    if gitea is not None:
        perception["gitea_alive"] = gitea
    return _line(
        tick_id=f"{datetime.fromtimestamp(at, UTC):%Y%m%d_%H%M%S}",
        timestamp=iso(at),
        perception=perception,
        actions=[],
    )


def _line(**fields: Any) -> bytes:
    return json.dumps(fields).encode() + b"\n"


def request(
    at: float,
    *,
    caller: str | int | None = "heartbeat_tick",
    model: str | int | None = "hermes4:14b",
    success: bool = True,
    **fields: Any,
) -> Request:
    """Return a request as the decoder would; without sizes unless `fields` has some."""
    return Request(timestamp=at, at=at, caller=caller, model=model, success=success, **fields)


def tick(at: float, *, gitea: bool | None = True, inference: bool | None = True) -> Tick:
    """Return a tick as the decoder would."""
    return Tick(UnixSeconds(at), gitea, inference)


def spread(count: int, start: float, stop: float) -> list[float]:
    """Return `count` instants, evenly spread inside the interval and never on its ends.

    >>> spread(2, 0, 10)
    [2.5, 7.5]
    """
    step = (stop - start) / count
    return [start + (index + 0.5) * step for index in range(count)]
