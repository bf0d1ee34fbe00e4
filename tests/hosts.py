"""Stand-ins for a machine: its kernel's numbers, its control groups, its GPUs."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from surge_exporter.model import UnixSeconds
from surge_exporter.runtime.cgroup import Cgroup
from surge_exporter.runtime.resources import HostReading
from surge_exporter.scaling.resources import GIB, Sample
from tests.fakes import NOW, FakeClock

OWN_GROUP = "/kubepods/pod1/exporter"


class FakeNvmlError(Exception):
    """What NVML raises."""


class FakeNvml:
    """A driver with as many GPUs of 24 GiB as it is told; it breaks when it is told to."""

    NVMLError = FakeNvmlError

    def __init__(self, gpus: int = 1) -> None:
        self.used = [GIB] * gpus
        self.utilization: list[int | None] = [40] * gpus
        self.lost: set[int] = set()
        self.fault: Exception | None = None
        self.faults_left = sys.maxsize
        self.calls: list[str] = []

    def nvmlInit(self) -> None:  # noqa: N802
        self._call("init")

    def nvmlShutdown(self) -> None:  # noqa: N802
        self._call("shutdown")

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        self._call("count")
        return len(self.used)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        return index

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> Any:  # noqa: N802
        self._call("memory")
        if handle in self.lost:
            raise FakeNvmlError("GPU is lost")
        return SimpleNamespace(total=24 * GIB, used=self.used[handle])

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> Any:  # noqa: N802
        percent = self.utilization[handle]
        if percent is None:
            raise FakeNvmlError("Not Supported")
        return SimpleNamespace(gpu=percent)

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if self.fault is not None and self.faults_left:
            self.faults_left -= 1
            raise self.fault


class FakeHost:
    """A kernel that tells what the test says; call it to hear."""

    def __init__(self, **numbers: Any) -> None:
        self.reading = replace(
            HostReading(
                cpu_busy_seconds=1000.0,
                cpu_seconds=4000.0,
                memory_total_bytes=32 * GIB,
                memory_available_bytes=24 * GIB,
                swap_total_bytes=2 * GIB,
                swap_used_bytes=0,
                load=1.0,
                cpus=4,
            ),
            **numbers,
        )

    def __call__(self) -> HostReading:
        return self.reading

    def use_cpu(self, busy: float, seconds: float) -> None:
        """Let so many CPU seconds pass, and so many of them be used."""
        self.reading = replace(
            self.reading,
            cpu_busy_seconds=self.reading.cpu_busy_seconds + busy,
            cpu_seconds=self.reading.cpu_seconds + seconds,
        )

    def set(self, **numbers: Any) -> None:
        """Change some numbers."""
        self.reading = replace(self.reading, **numbers)


class FakeCgroups:
    """A tree of control groups in a folder, with this process in `OWN_GROUP`."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "cgroup"
        self.own = folder / "own"
        (self.root / OWN_GROUP[1:]).mkdir(parents=True)
        (self.root / "cgroup.controllers").write_text("cpu memory\n")
        self.own.write_text(f"0::{OWN_GROUP}\n")

    def cgroup(self, choice: str = "own") -> Cgroup:
        """Return the reader of one group."""
        return Cgroup(choice, root=self.root, own=self.own)

    def write(self, group: str, files: Mapping[str, str]) -> None:
        """Write a group's files, named with hyphens for dots."""
        (self.root / group.strip("/")).mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (self.root / group.strip("/") / name).write_text(text)

    def limit_memory(self, group: str, *, limit: int, used: int, cache: int = 0) -> None:
        """Give a group a memory limit."""
        stat = f"anon 1\ninactive_file {cache}\nactive_file 7\n"
        files = {"memory.max": f"{limit}\n", "memory.current": f"{used}\n", "memory.stat": stat}
        self.write(group, files)

    def limit_cpu(self, group: str, *, cpus: float, used_seconds: float) -> None:
        """Give a group a CPU quota."""
        stat = f"usage_usec {int(used_seconds * 1e6)}\nuser_usec 0\n"
        self.write(group, {"cpu.max": f"{int(cpus * 100_000)} 100000\n", "cpu.stat": stat})


def sample(**changes: Any) -> Sample:
    """Return a host of 64 GiB without GPU that has little to do."""
    whole = Sample(
        at=UnixSeconds(NOW),
        cpu_ratio=0.2,
        memory_total_bytes=64 * GIB,
        memory_available_bytes=48 * GIB,
        cpus=4.0,
    )
    return replace(whole, **changes)


class FakeMachine:
    """Takes the samples that the test wants, and counts them."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.sample_now = sample()
        self.taken = 0
        self.closed = 0
        self.fault: Exception | None = None
        self.meanwhile: Callable[[], None] = lambda: None

    def sample(self) -> Sample:
        self.taken += 1
        self.meanwhile()
        if self.fault is not None:
            raise self.fault
        return replace(self.sample_now, at=self.clock.now())

    def close(self) -> None:
        self.closed += 1
