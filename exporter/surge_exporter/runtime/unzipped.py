"""The text of a gzip file, read as if it stood in the file, in little memory."""

import errno
import zlib

from surge_exporter.core.lines import MAX_LINE_BYTES
from surge_exporter.runtime.content import Plain
from surge_exporter.runtime.filesystem import FileSystem, Stamp

MAGIC = b"\x1f\x8b"

_GZIP = 16 + zlib.MAX_WBITS  # zlib's number for a header and a checksum as gzip writes them
_PIECE_BYTES = 64 * 1024
_HEAD_BYTES = 1024
_WINDOW_BYTES = 2 * MAX_LINE_BYTES  # a reader goes back over an unfinished line
_MOST_AT_ONCE_BYTES = 256 * 1024 * 1024  # a second's work


class Unzipped:
    """Decompresses forwards, and keeps the last bytes to go back a little.

    Going back further begins anew. The text counts only once all of it has been seen and its
    checksum is right: until then the file is taken to be still written.
    """

    is_compressed = True
    is_behind = False

    def __init__(self, files: FileSystem, descriptor: int) -> None:
        self._raw = Plain(files, descriptor)
        self._stamp: Stamp | None = None
        self._size: int | None = None
        self._restart()

    def measure(self, stamp: Stamp) -> int | None:
        """Return how many bytes the whole text has; None while it is not whole.

        A very long one is looked through over several calls: until then `is_behind`.
        """
        if stamp == self._stamp and self._size is not None:
            return self._size
        if stamp.size < self._position:
            self._restart()
        changed, self._stamp = stamp != self._stamp, stamp
        is_resumed = self._position > 0
        if not self._is_broken:
            self._look_on()
        if self._is_broken and changed and is_resumed:  # written anew, perhaps
            self._restart()
            self._look_on()
        return self._size

    def read_at(self, size: int, offset: int) -> bytes:
        """Return `size` bytes at `offset`; fewer only at the end."""
        if offset + size <= len(self._head):
            return self._head[offset : offset + size]
        if offset < self._end - len(self._window):
            self._restart()
        while self._end < offset + size and self._advance():
            pass
        if self._is_broken:
            raise OSError(errno.EIO, "broken gzip data")
        start = offset - (self._end - len(self._window))
        return bytes(self._window[start : start + size])

    def text_after(self, offset: int) -> int | None:
        """Return where the first byte but NUL is, at or after `offset`, if there is any."""
        while data := self.read_at(_PIECE_BYTES, offset):
            text = data.lstrip(b"\0")
            if text:
                return offset + len(data) - len(text)
            offset += len(data)
        return None

    def _look_on(self) -> None:
        """Decompress to the end, or as much as is reasonable at once."""
        enough = self._end + _MOST_AT_ONCE_BYTES
        self._size = None
        while self._end < enough:
            if not self._advance():
                self.is_behind = False
                if self._inflate.eof and not self._is_broken:
                    self._size = self._end
                return
        self.is_behind = True

    def _restart(self) -> None:
        self._inflate = zlib.decompressobj(_GZIP)
        self._position = 0
        self._tail = b""
        self._is_full = False
        self._is_broken = False
        self._head = b""
        self._window = bytearray()
        self._end = 0

    def _advance(self) -> bool:
        """Decompress the next piece into the window; say whether there was one."""
        try:
            piece = self._next_piece()
        except zlib.error:
            self._is_broken = True
            return False
        if len(self._window) > 2 * _WINDOW_BYTES:
            del self._window[:-_WINDOW_BYTES]
        self._window += piece
        self._end += len(piece)
        if self._end == len(self._window) and len(self._head) < _HEAD_BYTES:
            self._head = bytes(self._window[:_HEAD_BYTES])
        return bool(piece)

    def _next_piece(self) -> bytes:
        while True:
            if self._inflate.eof and not self._begin_member():
                return b""
            raw = self._tail or (b"" if self._is_full else self._more())
            if not raw and not self._is_full:
                return b""
            piece = self._inflate.decompress(raw, _PIECE_BYTES)
            self._is_full = len(piece) == _PIECE_BYTES  # there may be more without more input
            self._tail = self._inflate.unconsumed_tail or self._inflate.unused_data
            if piece:
                return piece

    def _begin_member(self) -> bool:
        """Go on to the next of several texts in one file; what else follows is padding."""
        self._tail = self._tail.lstrip(b"\0")
        while len(self._tail) < len(MAGIC):
            more = self._more()
            if not more:
                return False
            self._tail = (self._tail + more).lstrip(b"\0")
        if not self._tail.startswith(MAGIC):
            return False
        self._inflate = zlib.decompressobj(_GZIP)
        self._is_full = False
        return True

    def _more(self) -> bytes:
        data = self._raw.read_at(_PIECE_BYTES, self._position)
        self._position += len(data)
        return data
