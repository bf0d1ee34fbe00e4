"""Fakes that stand in for the world: the test decides what time it is and who wakes."""

from collections.abc import Callable, Iterable

from surge_exporter.model import Seconds, UnixSeconds
from surge_exporter.snapshot import WatchStatus

NOW = UnixSeconds(1_774_818_251.5)
"""2026-03-29 21:04:11.5 UTC, the time in most tests."""


class FakeClock:
    """Stands still until told to advance; the wall clock may also be set."""

    def __init__(self, now: float = NOW) -> None:
        self._now = now
        self._monotonic = 1000.0

    def now(self) -> UnixSeconds:
        return UnixSeconds(self._now)

    def monotonic(self) -> Seconds:
        return Seconds(self._monotonic)

    def offset(self) -> Seconds:
        return Seconds(self._now - self._monotonic)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds
        self._monotonic += seconds

    def suspend(self, seconds: float) -> None:
        """Let the machine sleep: only the wall clock goes on."""
        self._now += seconds

    def set_wall(self, now: float) -> None:
        """Set the wall clock, as an operator or NTP does; no time passes."""
        self._now = now


class FakeWatcher:
    """Gives no hints, and remembers what it was told."""

    def __init__(self) -> None:
        self.status = WatchStatus()
        self.watched: list[str] = []
        self.grown: list[str] = []

    def watch(self, directories: Iterable[str]) -> None:
        self.watched = sorted(directories)

    def grew(self, directories: Iterable[str]) -> None:
        self.grown += sorted(directories)


class ScriptedWaker:
    """Does at each wait the next thing of a script, and remembers how long it was to wait."""

    def __init__(self, script: Iterable[Callable[[], None]] = ()) -> None:
        self._script = iter(script)
        self.waited: list[float] = []
        self.wakes = 0

    def wake(self) -> None:
        self.wakes += 1

    def wait(self, seconds: float) -> None:
        self.waited.append(seconds)
        step = next(self._script, None)
        if step is not None:
            step()
