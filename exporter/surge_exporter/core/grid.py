"""Buckets of event time: which one an instant falls in, and which make up the two windows."""

import math
from dataclasses import dataclass

from surge_exporter.model import Seconds, UnixSeconds

_TARGET_BUCKET_SECONDS = 60.0
_LEAST_SPAN = 60  # a short window, too, ends where it should within a sixtieth


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Buckets [origin + i * width, origin + (i + 1) * width), `span` of them a window.

    The recent window is the bucket of `now` and the `span - 1` before it, the baseline the
    `span` before those. On the epoch's grid (serving) a window's far edge is thus up to one
    bucket late; a grid that ends at one instant (reporting) is exact for that instant.
    """

    width_seconds: float
    span: int
    origin: float = 0.0

    @classmethod
    def for_horizon(cls, horizon_seconds: Seconds) -> "Grid":
        """Return the epoch's grid: buckets of a minute, less for less than an hour."""
        span = max(_LEAST_SPAN, round(horizon_seconds / _TARGET_BUCKET_SECONDS))
        return cls(width_seconds=horizon_seconds / span, span=span)

    def ending_at(self, now: UnixSeconds) -> "Grid":
        """Return the same grid, moved so that the bucket of `now` ends with it, included.

        >>> grid = Grid.for_horizon(Seconds(3600.0)).ending_at(UnixSeconds(7200.0))
        >>> grid.index(7200.0), grid.index(3600.0), grid.index(3600.5)
        (-1, -61, -60)
        """
        return Grid(
            width_seconds=self.width_seconds,
            span=self.span,
            origin=math.nextafter(now, math.inf),
        )

    @property
    def horizon_seconds(self) -> Seconds:
        """The length of a window."""
        return Seconds(self.width_seconds * self.span)

    def index(self, at: float) -> int:
        """Return the bucket of an instant."""
        return int((at - self.origin) // self.width_seconds)

    def start(self, index: int) -> UnixSeconds:
        """Return when a bucket begins."""
        return UnixSeconds(self.origin + index * self.width_seconds)
