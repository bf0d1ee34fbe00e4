"""A log that one process appends to and rotates, in every way that leaves its lines readable."""

import gzip
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from random import Random

KEPT_SECONDS = 30.0
"""An old file is deleted if it was so old when something was last counted."""

_LONGEST_PAUSE_SECONDS = 0.05
_CHANCE_TO_GO_ON = 0.05
_WAYS = ("rename", "rename, reopen late", "copy and truncate")

_Steps = Iterator[None]


@dataclass(frozen=True, slots=True)
class Rotation:
    """The end of one generation of a log's lines."""

    way: str
    at: float
    """By the monotonic clock, which all processes share."""


class Log:
    """A rotation may take its time: `go_on` drives it while lines are written."""

    def __init__(self, path: Path, random: Random, *, counted: Path) -> None:
        """Begin a log; `random` decides how it is rotated.

        `counted` is a file that is touched when lines were counted: nobody deletes, before, what
        nobody could read.
        """
        path.parent.mkdir(exist_ok=True)
        self.path = path
        self._counted = counted
        self.rotations: list[Rotation] = []
        self._random = random
        self._file = self._open()
        self._rotation: _Steps | None = None

    @property
    def generation(self) -> int:
        """Which of the log's files lines go to now."""
        return len(self.rotations)

    def write(self, data: bytes) -> None:
        """Append some bytes, in one call to the kernel."""
        self._file.write(data)

    def write_in_two(self, data: bytes) -> None:
        """Append some bytes in two calls, with a pause in a line."""
        cut = self._random.randrange(len(data))
        self.write(data[:cut])
        self._pause()
        self.write(data[cut:])

    def rotate(self) -> None:
        """Begin to rotate in some way."""
        self._finish()
        old = self.path.with_stem(f"{self.path.stem}_{self.generation:05}")
        way, is_zipped = self._random.choice(_WAYS), self._random.random() < 0.5
        self._rotation = self._rotate(old, way, is_zipped=is_zipped)
        next(self._rotation)

    def go_on(self) -> None:
        """Perhaps take the next step of a rotation under way."""
        if self._rotation is not None and self._random.random() < _CHANCE_TO_GO_ON:
            next(self._rotation, None)

    def close(self) -> None:
        """Finish what is under way, and close the file."""
        self._finish()
        self._file.close()

    def _rotate(self, old: Path, way: str, *, is_zipped: bool) -> _Steps:
        if way == "copy and truncate":
            self._copy_and_truncate(old)
        else:
            self.path.rename(old)
            if way == "rename, reopen late":
                yield
            self._file.close()
            self._file = self._open()
        self.rotations.append(Rotation(f"{way}, gzip" if is_zipped else way, time.monotonic()))
        yield
        if is_zipped:
            yield from self._zip(old)
        self._delete_old()

    def _copy_and_truncate(self, old: Path) -> None:
        """Copy and empty the file, with time to look between; nobody writes meanwhile."""
        data = self.path.read_bytes()
        cut = self._random.randrange(len(data) + 1)
        with FileIO(old, "w") as copy:
            copy.write(data[:cut])
            self._pause()
            copy.write(data[cut:])
        self._pause()
        os.truncate(self.path, 0)

    def _zip(self, old: Path) -> _Steps:
        packed = gzip.compress(old.read_bytes(), compresslevel=1)
        cut = self._random.randrange(len(packed))
        with FileIO(old.with_suffix(".jsonl.gz"), "w") as file:
            file.write(packed[:cut])
            yield
            file.write(packed[cut:])
        yield
        old.unlink()

    def _delete_old(self) -> None:
        oldest = self._counted.stat().st_mtime - KEPT_SECONDS
        for path in self.path.parent.glob(f"{self.path.stem}_*"):
            if path.stat().st_mtime < oldest:
                path.unlink()

    def _finish(self) -> None:
        for _ in self._rotation or ():
            self._pause()

    def _pause(self) -> None:
        time.sleep(self._random.uniform(0, _LONGEST_PAUSE_SECONDS))

    def _open(self) -> FileIO:
        return FileIO(self.path, "a")
