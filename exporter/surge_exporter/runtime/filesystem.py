"""The seam between the tailer and the kernel: what tests replace to stage a race."""

import errno
import glob
import os
import resource
import stat
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple, Protocol

FileKey = tuple[int, int]
"""Device and inode: names a file for as long as a descriptor of it is held, not longer."""

# Gone since the listing, or not there yet; a link to nothing, or to itself.
_NOT_THERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
_MOST_HELD = 1000  # telemetry is a few files; what is beyond belongs to the web server


class Stamp(NamedTuple):
    """What changes whenever a file does. The time is the kernel's own: nobody can set it."""

    size: int
    changed_ns: int


class Entry(NamedTuple):
    """A file that a pattern matches."""

    path: str
    key: FileKey
    stamp: Stamp
    modified: float


class Listing(NamedTuple):
    """What matches a pattern, as far as could be seen."""

    entries: list[Entry]
    errors: list[OSError]
    """One for each directory that exists and cannot be listed."""


class Status(NamedTuple):
    """What a descriptor says of its file."""

    key: FileKey
    stamp: Stamp
    links: int
    is_regular: bool


class FileSystem(Protocol):
    """The calls the tailer makes; each but the first two may raise OSError."""

    def most_held(self) -> int:
        """Return how many descriptors the tailer may hold."""
        ...

    def scan(self, pattern: str) -> Listing:
        """Return the regular files that a pattern matches, by path."""
        ...

    def open(self, path: str) -> int:
        """Return a descriptor for reading, without waiting for a writer of a FIFO."""
        ...

    def status(self, descriptor: int) -> Status:
        """Return what the file is now."""
        ...

    def read(self, descriptor: int, size: int, offset: int) -> bytes:
        """Return up to `size` bytes at `offset`; fewer at the end, or at the kernel's whim."""
        ...

    def next_data(self, descriptor: int, offset: int) -> int | None:
        """Return where data begins at or after `offset`; None if a hole runs to the end."""
        ...

    def close(self, descriptor: int) -> None:
        """Let go of a descriptor."""
        ...


class OsFileSystem:
    """The real one."""

    def __init__(self, *, share: float = 0.5) -> None:
        """Take which part of the descriptors that the process may have is for the tailer."""
        self._share = share

    def most_held(self) -> int:
        """Return how many descriptors the tailer may hold."""
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft == resource.RLIM_INFINITY:
            return _MOST_HELD
        return max(1, min(_MOST_HELD, int(soft * self._share)))

    def scan(self, pattern: str) -> Listing:
        """Return the regular files that a pattern matches, by path."""
        directory, name = os.path.split(pattern)
        listing = Listing([], [])
        for folder in _directories(directory):
            try:
                _list(folder, name, listing)
            except OSError as error:
                if error.errno not in _NOT_THERE:
                    listing.errors.append(error)
        listing.entries.sort()
        return listing

    def open(self, path: str) -> int:
        """Return a descriptor for reading, without waiting for a writer of a FIFO."""
        return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)

    def status(self, descriptor: int) -> Status:
        """Return what the file is now."""
        found = os.fstat(descriptor)
        is_regular = stat.S_ISREG(found.st_mode)
        return Status(_key(found), _stamp(found), found.st_nlink, is_regular)

    def read(self, descriptor: int, size: int, offset: int) -> bytes:
        """Return up to `size` bytes at `offset`; fewer at the end, or at the kernel's whim."""
        return os.pread(descriptor, size, offset)

    def next_data(self, descriptor: int, offset: int) -> int | None:
        """Return where data begins at or after `offset`; None if a hole runs to the end."""
        try:
            return os.lseek(descriptor, offset, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return None
            if error.errno in (errno.EINVAL, errno.ENOTSUP):  # no such thing as holes here
                return offset
            raise

    def close(self, descriptor: int) -> None:
        """Let go of a descriptor."""
        os.close(descriptor)


def _directories(directory: str) -> list[str]:
    if not glob.has_magic(directory):
        return [directory or "."]
    if "**" not in directory.split(os.sep):
        return glob.glob(directory)
    # Unlike glob, pathlib does not go round in circles of symbolic links.
    root = Path(os.sep if os.path.isabs(directory) else ".")
    return [str(path) for path in root.glob(directory.lstrip(os.sep))]


def _list(folder: str, pattern: str, listing: Listing) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            if not _is_named(entry.name, pattern):
                continue
            try:
                found = entry.stat()
            except OSError as error:
                if error.errno not in _NOT_THERE:
                    listing.errors.append(error)
                continue
            if stat.S_ISREG(found.st_mode):
                listing.entries.append(
                    Entry(entry.path, _key(found), _stamp(found), found.st_mtime)
                )


def _is_named(name: str, pattern: str) -> bool:
    """Say whether a name matches; hidden files are matched by hidden patterns, as in a shell."""
    return fnmatch(name, pattern) and (name[0] != "." or pattern[0] == ".")


def _key(found: os.stat_result) -> FileKey:
    return found.st_dev, found.st_ino


def _stamp(found: os.stat_result) -> Stamp:
    return Stamp(found.st_size, found.st_ctime_ns)
