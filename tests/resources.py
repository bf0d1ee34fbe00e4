"""Samples for tests, in GiB and percent, and what a few steps decide."""

from collections import deque
from collections.abc import Iterable

from surge_exporter.model import UnixSeconds
from surge_exporter.scaling.decisions import Decision, Inputs, Settings, State
from surge_exporter.scaling.resources import GIB, Gpu, Sample
from surge_exporter.scaling.scaler import step
from surge_exporter.scaling.tiers import Catalogue, ModelSpec

_KEPT = 400  # samples: more than a trend looks back on


def sample(
    at: float = 0.0,
    *,
    cpu: float = 0.1,
    available: float = 30.0,
    total: float = 32.0,
    gpus: Iterable[Gpu] = (),
) -> Sample:
    """Return a sample; memory in GiB."""
    return Sample(
        at=UnixSeconds(at),
        cpu_ratio=cpu,
        memory_total_bytes=int(total * GIB),
        memory_available_bytes=int(available * GIB),
        gpus=tuple(gpus),
    )


def gpu(used: float = 0.0, total: float = 24.0, index: int = 0) -> Gpu:
    """Return a GPU; memory in GiB."""
    return Gpu(index=index, memory_total_bytes=int(total * GIB), memory_used_bytes=int(used * GIB))


def spec(name: str, memory: float, *, gpu: bool = False) -> ModelSpec:
    """Return a model that is a tier of its own; memory in GiB."""
    return ModelSpec(name=name, tier=name, memory_bytes=int(memory * GIB), needs_gpu=gpu)


def catalogue(*specs: ModelSpec) -> Catalogue:
    """Return the catalogue of models given smallest first, whatever they need."""
    return Catalogue(models=specs, tiers=tuple(one.tier for one in specs))


class Life:
    """A scaler from its beginning on."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.state = State()
        self.history: deque[Sample] = deque(maxlen=_KEPT)

    def step(self, sample: Sample, **others: object) -> Decision:
        """Return the decision on a sample, taken now; others are of `Inputs`."""
        inputs = Inputs(now=sample.at, sample=sample, history=tuple(self.history), **others)  # type: ignore[arg-type]
        decision, self.state = step(self.state, inputs, self.settings)
        self.history.append(sample)
        return decision

    def steps(self, samples: Iterable[Sample], **others: object) -> list[Decision]:
        """Return the decisions on samples."""
        return [self.step(one, **others) for one in samples]
