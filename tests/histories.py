"""Random histories of a log directory: a writer, a rotator and a reader on real files.

The oracle is exact: a line is expected once it is written. What no reader could see is not in
it, because whatever destroys the last copy of a line polls first.
"""

import errno
import gzip
import os
import random
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.fakes import NOW
from tests.tailing import HookedFiles, Tailing, record

Step = Callable[[], None]

KEEPS_ALL = (
    "rename_in_glob",
    "rename_in_glob",
    "back_up_in_glob",
    "link_in_glob",
    "rename_old",
    "copy_out_and_back",
    "move_far_and_back",
    "zip_in_glob",
    "zip_in_glob",
    "unzip",
)
"""After these, all that was ever written still stands in the directory."""

DESTROYS = (
    "rename_out_of_glob",
    "copy_and_truncate",
    "copy_and_truncate",
    "copy_half",
    "delete_and_recreate",
    "delete_unfinished_line",
    "delete_old",
    "truncate",
    "zip_from_outside",
)
"""After these, only who has read it knows what was written."""

STEPS = 30

STALE_POLLS = 2
"""A writer goes on so long in a file that was rotated under it, before it opens the new one."""


class History:
    """One random history; the steps are its own methods, drawn by weight."""

    def __init__(
        self, folder: Path, seed: int, other_file_system: Path, *, most_held: int = 1000
    ) -> None:
        """Begin with an empty file that a writer has open."""
        self.random = random.Random(seed)
        self.folder = folder / "logs"
        self.elsewhere = folder / "elsewhere"
        self.far = other_file_system
        for directory in (self.folder, self.elsewhere, self.far):
            directory.mkdir(parents=True)
        self.path = self.folder / "local_1.jsonl"
        self.appends = self.random.random() < 0.7
        self.writer = self._open()
        self.files = self._new_files(most_held)
        self.tailing = Tailing(self.folder, pattern="local_*", files=self.files)
        self.expected: Counter[bytes] = Counter()
        self.steps: list[str] = []
        self.polls_since_rotation = 0
        self.is_stale = False
        self.reopens_at_once = False
        self.number = 0
        self.sizes = [0, 0, 10, 300, 3000]
        self.unfinished: Step | None = None
        self.zipped: list[Path] = []

    def step(self, rotations: Sequence[str]) -> None:
        """Do one random thing, or one of these with the files."""
        choices: list[tuple[int, Step]] = [(8, self.append), (2, self.append_parts)]
        choices += [(8, self.poll), (1, self.poll_with_errors)]
        if self.unfinished:
            choices.append((5, self.finish))
        else:
            choices += [(1, getattr(self, name)) for name in rotations]
        weights, steps = zip(*choices, strict=True)
        step = self.random.choices(steps, weights)[0]
        self.steps.append(step.__name__)
        step()

    def live(self, rotations: Sequence[str]) -> None:
        """Live through it to its end."""
        for _ in range(STEPS):
            self.step(rotations)
        self.settle()

    def settle(self) -> None:
        """Let whatever is going on end, and every grace period."""
        if self.unfinished:
            self.finish()
        self._reopen()
        self.tailing.settle()
        os.close(self.writer)

    def shuffle_times(self) -> None:
        """Have the files say in any order that they were modified."""
        for path in self.folder.iterdir():
            if path.exists():  # not a link to nothing
                changed = NOW + self.random.randint(0, 9)
                os.utime(path, (changed, changed))

    def clear(self) -> None:
        """Close and delete everything."""
        self.tailing.tail.close()
        shutil.rmtree(self.folder.parent)
        shutil.rmtree(self.far)

    # The writer.

    def append(self) -> None:
        """Write a few lines at once."""
        lines = [self._line() for _ in range(self.random.randint(1, 6))]
        self._write(b"".join(line + b"\n" for line in lines))

    def append_parts(self) -> None:
        """Write a line in two parts, with a poll between."""
        self._settle_writer()
        line = self._line()
        cut = self.random.randrange(1, len(line))
        self._write(line[:cut])
        self.poll()
        self._write(line[cut:] + b"\n")

    def _line(self) -> bytes:
        self.number += 1
        line = self._record(self.number)
        self.expected[line] += 1
        return line

    def _record(self, number: int) -> bytes:
        at = datetime.fromtimestamp(self.tailing.clock.now(), UTC).isoformat()
        return record(number, at, size=self.random.choice(self.sizes))

    def _write(self, data: bytes) -> None:
        os.write(self.writer, data)

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if self.appends else 0)
        writer = os.open(self.path, flags, 0o644)
        os.lseek(writer, 0, os.SEEK_END)
        return writer

    def _rotated(self) -> None:
        """Have another file at the path; the writer may not know it at once."""
        if self.reopens_at_once or self.random.random() < 0.5:
            self._reopen()
        else:
            self.is_stale = True
            self.polls_since_rotation = 0

    def _reopen(self) -> None:
        os.close(self.writer)
        self.writer = self._open()
        self.is_stale = False

    # The reader.

    def poll(self) -> None:
        """Poll, some time later."""
        self._poll(after=self.random.choice([0.02, 1, 20]))

    def _poll(self, *, after: float) -> None:
        self._look(after=after)
        self.polls_since_rotation += 1
        if self.is_stale and self.polls_since_rotation >= STALE_POLLS:
            self._reopen()

    def poll_with_errors(self) -> None:
        """Poll while reads and opens fail, and again when they don't."""
        for _ in range(self.random.randint(1, 4)):
            step = self.random.choice(["before_open", "before_read", "before_status"])
            self.files.fail(step, errno.EIO)
        self._look()
        self.files.clear()
        self._poll(after=20)

    def _look(self, *, after: float = 0.0) -> None:
        self.tailing.poll(after=after)

    def _new_files(self, most_held: int) -> HookedFiles:
        return HookedFiles(most_held=most_held)

    # The rotator.

    def rename_in_glob(self) -> None:
        """Rotate as logrotate does by default."""
        self._settle_writer()
        self.path.rename(self._new_name())
        self._rotated()

    def rename_out_of_glob(self) -> None:
        """Rotate to where no pattern leads."""
        self._settle_writer()
        self.poll()  # unless a descriptor was held before, nobody can know of the file
        self.path.rename(self._new_name(self.elsewhere))
        self._rotated()

    def copy_and_truncate(self) -> None:
        """Rotate as logrotate does with copytruncate."""
        self._settle_writer()
        shutil.copy(self.path, self._new_name())
        self._perhaps_poll()
        os.truncate(self.path, 0)

    def copy_half(self) -> None:
        """Begin to rotate as with copytruncate; the copy takes a while."""
        self._settle_writer()
        target = self._new_name()
        cut = self.random.randint(0, self.path.stat().st_size)
        target.write_bytes(self.path.read_bytes()[:cut])

        def finish() -> None:
            with target.open("ab") as file:
                file.write(self.path.read_bytes()[cut:])
            self._perhaps_poll()
            os.truncate(self.path, 0)

        self.unfinished = finish

    def finish(self) -> None:
        """End what takes a while."""
        assert self.unfinished is not None
        self.unfinished()
        self.unfinished = None

    def delete_and_recreate(self) -> None:
        """Delete the file; the writer makes another one."""
        self._settle_writer()
        self.poll()  # what was never seen is lost to everybody
        self.path.unlink()
        self._perhaps_poll()
        self._rotated()

    def delete_unfinished_line(self) -> None:
        """Delete the file with a last line that has no newline."""
        self._settle_writer()
        if self.path.stat().st_nlink > 1:
            return  # it would stand there still, and the line may yet be finished
        self.poll()
        self._write(self._line())
        self._perhaps_poll()
        self.path.unlink()
        self._reopen()

    def truncate(self) -> None:
        """Empty the file; perhaps fill it again before anybody looks."""
        self._settle_writer()
        self.poll()
        os.truncate(self.path, 0)
        if self.random.random() < 0.5:
            self.append()

    def copy_out_and_back(self) -> None:
        """Put a copy in the place of the file: the same bytes, another inode."""
        self._settle_writer()
        self.poll()
        shutil.copy(self.path, self.elsewhere / "away")
        self.path.unlink()
        self._perhaps_poll()
        shutil.copy(self.elsewhere / "away", self.path)
        self._reopen()

    def move_far_and_back(self) -> None:
        """Move a file to another file system, and back under some name."""
        self._settle_writer()
        self.poll()
        moved = self.random.choice([self.path, *self._old_files()])
        shutil.move(moved, self.far / moved.name)
        self._perhaps_poll()
        back = moved if moved == self.path else self._new_name()
        shutil.move(self.far / moved.name, back)
        if moved in self.zipped:
            self.zipped[self.zipped.index(moved)] = back
        self._reopen()

    def back_up_in_glob(self) -> None:
        """Copy the file, and go on."""
        if self.path.exists():
            shutil.copy(self.path, self._new_name())

    def link_in_glob(self) -> None:
        """Give a file a second name."""
        if self.path.exists():
            name = self._new_name()
            if self.random.random() < 0.5:
                name.hardlink_to(self.path)
            else:
                name.symlink_to(self.path)

    def zip_in_glob(self) -> None:
        """Rotate and compress; compression takes a while, and the plain file goes at its end."""
        self._settle_writer()
        old = self._new_name()
        self.path.rename(old)
        self._reopen()
        self._zip(old.read_bytes(), then=lambda: self._delete_seen(old))

    def zip_from_outside(self) -> None:
        """Rotate to where no pattern leads, and put a compressed copy into the directory."""
        self._settle_writer()
        self.poll()
        old = self._new_name(self.elsewhere)
        self.path.rename(old)
        self._reopen()
        self._zip(old.read_bytes(), then=lambda: None)

    def unzip(self) -> None:
        """Uncompress what was compressed."""
        if self.zipped:
            old = self.zipped.pop()
            self._new_name().write_bytes(gzip.decompress(old.read_bytes()))
            self._perhaps_poll()
            self._delete_seen(old)

    def rename_old(self) -> None:
        """Number an old file anew."""
        if files := self._old_files():
            old, new = self.random.choice(files), self._new_name()
            old.rename(new)
            if old in self.zipped:
                self.zipped[self.zipped.index(old)] = new

    def delete_old(self) -> None:
        """Delete an old file, once it was seen."""
        if files := self._old_files():
            self.poll()
            old = self.random.choice(files)
            old.unlink()
            if old in self.zipped:
                self.zipped.remove(old)

    def trim(self) -> None:
        """Keep the last lines: `tail -n COUNT > new; mv new log`."""
        self._settle_writer()
        self.poll()
        lines = self.path.read_bytes().splitlines(keepends=True)
        new = self.elsewhere / "new"
        new.write_bytes(b"".join(lines[-self.random.randint(1, 20) :]))
        new.rename(self.path)
        self._rotated()

    def _zip(self, data: bytes, then: Step) -> None:
        target = self._new_name()
        packed = gzip.compress(data, self.random.randint(1, 9))
        cut = self.random.randint(0, len(packed))
        target.write_bytes(packed[:cut])

        def finish() -> None:
            with target.open("ab") as file:
                file.write(packed[cut:])
            self.zipped.append(target)
            self._perhaps_poll()
            then()

        self.unfinished = finish

    def _delete_seen(self, path: Path) -> None:
        self.poll()
        path.unlink()

    def _settle_writer(self) -> None:
        """Have the writer in the file at the path: there is one thing at a time."""
        if self.is_stale:
            self._reopen()

    def _perhaps_poll(self) -> None:
        if self.random.random() < 0.5:
            self.poll()

    def _old_files(self) -> list[Path]:
        return sorted(path for path in self.folder.iterdir() if path != self.path)

    def _new_name(self, folder: Path | None = None) -> Path:
        self.number += 1
        return (folder or self.folder) / f"local_1.jsonl.{self.number}"
