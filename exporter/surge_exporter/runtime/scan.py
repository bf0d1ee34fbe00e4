"""Find the files of every source: each once, whatever names and patterns lead to it."""

import os
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from surge_exporter.model import Source
from surge_exporter.runtime.faults import NO_DESCRIPTORS, Faults, TailCounts
from surge_exporter.runtime.filesystem import Entry, FileKey, FileSystem

_MOST_PATHS = 1000  # whose files are remembered, to notice that another took the place


class Scan(NamedTuple):
    """What one look at the directories found."""

    found: Mapping[FileKey, tuple[Source, Entry]]
    """The newest first: what was written last matters most, and most likely goes on."""
    incomplete: AbstractSet[Source]
    """Sources of which something could not be listed: what was not found may be there."""
    lacked_descriptors: bool


class Scanner:
    """Looks at the directories. Owned by `Tail`."""

    def __init__(
        self,
        files: FileSystem,
        patterns: Mapping[Source, Sequence[str]],
        counts: Mapping[Source, TailCounts],
        faults: Faults,
    ) -> None:
        self._files = files
        self._patterns = patterns
        self._counts = counts
        self._faults = faults
        self._paths: dict[str, FileKey] = {}
        self.directories_of = {
            source: {os.path.dirname(pattern) for pattern in globs}
            for source, globs in patterns.items()
        }

    @property
    def directories(self) -> set[str]:
        """Those of all sources."""
        return set().union(*self.directories_of.values())

    def scan(self) -> Scan:
        """Return every matching file once, under the first source and pattern it matches."""
        found: dict[FileKey, tuple[Source, Entry]] = {}
        errors: list[tuple[Source, OSError]] = []
        for source, pattern in self._all_patterns():
            listing = self._files.scan(pattern)
            for entry in listing.entries:
                found.setdefault(entry.key, (source, entry))
            for error in listing.errors:
                errors.append((source, error))
                self._faults.meet(source, pattern, error)
            if not listing.errors:
                self._faults.end(pattern)
        self._note_paths(found)
        return Scan(
            dict(sorted(found.items(), key=_newest_first)),
            {source for source, _ in errors},
            any(error.errno in NO_DESCRIPTORS for _, error in errors),
        )

    def _all_patterns(self) -> Iterator[tuple[Source, str]]:
        for source, patterns in self._patterns.items():
            for pattern in patterns:
                yield source, pattern

    def _note_paths(self, found: Mapping[FileKey, tuple[Source, Entry]]) -> None:
        """Count the paths where a file never seen before has taken the place of another."""
        known = set(self._paths.values())
        for source, entry in found.values():
            before = self._paths.pop(entry.path, entry.key)
            if before != entry.key and entry.key not in known:
                self._counts[source].rotations += 1
            self._paths[entry.path] = entry.key
            self.directories_of[source].add(os.path.dirname(entry.path))
        while len(self._paths) > _MOST_PATHS:
            del self._paths[next(iter(self._paths))]


def _newest_first(item: tuple[FileKey, tuple[Source, Entry]]) -> tuple[float, str]:
    _, (_, entry) = item
    return -entry.modified, entry.path
