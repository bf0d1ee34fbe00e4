"""What the recommended model holds, where nobody says what is loaded."""

from typing import NamedTuple

from surge_exporter.scaling.resources import Sample
from surge_exporter.scaling.tiers import ModelSpec, free_bytes


class Watched(NamedTuple):
    """What was free at a sample, and what part of what was not counts as the model's."""

    on_gpu: bool
    free_bytes: int
    held_bytes: int


def watch(before: Watched | None, spec: ModelSpec | None, sample: Sample) -> Watched:
    """Return what the model that is recommended may be taken to hold by now.

    Memory that went since it was recommended is counted as its own, up to its size: then it was
    loaded as advised, and is no reason to find that it does not fit. Memory that came back was
    given up by it. So nothing is credited for a model that nobody has loaded; what somebody else
    took meanwhile is, for one cannot be told from the other.

    Free memory and what is held never add up to more with less free.
    """
    on_gpu = spec.needs_gpu if spec is not None else False
    free = free_bytes(sample, on_gpu=on_gpu)
    if spec is None or before is None or before.on_gpu != on_gpu:
        return Watched(on_gpu, free, 0)
    went = before.free_bytes - free
    # A step down leaves the larger model's share until its memory is back.
    most = max(spec.memory_bytes, before.held_bytes)
    return Watched(on_gpu, free, min(most, max(0, before.held_bytes + went)))
