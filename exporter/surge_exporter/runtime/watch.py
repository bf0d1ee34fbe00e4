"""Wake the loop when something happens in a directory. A hint only: polling finds everything."""

import logging
import os
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
from watchdog.observers.api import BaseObserver, ObservedWatch

# Without the filter, each file we open and close ourselves would be an event.
_EVENTS: list[type[FileSystemEvent]] = [
    FileModifiedEvent,
    FileCreatedEvent,
    FileMovedEvent,
    FileDeletedEvent,
]

_log = logging.getLogger(__name__)


class _Hint(FileSystemEventHandler):
    """Does nothing but wake: an exception here would end watchdog's thread for good."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake

    def dispatch(self, event: FileSystemEvent) -> None:
        """Wake the loop, whatever happened."""
        del event
        self._wake()


class Watcher:
    """Watches directories that may come, go and be replaced. Owned by the loop's thread."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._handler = _Hint(wake)
        self._observer: BaseObserver | None = None
        self._watches: dict[str, tuple[tuple[int, int], ObservedWatch]] = {}
        self._failed: set[str] = set()

    def watch(self, directories: Iterable[str]) -> None:
        """Watch these directories, each again if it is another one under the same name."""
        wanted = {os.path.realpath(directory) for directory in directories}
        for directory in wanted:
            identity = _identity(directory)
            have = self._watches.get(directory)
            if have is not None and have[0] == identity:
                continue
            if have is not None:
                self._unwatch(directory)
            if identity is not None:
                self._schedule(directory, identity)
        for directory in self._watches.keys() - wanted:
            self._unwatch(directory)

    def stop(self) -> None:
        """Stop watching and wait for watchdog's threads to end."""
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()
            self._observer = None
        self._watches.clear()

    def _schedule(self, directory: str, identity: tuple[int, int]) -> None:
        try:
            if self._observer is None:
                observer = Observer()
                observer.start()
                self._observer = observer
            watch = self._observer.schedule(
                self._handler, directory, recursive=False, event_filter=_EVENTS
            )
        except (OSError, RuntimeError) as error:  # limits: polling goes on without it
            if directory not in self._failed:
                self._failed.add(directory)
                _log.warning("cannot be watched, polling only path=%s error=%s", directory, error)
            return
        self._failed.discard(directory)
        self._watches[directory] = (identity, watch)

    def _unwatch(self, directory: str) -> None:
        _, watch = self._watches.pop(directory)
        if self._observer is not None:
            try:
                self._observer.unschedule(watch)
            except KeyError:  # its emitter died with the directory
                _log.debug("watch was gone path=%s", directory)


def _identity(directory: str) -> tuple[int, int] | None:
    try:
        found = os.stat(directory)
    except OSError:
        return None
    return found.st_dev, found.st_ino
