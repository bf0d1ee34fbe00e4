"""The exporter, killed now and then, and started again at once."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from random import Random

import psutil

_STOPS_WITHIN_SECONDS = 10.0


class Lives:
    """One process after another by the same command, each with its part of the log."""

    def __init__(self, command: list[str], log: Path) -> None:
        """Start the first."""
        self._command = command
        self._log = log
        self._lock = threading.Lock()
        self._past_cpu_seconds = 0.0
        self._start()
        self.killed: list[float] = []
        """When, by the monotonic clock."""
        self.rss_bytes = self.most_rss_bytes = 0
        self.cpu_seconds = 0.0

    def measure(self) -> None:
        """Bring memory and CPU time up to date.

        Raises:
            RuntimeError: the exporter has ended, and nobody killed it.
        """
        with self._lock:
            self._measure()

    def kill(self) -> None:
        """End the process by SIGKILL, and start the next."""
        with self._lock:
            self._measure()
            self._process.kill()
            self._process.wait()
            self.killed.append(time.monotonic())
            self._past_cpu_seconds = self.cpu_seconds
            self._start()

    def stop(self) -> int:
        """End the last process in order; return its exit code."""
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(_STOPS_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def _start(self) -> None:
        kept = {name: text for name, text in os.environ.items() if not name.startswith("SURGE_")}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, env=kept)

    def _measure(self) -> None:
        code = self._process.poll()
        if code is not None:
            raise RuntimeError(f"the exporter ended by itself with {code}; see {self._log}")
        process = psutil.Process(self._process.pid)
        spent = process.cpu_times()
        self.cpu_seconds = self._past_cpu_seconds + spent.user + spent.system
        self.rss_bytes = process.memory_info().rss
        self.most_rss_bytes = max(self.most_rss_bytes, self.rss_bytes)


@contextmanager
def killed_now_and_then(
    lives: Lives, random: Random, mean_seconds: float, *, when: AbstractContextManager[object]
) -> Iterator[None]:
    """Kill at random moments while the block runs, each inside `when`; never if the mean is 0."""
    over = threading.Event()

    def kill() -> None:
        while not over.wait(random.expovariate(1 / mean_seconds)):
            with when:
                lives.kill()

    killer = threading.Thread(target=kill, name="killer")
    if mean_seconds:
        killer.start()
    try:
        yield
    finally:
        over.set()
        if mean_seconds:
            killer.join()
