"""Measure how soon an exporter is ready that starts on a month of history.

    python -m tests.bench.cold_start [LINES]

The peer is an interpreter that parses the window's lines alone, from a file that holds no
others: what is beyond its time is the start of a server, and what finding those lines costs.
Start and peer take turns, and with them a start on nothing, so that the figures hold together
on a machine whose speed drifts. What was just written is in the page cache.
"""

import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, TypeVar

import click
import psutil

from surge_exporter.core.cycle import Cycle, Telemetry
from surge_exporter.model import Source
from surge_exporter.runtime.clock import SystemClock
from tests.bench.history import DAY, HISTORY, LAYOUTS, WINDOW, Log, Span
from tests.servers import child, exporter_command, get

ROUNDS = 5
BLOCK_BYTES = 64 * 1024

Found = TypeVar("Found")


@dataclass(frozen=True)
class Start:
    """What was measured of one start; seconds since the process was."""

    metrics_seconds: float
    ready_seconds: float
    read_bytes: int
    resident_bytes: int
    requests: int
    """How many the windows hold."""


def start(folder: Path) -> Start:
    """Start an exporter, and end it once it is ready."""
    log = folder / "log"
    began = time.perf_counter()
    with (
        child(exporter_command(folder), log) as running,
        ThreadPoolExecutor(1) as readers,
    ):
        process = psutil.Process(running.pid)
        address = re.compile(r"urls=(http://\S+)")
        url = _wait_for(lambda: address.search(log.read_text())).group(1)
        metrics = readers.submit(lambda: (get(f"{url}/metrics"), time.perf_counter() - began)[1])
        _wait_for(lambda: get(f"{url}/-/ready"))
        ready_seconds = time.perf_counter() - began
        read_bytes = process.io_counters().read_chars
        report = json.loads(_wait_for(lambda: get(f"{url}/api/v1/report")))
        return Start(
            metrics.result(),
            ready_seconds,
            read_bytes,
            process.memory_info().rss,
            report["recent_requests"] + report["baseline_requests"],
        )


def _wait_for(ask: Callable[[], Found | None]) -> Found:
    while (found := ask()) is None:
        time.sleep(0.02)  # more often, asking would slow what is measured
    return found


class Parse(NamedTuple):
    """What was measured of the peer."""

    seconds: float
    process_seconds: float
    """With the start of the interpreter."""


def parse(path: Path) -> Parse:
    """Have a fresh interpreter read and ingest a file."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "tests.bench.cold_start", "--parse", str(path)]
    answer = subprocess.run(command, check=True, capture_output=True).stdout
    return Parse(float(answer), time.perf_counter() - began)


def _parse_here(path: Path) -> None:
    began = time.perf_counter()
    cycle, now, rest = Cycle(Telemetry()), SystemClock().now(), b""
    with path.open("rb", buffering=0) as file:
        while data := file.read(BLOCK_BYTES):
            block, newline, rest = (rest + data).rpartition(b"\n")
            cycle.ingest(Source.REQUESTS, block + newline, now=now, live=False)
    cycle.observe(now)
    sys.stdout.write(f"{time.perf_counter() - began}\n")


class Round(NamedTuple):
    """What was measured in turn."""

    start: Start
    on_nothing: Start
    peer: Parse


def measure(log: Log, spans: Sequence[Span], folder: Path) -> list[Round]:
    """Write a file for each span and start on them, some rounds."""
    telemetry, window, nothing = folder / "metrics", folder / "window", folder / "nothing"
    telemetry.mkdir()
    nothing.mkdir()
    now = spans[-1].stop
    last = Span(now - WINDOW, now)
    expected = log.count(last)
    lines = sum(map(log.count, spans)) + expected
    with click.progressbar(length=lines, label="Writing history", file=sys.stderr) as bar:
        for number, span in enumerate(spans):
            log.write(telemetry / f"local_{number:06}.jsonl", span, bar.update)
        log.write(window, last, bar.update)
    rounds = [Round(start(folder), start(nothing), parse(window)) for _ in range(ROUNDS)]
    for found in rounds:
        if not 0.95 < found.start.requests / expected < 1.05:  # the window moves on meanwhile
            raise SystemExit(f"found {found.start.requests} of {expected} requests")
    return rounds


def show(label: str, rounds: list[Round], written_bytes: int) -> str:
    """Say what was measured; every figure is a median."""

    def median(figure: Callable[[Round], float]) -> float:
        return statistics.median(map(figure, rounds))

    return (
        f"{label}\n"
        f"  ready {median(lambda one: one.start.ready_seconds):.2f} s,"
        f" of which parse {median(lambda one: one.peer.seconds):.2f} s,"
        f" beyond parse {median(lambda one: one.start.ready_seconds - one.peer.seconds):.2f} s;"
        f" read {median(lambda one: one.start.read_bytes - one.on_nothing.read_bytes) / 1e6:.1f}"
        f" of {written_bytes / 1e6:.0f} MB\n"
        f"  /metrics answers after {median(lambda one: one.start.metrics_seconds):.2f} s;"
        f" {median(lambda one: one.start.resident_bytes) / 1e6:.0f} MB resident\n"
        f"  on nothing: ready {median(lambda one: one.on_nothing.ready_seconds):.2f} s,"
        f" {median(lambda one: one.on_nothing.resident_bytes) / 1e6:.0f} MB resident;"
        f" parse and its interpreter: {median(lambda one: one.peer.process_seconds):.2f} s\n"
    )


def main(lines: int) -> None:
    """Print what a cold start takes, for each layout of the same lines."""
    log = Log(lines)
    in_window = log.count(Span(0, WINDOW))
    sys.stdout.write(f"{lines} lines of {HISTORY / DAY:.0f} days, {in_window} in the window\n")
    for label, layout in LAYOUTS.items():
        with TemporaryDirectory() as name:
            folder = Path(name)
            rounds = measure(log, layout(SystemClock().now()), folder)
            written = sum(path.stat().st_size for path in (folder / "metrics").iterdir())
            sys.stdout.write(show(label, rounds, written))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--parse"]:
        _parse_here(Path(sys.argv[2]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000)
