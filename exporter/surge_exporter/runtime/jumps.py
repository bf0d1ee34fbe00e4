"""Notice when the wall clock jumps: somebody sets it, or the machine slept and it did not."""

import math

from surge_exporter.model import Seconds, UnixSeconds
from surge_exporter.runtime.clock import Clock

LEAST_JUMP_SECONDS = Seconds(60.0)
"""Less than this does no lasting harm. A record is dropped for good when it seems to be more than
`MAX_FUTURE_SECONDS`, five minutes, ahead: our clock a minute behind drops none of a writer that is
right to four. A bucket is dropped once it lies `KEPT_BEHIND_SECONDS`, an hour, behind both
windows: they go back a minute and find all of theirs."""

_REST_SECONDS = 60.0  # two time services at odds must not have the logs read all the time


class CheckedClock:
    """A clock that is checked for a jump whenever its wall time is read.

    So no wrong `now` goes unnoticed, however short the clock was wrong. What counts is how far
    it is from where it was at the last jump: many small steps are a jump in the end. One owner.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset = self._settled_offset = clock.offset()
        self._settled_at = -math.inf
        self.jumps = 0
        self.has_jumped = False
        """Whether it did since it was settled: what was concluded from `now` before is void."""

    def now(self) -> UnixSeconds:
        """Return the wall clock, once it is known whether it jumped."""
        now, offset = self._clock.now(), self._clock.offset()
        if abs(offset - self._offset) > LEAST_JUMP_SECONDS:
            self._offset = offset
            self.jumps += 1
            self.has_jumped = True
        return now

    def monotonic(self) -> Seconds:
        """Return a clock that never jumps."""
        return self._clock.monotonic()

    def offset(self) -> Seconds:
        """Return how far the wall clock is ahead of the monotonic: constant until it jumps."""
        return self._clock.offset()

    def settle(self) -> Seconds | None:
        """Take the wall clock for right as it is now, and return how far it has jumped.

        None if it has not, or if it was settled less than a minute ago.
        """
        self.now()
        if not self.has_jumped or self.monotonic() - self._settled_at < _REST_SECONDS:
            return None
        self._settled_at = self.monotonic()
        self.has_jumped = False
        jump, self._settled_offset = self._offset - self._settled_offset, self._offset
        return Seconds(jump)
