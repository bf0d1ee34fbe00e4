"""The state file: the checkpoint of the last scrape that was served, on disk.

A process killed between sending a scrape and putting its checkpoint in place would have the next
one count some lines twice. So the file is written before the scrape is sent, renamed when it
was, within microseconds, and only then forced to the disk: no scrape waits for a slow one. Power
that fails before that leaves the checkpoint before, or a damaged one, which is not used.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from glob import escape
from itertools import count
from pathlib import Path
from threading import Lock

from surge_exporter.core import checkpoint as checkpoints
from surge_exporter.core import history as histories
from surge_exporter.core.checkpoint import Checkpoint
from surge_exporter.core.envelope import StateError
from surge_exporter.core.history import SavedHistory
from surge_exporter.model import UnixSeconds
from surge_exporter.snapshot import StateFault, StateStatus

_log = logging.getLogger(__name__)


class StateFile:
    """Loads once, then saves whatever is served. Threads may save at the same time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._names = count()
        self._lock = Lock()
        self._status = StateStatus()
        self._history = path.with_name(f"{path.name}.history")
        self._newest = 0
        self._fails = False

    @property
    def status(self) -> StateStatus:
        """How saving goes; any thread."""
        return self._status

    def load(self, now: UnixSeconds) -> Checkpoint | None:
        """Return the checkpoint that was saved; None, counted and logged, if it is of no use."""
        for left in self._path.parent.glob(f".{escape(self._path.name)}.*"):
            _remove(left)
        try:
            return checkpoints.decode(self._path.read_bytes(), now)
        except FileNotFoundError:
            _log.info("no state yet, counting from now on path=%s", self._path)
        except OSError as error:
            self._reject(StateFault.UNREADABLE, error)
        except StateError as error:
            self._reject(error.fault, error)
        return None

    def load_history(self) -> SavedHistory | None:
        """Return the history that was saved; None if there is none, or none of use."""
        try:
            return histories.decode(self._history.read_bytes())
        except FileNotFoundError:
            pass
        except OSError as error:
            self._reject(StateFault.UNREADABLE, error)
        except StateError as error:
            self._reject(error.fault, error)
        return None

    def save_history(self, saved: SavedHistory) -> None:
        """Save what would take long to read from the logs again."""
        written = self._history.with_name(f".{self._history.name}.{next(self._names)}")
        try:
            written.write_bytes(histories.encode(saved))
            _sync(written)
            written.replace(self._history)
        except OSError as error:
            _remove(written)
            self._fail(error)

    @contextmanager
    def serving(self, checkpoint: Checkpoint) -> Iterator[None]:
        """Put a checkpoint in place if its scrape is served, which is what the block does.

        Raises only what the block does: what keeps state from being saved is counted and logged.
        """
        written = self._write(checkpoint)
        try:
            yield
        except BaseException:
            if written is not None:
                written.unlink(missing_ok=True)
            raise
        if written is not None:
            self._put_in_place(written, checkpoint)

    def _write(self, checkpoint: Checkpoint) -> Path | None:
        path = self._path.with_name(f".{self._path.name}.{next(self._names)}")
        try:
            path.write_bytes(checkpoints.encode(checkpoint))
        except OSError as error:
            _remove(path)
            self._fail(error)
            return None
        return path

    def _put_in_place(self, written: Path, checkpoint: Checkpoint) -> None:
        try:
            with self._lock:
                if checkpoint.number < self._newest:
                    _remove(written)  # a scrape that was slow to send, after a newer one
                    return
                written.replace(self._path)
                self._newest = checkpoint.number
                self._status = replace(self._status, saved_at=checkpoint.at)
            _sync(self._path)  # whoever scrapes meanwhile does not wait for the disk
            _sync(self._path.parent)
        except OSError as error:
            _remove(written)
            self._fail(error)
        else:
            self._recover()

    def _fail(self, error: OSError) -> None:
        self._status = replace(self._status, save_errors=self._status.save_errors + 1)
        if not self._fails:
            _log.error("state cannot be saved path=%s error=%s", self._path, error)
        self._fails = True

    def _recover(self) -> None:
        if self._fails:
            _log.info("state is saved again path=%s", self._path)
        self._fails = False

    def _reject(self, fault: StateFault, error: Exception) -> None:
        _log.error(
            "state not used, counting from now on path=%s reason=%s error=%s",
            self._path,
            fault,
            error,
        )
        rejected = {**self._status.rejected, fault: self._status.rejected[fault] + 1}
        self._status = replace(self._status, rejected=rejected)


def _remove(path: Path) -> None:
    """Remove a file that may be gone, or be none of ours to remove."""
    with suppress(OSError):
        path.unlink()


def _sync(path: Path) -> None:
    """Force a file, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
