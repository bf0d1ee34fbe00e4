"""What is remembered of files that are not held: those closed, and those that are gone."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import NamedTuple

from surge_exporter.core.identity import Candidate, Relation, Trace
from surge_exporter.core.openings import Openings
from surge_exporter.model import Source
from surge_exporter.runtime.filesystem import FileKey, Stamp
from surge_exporter.runtime.stream import Stream

_MOST_GHOSTS = 1024
_MOST_SAVED = 1000  # per source: a state file stays within some megabytes
_MOST_REPLACED = 4


@dataclass(slots=True)
class Parked:
    """A file that still stands there, but is not held: nothing in it is to be read.

    Once it changes it is opened again, and goes on behind its trace.
    """

    key: FileKey
    source: Source
    path: str
    stamp: Stamp
    trace: Trace | None
    """None for what was never read: a copy, or a compressed file too old to look into."""
    missed_scans: int = 0


class Origin(NamedTuple):
    """A file of which another holds all or a part."""

    relation: Relation
    trace: Trace
    holder: Stream | Parked | None
    """None if it is gone, or not met again."""
    is_inherited: bool = False
    """Whether it was another tail that read it: what it read is in no window of ours."""


class Memory:
    """Owned by `Tail`. Thousands of files may be parked: a new one is not compared with each."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self.parked: dict[FileKey, Parked] = {}
        self._openings: Openings[FileKey] = Openings()
        self._paths: defaultdict[str, dict[FileKey, None]] = defaultdict(dict)
        self._ghosts: dict[Source, dict[int, Trace]] = {source: {} for source in sources}
        self._ghost_openings: Openings[int] = Openings()
        self._inherited: set[int] = set()

    def remember(self, source: Source, trace: Trace) -> None:
        """Keep the trace of a file that is gone: a copy may turn up."""
        if trace.anchor:
            ghosts = self._ghosts[source]
            ghosts[id(trace)] = trace
            self._ghost_openings.put(id(trace), trace.sketch.head)
            if len(ghosts) > _MOST_GHOSTS:
                self.forget(source, next(iter(ghosts.values())))

    def forget(self, source: Source, trace: Trace) -> None:
        """Give up the trace of a file that has turned up."""
        del self._ghosts[source][id(trace)]
        self._ghost_openings.discard(id(trace))
        self._inherited.discard(id(trace))

    def inherit(self, source: Source, traces: Iterable[Trace]) -> None:
        """Keep the traces of files as another tail read them, before this one."""
        for trace in traces:
            self.remember(source, trace)
            self._inherited.add(id(trace))

    def disinherit(self, trace: Trace) -> None:
        """Note that what is left of a file is in the windows now."""
        self._inherited.discard(id(trace))

    def traces(self, source: Source, held: Iterable[Stream]) -> tuple[Trace, ...]:
        """Return what is known of the files of a source, the likeliest to be met again last.

        Of too many the last: those left out are hardly written to any more.
        """
        there = [
            (file.stamp.changed_ns, file.trace)
            for file in self.parked.values()
            if file.source is source and file.trace is not None
        ]
        there += [
            (stream.stamp.changed_ns, stream.trace()) for stream in held if stream.source is source
        ]
        there.sort(key=itemgetter(0))
        known = [*self._ghosts[source].values(), *(trace for _, trace in there)]
        # What was known from another tail and has not changed since is known twice.
        once = {(trace.path, trace.offset, trace.anchor): trace for trace in known if trace.anchor}
        newest = list(once.values())[-_MOST_SAVED:]
        return tuple(replace(trace, sketch=trace.sketch.copy()) for trace in newest)

    def park(self, parked: Parked) -> None:
        """Keep in mind a file that is closed but still there."""
        self.parked[parked.key] = parked
        if parked.trace is not None:
            self._openings.put(parked.key, parked.trace.sketch.head)
            self._paths[parked.trace.path][parked.key] = None

    def count(self, source: Source) -> int:
        """Return how many files of a source are parked."""
        return sum(parked.source is source for parked in self.parked.values())

    def lose(self, key: FileKey) -> None:
        """Note that a parked file is not what it was: it changed, or is gone."""
        parked = self.parked.pop(key)
        if parked.trace is not None:
            self._openings.discard(key)
            del self._paths[parked.trace.path][key]
            if not self._paths[parked.trace.path]:
                del self._paths[parked.trace.path]
            self.remember(parked.source, parked.trace)

    def origin_of(
        self, candidate: Candidate, source: Source, held: Iterable[Stream]
    ) -> Origin | None:
        """Return the file of which a waiting one holds all or a part, if there is one.

        Of several the one that was read furthest: what the others say, it says too. `held` are
        the files being read that may begin as the candidate does.

        Raises:
            OSError: the file cannot be read.
        """
        best: Origin | None = None
        ghosts = self._ghost_openings.like(candidate.opening)
        alike = self._openings.like(candidate.opening)
        for trace, holder in self._traces(source, ghosts, alike, held):
            if best is not None and trace.offset < best.trace.offset:
                continue
            origin = holder.read_at if isinstance(holder, Stream) else None
            relation = candidate.relation_to(trace, origin)
            if relation is not Relation.DIFFERENT:
                best = Origin(relation, trace, holder, id(trace) in self._inherited)
        return best

    def replaced_by(self, stream: Stream, held: Iterable[Stream]) -> list[Origin]:
        """Return the files that stood where this one stands, the newest first.

        `held` are the files being read that stood there.
        """
        there = self._paths.get(stream.path, ())
        before = [
            Origin(Relation.DIFFERENT, trace, holder, id(trace) in self._inherited)
            for trace, holder in self._traces(
                stream.source, self._ghosts[stream.source], there, held
            )
            if trace.path == stream.path
        ]
        return before[: -_MOST_REPLACED - 1 : -1]

    def _traces(
        self,
        source: Source,
        ghosts: Iterable[int],
        parked: Iterable[FileKey],
        held: Iterable[Stream],
    ) -> Iterator[tuple[Trace, Stream | Parked | None]]:
        for ghost in map(self._ghosts[source].get, ghosts):
            if ghost is not None:
                yield ghost, None
        for file in map(self.parked.__getitem__, parked):
            if file.source is source and file.trace is not None:
                yield file.trace, file
        for stream in held:
            if stream.source is source:
                yield stream.trace(), stream
