"""Whether traffic surges: the windows that end now against what they were expected to hold."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from surge_exporter.core.expectation import WINDOW_HOURS, Expectation, WindowTest
from surge_exporter.core.timeline import Timeline
from surge_exporter.model import Severity

SURGE_FACTOR = 1.5
"""Over what is usual, from where on there is talk of a surge."""
CRITICAL_SURGE_FACTOR = 3.0

_CONFIRMING_Z = 3.7
_EARLY_CONFIRMING_Z = 5.9
"""Required within the first day; from then on less, until there are two to compare."""
_DAY_HOURS = 24.0
_HISTORY_HOURS = 28 * _DAY_HOURS
_TESTED_FROM_HOURS = 12.0
_CALM_FACTOR = 1.2
"""A surge is over when no window tells of one and the shortest is under this factor."""
_QUIET_WINDOW = WINDOW_HOURS.index(1.0)
"""What is shown while no window tells of a surge."""
_REPLAYED_HOURS = 24
"""How far back a detector that starts over looks for the beginning of a surge that lasts."""


class SurgeAnswer(TypedDict):
    """The verdict in three numbers."""

    alert: bool
    score: float
    factor: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SurgeVerdict:
    """Traffic against its expectation at one instant, in the window that says most of it.

    While no window tells of a surge that is the last hour.
    """

    factor: float
    """Observed over expected rate, always finite; 1 without history."""
    z_score: float
    expected_requests_per_hour: float
    window_hours: float
    severity: Severity | None
    """What is confirmed. A surge that is not yet over remains a warning."""
    score: float
    """How alarming the instant is: a surge begins where it exceeds 3.7."""
    has_history: bool
    """Whether there is enough of it, half a day, to confirm anything."""

    @property
    def is_confirmed(self) -> bool:
        """Whether the alert is on."""
        return self.severity is not None


_UNTESTED = SurgeVerdict(
    factor=1.0,
    z_score=0.0,
    expected_requests_per_hour=0.0,
    window_hours=WINDOW_HOURS[_QUIET_WINDOW],
    severity=None,
    score=0.0,
    has_history=False,
)


class SurgeDetector:
    """Tests one series, and remembers what it learned of it.

    Calls go forward in time, by any number of buckets. A call that goes back, or brings older
    or otherwise divided history than the one before, starts over from the counts it brings.
    """

    def __init__(
        self,
        *,
        warning_factor: float = SURGE_FACTOR,
        critical_factor: float = CRITICAL_SURGE_FACTOR,
    ) -> None:
        self._warning_factor = warning_factor
        self._critical_factor = critical_factor
        self._expectation = Expectation(per_hour=0, first=0)
        self._verdict = _UNTESTED
        self._first = 0
        self._edge = 0

    def set_factors(self, *, warning: float, critical: float) -> None:
        """Confirm surges above other factors from now on."""
        self._warning_factor = warning
        self._critical_factor = critical

    def __call__(self, counts: Sequence[float], bucket_seconds: float, now: float) -> SurgeAnswer:
        """Answer in three numbers what `test` says."""
        return _answer(self.test(counts, bucket_seconds, now))

    def test(self, counts: Sequence[float], bucket_seconds: float, now: float) -> SurgeVerdict:
        """Return the verdict at `now`, when the last of `counts`, oldest first, ends.

        Of more than 28 days the last are used. Buckets that do not divide half an hour are
        divided anew, as if each had been evenly filled.
        """
        timeline = Timeline.of(counts, bucket_seconds, now, most_hours=_HISTORY_HOURS)
        if (
            timeline.per_hour != self._expectation.per_hour
            or timeline.first < self._first
            or timeline.first > self._expectation.known_until
            or timeline.end < self._edge
        ):
            self._start_over(timeline)
        self._first = timeline.first
        replayed_from = timeline.end - _REPLAYED_HOURS * timeline.per_hour
        for edge in range(self._edge + 1, timeline.end):
            if edge > replayed_from or not edge % self._expectation.edges_per_origin:
                self._step(timeline, edge)
        self._edge = timeline.end
        self._step(timeline, timeline.end)
        return self._verdict

    @classmethod
    def batch(
        cls, counts: Sequence[float], start: float, bucket_seconds: float = 300.0
    ) -> list[SurgeAnswer]:
        """Answer for each bucket of a series that begins at `start`, as if called at its end.

        Buckets must divide half an hour.
        """
        detector = cls()
        now = start + len(counts) * bucket_seconds
        timeline = Timeline.of(counts, bucket_seconds, now, most_hours=math.inf)
        detector._start_over(timeline)
        answers = []
        for edge in range(timeline.first + 1, timeline.end + 1):
            detector._step(timeline, edge)
            answers.append(_answer(detector._verdict))
        return answers

    def _start_over(self, timeline: Timeline) -> None:
        self._expectation = Expectation(timeline.per_hour, timeline.first)
        self._verdict = _UNTESTED
        self._first = self._edge = timeline.first

    def _step(self, timeline: Timeline, edge: int) -> None:
        windows = self._expectation.test(timeline, edge)
        hours = (edge - timeline.first) / timeline.per_hour
        self._verdict = _UNTESTED if windows is None else self._judge(windows, hours)

    def _judge(self, windows: Sequence[WindowTest], history_hours: float) -> SurgeVerdict:
        confirming = _confirming_z(history_hours)
        has_history = history_hours >= _TESTED_FROM_HOURS
        high = [w for w in windows if has_history and w.factor > self._warning_factor]
        surging = [w for w in high if w.z_score > confirming]
        shown = max(surging, key=_z_score) if surging else windows[_QUIET_WINDOW]
        if any(w.factor > self._critical_factor for w in surging):
            severity = Severity.CRITICAL
        elif surging or (self._verdict.is_confirmed and windows[0].factor >= _CALM_FACTOR):
            severity = Severity.WARNING
        else:
            severity = None
        highest = max((w.z_score for w in high), default=0.0)
        return SurgeVerdict(
            factor=shown.factor,
            z_score=shown.z_score,
            expected_requests_per_hour=shown.expected,
            window_hours=shown.hours,
            severity=severity,
            score=highest * (_CONFIRMING_Z / confirming),
            has_history=has_history,
        )


def _confirming_z(history_hours: float) -> float:
    missing_days = min(1.0, max(0.0, 2.0 - history_hours / _DAY_HOURS))
    return _CONFIRMING_Z + missing_days * (_EARLY_CONFIRMING_Z - _CONFIRMING_Z)


def _z_score(window: WindowTest) -> float:
    return window.z_score


def _answer(verdict: SurgeVerdict) -> SurgeAnswer:
    return {"alert": verdict.is_confirmed, "score": verdict.score, "factor": verdict.factor}
