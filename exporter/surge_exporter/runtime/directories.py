"""Which directories are read from, told so that two readers of one can be found.

Two exporters that read the same lines count everything twice. A path does not show it: mounted
into two containers, one directory has two. So each has a fingerprint that is the same wherever
its kernel, or its server, shows it, and says nothing else.
"""

import os
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from surge_exporter.model import Source
from surge_exporter.runtime.clock import Clock
from surge_exporter.runtime.mounts import Mount, mount_of

LOOK_EVERY_SECONDS = 60.0
MOST_DIRECTORIES = 100
"""Of a source. Those shown are the first in order, so that two readers show the same ones."""

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_DIGITS = 12


class Directories:
    """Keeps the fingerprints of what each source is read from, looking seldom. Owned by `Tail`."""

    def __init__(
        self, clock: Clock, *, look: Callable[[AbstractSet[str]], tuple[str, ...]] | None = None
    ) -> None:
        self._clock = clock
        self._look = look or fingerprints_of
        self._known: Mapping[Source, frozenset[str]] = {}
        self._found: Mapping[Source, tuple[str, ...]] = {}
        self._looked_at = 0.0

    def fingerprints(
        self, directories: Mapping[Source, AbstractSet[str]]
    ) -> Mapping[Source, tuple[str, ...]]:
        """Return the fingerprints of directories, by source.

        They are taken once a minute, and when there are other directories than the last time.
        """
        now = self._clock.monotonic()
        if directories != self._known or now - self._looked_at >= LOOK_EVERY_SECONDS:
            self._known = {source: frozenset(paths) for source, paths in directories.items()}
            self._found = {source: self._look(paths) for source, paths in self._known.items()}
            self._looked_at = now
        return self._found


def fingerprints_of(directories: AbstractSet[str]) -> tuple[str, ...]:
    """Return what is the same for each reader of some directories, in order, each once.

    What can't be read is left out. Of a local directory it is this boot of the kernel, with
    device and inode: the same in all its containers. Of a server's it is what the table of
    mounts has for it, and the inode: the same on all hosts.
    """
    mounts: dict[int, Mount | None] = {}  # by device: the table is read once for each
    found: set[str] = set()
    for directory in directories:
        with suppress(OSError, ValueError):
            path = os.path.realpath(directory)
            if not os.access(path, os.R_OK | os.X_OK):
                continue
            status = os.stat(path)
            if status.st_dev not in mounts:
                mounts[status.st_dev] = mount_of(path)
            found.add(_fingerprint(mounts[status.st_dev], status.st_dev, status.st_ino))
    return tuple(sorted(found)[:MOST_DIRECTORIES])


def _fingerprint(mount: Mount | None, device: int, inode: int) -> str:
    if mount is not None and mount.is_remote and mount.names_its_server:
        place = f"{mount.device}\0{inode}"
    else:
        place = f"{_boot()}\0{device}\0{inode}"
    return sha256(place.encode(errors="surrogateescape")).hexdigest()[:_DIGITS]


def _boot() -> str:
    """Return what tells this kernel from others, and its last boot from the one before."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except (OSError, ValueError):  # no Linux
        return os.uname().nodename
