"""What is measured of detectors, on traffic made up to the rhythm of recorded series."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from zlib import crc32

from tests.bench.verdict import OURS
from tests.bench.verdict.alarms import Detector, Tally, tally
from tests.bench.verdict.rivals import AT_THRESHOLDS, DETECTORS
from tests.bench.verdict.scenarios import FLAT, scenario, weekly_profile
from tests.bench.verdict.series import DemandSeries

RATES = (2, 5, 10, 20, 50, 200, 2000)
MAGNITUDES = (1.5, 2.0, 3.0, 5.0, 10.0)
STEADY = "no rhythm"
PROFILED = ("taxi", "nasa", "elb", "sg_large_total")
"""The series whose rhythm the scenarios have: a city, the web, a load balancer, LLM calls."""

Asked = str | tuple[str, float]
"""A detector by its name, or at a threshold."""

_ALL: Mapping[Asked, Detector] = dict[Asked, Detector](DETECTORS) | AT_THRESHOLDS

Profiles = Mapping[str, Sequence[float]]


def profiles(series: Iterable[DemandSeries]) -> dict[str, Sequence[float]]:
    """Return the rhythms there are to try, a steady one first."""
    known = {one.name: one for one in series}
    found = {n: weekly_profile(known[n].counts, known[n].start) for n in PROFILED if n in known}
    return {STEADY: FLAT, **found}


def other_profiles(series: Iterable[DemandSeries]) -> dict[str, Sequence[float]]:
    """Return the rhythms of all other series, thinned copies left out."""
    return {
        one.name: weekly_profile(one.counts, one.start)
        for one in series
        if one.name not in PROFILED and "thin" not in one.name
    }


@dataclass(frozen=True, slots=True)
class Task:
    """A scenario to make, and who is asked about it."""

    profile: str
    rhythm: Sequence[float]
    rate: int
    seed: int
    has_surges: bool
    detectors: tuple[Asked, ...] = tuple(_ALL)
    days: int = 28


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a detector did."""

    profile: str
    rate: int
    tallies: Mapping[Asked, Tally]


def tasks(rhythms: Profiles, seeds: Iterable[int], days: int = 28) -> Iterator[Task]:
    """Yield every scenario of the rhythms, with and without surges."""
    for seed in seeds:
        for profile, rhythm in rhythms.items():
            for rate in RATES:
                yield Task(profile, rhythm, rate, seed, has_surges=False, days=days)
                yield Task(profile, rhythm, rate, seed, has_surges=True, days=days)


def calm_tasks(rhythms: Profiles, seed: int) -> Iterator[Task]:
    """Yield the scenarios without surges, for ours alone."""
    for profile, rhythm in rhythms.items():
        for rate in RATES:
            yield Task(profile, rhythm, rate, seed, has_surges=False, detectors=(OURS,))


def run(task: Task) -> Outcome:
    """Ask each detector."""
    made = scenario(
        task.rhythm,
        task.rate,
        seed=crc32(f"{task.seed}:{task.profile}".encode()),
        has_surges=task.has_surges,
        days=task.days,
    )
    return Outcome(
        task.profile,
        task.rate,
        {name: tally(made, _ALL[name](made)) for name in task.detectors},
    )


class Verdict:
    """What one detector did in a number of scenarios."""

    def __init__(self, outcomes: Iterable[Outcome], detector: Asked) -> None:
        self._outcomes = [one for one in outcomes if detector in one.tallies]
        self._detector = detector

    def at(self, *, rate: int | None = None, profile: str | None = None) -> "Verdict":
        """Return it for scenarios of that rate or rhythm alone."""
        chosen = (
            one
            for one in self._outcomes
            if rate in (None, one.rate) and profile in (None, one.profile)
        )
        return Verdict(chosen, self._detector)

    @property
    def false_alarms_a_week(self) -> float:
        """Return how many there are once three days are known."""
        tallies = self._tallies()
        return sum(t.false_alarms for t in tallies) / sum(t.weeks for t in tallies)

    @property
    def cold_false_alarms_a_week(self) -> float:
        """Return how many there are before that."""
        tallies = self._tallies()
        return sum(t.cold_false_alarms for t in tallies) / sum(t.cold_weeks for t in tallies)

    @property
    def alert_part(self) -> float:
        """Return the part of calm time that the alert is on."""
        calm = [t for t in self._tallies() if t.weeks]
        return sum(t.alert_part for t in calm) / len(calm)

    def recall(self, least: float, most: float | None = None) -> float:
        """Return which part of the surges of such magnitudes was found while they lasted.

        Not a number if there were none.
        """
        found = self._minutes(least, most)
        return sum(minutes is not None for minutes in found) / len(found) if found else math.nan

    def delay_minutes(self, least: float, most: float | None = None) -> float:
        """Return after how long half of those found were found; not a number if none was."""
        return median(
            [minutes for minutes in self._minutes(least, most) if minutes is not None]
            or [math.nan]
        )

    def _tallies(self) -> list[Tally]:
        return [one.tallies[self._detector] for one in self._outcomes]

    def _minutes(self, least: float, most: float | None) -> list[int | None]:
        return [
            found.minutes
            for one in self._tallies()
            for found in one.found
            if least <= found.magnitude <= (least if most is None else most)
        ]
