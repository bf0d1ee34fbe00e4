"""What a host has and uses at one instant."""

from collections.abc import Mapping
from dataclasses import dataclass

from surge_exporter.model import UnixSeconds

GIB = 1024**3

CPU, MEMORY, GPU_MEMORY = "cpu", "memory", "gpu_memory"
RESOURCES = (CPU, MEMORY, GPU_MEMORY)
"""What pressure and trends are of; also the values of the label `resource`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One GPU."""

    index: int
    memory_total_bytes: int
    memory_used_bytes: int
    utilization_ratio: float | None = None
    """None where the driver does not say."""

    @property
    def memory_available_bytes(self) -> int:
        """What is not used, never negative: drivers have reported more used than there is."""
        return max(0, self.memory_total_bytes - self.memory_used_bytes)

    @property
    def memory_ratio(self) -> float:
        """The used part, in [0, 1]."""
        return _part(self.memory_used_bytes, self.memory_total_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The host, or what its control group lets us have of it, at one instant."""

    at: UnixSeconds
    cpu_ratio: float
    """Of the CPUs we may use, over the time since the sample before."""
    memory_total_bytes: int
    memory_available_bytes: int
    """What could be allocated without swapping, as Linux's MemAvailable has it."""
    swap_total_bytes: int = 0
    swap_used_bytes: int = 0
    load_per_cpu: float = 0.0
    """Load of the last minute over the CPUs we may use; 0 where there is none."""
    cpus: float = 1.0
    """How many CPUs we may use; quotas make parts of one."""
    gpus: tuple[Gpu, ...] = ()

    @property
    def memory_ratio(self) -> float:
        """The part that is not available, in [0, 1]."""
        used = self.memory_total_bytes - self.memory_available_bytes
        return _part(used, self.memory_total_bytes)

    @property
    def pressure(self) -> Mapping[str, float]:
        """How much of each resource is used, in [0, 1]; of the fullest GPU, if there is one."""
        ratios = {CPU: min(1.0, max(0.0, self.cpu_ratio)), MEMORY: self.memory_ratio}
        if self.gpus:
            ratios[GPU_MEMORY] = max(gpu.memory_ratio for gpu in self.gpus)
        return ratios


def _part(used: int, total: int) -> float:
    """Return a ratio in [0, 1]; of nothing, all is used."""
    return min(1.0, max(0.0, used / total)) if total > 0 else 1.0
