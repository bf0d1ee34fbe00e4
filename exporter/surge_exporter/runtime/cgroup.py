"""What a control group (version 2) allows, and what of it is used."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
SELF = Path("/proc/self/cgroup")

OWN = "own"
"""Of the choices whose limits count: those of the group that this process is in."""
HOST = "host"
"""None of them: the host's capacity is what counts."""

_UNIFIED = "0::"
_UNLIMITED = "max"
_MICROSECONDS = 1e-6


@dataclass(frozen=True, slots=True)
class MemoryLimit:
    """The tightest limit of a group and of those around it."""

    total_bytes: int
    available_bytes: int
    """What is left of it, the page cache that is dropped first counted as free."""


@dataclass(frozen=True, slots=True)
class CpuLimit:
    """The tightest quota, and what was used of it so far."""

    group: Path
    cpus: float
    used_seconds: float


class Cgroup:
    """Reads one group and all around it. What can't be read limits nothing."""

    def __init__(self, choice: str = OWN, *, root: Path = ROOT, own: Path = SELF) -> None:
        """Take whose limits count: `own`, `host`, or a group's path under the root.

        Args:
            choice: a group's path is that of the model server, say: /system.slice/ollama.service.
            root: where the tree of groups is mounted.
            own: which file says what group this process is in.
        """
        self._root = root
        self._group = None if choice == HOST else _own(own) if choice == OWN else choice

    def memory(self) -> MemoryLimit | None:
        """Return the memory limit with the least available, None if there is none."""
        limits = [limit for group in self._groups() if (limit := _memory(group)) is not None]
        if not limits:
            return None
        return MemoryLimit(
            min(limit.total_bytes for limit in limits),
            min(limit.available_bytes for limit in limits),
        )

    def cpu(self) -> CpuLimit | None:
        """Return the tightest CPU quota, None if there is none."""
        limits = [limit for group in self._groups() if (limit := _cpu(group)) is not None]
        return min(limits, key=lambda limit: limit.cpus, default=None)

    def _groups(self) -> Iterator[Path]:
        """Yield the group and those around it up to the root, which is a container's own group."""
        if self._group is None or not (self._root / "cgroup.controllers").exists():
            return
        # Where a container shows the host's path, its own tree has nothing there but the root.
        steps = [step for step in self._group.split("/") if step not in {"", ".", ".."}]
        for length in range(len(steps), -1, -1):
            group = self._root.joinpath(*steps[:length])
            if group.is_dir():
                yield group


def _own(file: Path) -> str | None:
    with suppress(OSError, ValueError):
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.startswith(_UNIFIED):
                return line.removeprefix(_UNIFIED)
    return None


def _memory(group: Path) -> MemoryLimit | None:
    limit = _read(group / "memory.max")
    if limit in {None, _UNLIMITED}:
        return None
    with suppress(ValueError, TypeError):
        total = int(limit or "")
        used = int(_read(group / "memory.current") or "")
        cache = _stat(group / "memory.stat").get("inactive_file", 0)
        return MemoryLimit(total, max(0, min(total, total - used + cache)))
    return None


def _cpu(group: Path) -> CpuLimit | None:
    quota, _, period = (_read(group / "cpu.max") or "").partition(" ")
    if quota in {"", _UNLIMITED}:
        return None
    with suppress(ValueError, ZeroDivisionError, KeyError):
        used = _stat(group / "cpu.stat")["usage_usec"] * _MICROSECONDS
        return CpuLimit(group, int(quota) / int(period), used)
    return None


def _read(file: Path) -> str | None:
    with suppress(OSError, ValueError):
        descriptor = os.open(file, os.O_RDONLY)
        try:
            return os.read(descriptor, 1 << 16).decode("ascii").strip()
        finally:
            os.close(descriptor)
    return None


def _stat(file: Path) -> dict[str, int]:
    """Return the numbers of a file with a name and a number a line."""
    found = {}
    for line in (_read(file) or "").splitlines():
        name, _, number = line.partition(" ")
        with suppress(ValueError):
            found[name] = int(number)
    return found
