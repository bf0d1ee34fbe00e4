"""One look at the host: CPU, memory, swap, load and GPUs, within what a control group allows."""

import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import psutil

from surge_exporter.model import Seconds
from surge_exporter.runtime.cgroup import Cgroup, CpuLimit
from surge_exporter.runtime.clock import Clock
from surge_exporter.runtime.gpus import Gpus
from surge_exporter.scaling.resources import Sample

SETTLE_SECONDS = Seconds(0.1)
"""How long after the start the first sample is worth something: CPU is used over time."""

_CPU_WINDOW_SECONDS = 1.0
"""CPU counts over this long at least, where there were samples before: the kernel counts in
hundredths of a second, and who asks ten times a second must not see each of its spikes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostReading:
    """What the kernel tells of the whole host."""

    cpu_busy_seconds: float
    """Since some instant long ago, over all CPUs."""
    cpu_seconds: float
    """The same, idle ones included."""
    memory_total_bytes: int
    memory_available_bytes: int
    swap_total_bytes: int
    swap_used_bytes: int
    load: float
    """Of the last minute."""
    cpus: int
    """Those that this process may run on."""


class _CpuReading(NamedTuple):
    at: Seconds
    busy: float
    total: float
    limit: CpuLimit | None


class Resources:
    """Takes samples. One owner, the sampler's thread."""

    def __init__(
        self,
        clock: Clock,
        *,
        cgroup: Cgroup | None = None,
        gpus: Gpus | None = None,
        read_host: Callable[[], HostReading] | None = None,
    ) -> None:
        """Begin to measure CPU use; in tests, take what stands in for the machine."""
        self._clock = clock
        self._cgroup = cgroup or Cgroup()
        self._gpus = gpus or Gpus(clock)
        self._read_host = read_host or read_host_now
        self._readings: deque[_CpuReading] = deque()
        self._cpu_ratio = 0.0
        self._note(self._read_host(), self._cgroup.cpu())

    def sample(self) -> Sample:
        """Return the host as it is now.

        Raises:
            OSError: the kernel does not tell.
        """
        host, memory, cpu = self._read_host(), self._cgroup.memory(), self._cgroup.cpu()
        self._note(host, cpu)
        self._cpu_ratio = self._measure_cpu()
        total, available = host.memory_total_bytes, host.memory_available_bytes
        if memory is not None and memory.total_bytes < total:
            total, available = memory.total_bytes, min(available, memory.available_bytes)
        return Sample(
            at=self._clock.now(),
            cpu_ratio=self._cpu_ratio,
            memory_total_bytes=total,
            memory_available_bytes=min(available, total),
            swap_total_bytes=host.swap_total_bytes,
            swap_used_bytes=host.swap_used_bytes,
            load_per_cpu=host.load / host.cpus,
            cpus=min(float(host.cpus), cpu.cpus if cpu else float(host.cpus)),
            gpus=self._gpus.read(),
        )

    def close(self) -> None:
        """Let go of the GPUs' driver."""
        self._gpus.close()

    def _note(self, host: HostReading, limit: CpuLimit | None) -> None:
        now = self._clock.monotonic()
        self._readings.append(_CpuReading(now, host.cpu_busy_seconds, host.cpu_seconds, limit))
        while len(self._readings) > 1 and now - self._readings[1].at >= _CPU_WINDOW_SECONDS:
            self._readings.popleft()

    def _measure_cpu(self) -> float:
        """Return the used part of the host's CPUs, or of the quota where that is the greater."""
        before, now = self._readings[0], self._readings[-1]
        if now.total <= before.total or now.at <= before.at:  # within one tick of the kernel
            return self._cpu_ratio
        ratio = (now.busy - before.busy) / (now.total - before.total)
        if now.limit and before.limit and now.limit.group == before.limit.group:
            used = now.limit.used_seconds - before.limit.used_seconds
            ratio = max(ratio, used / ((now.at - before.at) * now.limit.cpus))
        return min(max(ratio, 0.0), 1.0)


def read_host_now() -> HostReading:
    """Return what the kernel tells now."""
    times, memory, swap = psutil.cpu_times(), psutil.virtual_memory(), psutil.swap_memory()
    # Guests' time is in the others already; who waits for a disk leaves the CPU idle.
    guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
    total = sum(times) - guests
    return HostReading(
        cpu_busy_seconds=total - times.idle - getattr(times, "iowait", 0.0),
        cpu_seconds=total,
        memory_total_bytes=memory.total,
        memory_available_bytes=memory.available,
        swap_total_bytes=swap.total,
        swap_used_bytes=swap.used,
        load=os.getloadavg()[0],
        cpus=_usable_cpus(),
    )


def _usable_cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
