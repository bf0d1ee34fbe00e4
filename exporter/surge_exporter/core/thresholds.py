"""Which threshold would have given fewer alerts: a search over what was recorded."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, takewhile
from math import floor, log10
from typing import NamedTuple

from surge_exporter.core.episodes import Patience, Segment, Stretch, spans

Exceeds = Callable[[float, float], bool]

_LEAST = 0.01
_DIGITS = 12  # what is left of a number once binary fractions are rounded away


class Search(NamedTuple):
    """What a signal's threshold is searched in: the segments of each of its subjects.

    They were recorded at a lower threshold and so hold all that is beyond a higher one.
    """

    tracks: Sequence[Sequence[Segment]]
    exceeds: Exceeds
    patience: Patience

    def episodes(self, threshold: float) -> int:
        """Return how many there would have been, of all subjects."""
        return sum(
            sum(1 for _ in spans(_stretches(track, self.exceeds, threshold), self.patience, 0))
            for track in self.tracks
        )

    def least_threshold(self, above: float, *, most: float, allowed: float) -> float | None:
        """Return the least round number above a threshold that gives at most so many episodes.

        None if only numbers beyond `most` do.
        """
        values = [segment.judged for segment in chain.from_iterable(self.tracks)]
        numbers = round_numbers(above, whole=all(float(value).is_integer() for value in values))
        for threshold in takewhile(lambda number: number <= most, numbers):
            if self.episodes(threshold) <= allowed:
                return threshold
        return None


def round_numbers(above: float, *, whole: bool) -> Iterator[float]:
    """Yield the numbers of two digits above a number, without end.

    >>> from itertools import islice
    >>> list(islice(round_numbers(1.5, whole=False), 3))
    [1.6, 1.7, 1.8]
    >>> list(islice(round_numbers(97, whole=True), 4))
    [98.0, 99.0, 100.0, 110.0]
    """
    number = max(above, 0.0)
    while True:
        unit = 10.0 ** (floor(log10(number) + 1e-9) - 1) if number >= _LEAST else _LEAST
        unit = max(unit, 1.0) if whole else unit
        number = round((floor(number / unit + 1e-9) + 1) * unit, _DIGITS)
        yield number


def _stretches(
    segments: Sequence[Segment], exceeds: Exceeds, threshold: float
) -> Iterator[Stretch]:
    open_: Stretch | None = None
    for first, last, judged, lasts in segments:
        goes_on = open_ is not None and open_.last == first - 1
        if not (exceeds(judged, threshold) or (lasts and goes_on)):
            continue
        if open_ is not None and goes_on:
            open_.last = last
        else:
            if open_ is not None:
                yield open_
            open_ = Stretch(first, last)
    if open_ is not None:
        yield open_
