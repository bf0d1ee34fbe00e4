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
    aside: "Watched | None" = None
    """What was known of a GPU that is not seen now; its driver may come back."""

    @property
    def held(self) -> Held:
        """What a successor would have in the model's place."""
        return Held(bytes=self.held_bytes, on_gpu=self.on_gpu)


def told(loaded: ModelSpec | None, spec: ModelSpec | None, sample: Sample) -> Watched:
    """Return what a model holds that was just said to be loaded.

    Without one nothing is held, and what is watched is the memory that another would go to.
    """
    of = loaded or spec
    on_gpu = of.needs_gpu if of is not None else False
    total, free = device_bytes(sample, on_gpu=on_gpu), free_bytes(sample, on_gpu=on_gpu)
    return Watched(on_gpu, total, free, loaded.memory_bytes if loaded is not None else 0)


def watch(before: Watched | None, spec: ModelSpec | None, sample: Sample) -> Watched:
    """Return what a model may be taken to hold by now.

    Memory that went is counted as its own, up to its size: then it was loaded as advised, and is
    no reason to find that it does not fit. What went beyond that others took, and what comes back
    is theirs first. So nothing is credited for a model that nobody has loaded. Whether memory went
    to the model or to somebody else cannot be told: either counts as its own.

    Free memory and what is held never add up to more with less free.
    """
    before, aside = _recalled(before, sample)
    was_on_gpu = before is not None and before.on_gpu
    on_gpu = spec.needs_gpu if spec is not None else was_on_gpu
    total, free = device_bytes(sample, on_gpu=on_gpu), free_bytes(sample, on_gpu=on_gpu)
    if before is None or (before.on_gpu, before.total_bytes) != (on_gpu, total):
        return Watched(on_gpu, total, free, 0, aside=aside)
    went = before.free_bytes - free
    taken = max(0, before.held_bytes + before.beyond_bytes + went)
    # A step down leaves the larger model's share until its memory is back.
    most = max(spec.memory_bytes if spec is not None else 0, before.held_bytes)
    held = min(most, before.held_bytes + max(0, went), taken)
    return Watched(on_gpu, total, free, held, taken - held, aside)


def _recalled(before: Watched | None, sample: Sample) -> tuple[Watched | None, Watched | None]:
    """Return what was known of the device in use, and what is kept for when GPUs are back."""
    if before is None:
        return None, None
    if before.on_gpu and not sample.gpus:
        return None, before if before.total_bytes else before.aside
    if before.aside is not None and sample.gpus:
        return before.aside, None
    return before, before.aside
