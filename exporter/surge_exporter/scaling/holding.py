"""What the recommended model holds, between two looks at a server or where there is none."""

from typing import NamedTuple

from surge_exporter.scaling.resources import Sample
from surge_exporter.scaling.tiers import Held, ModelSpec, device_bytes, free_bytes


class Watched(NamedTuple):
    """What was free at a sample, and what part of what was not counts as the model's."""

    on_gpu: bool
    total_bytes: int
    free_bytes: int
    held_bytes: int
    beyond_bytes: int = 0
    """What others took meanwhile."""
    named_bytes: int = 0
    """What a server said that is held, when it was asked last; nothing if nobody says."""

    @property
    def taken_bytes(self) -> int:
        """What went since nothing was held, to whomever."""
        return self.held_bytes + self.beyond_bytes

    @property
    def held(self) -> Held:
        """What the model may be taken to hold, and a successor to have in its place."""
        return Held(bytes=self.held_bytes, on_gpu=self.on_gpu)

    @property
    def named(self) -> Held:
        """The part of it that a server knows of: the rest may be somebody else's."""
        return Held(bytes=min(self.held_bytes, self.named_bytes), on_gpu=self.on_gpu)

    def holds(self, spec: ModelSpec) -> bool:
        """Say whether a model seems to be there: half of it is taken for all."""
        return 2 * self.held_bytes >= spec.memory_bytes


def told(loaded: ModelSpec | None, spec: ModelSpec | None, sample: Sample) -> Watched:
    """Return what a model holds that was just said to be loaded.

    Without one nothing is held, and what is watched is the memory that another would go to.
    """
    of = loaded or spec
    on_gpu = of.needs_gpu if of is not None else False
    total, free = device_bytes(sample, on_gpu=on_gpu), free_bytes(sample, on_gpu=on_gpu)
    held = loaded.memory_bytes if loaded is not None else 0
    return Watched(on_gpu, total, free, held, named_bytes=held)


def watch(before: Watched | None, spec: ModelSpec | None, sample: Sample) -> Watched:
    """Return what a model may be taken to hold by now.

    Memory that went is counted as its own, up to its size: then it was loaded as advised, and is
    no reason to find that it does not fit. What went beyond that others took, and what comes back
    is theirs first. So nothing is credited for a model that nobody has loaded. Whether memory went
    to the model or to somebody else cannot be told: either counts as its own.

    Free memory and what is held never add up to more with less free.
    """
    was_on_gpu = before is not None and before.on_gpu
    on_gpu = spec.needs_gpu if spec is not None else was_on_gpu
    total, free = device_bytes(sample, on_gpu=on_gpu), free_bytes(sample, on_gpu=on_gpu)
    if before is None or (before.on_gpu, before.total_bytes) != (on_gpu, total):
        return Watched(on_gpu, total, free, 0)
    went = before.free_bytes - free
    taken = max(0, before.taken_bytes + went)
    # Where none is recommended, none is known to have gone; of a larger one the rest is beyond.
    most = spec.memory_bytes if spec is not None else before.held_bytes
    held = min(most, before.held_bytes + max(0, went), taken)
    return Watched(on_gpu, total, free, held, taken - held, before.named_bytes)
