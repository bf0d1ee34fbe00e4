"""Other ways to tell a surge, each from counts of five minutes."""

import math
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise

from surge_exporter.core.surge import SurgeDetector
from tests.bench.verdict import OURS
from tests.bench.verdict.alarms import Detector
from tests.bench.verdict.scenarios import Scenario
from tests.bench.verdict.series import PER_HOUR

_SIX_HOURS, _DAY, _WEEK = 6 * PER_HOUR, 24 * PER_HOUR, 168 * PER_HOUR
_ALARMING_Z = 3.0
_BAND = 2.0
"""Standard deviations."""
_MARGIN = 1.5
_LEAST_VARIATION = 0.5
_SMOOTHED = 26 * PER_HOUR
_HALF_HOUR = PER_HOUR // 2


def seasonal_test(made: Scenario) -> list[bool]:
    """Ask ours."""
    return [told["alert"] for told in SurgeDetector.batch(made.counts, made.start)]


def ratio_over(threshold: float) -> Detector:
    """Compare the last six hours with the six before."""

    def alerts(made: Scenario) -> list[bool]:
        totals = [0, *accumulate(made.counts)]
        found = [False] * len(made.counts)
        for end in range(2 * _SIX_HOURS, len(totals)):
            middle = end - _SIX_HOURS
            recent, before = (
                totals[end] - totals[middle],
                totals[middle] - totals[end - 12 * PER_HOUR],
            )
            found[end - 1] = recent > threshold * before
        return found

    return alerts


def z_score(made: Scenario) -> list[bool]:
    """Compare the last hour with the 24 hours before it, hour by hour."""
    totals = [0, *accumulate(made.counts)]
    hour = [b - a for a, b in zip(totals, totals[PER_HOUR:], strict=False)]
    found = [False] * len(made.counts)
    for end in range(_DAY, len(hour)):
        before = hour[end - _DAY : end : PER_HOUR]
        mean = sum(before) / len(before)
        variance = sum((one - mean) ** 2 for one in before) / (len(before) - 1)
        found[end + PER_HOUR - 1] = hour[end] > mean + _ALARMING_Z * math.sqrt(variance)
    return found


def adaptive_bands(made: Scenario) -> list[bool]:
    """Follow the adaptive rules of grafana/promql-anomaly-detection, upper band only.

    The band is the greatest of the last hour's mean and twice a deviation, one and a half
    times that mean, and the hour around this time a day or a week ago and twice its
    deviation. The deviation is that of the hours in which it is over half the mean, smoothed
    over 26 hours. The alert is on from the second bucket in a row above the band. Left out is
    the filter of sparse series, under which little traffic is never looked at.
    """
    counts = made.counts
    hours = list(_moments(counts))
    varied = [
        deviation if mean is not None and deviation > _LEAST_VARIATION * mean else None
        for mean, deviation in hours
    ]
    smoothed = list(_means(varied, _SMOOTHED))
    above = []
    for bucket, count in enumerate(counts):
        mean, _ = hours[bucket]
        if not count or mean is None:
            above.append(False)
            continue
        bands = [_MARGIN * mean]
        if (deviation := smoothed[bucket]) is not None:
            bands.append(mean + _BAND * deviation)
        agos = [ago for ago in (_DAY - _HALF_HOUR, _WEEK - _HALF_HOUR) if bucket >= ago]
        bands += [m + _BAND * d for m, d in (hours[bucket - ago] for ago in agos) if m is not None]
        above.append(count > max(bands))
    return [False, *(one and other for one, other in pairwise(above))]


def _moments(counts: Sequence[int]) -> Iterator[tuple[float | None, float]]:
    """Yield mean and deviation of the last hour at each bucket, empty ones left out."""
    for bucket in range(len(counts)):
        known = [count for count in counts[max(0, bucket + 1 - PER_HOUR) : bucket + 1] if count]
        if not known:
            yield None, 0.0
            continue
        mean = sum(known) / len(known)
        yield mean, math.sqrt(sum((count - mean) ** 2 for count in known) / len(known))


def _means(values: Sequence[float | None], width: int) -> Iterator[float | None]:
    """Yield the mean of the last values at each place, missing ones left out."""
    totals = [0.0, *accumulate(value or 0.0 for value in values)]
    numbers = [0, *accumulate(value is not None for value in values)]
    for end in range(1, len(totals)):
        begin = max(0, end - width)
        number = numbers[end] - numbers[begin]
        yield (totals[end] - totals[begin]) / number if number else None


DETECTORS: dict[str, Detector] = {
    OURS: seasonal_test,
    "6 h / 6 h > 1.5": ratio_over(1.5),
    "6 h / 6 h > 3": ratio_over(3.0),
    "z-score of 1 h in 24 h > 3": z_score,
    "adaptive bands": adaptive_bands,
}
