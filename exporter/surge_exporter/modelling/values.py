"""What the manager gives its callers: answers, events, its status, and its errors."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from surge_exporter.model import Seconds, UnixSeconds
from surge_exporter.scaling.decisions import Kind
from surge_exporter.scaling.performance import Performance
from surge_exporter.scaling.preflight import Preflight

_PATIENCE_SECONDS = Seconds(120.0)
_DRAIN_SECONDS = Seconds(30.0)
_GRACE_SECONDS = Seconds(2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """For how long the manager and its callers wait, and how many of them may."""

    request_seconds: Seconds = _PATIENCE_SECONDS
    """A request waits so long for a switch that it came in."""
    most_waiting: int = 1000
    drain_seconds: Seconds = _DRAIN_SECONDS
    """A switch waits so long for running answers; then they are cut at their next piece."""
    grace_seconds: Seconds = _GRACE_SECONDS
    """And so long for them to notice; those that don't are left behind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer."""

    text: str
    model: str
    """Who gave it: not the one that served when it was asked for, after a fall-back."""
    seconds: Seconds
    """From its beginning at that model on."""


class Phase(StrEnum):
    """How far a switch is."""

    STARTED = "started"
    DONE = "done"
    FAILED = "failed"
    """What served before is asked on: it stays, was loaded again, or will be on demand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingEvent:
    """A switch started or ended."""

    at: UnixSeconds
    kind: Kind
    phase: Phase
    was: str | None
    """The model that served; None before the first."""
    model: str | None
    """The one that is to serve or, at the end, serves."""
    reason: str
    """In words and numbers."""
    drained_seconds: Seconds = Seconds(0.0)  # noqa: RUF009 - it is a float
    """How long running answers were waited for."""
    cut: int = 0
    """How many were not finished by then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagerStatus:
    """What the manager does, at one instant."""

    server: str
    model: str | None
    tier: str | None
    loaded: tuple[str, ...] | None
    """The models in the server's memory when it was last asked, the largest first; None where it
    has not been, or can't say."""
    look: int
    """Another number whenever that was learned, or a switch began or ended."""
    switching_to: str | None
    in_flight: int
    waiting: int
    """Requests that wait for a switch to end."""
    performance: Mapping[str, Performance]
    """By model."""
    events: Mapping[Kind, int]
    """Switches that were made."""
    last_event: ScalingEvent | None


class NotNowError(Exception):
    """Nothing answers now; the same request may be taken later."""

    def __init__(self, message: str, retry_after_seconds: Seconds | None = None) -> None:
        """Take why, and after how long it may be worth a try, if that is known."""
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class DeniedError(NotNowError):
    """The pre-flight check allows neither the model that serves, or is to, nor a smaller one."""

    def __init__(self, preflight: Preflight) -> None:
        """Take the check's answer for that model."""
        super().__init__(preflight.reason, preflight.retry_after_seconds)
        self.preflight = preflight


class AnswerBrokenError(Exception):
    """A streaming answer ended after its first piece and before its end.

    It is not begun anew, since its reader has a part already. Asking again is up to them: the
    next request is answered by the next smaller model, if the pre-flight check allows one.
    """

    def __init__(self, model: str, why: str) -> None:
        """Take whose answer it was and why it ended."""
        super().__init__(f"{model}: {why}")
        self.model = model
        self.why = why
