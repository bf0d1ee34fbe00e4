"""What reading has met with: counts for metrics, and one log line whenever an error changes."""

import errno
import logging
from dataclasses import dataclass

from surge_exporter.model import Source, UnixSeconds

_MOST_PATHS = 1000  # whose errors are remembered

NO_DESCRIPTORS = frozenset({errno.EMFILE, errno.ENFILE})
"""The process, or the machine, has too many files open."""

STALE = frozenset({errno.ESTALE, errno.ENOTCONN, errno.ENODEV})
"""The descriptor is of no use any more; the path may lead to the file again."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class TailCounts:
    """What reading one source has met with since the start."""

    files: int = 0
    pending_bytes: int = 0
    last_read: UnixSeconds | None = None
    read_errors: int = 0
    rotations: int = 0
    truncations: int = 0
    passed_bytes: int = 0
    """How far reading has moved in all files: `read_bytes` of all chunks and `skipped_bytes`."""
    skipped_bytes: int = 0
    """NULs before text, left by a writer that kept its place in a truncated file."""
    full_scans: int = 0
    """Files read from the start because their lines were in too great disorder to bisect."""
    directories: tuple[str, ...] = ()
    """Fingerprints of the directories that its files are in."""


class Faults:
    """Counts errors, and logs each once until it changes or is over."""

    def __init__(self, counts: dict[Source, TailCounts]) -> None:
        self._counts = counts
        self._reasons: dict[str, str] = {}

    def meet(self, source: Source, path: str, error: OSError) -> None:
        """Note that a path cannot be read."""
        self._counts[source].read_errors += 1
        reason = error.strerror or str(error)
        if self._reasons.get(path) != reason:
            self._reasons[path] = reason
            _log.warning("cannot be read path=%s error=%s", path, reason)
        while len(self._reasons) > _MOST_PATHS:
            del self._reasons[next(iter(self._reasons))]

    def end(self, path: str) -> None:
        """Note that a path can be read."""
        if self._reasons.pop(path, None) is not None:
            _log.info("can be read again path=%s", path)
