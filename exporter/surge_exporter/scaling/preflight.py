"""Whether an operation should start now, by a fresh sample."""

from dataclasses import dataclass
from enum import StrEnum

from surge_exporter.model import Seconds
from surge_exporter.scaling.scaler import Inputs, Settings, State


class Operation(StrEnum):
    """What somebody is about to do."""

    GENERATE = "generate"
    LOAD = "load"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """The answer."""

    allowed: bool
    reason: str
    """In words and numbers."""
    operation: Operation
    model: str | None
    """The one asked for or, where none was named, the recommended one."""
    tier: str | None
    recommended_model: str | None
    """What would be allowed; None if nothing would."""
    retry_after_seconds: Seconds | None = None
    """None if it is allowed, or if waiting won't help."""


def answer(
    inputs: Inputs,
    state: State,
    settings: Settings,
    *,
    model: str | None = None,
    operation: Operation = Operation.GENERATE,
) -> Preflight:
    """Answer for one operation; `inputs.sample` is the fresh sample."""
    raise NotImplementedError
