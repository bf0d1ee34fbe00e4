"""Cut bytes into blocks of complete lines: pure, knows nothing of files."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

MAX_LINE_BYTES = 1024 * 1024
"""Longer lines are dropped and counted: no telemetry line needs a megabyte."""

BOM = b"\xef\xbb\xbf"

_NULLS_BEFORE_OBJECT = re.compile(rb"\0+(?=(?:\xef\xbb\xbf)?\{)")


@dataclass(frozen=True, slots=True)
class Cut:
    """What `cut_lines` made of some bytes."""

    block: bytes
    """Whole lines, each ending in a newline."""
    consumed: int
    """How many bytes are done with; the rest must come again, with more behind it."""
    too_long: int
    """How many lines began to be dropped here for their length."""
    discarding: bool
    """True while inside a line that is being dropped."""


def cut_lines(data: bytes, *, discarding: bool = False, limit: int = MAX_LINE_BYTES) -> Cut:
    r"""Split `data` at its last newline; what follows is left for the next call.

    A line longer than `limit` bytes is dropped up to its newline, over as many calls as it
    takes, so memory stays bounded and the bytes before and after it are kept.

    >>> cut_lines(b'{"a":1}\n{"b"')
    Cut(block=b'{"a":1}\n', consumed=8, too_long=0, discarding=False)
    """
    start = 0
    if discarding:
        newline = data.find(b"\n")
        if newline < 0:
            return Cut(b"", len(data), 0, discarding=True)
        start = newline + 1
    end = data.rfind(b"\n") + 1
    block, too_long = data[start:end], 0
    if len(block) > limit:
        block, too_long = _without_long_lines(block, limit)
    if len(data) - end > limit:
        return Cut(block, len(data), too_long + 1, discarding=True)
    return Cut(block, end, too_long, discarding=False)


def _without_long_lines(block: bytes, limit: int) -> tuple[bytes, int]:
    lines = block.split(b"\n")[:-1]
    kept = [line for line in lines if len(line) <= limit]
    if len(kept) == len(lines):
        return block, 0
    return b"".join(line + b"\n" for line in kept), len(lines) - len(kept)


def clean_lines(block: bytes) -> Iterator[bytes]:
    r"""Yield the lines of a block that say something.

    Blank lines are ignored. A byte order mark and a carriage return are not part of a line,
    nor are NULs: a crash or a truncation leaves them, and what begins behind them is a line.

    >>> list(clean_lines(b'\xef\xbb\xbf{}\r\n\n\0\0{}\n'))
    [b'{}', b'{}']
    """
    if b"\0" in block:
        block = _NULLS_BEFORE_OBJECT.sub(b"\n", block)
    for raw in block.split(b"\n"):
        line = raw.lstrip(b"\0").removeprefix(BOM).strip(b" \t\r\0")
        if line:
            yield line
