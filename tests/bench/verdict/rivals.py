"""Other ways to tell a surge, each from counts of five minutes."""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, pairwise

from surge_exporter.core.surge import SurgeAnswer, SurgeDetector
from tests.bench.verdict import OURS
from tests.bench.verdict.alarms import Detector
from tests.bench.verdict.scenarios import Scenario
from tests.bench.verdict.series import PER_HOUR

Scores = Callable[[Scenario], Sequence[float]]
"""How alarming the end of each bucket is."""

_SIX_HOURS, _DAY, _WEEK = 6 * PER_HOUR, 24 * PER_HOUR, 168 * PER_HOUR
_BAND = 2.0
"""Standard deviations."""
_MARGIN = 1.5
_LEAST_VARIATION = 0.5
_SMOOTHED = 26 * PER_HOUR
_HALF_HOUR = PER_HOUR // 2


@lru_cache(maxsize=1)
def _answers(made: Scenario) -> list[SurgeAnswer]:
    return SurgeDetector.batch(made.counts, made.start)


def seasonal_test(made: Scenario) -> list[bool]:
    """Ask ours."""
    return [told["alert"] for told in _answers(made)]


def seasonal_scores(made: Scenario) -> list[float]:
    """Ask ours how alarming it is: an alert begins above 3.7, and is held a while below."""
    return [told["score"] for told in _answers(made)]


def ratios(made: Scenario) -> list[float]:
    """Compare the last six hours with the six before."""
    sums = list(_sums(made.counts, _SIX_HOURS))
    before = [0] * _SIX_HOURS + sums
    return [
        (now / then if then else math.inf) if now and bucket >= 2 * _SIX_HOURS else 0.0
        for bucket, (now, then) in enumerate(zip(sums, before, strict=False))
    ]


def z_scores(made: Scenario) -> list[float]:
    """Compare the last hour with each hour that ended in the last 24.

    As PromQL does: (r - avg_over_time(r[1d])) / stddev_over_time(r[1d]), r the rate of 1 h.
    """
    hours = list(_sums(made.counts, PER_HOUR))
    means = [total / _DAY for total in _sums(hours, _DAY)]
    squares = [total / _DAY for total in _sums([one * one for one in hours], _DAY)]
    variances = [square - mean * mean for square, mean in zip(squares, means, strict=True)]
    return [
        (hours[i] - means[i]) / math.sqrt(variances[i]) if i >= _DAY and variances[i] > 0 else 0.0
        for i in range(len(hours))
    ]


def _sums(counts: Sequence[int], width: int) -> Iterator[int]:
    """Yield the sum of the last `width` at each place, of as many as there are."""
    totals = [0, *accumulate(counts)]
    for end in range(1, len(totals)):
        yield totals[end] - totals[max(0, end - width)]


def over(threshold: float, scores: Scores) -> Detector:
    """Alert where the score is higher."""
    return lambda made: [score > threshold for score in scores(made)]


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


SCORES: dict[str, Scores] = {
    OURS: seasonal_scores,
    "6 h / 6 h": ratios,
    "z-score of 1 h in 24 h": z_scores,
}
THRESHOLDS: dict[str, Sequence[float]] = {
    OURS: (2.5, 2.8, 3.1, 3.4, 3.7, 4.0),
    "6 h / 6 h": (1.5, 2.0, 3.0, 4.0),
    "z-score of 1 h in 24 h": (3.0, 3.4, 3.8, 4.2, 4.6),
}
DETECTORS: dict[str, Detector] = {
    OURS: seasonal_test,
    "6 h / 6 h > 1.5": over(1.5, ratios),
    "6 h / 6 h > 3": over(3.0, ratios),
    "z-score of 1 h in 24 h > 3": over(3.0, z_scores),
    "adaptive bands": adaptive_bands,
}
"""At the thresholds that one sets."""
AT_THRESHOLDS: dict[tuple[str, float], Detector] = {
    (name, threshold): over(threshold, SCORES[name])
    for name, thresholds in THRESHOLDS.items()
    for threshold in thresholds
}
