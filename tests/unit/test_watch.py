"""The watcher hears what it can, knows when it does not, and never stands in the way.

What watchdog's own observer does is in tests/scenario/test_watchdog.py.
"""

import errno
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from surge_exporter.runtime.mounts import is_on_remote_file_system
from surge_exporter.runtime.watch import MISSED_AFTER_SECONDS, Watcher
from surge_exporter.snapshot import WatchMode
from tests.fakes import FakeClock


class FakeObserver:
    """Stands in for watchdog's: the test makes it hear, die, or refuse."""

    def __init__(self, refusal: Exception | None = None) -> None:
        self.refusal = refusal
        self.handlers: dict[str, Any] = {}
        self.options: dict[str, Any] = {}
        self.emitters: list[Any] = []
        self.alive = False

    def start(self) -> None:
        self.alive = True

    def stop(self) -> None:
        self.alive = False

    def join(self) -> None:
        pass

    def is_alive(self) -> bool:
        return self.alive

    def schedule(self, handler: Any, path: str, **options: Any) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.options = options
        self.handlers[path] = handler
        watch = SimpleNamespace(path=path)
        self.emitters.append(SimpleNamespace(watch=watch, is_alive=lambda: self.alive))

    def unschedule(self, watch: Any) -> None:
        self.emitters = [e for e in self.emitters if e.watch is not watch]
        del self.handlers[watch.path]

    def say(self, path: Path) -> None:
        """Let something happen in a directory."""
        self.handlers[str(path)].dispatch(None)


class Rig:
    """A watcher with fake observers."""

    def __init__(self, *refusals: Exception | None) -> None:
        self.clock = FakeClock()
        self.observers: list[FakeObserver] = []
        self.refusals = list(refusals)
        self.wakes = 0
        self.watcher = Watcher(
            self._wake, self.clock, observe=self._observe, is_remote=lambda path: "nfs" in path
        )

    def _wake(self) -> None:
        self.wakes += 1

    def _observe(self) -> Any:
        self.observers.append(FakeObserver(self.refusals.pop(0) if self.refusals else None))
        return self.observers[-1]


def test_what_happens_in_a_directory_wakes(tmp_path: Path) -> None:
    rig = Rig()
    rig.watcher.watch([str(tmp_path)])
    rig.observers[0].say(tmp_path)

    assert rig.wakes == 1
    assert rig.watcher.status.mode is WatchMode.INOTIFY


def test_a_directory_is_watched_once_however_often_it_is_named(tmp_path: Path) -> None:
    rig = Rig()
    for _ in range(3):
        rig.watcher.watch([str(tmp_path), str(tmp_path / ".." / tmp_path.name)])

    assert list(rig.observers[0].handlers) == [str(tmp_path)]


def test_a_directory_that_is_not_there_yet_is_watched_when_it_is(tmp_path: Path) -> None:
    """Case 37."""
    folder = tmp_path / "later"
    rig = Rig()
    rig.watcher.watch([str(folder)])
    before = rig.watcher.status.mode
    folder.mkdir()
    rig.watcher.watch([str(folder)])

    assert (before, rig.watcher.status.mode) == (WatchMode.POLL, WatchMode.INOTIFY)


def test_a_directory_replaced_by_another_is_watched_anew(tmp_path: Path) -> None:
    """Case 38."""
    folder = tmp_path / "logs"
    folder.mkdir()
    rig = Rig()
    rig.watcher.watch([str(folder)])
    first = rig.observers[0].handlers[str(folder)]
    folder.rename(tmp_path / "old")
    folder.mkdir()
    rig.watcher.watch([str(folder)])

    assert rig.observers[0].handlers[str(folder)] is not first


def test_the_folders_below_a_directory_take_no_watches(tmp_path: Path) -> None:
    """Case 40."""
    rig = Rig()
    rig.watcher.watch([str(tmp_path)])

    assert rig.observers[0].options["recursive"] is False


def test_a_directory_no_longer_wanted_is_let_go(tmp_path: Path) -> None:
    rig = Rig()
    rig.watcher.watch([str(tmp_path)])
    rig.watcher.watch([])

    assert rig.observers[0].handlers == {}


