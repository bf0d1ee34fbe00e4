"""Wake the loop when something happens in a directory. A hint only: polling finds everything.

watchdog can go deaf without a word: its threads look alive after its reader has died, a
replaced directory keeps its old watch, the kernel's queue overflows. So hearing is measured:
growth that a poll finds and nothing announced is a miss, and a deaf observer is replaced.
"""

import logging
import os
import threading
from collections.abc import Callable, Iterable

from watchdog.events import (
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

from surge_exporter.runtime.clock import Clock
from surge_exporter.runtime.filesystem import FileKey
from surge_exporter.runtime.mounts import is_on_remote_file_system
from surge_exporter.snapshot import WatchMode, WatchStatus

MISSED_AFTER_SECONDS = 2.0
"""An event may be this late: watchdog holds events back half a second behind a rename."""

_LEAST_BACKOFF_SECONDS = 1.0
_MOST_BACKOFF_SECONDS = 60.0
_OVERFLOW_LOGGERS = ("watchdog.observers.inotify_c", "watchdog.observers.inotify_buffer")

# Without the filter, each file we open and close ourselves would be an event.
_EVENTS: list[type[FileSystemEvent]] = [
    FileModifiedEvent,
    FileCreatedEvent,
    FileMovedEvent,
    FileDeletedEvent,
]

_log = logging.getLogger(__name__)


class Watcher:
    """Watches directories that may come, go and be replaced.

    The loop's thread owns it. watchdog's threads call `wake` and note when they did, nothing
    else: an exception there would end them for good.
    """

    def __init__(
        self,
        wake: Callable[[], None],
        clock: Clock,
        *,
        observe: Callable[[], BaseObserver] = Observer,
        is_remote: Callable[[str], bool] | None = None,
    ) -> None:
        """Take what to wake; tests replace the observer and what counts as remote."""
        self._wake = wake
        self._clock = clock
        self._observe = observe
        self._is_remote = is_remote or is_on_remote_file_system
        self._observer: BaseObserver | None = None
        self._watched: dict[str, FileKey] = {}
        self._unwatched: set[str] = set()
        self._heard: dict[str, float] = {}
        self._unannounced: dict[str, float] = {}
        self._retry_at = 0.0
        self._backoff_seconds = _LEAST_BACKOFF_SECONDS
        self._missed = self._rebuilds = 0
        self._overflows = _OverflowCounter()

    def watch(self, directories: Iterable[str]) -> None:
        """Watch these directories, each again if it is another one under the same name."""
        wanted = {os.path.realpath(directory) for directory in directories}
        self._replace_if_deaf()
        for directory in self._watched.keys() - wanted:
            self._unwatch(directory)
        self._unwatched &= wanted
        is_time = self._clock.monotonic() >= self._retry_at
        for directory in sorted(wanted):
            identity = _identity(directory)
            if self._watched.get(directory) == identity is not None:
                continue
            if directory in self._watched:
                self._unwatch(directory)
            if identity is not None and (is_time or directory not in self._unwatched):
                self._schedule(directory, identity)

    def grew(self, directories: Iterable[str]) -> None:
        """Take note that a poll found new bytes there: something should have announced them."""
        now = self._clock.monotonic()
        for directory in map(os.path.realpath, directories):
            heard = self._heard.get(directory)
            if directory in self._watched and (
                heard is None or now - heard > MISSED_AFTER_SECONDS
            ):
                self._unannounced.setdefault(directory, now)

    @property
    def status(self) -> WatchStatus:
        """How well it hears; the loop's thread."""
        return WatchStatus(
            mode=WatchMode.POLL if self._unwatched or not self._watched else WatchMode.INOTIFY,
            missed=self._missed,
            overflows=self._overflows.count,
            rebuilds=self._rebuilds,
        )

    def stop(self) -> None:
        """Stop watching and wait for watchdog's threads to end."""
        self._stop_observer()
        self._overflows.detach()

    def _replace_if_deaf(self) -> None:
        """Replace an observer with a dead thread, or that said nothing of what happened."""
        now = self._clock.monotonic()
        missed = []
        for directory, since in list(self._unannounced.items()):
            if self._heard.get(directory, 0.0) >= since - MISSED_AFTER_SECONDS:
                del self._unannounced[directory]
            elif now - since > MISSED_AFTER_SECONDS:
                missed.append(directory)
                del self._unannounced[directory]
        self._missed += len(missed)
        if self._observer is None or not (missed or self._is_dead()):
            return
        if now < self._retry_at:
            return
        _log.warning("watcher is deaf, replaced missed=%s", ",".join(missed) or "none")
        self._rebuilds += 1
        self._back_off()
        self._stop_observer()

    def _is_dead(self) -> bool:
        observer = self._observer
        if observer is None:
            return False
        return not observer.is_alive() or not all(e.is_alive() for e in observer.emitters)

    def _schedule(self, directory: str, identity: FileKey) -> None:
        if self._is_remote(directory):
            self._poll_only(directory, "it is on a remote file system")
            return
        try:
            if self._observer is None:
                observer = self._observe()
                observer.start()
                self._observer = observer
            self._observer.schedule(
                _Note(lambda: self._hear(directory)),
                directory,
                recursive=False,
                event_filter=_EVENTS,
            )
        except (OSError, RuntimeError) as error:  # limits, or the directory is gone again
            self._back_off()
            self._poll_only(directory, str(error))
            return
        self._unwatched.discard(directory)
        self._watched[directory] = identity

    def _hear(self, directory: str) -> None:
        """Called by watchdog's thread: assigning is atomic, and `wake` safe anywhere."""
        self._heard[directory] = self._clock.monotonic()
        self._wake()

    def _poll_only(self, directory: str, reason: str) -> None:
        if directory not in self._unwatched:
            self._unwatched.add(directory)
            _log.warning("not watched, polled only path=%s reason=%s", directory, reason)

    def _unwatch(self, directory: str) -> None:
        del self._watched[directory]
        self._heard.pop(directory, None)
        self._unannounced.pop(directory, None)
        observer = self._observer
        if observer is None:
            return
        for emitter in list(observer.emitters):
            if emitter.watch.path == directory:
                observer.unschedule(emitter.watch)

    def _stop_observer(self) -> None:
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()
            self._observer = None
        self._watched.clear()
        self._heard.clear()
        self._unannounced.clear()

    def _back_off(self) -> None:
        """Try again later, and later still should it not help; hearing well for long forgives."""
        now = self._clock.monotonic()
        if now - self._retry_at > _MOST_BACKOFF_SECONDS:
            self._backoff_seconds = _LEAST_BACKOFF_SECONDS
        self._retry_at = now + self._backoff_seconds
        self._backoff_seconds = min(2 * self._backoff_seconds, _MOST_BACKOFF_SECONDS)


class NoWatcher:
    """Gives no hints: everything is found by polling."""

    status = WatchStatus()

    def watch(self, directories: Iterable[str]) -> None:
        """Do nothing."""

    def grew(self, directories: Iterable[str]) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Do nothing."""


class _Note(FileSystemEventHandler):
    """Passes nothing of an event on but that there was one."""

    def __init__(self, note: Callable[[], None]) -> None:
        self._note = note

    def dispatch(self, event: FileSystemEvent) -> None:
        """Note it, whatever happened."""
        del event
        self._note()


class _OverflowCounter(logging.Handler):
    """Counts the only trace that watchdog leaves of a queue overflow: a warning."""

    def __init__(self) -> None:
        super().__init__()
        self._guard = threading.Lock()
        self.count = 0
        for name in _OVERFLOW_LOGGERS:
            logging.getLogger(name).addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Count a message about an overflow."""
        if "overflow" in record.getMessage():
            with self._guard:
                self.count += 1

    def detach(self) -> None:
        """Listen no more."""
        for name in _OVERFLOW_LOGGERS:
            logging.getLogger(name).removeHandler(self)


def _identity(directory: str) -> FileKey | None:
    try:
        found = os.stat(directory)
    except OSError:
        return None
    return found.st_dev, found.st_ino
