"""The samples that decisions look back on."""

from collections import deque

from surge_exporter.model import UnixSeconds
from surge_exporter.scaling.resources import Sample

_MOST_SAMPLES = 500
"""Of a window however long, looked at however often: each costs every decision after it."""


class History:
    """Samples of a window, oldest first, and one from before it. One owner, the sampler's thread.

    The one from before says that the window is covered: without it one sample an hour, or the
    first ones, would be taken for all of it.
    """

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque()

    def before(self, at: UnixSeconds, window_seconds: float) -> tuple[Sample, ...]:
        """Return them, after forgetting what is older, or newer: the clock was set back."""
        samples = self._samples
        while samples and samples[-1].at > at:
            samples.pop()
        while len(samples) > 1 and samples[1].at <= at - window_seconds:
            samples.popleft()
        return tuple(samples)

    def add(self, sample: Sample, window_seconds: float) -> None:
        """Keep the newest sample, unless so many say no more than fewer do."""
        apart = window_seconds / _MOST_SAMPLES
        if not self._samples or sample.at - self._samples[-1].at >= apart:
            self._samples.append(sample)

    def clear(self) -> None:
        """Forget all: what follows is of something else."""
        self._samples.clear()
