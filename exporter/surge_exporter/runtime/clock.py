"""The only place that reads a clock, and the only one that waits."""

import time
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Protocol

from surge_exporter.model import Seconds, UnixSeconds


class Clock(Protocol):
    """Tells the time: the wall's for windows and staleness, the monotonic for durations."""

    def now(self) -> UnixSeconds:
        """Return the wall clock."""
        ...

    def monotonic(self) -> Seconds:
        """Return a clock that never jumps."""
        ...

    def offset(self) -> Seconds:
        """Return how far the wall clock is ahead of the monotonic: constant until it jumps."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now(self) -> UnixSeconds:
        """Return the wall clock."""
        return UnixSeconds(time.time())  # noqa: TID251 - this is the one place

    def monotonic(self) -> Seconds:
        """Return a clock that never jumps."""
        return Seconds(time.monotonic())

    def offset(self) -> Seconds:
        """Return how far the wall clock is ahead of the monotonic: constant until it jumps."""
        return Seconds(self.now() - self.monotonic())


class ScaledClock:
    """A wall clock that starts at `start` and runs `speed` times as fast; for simulations."""

    def __init__(self, clock: Clock, *, start: UnixSeconds, speed: float) -> None:
        self._clock = clock
        self._start = start
        self._speed = speed
        self._began = clock.monotonic()

    def now(self) -> UnixSeconds:
        """Return the simulated wall clock."""
        return UnixSeconds(self._start + self._speed * (self._clock.monotonic() - self._began))

    def monotonic(self) -> Seconds:
        """Return the real monotonic clock."""
        return self._clock.monotonic()

    def offset(self) -> Seconds:
        """Return a constant: however fast it runs, nobody ever sets this clock."""
        return Seconds(0.0)


class Waker(Protocol):
    """Something to wait on; in tests, the test decides when it wakes."""

    def wake(self) -> None:
        """End the current or next wait; any thread, also a signal handler, may call it."""
        ...

    def wait(self, seconds: float) -> None:
        """Return when woken, or after so many seconds."""
        ...


class QueueWaker:
    """A waker on a queue; wakes that come together are one.

    Not on an event: a signal that lands inside `Event.wait` and sets the same event waits for
    a lock that its own thread holds. `SimpleQueue.put` is made to be interrupted by itself.
    """

    def __init__(self) -> None:
        self._wakes: SimpleQueue[None] = SimpleQueue()

    def wake(self) -> None:
        """End the current or next wait."""
        self._wakes.put(None)

    def wait(self, seconds: float) -> None:
        """Return when woken, or after so many seconds."""
        with suppress(Empty):
            self._wakes.get(timeout=seconds)
            while True:
                self._wakes.get_nowait()
