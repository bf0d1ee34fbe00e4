"""The seam between the tailer and the kernel: what tests replace to stage a race."""

import errno
import glob
import os
import stat
from collections.abc import Iterator
from fnmatch import fnmatch
from typing import NamedTuple, Protocol

FileKey = tuple[int, int]
"""Device and inode: names a file for as long as a descriptor of it is held, not longer."""


class Entry(NamedTuple):
    """A file that a pattern matches."""

    path: str
    key: FileKey
    size: int
    modified: float


class Status(NamedTuple):
    """What a descriptor says of its file."""

    key: FileKey
    size: int
    links: int
    is_regular: bool


class FileSystem(Protocol):
    """The calls the tailer makes; each may raise OSError."""

    def scan(self, pattern: str) -> list[Entry]:
        """Return the regular files that a pattern matches, by path."""
        ...

    def open(self, path: str) -> int:
        """Return a descriptor for reading, without waiting for a writer of a FIFO."""
        ...

    def status(self, descriptor: int) -> Status:
        """Return what the file is now."""
        ...

    def read(self, descriptor: int, size: int, offset: int) -> bytes:
        """Return up to `size` bytes at `offset`; fewer at the end."""
        ...

    def next_data(self, descriptor: int, offset: int) -> int | None:
        """Return where data begins at or after `offset`; None if a hole runs to the end."""
        ...

    def close(self, descriptor: int) -> None:
        """Let go of a descriptor."""
        ...


class OsFileSystem:
    """The real one."""

    def scan(self, pattern: str) -> list[Entry]:
        """Return the regular files that a pattern matches, by path.

        Raises:
            OSError: a directory of the pattern exists and cannot be listed.
        """
        return sorted(self._scan(pattern))

    def open(self, path: str) -> int:
        """Return a descriptor for reading, without waiting for a writer of a FIFO."""
        return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)

    def status(self, descriptor: int) -> Status:
        """Return what the file is now."""
        found = os.fstat(descriptor)
        return Status(
            (found.st_dev, found.st_ino),
            found.st_size,
            found.st_nlink,
            stat.S_ISREG(found.st_mode),
        )

    def read(self, descriptor: int, size: int, offset: int) -> bytes:
        """Return up to `size` bytes at `offset`; fewer at the end."""
        return os.pread(descriptor, size, offset)

    def next_data(self, descriptor: int, offset: int) -> int | None:
        """Return where data begins at or after `offset`; None if a hole runs to the end."""
        try:
            return os.lseek(descriptor, offset, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return None
            raise

    def close(self, descriptor: int) -> None:
        """Let go of a descriptor."""
        os.close(descriptor)

    def _scan(self, pattern: str) -> Iterator[Entry]:
        directory, name = os.path.split(pattern)
        for folder in self._directories(directory):
            with os.scandir(folder) as entries:
                for entry in entries:
                    if fnmatch(entry.name, name):
                        yield from self._entry(entry)

    def _directories(self, directory: str) -> list[str]:
        if glob.has_magic(directory):
            return [path for path in glob.glob(directory, recursive=True) if os.path.isdir(path)]
        return [directory or "."] if os.path.isdir(directory or ".") else []

    def _entry(self, entry: "os.DirEntry[str]") -> Iterator[Entry]:
        try:
            found = entry.stat()
        except OSError:  # gone since the listing, or a link to nothing
            return
        if stat.S_ISREG(found.st_mode):
            key = (found.st_dev, found.st_ino)
            yield Entry(entry.path, key, found.st_size, found.st_mtime)
