"""Measure what watching the host costs, and how long a pre-flight check takes.

    python -m tests.bench.preflight [SECONDS]

Checks are asked 200 times a second of an exporter that has one core, on kept connections; each
counts from when it was due, so that a slow one also counts for those that wait behind it.
"""

import contextlib
import http.client
import os
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from surge_exporter.runtime.clock import SystemClock
from surge_exporter.runtime.resources import Resources
from surge_exporter.runtime.sampler import Sampler, Sampling
from tests.fakes import FakeClock, ScriptedWaker
from tests.servers import child, exporter_command, exporter_url

_RATE = 200
_CLIENTS = 20
_SAMPLES = 500
_INTERVAL_SECONDS = 2.0
_WINDOW_SECONDS = 600.0


def main(seconds: float) -> None:
    """Print the cost of a sample, of a turn with its decision, and the checks' times."""
    sample = sorted(_time_samples())
    _say(f"one sample: {_ms(statistics.median(sample))} (median), {_ms(_tail(sample))} (p99)")
    turn = _turn_seconds()
    share = turn / _INTERVAL_SECONDS
    _say(
        f"one turn, with a decision over {_WINDOW_SECONDS:.0f} s of samples: {_ms(turn)} of CPU,"
        f" every {_INTERVAL_SECONDS:g} s {share:.3%} of a core"
    )
    times = sorted(_time_checks(seconds))
    _say(
        f"{len(times)} pre-flight checks, {_RATE} a second on one core:"
        f" {_ms(statistics.median(times))} (median), {_ms(_tail(times))} (p99),"
        f" {_ms(times[-1])} (longest)"
    )


def _time_samples() -> list[float]:
    resources = Resources(SystemClock())
    times = []
    for _ in range(_SAMPLES):
        began = time.perf_counter()
        resources.sample()
        times.append(time.perf_counter() - began)
    return times


def _turn_seconds() -> float:
    """Return the CPU time of a turn, of real samples, once the window is full of them."""
    clock = FakeClock()
    sampler = Sampler(
        Sampling(interval_seconds=_INTERVAL_SECONDS),
        clock=clock,
        waker=ScriptedWaker(),
        build=lambda _: Resources(clock),
    )
    window = int(_WINDOW_SECONDS / _INTERVAL_SECONDS)
    for turn in range(2 * window):
        if turn == window:
            began = time.process_time()
        sampler.turn()
        clock.advance(_INTERVAL_SECONDS)
    return (time.process_time() - began) / window


def _time_checks(seconds: float) -> list[float]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = ["taskset", "-c", "0", *exporter_command(folder)]
        with child(command, folder / "log"):
            url = exporter_url(folder / "log")
            time.sleep(2.0)  # the first decision
            return _ask_often(url, seconds)


def _ask_often(url: str, seconds: float) -> list[float]:
    with contextlib.suppress(OSError):
        os.sched_setaffinity(0, os.sched_getaffinity(0) - {0} or {0})  # leave it its core
    times: list[float] = []
    began = time.perf_counter() + 0.2

    def ask(number: int) -> None:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
        for turn in range(int(seconds * _RATE / _CLIENTS)):
            due = began + (turn * _CLIENTS + number) / _RATE
            time.sleep(max(0.0, due - time.perf_counter()))
            connection.request("GET", "/api/v1/preflight")
            connection.getresponse().read()
            times.append(time.perf_counter() - due)
        connection.close()

    clients = [threading.Thread(target=ask, args=(number,)) for number in range(_CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    return times


def _tail(times: list[float]) -> float:
    return times[int(0.99 * (len(times) - 1))]


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:.2f} ms"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 10.0)
