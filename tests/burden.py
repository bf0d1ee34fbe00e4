"""A child process that takes memory and burns CPU when it is told to, and a box of its size."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from surge_exporter.model import Seconds, UnixSeconds
from surge_exporter.runtime.cgroup import ROOT, Cgroup
from surge_exporter.runtime.clock import Clock
from surge_exporter.runtime.gpus import Gpus
from surge_exporter.runtime.resources import HostReading, Resources
from tests.fakes import FakeClock
from tests.hosts import FakeNvml

BOX_BYTES = 400 * 1024**2
TAKEN_BYTES = 300 * 1024**2

_PROGRAM = """
import sys, threading
burning, held = threading.Event(), None
def burn():
    while burning.wait():
        sum(range(20_000))
threading.Thread(target=burn, daemon=True).start()
for line in sys.stdin:
    size, burns = map(int, line.split())
    held = bytearray(b"x") * size if size else None
    (burning.set if burns else burning.clear)()
    print("done", flush=True)
"""


class Burden:
    """The child. It ends by itself when the test does."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.pid = self._process.pid

    def take(self) -> None:
        """Take the memory, touch all of it, and burn CPU from now on."""
        self._tell(TAKEN_BYTES, burns=True)

    def burn(self) -> None:
        """Burn CPU from now on, and take no memory."""
        self._tell(0, burns=True)

    def leave(self) -> None:
        """Give it back, and rest."""
        self._tell(0, burns=False)

    def end(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()

    def _tell(self, size: int, *, burns: bool) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{size} {burns:d}\n".encode())
        self._process.stdin.flush()
        assert self._process.stdout.readline() == b"done\n"


class HalfFakeClock:
    """A wall clock that the test sets, beside real durations: CPU time can't be faked."""

    def __init__(self, wall: FakeClock) -> None:
        self._wall = wall

    def now(self) -> UnixSeconds:
        return self._wall.now()

    def monotonic(self) -> Seconds:
        return Seconds(time.monotonic())

    def offset(self) -> Seconds:
        return Seconds(self.now() - self.monotonic())


@contextmanager
def process_box(burden: Burden, clock: Clock) -> Iterator[Resources]:
    """Yield what samples a box of one CPU in which the child is alone, whoever else is busy.

    What the child uses is real; how large the box is, is not.
    """
    process = psutil.Process(burden.pid)

    def read() -> HostReading:
        used, times = process.memory_info().rss, process.cpu_times()
        return HostReading(
            cpu_busy_seconds=times.user + times.system,
            cpu_seconds=time.monotonic(),
            memory_total_bytes=BOX_BYTES,
            memory_available_bytes=BOX_BYTES - used,
            swap_total_bytes=0,
            swap_used_bytes=0,
            load=0.0,
            cpus=1,
        )

    gpus = Gpus(clock, load=lambda: FakeNvml(gpus=0))
    yield Resources(clock, cgroup=Cgroup("host"), gpus=gpus, read_host=read)


@contextmanager
def cgroup_box(burden: Burden, clock: Clock) -> Iterator[Resources]:
    """Yield what samples the child's own control group; skip where none can be made."""
    name = f"surge-test-{os.getpid()}"
    group = ROOT / name
    try:
        if "memory" not in (ROOT / "cgroup.subtree_control").read_text():
            pytest.skip("the memory controller is not enabled for groups of version 2")
        group.mkdir()
        (group / "memory.max").write_text(str(BOX_BYTES))
        (group / "cgroup.procs").write_text(str(burden.pid))
    except OSError as error:
        _remove(group)
        pytest.skip(f"no control group of version 2 can be made: {error}")
    gpus = Gpus(clock, load=lambda: FakeNvml(gpus=0))
    try:
        yield Resources(clock, cgroup=Cgroup(f"/{name}"), gpus=gpus)
    finally:
        burden.end()
        _remove(group)


def _remove(group: Path) -> None:
    with suppress(OSError):
        group.rmdir()
