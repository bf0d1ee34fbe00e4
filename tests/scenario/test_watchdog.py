"""The watcher with watchdog's own observer: what it hears, and what it survives.

The numbers of cases are those of the catalogue in tests/unit/test_catalogue.py.
"""

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

from surge_exporter.runtime.watch import Watcher
from tests.fakes import FakeClock
from tests.tailing import Tailing, append, record

DEADLINE_SECONDS = 10.0
SOON_SECONDS = 0.1


class Recorder(FileSystemEventHandler):
    """Notes the path of each event before it passes it on."""

    def __init__(self, handler: FileSystemEventHandler, rig: "Rig") -> None:
        """Take whose events these are."""
        self._handler = handler
        self._rig = rig

    def dispatch(self, event: FileSystemEvent) -> None:
        """Note it, and pass it on."""
        path = Path(str(event.src_path))
        self._rig.events.append(path.name)
        if path.name == "last":
            self._rig.last.set()
        self._handler.dispatch(event)


class Rig:
    """A watcher, and what its observers did."""

    def __init__(self) -> None:
        """Watch nothing yet."""
        self.woken, self.last = threading.Event(), threading.Event()
        self.events: list[str] = []
        self.observers: list[BaseObserver] = []
        self.is_broken = False
        self.watcher = Watcher(self._wake, FakeClock(), observe=self._observe)

    def hears(self) -> bool:
        """Wait for a hint, and say whether it came."""
        heard = self.woken.wait(DEADLINE_SECONDS)
        self.woken.clear()
        return heard

    def hears_last_in(self, folder: Path) -> bool:
        """Turn once, as the loop does, write, and say whether that was heard soon."""
        self.watcher.watch([str(folder)])
        (folder / "last").write_text("x")
        return self.last.wait(SOON_SECONDS)

    def _wake(self) -> None:
        if self.is_broken:
            raise LookupError("a bug")
        self.woken.set()

    def _observe(self) -> BaseObserver:
        observer = Observer()
        schedule: Callable[..., Any] = observer.schedule

        def record_and_schedule(handler: FileSystemEventHandler, *args: Any, **kw: Any) -> Any:
            return schedule(Recorder(handler, self), *args, **kw)

        observer.schedule = record_and_schedule  # type: ignore[assignment, method-assign]
        self.observers.append(observer)
        return observer


@pytest.fixture
def rig() -> Iterator[Rig]:
    """Return a rig whose threads end with the test."""
    made = Rig()
    yield made
    made.watcher.stop()


def test_a_write_is_heard(rig: Rig, tmp_path: Path) -> None:
    rig.watcher.watch([str(tmp_path)])
    (tmp_path / "file").write_text("x")

    assert rig.hears()


def _rename(folder: Path) -> object:
    return folder.rename(folder.with_name("away"))


@pytest.mark.parametrize("take_away", [shutil.rmtree, _rename], ids=["removed", "renamed"])
@pytest.mark.parametrize("is_missed", [True, False])
def test_a_write_in_a_folder_made_again_is_heard(
    rig: Rig, tmp_path: Path, take_away: Callable[[Path], object], *, is_missed: bool
) -> None:
    """Case 38. Whether or not anybody looked while there was none.

    It may take some turns of the loop: a new folder may have the inode of the old one, and
    then it is the end of watchdog's thread that tells them apart.
    """
    folder = tmp_path / "logs"
    folder.mkdir()
    rig.watcher.watch([str(folder)])
    take_away(folder)
    if is_missed:
        rig.watcher.watch([str(folder)])
    folder.mkdir()

    assert any(rig.hears_last_in(folder) for _ in range(100))


def test_a_write_in_a_folder_that_a_link_leads_to_is_heard(rig: Rig, tmp_path: Path) -> None:
    """Case 31."""
    folder = tmp_path / "logs"
    folder.mkdir()
    (tmp_path / "link").symlink_to(folder)
    rig.watcher.watch([str(tmp_path / "link")])
    (folder / "file").write_text("x")

    assert rig.hears()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_observer_that_an_exception_ended_is_replaced(rig: Rig, tmp_path: Path) -> None:
    """Case 45."""
    rig.watcher.watch([str(tmp_path)])
    rig.is_broken = True
    (tmp_path / "file").write_text("x")
    rig.observers[0].join(DEADLINE_SECONDS)
    rig.is_broken = False
    rig.watcher.watch([str(tmp_path)])
    (tmp_path / "file").write_text("y")

    assert rig.hears()
    assert rig.watcher.status.rebuilds == 1


def test_reading_is_no_event(rig: Rig, tmp_path: Path) -> None:
    """Case 46. Else each poll would bring the next."""
    path = tmp_path / "file"
    rig.watcher.watch([str(tmp_path)])
    append(path, "x")
    for _ in range(100):
        path.read_bytes()
    (tmp_path / "last").write_text("x")

    assert rig.last.wait(DEADLINE_SECONDS)
    assert 1 <= rig.events.count("file") <= 5


def test_a_flood_is_read_to_its_last_line_whatever_was_heard_of_it(
    rig: Rig, tmp_path: Path
) -> None:
    """Case 41. The kernel's queue may overflow or not: only the last poll has no hint."""
    tailing = Tailing(tmp_path)
    rig.watcher.watch([str(tmp_path)])
    paths = [tmp_path / f"local_{number}.jsonl" for number in range(20)]
    for number in range(10_000):
        append(paths[number % len(paths)], record(number))
        if rig.woken.is_set():
            rig.woken.clear()
            tailing.poll()
    tailing.poll()

    tailing.assert_read_once(*map(record, range(10_000)))


def test_a_file_that_nothing_was_heard_of_is_read(rig: Rig, tmp_path: Path) -> None:
    """Cases 41, 43 and 44. Another name of the file is written to: there is no event."""
    folder = tmp_path / "logs"
    folder.mkdir()
    append(tmp_path / "elsewhere", record(1))
    (folder / "local_1.jsonl").hardlink_to(tmp_path / "elsewhere")
    tailing = Tailing(folder)
    rig.watcher.watch([str(folder)])
    append(tmp_path / "elsewhere", record(2))
    tailing.poll()
    (folder / "last").write_text("x")

    assert rig.last.wait(DEADLINE_SECONDS)
    assert "local_1.jsonl" not in rig.events
    tailing.assert_read_once(record(1), record(2))
