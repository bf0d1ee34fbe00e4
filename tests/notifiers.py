"""Who says when to poll: nobody, the real watcher, a liar. What is read must be the same."""

import random
import threading
from pathlib import Path
from typing import Protocol

from surge_exporter.runtime.watch import Watcher
from tests.fakes import FakeClock

LISTENS_WITHIN_SECONDS = 10.0
"""How long the first hint may take: whoever does not hear it is deaf."""

PERIOD_SECONDS = 0.02
"""How long the real watcher is waited for: the loop's period, but that tests are in a hurry."""


class Notifier(Protocol):
    """Gives hints to whoever polls, on a thread of its own or on nobody's."""

    def watch(self, folder: Path) -> None:
        """Give hints on this folder from now on."""
        ...

    def listens(self) -> bool:
        """Say whether what has happened in the folder so far was heard."""
        ...

    def polls(self, *, is_waited: bool) -> int:
        """Return how many polls come behind what was just done.

        `is_waited` says that the loop has come to its wait: if nothing ends that before its
        period is over, it polls all the same.
        """
        ...

    def stop(self) -> None:
        """Let go of everything."""
        ...


class Nobody:
    """Gives no hint: polls come when a period is over."""

    def watch(self, folder: Path) -> None:
        """Do nothing."""

    def listens(self) -> bool:
        """Say yes: there is nothing to hear."""
        return True

    def polls(self, *, is_waited: bool) -> int:
        """Return one at the end of a period."""
        return int(is_waited)

    def stop(self) -> None:
        """Do nothing."""


class RealHints:
    """Gives the hints of the watcher, with inotify behind it, as they come."""

    def __init__(self) -> None:
        """Watch nothing yet."""
        self._woken = threading.Event()
        self._watcher = Watcher(self._woken.set, FakeClock())

    def watch(self, folder: Path) -> None:
        """Watch this folder, and no other."""
        self._watcher.watch([str(folder)])

    def listens(self) -> bool:
        """Wait for a hint, and say whether it came."""
        return self._heard(LISTENS_WITHIN_SECONDS)

    def polls(self, *, is_waited: bool) -> int:
        """Return one for a hint, waited for or there already, and one at the end of a period."""
        return int(self._heard(PERIOD_SECONDS if is_waited else 0) or is_waited)

    def stop(self) -> None:
        """End watchdog's threads."""
        self._watcher.stop()

    def _heard(self, seconds: float) -> bool:
        heard = self._woken.wait(seconds)
        self._woken.clear()
        return heard


class Liar(Nobody):
    """Is told of everything, and says some of it never, some twice, some after what came later.

    One hint says what any other does, so that to come out of order is to come late.
    """

    def __init__(self, seed: str) -> None:
        """Take what decides about all lies."""
        self._random = random.Random(seed)
        self._held_back = 0

    def polls(self, *, is_waited: bool) -> int:
        """Return one for each hint that comes out, and one at the end of a period."""
        self._held_back += self._random.choice([0, 1, 1, 2])
        hints = self._random.randint(0, self._held_back)
        self._held_back -= hints
        return hints + is_waited
