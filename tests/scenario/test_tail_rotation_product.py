"""Every way to rotate, every kind of writer, polls at every set of points: each line once.

Hints decide when polls come, and nothing else: with none, with those of inotify and with a
liar's, the same lines are read. Where a line can be destroyed before anybody could see it, a
poll comes first, hint or no hint:

- a truncation takes what was written behind the copy, and if the copy is removed, everything;
- a rename takes the file it replaces, if that was made since the last poll;
- nothing else does. A file once seen is held: neither rm nor mv takes a line away.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.notifiers import Liar, Nobody, Notifier, RealHints
from tests.tailing import Tailing, append, record

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - a tmpfs, where there is one
GAPS = 6

WAITS = tuple(product([False, True], repeat=GAPS))
"""For each step, whether the loop has come to its wait behind it: every way there is."""

Step = Callable[[], object]


@pytest.fixture(params=["disk", "tmpfs"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Return a folder on a file system of either kind: tmpfs does not reuse inodes."""
    if request.param == "disk":
        yield tmp_path
    elif not SHARED_MEMORY.is_dir():
        pytest.skip("there is no /dev/shm")
    else:
        with TemporaryDirectory(dir=SHARED_MEMORY) as name:
            yield Path(name)


@pytest.fixture(params=["none", "real watchdog", "liar"])
def notifier(request: pytest.FixtureRequest) -> Iterator[Notifier]:
    """Return who gives the hints; a liar's lies are the same in every run of a test."""
    made: Notifier
    if request.param == "none":
        made = Nobody()
    elif request.param == "liar":
        made = Liar(request.node.name)
    else:
        made = RealHints()
    yield made
    made.stop()


class Rotation:
    """One rotation of one file by one rotator under one writer."""

    def __init__(
        self, folder: Path, notifier: Notifier, *, writer: str, how: str, old: str
    ) -> None:
        """Begin with an empty file that the writer has open."""
        folder.mkdir()
        self._notifier = notifier
        notifier.watch(folder)
        self.log = folder / "local_1.jsonl"
        self.aside = folder / "local_1.jsonl.1"
        self.how, self.old = how, old
        self._keeps = writer == "keeps fd"
        self._writer = self.log.open("ab", buffering=0)
        assert notifier.listens()
        self.tailing = Tailing(folder, pattern="local_*")
        self.expected: list[bytes] = []

    def run(self, waits: tuple[bool, ...]) -> None:
        """Do it, with the polls that hints bring, and with one wherever the loop waits."""
        for step, is_waited in zip(self._steps(), waits, strict=True):
            step()
            for _ in range(self._notifier.polls(is_waited=is_waited)):
                self.tailing.poll()
        self._write("end")
        self.tailing.settle()
        self._writer.close()
        self.tailing.tail.close()

    def _steps(self) -> list[Step]:
        if self.how in ("copy", "copytruncate"):
            return [
                self._first,
                self._copy,
                self._between,
                self._truncate,
                self._after,
                self._move,
            ]
        return [
            self._first,
            self._take_away,
            self._between,
            self._create,
            self._other,
            self._after,
        ]

    def _first(self) -> None:
        self._write("first")

    def _between(self) -> None:
        if self.how != "copytruncate":
            self._write("between")

    def _after(self) -> None:
        self._write("after")

    def _other(self) -> None:
        """Write to the file at the path, whatever the writer has open."""
        append(self.log, self._line("other"))

    def _take_away(self) -> None:
        if self.old == "mv":
            self.log.rename(self.aside)
            return
        if self.old == "cp":
            shutil.copy(self.log, self.aside)
        self.log.unlink()

    def _create(self) -> None:
        if self.how == "create":
            self.log.touch()
        elif self.how == "temp and rename":
            temporary = self.log.with_name("temporary")
            append(temporary, self._line("temporary"))
            if self.log.exists():
                self.tailing.poll()
            temporary.rename(self.log)

    def _copy(self) -> None:
        shutil.copy(self.log, self.aside)

    def _truncate(self) -> None:
        if self.how != "copytruncate":
            return
        if self.old == "rm":
            self.tailing.poll()
        os.truncate(self.log, 0)

    def _move(self) -> None:
        """Do with the copy what is done with old files."""
        if self.old == "mv":
            self.aside.rename(self.aside.with_name("local_1.jsonl.2"))
            return
        if self.old == "cp":
            shutil.copy(self.aside, self.aside.with_name("local_1.jsonl.2"))
        self.aside.unlink()

    def _write(self, name: str) -> None:
        if not self._keeps:
            self._writer.close()
            self._writer = self.log.open("ab", buffering=0)
        self._writer.write(self._line(name) + b"\n")

    def _line(self, name: str) -> bytes:
        self.expected.append(record(name))
        return self.expected[-1]


@pytest.mark.parametrize("old", ["mv", "cp", "rm"])
@pytest.mark.parametrize("how", ["create", "nocreate", "temp and rename", "copy", "copytruncate"])
@pytest.mark.parametrize("writer", ["keeps fd", "reopens"])
def test_each_line_is_read_once_wherever_the_polls_fall(
    folder: Path, notifier: Notifier, writer: str, how: str, old: str
) -> None:
    """Real hints fall where they like: of the ways to wait, some are enough."""
    for number, waits in enumerate(WAITS[::21] if isinstance(notifier, RealHints) else WAITS):
        rotation = Rotation(folder / str(number), notifier, writer=writer, how=how, old=old)
        rotation.run(waits)

        rotation.tailing.assert_read_once(*rotation.expected)
