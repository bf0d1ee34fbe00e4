"""Where a resource is going, and how sure that is."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf, sqrt

from surge_exporter.model import UnixSeconds
from surge_exporter.scaling.resources import CPU, GPU_MEMORY, MEMORY, Sample

_LEAST_SAMPLES = 10
_MOST_CORRELATED = 0.95

_READ: Mapping[str, Callable[[Sample], float | None]] = {
    CPU: lambda sample: min(1.0, max(0.0, sample.cpu_ratio)),
    MEMORY: lambda sample: sample.memory_ratio,
    GPU_MEMORY: lambda sample: max((gpu.memory_ratio for gpu in sample.gpus), default=None),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """A straight line through a resource's samples."""

    resource: str
    per_second: float
    """The ratio's slope."""
    stderr: float
    """The slope's standard error."""
    at_ratio: float
    """Where the line is at the last sample."""

    def at_least(self, deviations: float) -> float:
        """Return the slope's lower confidence bound, per second."""
        return self.per_second - deviations * self.stderr


def trend(
    samples: Iterable[Sample],
    resource: str,
    *,
    after: UnixSeconds,
    before: UnixSeconds,
    least_span_seconds: float,
) -> Trend | None:
    """Return the least-squares line through the samples strictly between two instants.

    None where they are too few, or cover less than the span: what follows from two minutes says
    nothing of the next ten.
    """
    found = points(samples, resource, after, before)
    if len(found) < _LEAST_SAMPLES or found[-1][0] - found[0][0] < least_span_seconds:
        return None
    slope, stderr, end = line(found)
    return Trend(resource=resource, per_second=slope, stderr=stderr, at_ratio=end)


def points(
    samples: Iterable[Sample], resource: str, after: UnixSeconds, before: UnixSeconds
) -> list[tuple[float, float]]:
    """Return a resource's use strictly between two instants, by seconds before the second."""
    read = _READ[resource]
    return [
        (sample.at - before, ratio)
        for sample in samples
        if after < sample.at < before and (ratio := read(sample)) is not None
    ]


def line(points: Sequence[tuple[float, float]]) -> tuple[float, float, float]:
    """Return slope, its standard error, and the height at the last point, of three points or more.

    Residuals of a host's load hang together, so each says less than one of its own: the error is
    widened by sqrt((1 + r) / (1 - r)), r being their correlation from one to the next (the
    effective number of samples of an AR(1) process). The error is infinite, and the slope 0,
    where all points are at one instant.
    """
    count = len(points)
    middle = sum(x for x, _ in points) / count
    height = sum(y for _, y in points) / count
    spread = sum((x - middle) ** 2 for x, _ in points)
    if spread <= 0.0:
        return 0.0, inf, height
    slope = sum((x - middle) * (y - height) for x, y in points) / spread
    residuals = [y - height - slope * (x - middle) for x, y in points]
    squares = sum(r * r for r in residuals)
    stderr = sqrt(squares / (count - 2) / spread) * _widening(residuals, squares)
    return slope, stderr, height + slope * (points[-1][0] - middle)


def _widening(residuals: Sequence[float], squares: float) -> float:
    if squares <= 0.0:
        return 1.0
    products = sum(one * other for one, other in pairwise(residuals))
    correlation = min(_MOST_CORRELATED, max(0.0, products / squares))
    return sqrt((1.0 + correlation) / (1.0 - correlation))


def crosses_within(
    trend: Trend, level: float, threshold: float, *, lead_seconds: float, deviations: float
) -> bool:
    """Say whether a rise from a level reaches a threshold in time, as slow as it may well be.

    The level is the newest sample's, which the line knows nothing of: one outlier can't blur the
    slope that it is judged by, and a higher level never makes a crossing less likely.
    """
    slope = trend.at_least(deviations)
    return slope > 0.0 and level + slope * lead_seconds >= threshold
