"""Models and the tiers they make, and which of them fit a host."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from surge_exporter.scaling.resources import GIB, Gpu, Sample
from surge_exporter.scaling.words import gib, percent


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """A model that could serve."""

    name: str
    tier: str
    memory_bytes: int
    """What it holds while it serves, context included: of one GPU's memory, or of the host's."""
    needs_gpu: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """All models; those of one tier in the order in which they are preferred.

    Raises:
        ValueError: two models share a name, or the tiers named are not those of the models.
    """

    models: tuple[ModelSpec, ...]
    tiers: tuple[str, ...]
    """Smallest first."""

    def __post_init__(self) -> None:
        names = [model.name for model in self.models]
        if len(set(names)) != len(names):
            raise ValueError(f"expected each model once, got {', '.join(names)}")
        named = {model.tier for model in self.models}
        if named != set(self.tiers) or len(named) != len(self.tiers):
            raise ValueError(
                f"expected each of the models' tiers {sorted(named)} once, got {self.tiers}"
            )

    @classmethod
    def of(cls, models: Iterable[ModelSpec]) -> "Catalogue":
        """Return the catalogue whose tiers are ordered by the least memory one of them needs."""
        models = tuple(models)
        by_memory = sorted(models, key=lambda model: model.memory_bytes)
        return cls(models=models, tiers=tuple(dict.fromkeys(m.tier for m in by_memory)))

    def of_tier(self, tier: str) -> tuple[ModelSpec, ...]:
        """Return the models of a tier, the preferred one first."""
        return tuple(model for model in self.models if model.tier == tier)

    def find(self, name: str | None) -> ModelSpec | None:
        """Return the model of that name, if there is one."""
        return next((model for model in self.models if model.name == name), None)

    def rank(self, tier: str | None) -> int:
        """Return how large a tier is, 0 for the smallest; -1 for none, or one that is not here."""
        return self.tiers.index(tier) if tier in self.tiers else -1


DEFAULT_CATALOGUE = Catalogue.of(
    ModelSpec(name=tier, tier=tier, memory_bytes=memory * GIB)
    for tier, memory in (("small", 2), ("medium", 8), ("large", 20))
)
"""Without configuration: what 4-bit models of about 3, 8 and 30 billion weights need."""


_DEFAULT_ON_GPU = Catalogue.of(replace(spec, needs_gpu=True) for spec in DEFAULT_CATALOGUE.models)


class HardwareTier(StrEnum):
    """What class of machine this is, by what it has, not by what is free."""

    LOW_END = "low_end"
    MID_RANGE = "mid_range"
    HIGH_END = "high_end"


# Below the sizes on the box: firmware, kernel and error correction keep some for themselves.
_HIGH_END_BYTES, _HIGH_END_GPU_BYTES = 48 * GIB, 20 * GIB
_MID_RANGE_BYTES, _MID_RANGE_GPU_BYTES = 12 * GIB, 6 * GIB


def hardware_tier(sample: Sample) -> HardwareTier:
    """Return the class by the host's memory or its largest GPU's, whichever says more.

    It is shown, and decides nothing: eligibility goes by bytes.
    """
    memory = sample.memory_total_bytes
    gpu_memory = max((gpu.memory_total_bytes for gpu in sample.gpus), default=0)
    if memory >= _HIGH_END_BYTES or gpu_memory >= _HIGH_END_GPU_BYTES:
        return HardwareTier.HIGH_END
    if memory >= _MID_RANGE_BYTES or gpu_memory >= _MID_RANGE_GPU_BYTES:
        return HardwareTier.MID_RANGE
    return HardwareTier.LOW_END


def on_host(catalogue: Catalogue, sample: Sample) -> Catalogue:
    """Return a catalogue as it is or, for the default one, with the GPU's memory if that counts.

    Who has a GPU of some size serves from it. A smaller one drives screens.
    """
    largest = max((gpu.memory_total_bytes for gpu in sample.gpus), default=0)
    is_default = catalogue == DEFAULT_CATALOGUE
    return _DEFAULT_ON_GPU if is_default and largest >= _MID_RANGE_GPU_BYTES else catalogue


@dataclass(frozen=True, slots=True)
class Eligibility:
    """Whether a model fits, and why, in words and numbers."""

    ok: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Memory that what serves gives up for its successor, on a GPU or in the host."""

    bytes: int = 0
    on_gpu: bool = False

    @classmethod
    def by(cls, spec: ModelSpec | None) -> "Held":
        """Return what a loaded model holds; nothing without one."""
        return cls() if spec is None else cls(bytes=spec.memory_bytes, on_gpu=spec.needs_gpu)

    def on(self, *, gpu: bool) -> int:
        """Return how many bytes of it are on the GPUs, or in the host."""
        return self.bytes if self.on_gpu == gpu else 0


def is_eligible(
    spec: ModelSpec, sample: Sample, *, held: Held, margin_ratio: float
) -> Eligibility:
    """Say whether a model could serve in place of what is loaded.

    What is held is free for a successor, and one that needs no more than that needs no margin
    either: it takes the place. So the loaded model itself stays eligible as long as there is a
    device that can hold it. The margin is a part of what the model needs.
    """
    if spec.needs_gpu and not sample.gpus:
        return Eligibility(ok=False, reason=f"{spec.name} needs a GPU, 0 are there")
    given_up = held.on(gpu=spec.needs_gpu)
    if spec.memory_bytes <= given_up and spec.memory_bytes <= largest_device(spec, sample):
        reason = f"{spec.name} takes the {gib(given_up)} that are held already"
        return Eligibility(ok=True, reason=reason)
    free = free_bytes(sample, on_gpu=spec.needs_gpu, held=given_up)
    needed = spec.memory_bytes * (1.0 + margin_ratio)
    where = "GPU memory" if spec.needs_gpu else "memory"
    return Eligibility(
        ok=needed <= free,
        reason=f"{spec.name} needs {gib(needed)} of {where} with a margin of"
        f" {percent(margin_ratio)}, {gib(free)} are free for it",
    )


def free_bytes(sample: Sample, *, on_gpu: bool, held: int = 0) -> int:
    """Return what a model could have where it would be loaded, if `held` bytes were given up.

    A model is taken to need one GPU. Which one the held memory is on is not known: of those that
    could hold it, the one that leaves least for the successor is assumed.
    """
    if not on_gpu:
        return min(sample.memory_total_bytes, sample.memory_available_bytes + held)
    holders = [gpu for gpu in sample.gpus if gpu.memory_used_bytes >= held] or list(sample.gpus)
    return min((_most_free(sample.gpus, holder, held) for holder in holders), default=0)


def largest_device(spec: ModelSpec, sample: Sample) -> int:
    """Return how much memory a model could have at best, were nothing else there."""
    return device_bytes(sample, on_gpu=spec.needs_gpu)


def device_bytes(sample: Sample, *, on_gpu: bool) -> int:
    """Return the memory of the largest GPU, or of the host; 0 without a GPU."""
    if on_gpu:
        return max((gpu.memory_total_bytes for gpu in sample.gpus), default=0)
    return sample.memory_total_bytes


def _most_free(gpus: Iterable[Gpu], holder: Gpu, held: int) -> int:
    return max(
        min(gpu.memory_total_bytes, gpu.memory_available_bytes + held * (gpu is holder))
        for gpu in gpus
    )
