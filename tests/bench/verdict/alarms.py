"""What alerts were worth: false ones by the week, surges found, and how late."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.bench.verdict.scenarios import BUCKET_SECONDS, Scenario
from tests.bench.verdict.series import PER_HOUR

WARM_UP_HOURS, JUDGED_FROM_HOURS = 12, 72
WEEK_HOURS = 168

_MERGED_BUCKETS = 2 * PER_HOUR
_BUCKET_MINUTES = BUCKET_SECONDS // 60

Detector = Callable[[Scenario], Sequence[bool]]
"""Whether its alert is on at the end of each bucket, by what is known then."""


@dataclass(frozen=True, slots=True)
class Found:
    """A surge, and after how many minutes it was found, if it was while it lasted."""

    magnitude: float
    minutes: int | None


@dataclass(frozen=True, slots=True)
class Tally:
    """One detector on one scenario. Only where there are no surges are alarms false."""

    false_alarms: int
    weeks: float
    cold_false_alarms: int
    """Between 12 and 72 hours after the start."""
    cold_weeks: float
    alert_part: float
    """Part of the time, without surges, that the alert is on."""
    found: tuple[Found, ...]


def tally(made: Scenario, alerts: Sequence[bool]) -> Tally:
    """Count. Alerts less than two hours apart are one alarm; none counts before hour 12."""
    if made.surges:
        found = tuple(
            Found(surge.magnitude, _minutes(alerts, surge.begin, surge.end))
            for surge in made.surges
        )
        return Tally(0, 0.0, 0, 0.0, 0.0, found)
    first, judged_from = WARM_UP_HOURS * PER_HOUR, JUDGED_FROM_HOURS * PER_HOUR
    begins = _alarms(alerts, first)
    cold = sum(begin < judged_from for begin in begins)
    judged = alerts[judged_from:]
    return Tally(
        false_alarms=len(begins) - cold,
        weeks=len(judged) / PER_HOUR / WEEK_HOURS,
        cold_false_alarms=cold,
        cold_weeks=(JUDGED_FROM_HOURS - WARM_UP_HOURS) / WEEK_HOURS,
        alert_part=sum(judged) / len(judged),
        found=(),
    )


def _alarms(alerts: Sequence[bool], first: int) -> list[int]:
    """Return the buckets in which alarms begin."""
    begins, last = [], -_MERGED_BUCKETS - 1
    for bucket in range(first, len(alerts)):
        if alerts[bucket]:
            if bucket - last > _MERGED_BUCKETS:
                begins.append(bucket)
            last = bucket
    return begins


def _minutes(alerts: Sequence[bool], begin: int, end: int) -> int | None:
    """Return how long after its begin a surge is first seen at the end of a bucket."""
    seen = next((bucket for bucket in range(begin, end) if alerts[bucket]), None)
    return None if seen is None else (seen + 1 - begin) * _BUCKET_MINUTES
