"""Read telemetry files once, to their end: plain or gzip, in blocks of lines."""

import os
import shutil
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from glob import glob, has_magic
from typing import IO

from surge_exporter.core.lines import cut_lines
from surge_exporter.model import Source
from surge_exporter.runtime.stream import Chunk

STDIN = "-"

_BLOCK_BYTES = 64 * 1024
_END_BYTES = 256 * 1024
_GZIP_STEP_BYTES = 16 * 1024
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_BITS = zlib.MAX_WBITS | 16  # with the header and checksum of gzip
_BROKEN = (EOFError, zlib.error)


class InputError(Exception):
    """What was named is nothing to read; the message says which and why."""


class UnreadableError(InputError):
    """An input is there and cannot be read."""


class BrokenInputError(UnreadableError):
    """An input cannot be read further; what was read of it so far is good."""


@dataclass(frozen=True, slots=True)
class Input:
    """Something to read: where it is, and what people call it."""

    path: str
    name: str


Inputs = Mapping[Source, Sequence[Input]]
"""What there is to read of each source."""


def expand(paths: Sequence[str]) -> list[Input]:
    """Return the files that paths and globs name, each once, a glob's in order of name.

    Raises:
        InputError: a path names nothing, or a directory.
    """
    found: dict[str, Input] = {}
    for path in paths:
        if path == STDIN:
            found[path] = Input(STDIN, "standard input")
            continue
        for name in _names(path):
            if os.path.isdir(name):
                raise InputError(f"expected a file, got the directory {name}")
            found.setdefault(os.path.realpath(name), Input(name, name))
    return list(found.values())


def _names(path: str) -> list[str]:
    if os.path.exists(path):
        return [path]
    if has_magic(path):
        return sorted(glob(path, recursive=True))
    raise InputError(f"no such file: {path}")


@contextmanager
def on_disk(inputs: Inputs) -> Iterator[Inputs]:
    """Put what can be read only once, such as standard input, into files for the time being.

    Raises:
        UnreadableError: it cannot be read.
        InputError: standard input is closed, or there for both sources.
    """
    everything = [one for several in inputs.values() for one in several]
    if sum(one.path == STDIN for one in everything) > 1:
        raise InputError("standard input can be read once: give - only once")
    with tempfile.TemporaryDirectory(prefix="surge-exporter-") as folder:
        yield {
            source: [
                one if os.path.isfile(one.path) else Input(_copy(one, folder), one.name)
                for one in several
            ]
            for source, several in inputs.items()
        }


def total_bytes(inputs: Sequence[Input]) -> int:
    """Return the size on disk of all files."""
    return sum(os.path.getsize(one.path) for one in inputs)


def read_blocks(
    source: Source, file: Input, progress: Callable[[int], None] = lambda _: None
) -> Iterator[Chunk]:
    """Yield a file's lines in blocks, the last line too if nothing ends it.

    `progress` is told of bytes read on disk, compressed or not.

    Raises:
        BrokenInputError: its gzip data is cut or broken; every whole line before that came.
        UnreadableError: the file cannot be read.
    """
    try:
        with open(file.path, "rb") as raw:
            yield from _blocks(source, raw, progress)
    except _BROKEN as error:
        raise BrokenInputError(f"{file.name}: broken gzip data: {error}") from error
    except OSError as error:
        raise _unreadable(file, error) from error


def read_end(source: Source, file: Input) -> Iterator[Chunk]:
    """Yield the whole lines among the last bytes of a plain file; nothing of a gzip one.

    Raises:
        UnreadableError: the file cannot be read.
    """
    try:
        with open(file.path, "rb") as raw:
            if _is_gzip(raw):
                return
            start = max(0, raw.seek(0, os.SEEK_END) - _END_BYTES)
            raw.seek(start)
            data = raw.read(_END_BYTES)
    except OSError as error:
        raise _unreadable(file, error) from error
    block = data[data.find(b"\n") + 1 :] if start else data
    yield Chunk(source, block + b"\n", live=True, read_bytes=len(block), too_long=0)


def _copy(once: Input, folder: str) -> str:
    try:
        with (
            tempfile.NamedTemporaryFile(dir=folder, delete=False) as copy,
            _open_once(once) as stream,
        ):
            shutil.copyfileobj(stream, copy)
    except OSError as error:
        raise _unreadable(once, error) from error
    return copy.name


@contextmanager
def _open_once(once: Input) -> Iterator[IO[bytes]]:
    if once.path != STDIN:
        with open(once.path, "rb") as stream:
            yield stream
    elif sys.stdin is None:
        raise InputError("standard input cannot be read: it is closed")
    else:
        yield sys.stdin.buffer


def _unreadable(file: Input, error: OSError) -> UnreadableError:
    return UnreadableError(f"{file.name}: cannot be read: {error.strerror or error}")


def _is_gzip(raw: IO[bytes]) -> bool:
    head = raw.read(len(_GZIP_MAGIC))
    raw.seek(0)
    return head == _GZIP_MAGIC


def _blocks(source: Source, raw: IO[bytes], progress: Callable[[int], None]) -> Iterator[Chunk]:
    rest, discarding, told = b"", False, 0
    for data in _unpacked(raw) if _is_gzip(raw) else _pieces(raw):
        cut = cut_lines(rest + data, discarding=discarding)
        discarding = cut.discarding
        rest = (rest + data)[cut.consumed :]
        yield Chunk(source, cut.block, live=True, read_bytes=cut.consumed, too_long=cut.too_long)
        position = raw.tell()
        progress(position - told)
        told = position
    if rest and not discarding:
        yield Chunk(source, rest + b"\n", live=True, read_bytes=len(rest), too_long=0)


def _pieces(raw: IO[bytes]) -> Iterator[bytes]:
    while data := raw.read(_BLOCK_BYTES):
        yield data


def _unpacked(raw: IO[bytes]) -> Iterator[bytes]:
    """Yield what gzip data holds, member after member, up to where it is broken; then raise."""
    member = zlib.decompressobj(_GZIP_BITS)
    while packed := raw.read(_GZIP_STEP_BYTES):
        while packed:
            if member.eof:
                packed = packed.lstrip(b"\0")  # some writers pad the end with NULs
                member = zlib.decompressobj(_GZIP_BITS) if packed else member
            before = member.copy()
            try:
                yield member.decompress(packed)
            except zlib.error:
                yield from _up_to_the_break(before, packed)
                raise
            packed = member.unused_data if packed else b""
    if not member.eof:
        raise EOFError("it ends in the middle")


def _up_to_the_break(member: "zlib._Decompress", packed: bytes) -> Iterator[bytes]:
    """Yield what came before the byte that is wrong: an error loses all of its own step."""
    with suppress(zlib.error):
        for position in range(len(packed)):
            yield member.decompress(packed[position : position + 1])
