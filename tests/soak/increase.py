"""What PromQL's `increase()` makes of a counter's samples."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple


class Series(NamedTuple):
    """A name and its labels, in the order of the page."""

    name: str
    labels: tuple[tuple[str, str], ...]

    @property
    def values(self) -> tuple[str, ...]:
        """The labels' values alone."""
        return tuple(value for _, value in self.labels)


class Increase:
    """Increases since the first sample of each series, over all lives of a process.

    Without extrapolation: what a scrape has not shown does not count. A series that is absent
    from a scrape goes on later where it was.
    """

    def __init__(self) -> None:
        """Begin without any sample."""
        self._last: dict[Series, float] = {}
        self._sums: dict[Series, float] = {}

    def add(self, samples: Mapping[Series, float]) -> None:
        """Take the samples of one scrape; a value that fell began at 0 anew.

        >>> increase = Increase()
        >>> for value in (5.0, 7.0, 3.0, 4.0):
        ...     increase.add({Series("a_total", ()): value})
        >>> increase.of("a_total")
        6.0
        """
        for series, value in samples.items():
            last = self._last.get(series, value)
            gain = value - last if value >= last else value
            self._sums[series] = self._sums.get(series, 0.0) + gain
            self._last[series] = value

    def of(self, name: str, **labels: str) -> float:
        """Return the sum over all series of a name that have these labels."""
        return sum(
            value
            for series, value in self._sums.items()
            if series.name == name and labels.items() <= dict(series.labels).items()
        )

    def by_values(self, name: str) -> dict[tuple[str, ...], float]:
        """Return the increase of each series of a name, by the values of its labels."""
        return dict(self._by_values(name))

    def _by_values(self, name: str) -> Iterator[tuple[tuple[str, ...], float]]:
        for series, value in self._sums.items():
            if series.name == name:
                yield series.values, value
