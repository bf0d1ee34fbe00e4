"""Traffic of which every surge is known: a weekly profile, noise that lasts, Poisson counts."""

import math
import random
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

BUCKET_SECONDS = 300
FLAT = (1.0,) * 168

_HOUR = 3600
_BUCKETS_PER_HOUR = _HOUR // BUCKET_SECONDS
_WEEK_HOURS = 168
_START = 1_735_516_800
"""A Monday, 2024-12-30 00:00 UTC."""
_NOISE = 0.2
"""Standard deviation of the logarithm of the rate."""
_NOISE_KEPT_PER_HOUR = 0.85
_RAMP_BUCKETS = 3
_MAGNITUDES = (1.5, 2.0, 3.0, 5.0, 10.0)
_DURATION_HOURS = (1, 3, 6, 12)
_FIRST_SURGE_HOUR = 72
_SURGE_EVERY_HOURS = 48
_CALM_HOURS = 12
"""The least between two surges."""


@dataclass(frozen=True, slots=True)
class Surge:
    """Traffic that is `magnitude` times what it would be, from bucket `begin` up to `end`."""

    begin: int
    end: int
    magnitude: float

    def at(self, bucket: int) -> float:
        """Return by what it multiplies the rate in a bucket."""
        if not self.begin <= bucket < self.end:
            return 1.0
        risen = min(1.0, (bucket - self.begin + 1) / _RAMP_BUCKETS)
        return 1.0 + (self.magnitude - 1.0) * risen


@dataclass(frozen=True, slots=True)
class Scenario:
    """Counts from `start` on, and the surges in them."""

    start: int
    counts: tuple[int, ...]
    surges: tuple[Surge, ...]


def weekly_profile(counts: Sequence[int], start: int) -> tuple[float, ...]:
    """Return the median rate, relative to the mean, of each hour of the week from Monday on."""
    by_hour: list[list[int]] = [[] for _ in range(_WEEK_HOURS)]
    for begin in range(0, len(counts) - _BUCKETS_PER_HOUR + 1, _BUCKETS_PER_HOUR):
        hour = _hour_of_week(start + begin * BUCKET_SECONDS)
        by_hour[hour].append(sum(counts[begin : begin + _BUCKETS_PER_HOUR]))
    medians = [statistics.median(hours or [0]) for hours in by_hour]
    mean = statistics.fmean(medians)
    return tuple(median / mean for median in medians)


def scenario(
    profile: Sequence[float],
    requests_per_hour: float,
    *,
    seed: int,
    has_surges: bool,
    days: int = 28,
) -> Scenario:
    """Return traffic with that mean rate, before surges, and the rhythm of the profile."""
    rng = random.Random(f"{seed}:{requests_per_hour}:{has_surges}")
    hours = days * 24
    surges = tuple(_surges(rng, hours)) if has_surges else ()
    magnitudes = [1.0] * (hours * _BUCKETS_PER_HOUR)
    for surge in surges:
        for bucket in range(surge.begin, surge.end):
            magnitudes[bucket] = surge.at(bucket)
    kept = _NOISE_KEPT_PER_HOUR ** (1 / _BUCKETS_PER_HOUR)
    fresh = _NOISE * math.sqrt(1 - kept * kept)
    noise = rng.gauss(0, _NOISE)
    counts = []
    for bucket, magnitude in enumerate(magnitudes):
        usual = profile[_hour_of_week(_START + bucket * BUCKET_SECONDS)]
        rate = requests_per_hour / _BUCKETS_PER_HOUR * usual * math.exp(noise)
        counts.append(_poisson(rng, rate * magnitude))
        noise = kept * noise + rng.gauss(0, fresh)
    return Scenario(_START, tuple(counts), surges)


def _surges(rng: random.Random, hours: int) -> Iterator[Surge]:
    begin = _FIRST_SURGE_HOUR + rng.uniform(0, _SURGE_EVERY_HOURS)
    while True:
        duration = rng.choice(_DURATION_HOURS)
        if begin + duration > hours:
            return
        first = round(begin * _BUCKETS_PER_HOUR)
        yield Surge(first, first + duration * _BUCKETS_PER_HOUR, rng.choice(_MAGNITUDES))
        begin += max(duration + _CALM_HOURS, _SURGE_EVERY_HOURS * rng.uniform(0.5, 1.5))


def _hour_of_week(at: int) -> int:
    return (at // _HOUR - 4 * 24) % _WEEK_HOURS  # the epoch began on a Thursday


def _poisson(rng: random.Random, mean: float) -> int:
    """Return a Poisson count: by its gaps, or, where they were many, by halves of their time.

    The time of the n-th event of a unit rate is gamma distributed; events before it lie
    evenly (Ahrens and Dieter, Computer methods for sampling, 1974).
    """
    if mean < 16:
        count, product = -1, 1.0
        least = math.exp(-mean)
        while product >= least:
            product *= 1.0 - rng.random()
            count += 1
        return count
    events = int(mean * 7 / 8)
    time = rng.gammavariate(events, 1.0)
    if time > mean:
        return _binomial(rng, events - 1, mean / time)
    return events + _poisson(rng, mean - time)


def _binomial(rng: random.Random, trials: int, probability: float) -> int:
    """Return a binomial count, cutting trials in two at the median of their order (ibid.)."""
    count = 0
    while trials >= 16:
        below = trials // 2
        cut = rng.betavariate(below + 1, trials - below)
        if cut <= probability:
            count += below + 1
            trials -= below + 1
            probability = (probability - cut) / (1 - cut)
        else:
            trials = below
            probability /= cut
    return count + sum(rng.random() < probability for _ in range(trials))
