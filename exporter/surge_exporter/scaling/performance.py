"""How well each model answers, and when that is too bad to go on with it."""

from collections import deque
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

from surge_exporter.model import Seconds, UnixSeconds
from surge_exporter.scaling.words import percent, seconds, times

_TAIL = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """What a model did lately."""

    model: str
    requests: int = 0
    failures: int = 0
    p95_seconds: Seconds | None = None
    """The time within which 95 % of the answers came; None where none is known."""
    load_failures: int = 0
    """How often in a row it could not be loaded."""

    @property
    def failure_ratio(self) -> float:
        """The failed part of the requests; 0 without any."""
        return self.failures / self.requests if self.requests else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """From where on a model does too badly."""

    failure_ratio: float = 0.2
    least_requests: int = 5
    """With fewer nothing is judged: one failure of one request says little."""
    p95_seconds: Seconds | None = None
    """None: slowness alone moves nothing, for what is slow only the operator knows."""


def trouble(performance: Performance, limits: Limits) -> str | None:
    """Return why a model does too badly, in words and numbers; None if it does not."""
    if performance.load_failures:
        return f"{performance.model} could not be loaded {times(performance.load_failures)} lately"
    if performance.requests < limits.least_requests:
        return None
    if performance.failure_ratio >= limits.failure_ratio:
        return (
            f"{performance.failures} of {performance.requests} requests to {performance.model}"
            f" failed, {percent(limits.failure_ratio)} or more"
        )
    slowest, limit = performance.p95_seconds, limits.p95_seconds
    if slowest is not None and limit is not None and slowest > limit:
        return (
            f"{performance.model} takes {seconds(slowest)} for 95 % of"
            f" {performance.requests} requests, over {seconds(limit)}"
        )
    return None


def together(one: Performance, other: Performance) -> Performance:
    """Return what two sources that count different requests say of one model.

    The 95th percentile of both can't be had from theirs; the larger one is never below it.
    """
    known = [p.p95_seconds for p in (one, other) if p.p95_seconds is not None]
    return Performance(
        model=one.model,
        requests=one.requests + other.requests,
        failures=one.failures + other.failures,
        p95_seconds=max(known, default=None),
        load_failures=max(one.load_failures, other.load_failures),
    )


class _Outcome(NamedTuple):
    at: UnixSeconds
    seconds: Seconds
    failed: bool


class Outcomes:
    """What is known of one model, of the last minutes: how requests and loads of it ended."""

    def __init__(self, model: str, *, window_seconds: float = 900.0, most: int = 500) -> None:
        self._model = model
        self._window_seconds = window_seconds
        self._outcomes: deque[_Outcome] = deque(maxlen=most)
        self._failed_loads: deque[UnixSeconds] = deque(maxlen=most)
        """Since it was last known to be in memory."""

    def add(self, at: UnixSeconds, *, seconds: Seconds, failed: bool) -> None:
        """Take in a finished request; who answers is loaded."""
        self._outcomes.append(_Outcome(at, seconds, failed))
        if not failed:
            self._failed_loads.clear()

    def add_load(self, at: UnixSeconds, *, failed: bool) -> None:
        """Take in a load, which is no request: it says nothing of how the model answers."""
        if failed:
            self._failed_loads.append(at)
        else:
            self._failed_loads.clear()

    def performance(self, now: UnixSeconds) -> Performance:
        """Return what the model did in the window; failures' times are none of answers."""
        recent = [outcome for outcome in self._outcomes if self._is_recent(outcome.at, now)]
        answers = sorted(outcome.seconds for outcome in recent if not outcome.failed)
        return Performance(
            model=self._model,
            requests=len(recent),
            failures=len(recent) - len(answers),
            p95_seconds=answers[ceil(_TAIL * len(answers)) - 1] if answers else None,
            load_failures=sum(self._is_recent(at, now) for at in self._failed_loads),
        )

    def _is_recent(self, at: UnixSeconds, now: UnixSeconds) -> bool:
        return now - self._window_seconds < at <= now
