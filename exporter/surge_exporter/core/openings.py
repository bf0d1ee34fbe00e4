"""Tell which of many files may begin as another does, without comparing it with each."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

from surge_exporter.core.identity import common_bytes

Key = TypeVar("Key", bound=Hashable)


class Openings(Generic[Key]):
    """Files by their first bytes, sorted: those that begin alike stand together."""

    def __init__(self) -> None:
        self._sorted: list[bytes] = []
        self._keys: dict[bytes, dict[Key, None]] = {}
        self._openings: dict[Key, bytes] = {}

    def put(self, key: Key, opening: bytes) -> None:
        """Note how a file begins, in place of what was noted before."""
        if self._openings.get(key) == opening:
            return
        self.discard(key)
        self._openings[key] = opening
        if opening not in self._keys:
            insort(self._sorted, opening)
        self._keys.setdefault(opening, {})[key] = None

    def discard(self, key: Key) -> None:
        """Forget a file, if there is anything to forget."""
        opening = self._openings.pop(key, None)
        if opening is None:
            return
        del self._keys[opening][key]
        if not self._keys[opening]:
            del self._keys[opening]
            del self._sorted[bisect_left(self._sorted, opening)]

    def like(self, opening: bytes) -> Iterator[Key]:
        """Yield the files whose first bytes begin with `opening`, or `opening` with them."""
        place = bisect_left(self._sorted, opening)
        for longer in range(place, len(self._sorted)):
            if not self._sorted[longer].startswith(opening):
                break
            yield from self._keys[self._sorted[longer]]
        while place:
            before = self._sorted[place - 1]
            common = common_bytes(before, opening)
            if common == len(before):
                yield from self._keys[before]
                place -= 1
            else:  # what is a beginning of `opening` is no longer than this, and sorts before it
                place = bisect_right(self._sorted, opening[:common], 0, place - 1)
