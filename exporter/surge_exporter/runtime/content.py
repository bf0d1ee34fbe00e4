"""What a held file says, at any offset: plain bytes here, decompressed ones in `unzipped`."""

from dataclasses import dataclass
from typing import Protocol

from surge_exporter.runtime.filesystem import FileSystem, Stamp

_BLOCK_BYTES = 64 * 1024


class Content(Protocol):
    """Bytes with an end that moves; each call may raise OSError."""

    is_compressed: bool
    is_behind: bool
    """True while measuring it takes more calls."""

    def measure(self, stamp: Stamp) -> int | None:
        """Return how many bytes there are; None while that cannot be said."""
        ...

    def read_at(self, size: int, offset: int) -> bytes:
        """Return `size` bytes at `offset`; fewer only at the end."""
        ...

    def text_after(self, offset: int) -> int | None:
        """Return where the first byte but NUL is, at or after `offset`, if there is any."""
        ...


@dataclass(frozen=True, slots=True)
class _Nulls:
    """A stretch of NULs that was looked through to the end of the file."""

    start: int
    end: int
    stamp: Stamp


class Plain:
    """The bytes as they stand in the file."""

    is_compressed = False
    is_behind = False

    def __init__(self, files: FileSystem, descriptor: int) -> None:
        self._files = files
        self._descriptor = descriptor
        self._nulls: _Nulls | None = None

    def measure(self, stamp: Stamp) -> int | None:
        """Return the size of the file."""
        return stamp.size

    def read_at(self, size: int, offset: int) -> bytes:
        """Return `size` bytes at `offset`; fewer only at the end."""
        data = self._files.read(self._descriptor, size, offset)
        while data and len(data) < size:
            more = self._files.read(self._descriptor, size - len(data), offset + len(data))
            if not more:
                break
            data += more
        return data

    def text_after(self, offset: int) -> int | None:
        """Return where the first byte but NUL is, at or after `offset`, if there is any.

        A file may be extended by gigabytes of NULs before it is written: what was looked
        through is not looked through again, unless it was changed.
        """
        stamp = self._files.status(self._descriptor).stamp
        start = self._first_unknown(offset, stamp)
        found, end = self._search(start)
        if found is not None and start > offset:  # was there some written before, meanwhile?
            found, end = self._search(offset)
        self._nulls = _Nulls(offset, end, stamp) if found is None else None
        return found

    def _first_unknown(self, offset: int, stamp: Stamp) -> int:
        nulls = self._nulls
        if nulls is None or stamp.size < nulls.end:
            return offset
        # Text that was consumed meanwhile explains a change; without it, it was elsewhere.
        is_unexplained = offset == nulls.start and stamp != nulls.stamp
        return offset if is_unexplained else max(offset, nulls.end)

    def _search(self, start: int) -> tuple[int | None, int]:
        position = start
        while True:
            data_start = self._files.next_data(self._descriptor, position)
            if data_start is None:
                return None, position
            position = data_start
            data = self.read_at(_BLOCK_BYTES, position)
            if not data:
                return None, position
            text = data.lstrip(b"\0")
            if text:
                return position + len(data) - len(text), position
            position += len(data)