@pytest.mark.parametrize(
    "refusal",
    [
        OSError(errno.ENOSPC, "inotify watch limit reached"),
        OSError(errno.EMFILE, "inotify instance limit reached"),
        RuntimeError("can't start new thread"),
    ],
)
def test_without_room_for_a_watch_it_polls_and_tries_again_later(
    refusal: Exception, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Case 40."""
    rig = Rig(refusal)
    rig.watcher.watch([str(tmp_path)])
    rig.watcher.watch([str(tmp_path)])
    mode = rig.watcher.status.mode
    said = len(caplog.records)
    rig.observers[0].refusal = None
    rig.clock.advance(120)
    rig.watcher.watch([str(tmp_path)])

    assert (mode, said) == (WatchMode.POLL, 1)
    assert rig.watcher.status.mode is WatchMode.INOTIFY


def test_a_directory_on_a_remote_file_system_is_polled(tmp_path: Path) -> None:
    """Case 43."""
    folder = tmp_path / "nfs"
    folder.mkdir()
    rig = Rig()
    rig.watcher.watch([str(folder)])

    assert rig.watcher.status.mode is WatchMode.POLL
    assert rig.observers == []


def test_growth_that_was_announced_is_no_miss(tmp_path: Path) -> None:
    rig = Rig()
    rig.watcher.watch([str(tmp_path)])
    rig.watcher.grew([str(tmp_path)])
    rig.observers[0].say(tmp_path)
    rig.clock.advance(MISSED_AFTER_SECONDS + 1)
    rig.watcher.watch([str(tmp_path)])

    assert rig.watcher.status.missed == 0


def test_growth_that_nothing_announced_is_a_miss_and_the_observer_is_replaced(
    tmp_path: Path,
) -> None:
    """Case 45."""
    rig = Rig()
    rig.watcher.watch([str(tmp_path)])
    rig.clock.advance(60)
    rig.watcher.grew([str(tmp_path)])
    rig.clock.advance(MISSED_AFTER_SECONDS + 1)
    rig.watcher.watch([str(tmp_path)])

    assert (rig.watcher.status.missed, rig.watcher.status.rebuilds) == (1, 1)
    assert [observer.alive for observer in rig.observers] == [False, True]


def test_an_observer_that_died_is_replaced(tmp_path: Path) -> None:
    """Case 45."""
    rig = Rig()
    rig.watcher.watch([str(tmp_path)])
    rig.observers[0].alive = False
    rig.watcher.watch([str(tmp_path)])
    rig.observers[1].say(tmp_path)

    assert (rig.watcher.status.rebuilds, rig.wakes) == (1, 1)


def test_an_observer_that_dies_all_the_time_is_replaced_ever_more_seldom(tmp_path: Path) -> None:
    """Case 45."""
    rig = Rig()
    for _ in range(100):
        rig.watcher.watch([str(tmp_path)])
        rig.observers[-1].alive = False
        rig.clock.advance(1)

    assert 3 <= rig.watcher.status.rebuilds <= 8


def test_an_overflow_of_the_kernels_queue_is_counted(tmp_path: Path) -> None:
    """Case 41."""
    rig = Rig()
    rig.watcher.watch([str(tmp_path)])
    logging.getLogger("watchdog.observers.inotify_c").warning(
        "Inotify queue overflowed; filesystem events were lost"
    )
    counted = rig.watcher.status.overflows
    rig.watcher.stop()
    logging.getLogger("watchdog.observers.inotify_c").warning("Inotify queue overflowed")

    assert (counted, rig.watcher.status.overflows) == (1, 1)


def test_a_local_folder_is_not_remote(tmp_path: Path) -> None:
    assert not is_on_remote_file_system(str(tmp_path))


@pytest.mark.parametrize(
    ("kind", "is_remote"),
    [
        *((kind, True) for kind in ("nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "9p", "ceph")),
        *((kind, False) for kind in ("ext4", "xfs", "btrfs", "tmpfs", "overlay")),
    ],
)
def test_the_kind_of_the_innermost_mount_says_whether_others_may_write(
    monkeypatch: pytest.MonkeyPatch, kind: str, *, is_remote: bool
) -> None:
    """Case 43."""
    other = "ext4" if is_remote else "nfs"
    mounts = {"/": other, "/logs": kind, "/logs/inner": other, "/logs2": other}
    found = [
        SimpleNamespace(mountpoint=path, fstype=type_, device="") for path, type_ in mounts.items()
    ]
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: found)

    assert is_on_remote_file_system("/logs/of/agents") is is_remote
    assert is_on_remote_file_system("/logs2/of/agents") is not is_remote
