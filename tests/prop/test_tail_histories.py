"""Random histories of a log directory: what was written is read once, whatever happened.

The oracle is exact: the multiset of lines written, less those that were destroyed before any
poll could see them.
"""

import os
import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tailing import Tailing

HISTORIES = int(os.environ.get("SURGE_HISTORIES", "300"))
STEPS = 25


class Directory:
    """A writer, a rotator and a reader on real files, driven by one random generator."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.folder = folder
        self.elsewhere = folder / "elsewhere"
        self.elsewhere.mkdir(parents=True)
        self.path = folder / "local_1.jsonl"
        self.path.touch()
        self.tailing = Tailing(folder, pattern="local_*")
        self.expected: Counter[bytes] = Counter()
        self.number = 0
        self.rotations = 0
        self.copying: tuple[Path, Path, int] | None = None
        self.history: list[str] = []

    def step(self) -> None:
        """Do one random thing."""
        actions: list[tuple[int, Callable[[], None]]] = [
            (8, self.append),
            (2, self.append_in_parts),
            (8, self.poll),
            (2, self.rename_in_glob),
            (1, self.rename_out_of_glob),
            (2, self.copy_and_truncate),
            (1, self.copy_half),
            (1, self.delete_and_recreate),
            (1, self.truncate_after_poll),
            (1, self.copy_out_and_back),
            (1, self.backup_in_glob),
        ]
        if self.copying:
            actions = [(3, self.append_to_copying), (4, self.poll), (3, self.finish_copy)]
        weights, choices = zip(*actions, strict=True)
        action = self.random.choices(choices, weights)[0]
        self.history.append(action.__name__)
        action()

    def line(self) -> bytes:
        self.number += 1
        filler = "x" * self.random.choice([0, 0, 10, 300])
        return (
            b'{"timestamp":"2026-03-29T20:00:00Z","success":true,"caller":"c%d","error":"%s"}'
            % (self.number, filler.encode())
        )

    def write(self, data: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(data)

    def append(self) -> None:
        lines = [self.line() for _ in range(self.random.randint(1, 6))]
        self.expected.update(lines)
        self.write(b"".join(line + b"\n" for line in lines))

    def append_in_parts(self) -> None:
        line = self.line()
        self.expected[line] += 1
        cut = self.random.randrange(1, len(line))
        self.write(line[:cut])
        self.poll()
        self.write(line[cut:] + b"\n")

    def poll(self) -> None:
        self.tailing.clock.advance(self.random.choice([0.02, 1, 20]))
        self.tailing.poll()

    def new_name(self, folder: Path) -> Path:
        self.rotations += 1
        return folder / f"local_1.jsonl.{self.rotations}"

    def rename_in_glob(self) -> None:
        self.path.rename(self.new_name(self.folder))
        self.path.touch()

    def rename_out_of_glob(self) -> None:
        self.poll()  # unless a descriptor was held before, nobody can know of the file
        self.path.rename(self.new_name(self.elsewhere))
        self.path.touch()

    def copy_and_truncate(self) -> None:
        shutil.copy(self.path, self.new_name(self.folder))
        if self.random.random() < 0.5:
            self.poll()
        self.path.write_bytes(b"")

    def copy_half(self) -> None:
        data = self.path.read_bytes()
        if not data:
            return
        target = self.new_name(self.folder)
        cut = self.random.randrange(len(data))
        target.write_bytes(data[:cut])
        self.copying = (self.path, target, cut)

    def append_to_copying(self) -> None:
        self.append()

    def finish_copy(self) -> None:
        assert self.copying is not None
        source, target, cut = self.copying
        with target.open("ab") as file:
            file.write(source.read_bytes()[cut:])
        if self.random.random() < 0.5:
            self.poll()
        source.write_bytes(b"")
        self.copying = None

    def delete_and_recreate(self) -> None:
        self.poll()  # what was never seen is lost to everybody
        self.path.unlink()
        if self.random.random() < 0.5:
            self.poll()
        self.path.touch()

    def truncate_after_poll(self) -> None:
        self.poll()
        self.path.write_bytes(b"")
        if self.random.random() < 0.5:
            self.append()

    def copy_out_and_back(self) -> None:
        self.poll()
        away = self.elsewhere / "away"
        shutil.copy(self.path, away)
        self.path.unlink()
        if self.random.random() < 0.5:
            self.poll()
        shutil.copy(away, self.path)

    def backup_in_glob(self) -> None:
        shutil.copy(self.path, self.new_name(self.folder))

    def settle(self) -> None:
        """Let every grace period end."""
        if self.copying:
            self.finish_copy()
        for _ in range(3):
            self.tailing.poll()
            self.tailing.clock.advance(61)
        self.tailing.poll()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("batch", range(10))
def test_a_line_is_read_exactly_once_whatever_happens_to_its_file(
    batch: int, tmp_path: Path
) -> None:
    for seed in range(batch, HISTORIES, 10):
        directory = Directory(tmp_path / str(seed), seed)
        for _ in range(STEPS):
            directory.step()
        directory.settle()
        read = Counter(directory.tailing.lines)
        directory.tailing.tail.close()
        lost, doubled = directory.expected - read, read - directory.expected
        shutil.rmtree(directory.folder)

        assert (lost, doubled) == (Counter(), Counter()), (seed, directory.history)
