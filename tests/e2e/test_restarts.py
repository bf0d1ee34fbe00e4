"""What Prometheus counts over a kill -9 is what was written, also while nobody was there."""

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlencode

import pytest

from surge_exporter.runtime.clock import SystemClock
from tests.servers import Prometheus, exporter_command, free_port, get, prometheus, wait_for
from tests.telemetry import request_line, tick_line

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

REQUESTS = "surge_inference_requests_total{caller='a'}"
COUNTERS = (
    REQUESTS,
    "surge_source_lines_total{source='requests'}",
    "surge_heartbeat_ticks_total",
    "surge_inference_prompt_characters_total",
)


class Fleet:
    """Writes logs, and rotates them as it pleases."""

    def __init__(self, folder: Path) -> None:
        self.requests = folder / "metrics" / "local_1.jsonl"
        self.ticks = folder / "heartbeat" / "ticks_1.jsonl"
        for path in (self.requests, self.ticks):
            path.parent.mkdir()

    def write(self, count: int) -> None:
        """Append so many requests of ten characters, and as many ticks."""
        now = SystemClock().now()
        with self.requests.open("ab") as requests, self.ticks.open("ab") as ticks:
            for _ in range(count):
                requests.write(request_line(now, caller="a", model="m", prompt_len=10))
                ticks.write(tick_line(now))

    def rotate(self) -> None:
        """Rename the file of requests; the next write begins another."""
        number = len(list(self.requests.parent.iterdir()))
        self.requests.rename(self.requests.with_name(f"local_1_{number}.jsonl"))


class Exporter:
    """One that is killed and started again, always at the same address."""

    def __init__(self, folder: Path) -> None:
        address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{address}"
        self._folder = folder
        command = exporter_command(folder, "--state-file", str(folder / "state"))
        self._command = [address if part == "127.0.0.1:0" else part for part in command]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until its history is read."""
        with (self._folder / "exporter.log").open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        wait_for(lambda: get(f"{self.url}/-/ready"), "the exporter to be ready")

    def kill(self) -> None:
        """End it as the kernel does when there is no memory left."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None


@pytest.fixture
def exporter(tmp_path: Path) -> Iterator[Exporter]:
    """Return one that does not run yet."""
    found = Exporter(tmp_path)
    yield found
    found.kill()


def samples(server: Prometheus, counter: str) -> list[float]:
    """Return all values of a counter that Prometheus holds, in order."""
    text = get(f"{server.url}/api/v1/query?{urlencode({'query': f'{counter}[1h]'})}")
    series = json.loads(text or "{}")["data"]["result"]
    return [float(value) for _, value in series[0]["values"]] if series else []


def counted(server: Prometheus, counter: str) -> float:
    """Return what a counter rose by in all, a fall being a new beginning at 0."""
    values = samples(server, counter)
    return sum(b - a if b >= a else b for a, b in pairwise(values))


def is_counted(server: Prometheus, requests: int) -> Callable[[], bool]:
    """Return whether Prometheus has seen so many requests."""
    return lambda: counted(server, REQUESTS) >= requests


def test_each_line_is_counted_once_over_kills_and_rotations(
    tmp_path: Path, exporter: Exporter
) -> None:
    fleet = Fleet(tmp_path)
    fleet.write(1000)  # history, in no counter
    exporter.start()
    with prometheus(tmp_path / "prometheus", exporter.url, interval="500ms") as server:
        wait_for(lambda: samples(server, COUNTERS[1]), "a first scrape")
        fleet.write(30)
        wait_for(is_counted(server, 30), "the first lines")
        fleet.write(5)  # scraped or not when the kill comes
        exporter.kill()
        fleet.write(40)
        fleet.rotate()
        fleet.write(10)
        exporter.start()
        fleet.write(10)
        wait_for(is_counted(server, 95), "the lines of the restart")
        exporter.kill()
        fleet.rotate()
        exporter.start()
        fleet.write(5)
        wait_for(is_counted(server, 100), "the last lines")
        seen = len(samples(server, REQUESTS))
        wait_for(lambda: len(samples(server, REQUESTS)) > seen + 3, "some more scrapes")

        assert {counter: counted(server, counter) for counter in COUNTERS} == {
            COUNTERS[0]: 100,
            COUNTERS[1]: 100,
            COUNTERS[2]: 100,
            COUNTERS[3]: 1000,
        }
        # Up to the last sample, as `increase()` goes on at the same rate behind it.
        last = server.value(f"timestamp({REQUESTS})")
        increase = server.value(f"increase({REQUESTS}[1h] @ {last})")
        assert increase == pytest.approx(100, abs=1e-6)
        assert server.value("surge_exporter_state_rejected_total{reason='corrupt'}") == 0
        assert server.value("surge_exporter_state_last_saved_timestamp_seconds") is not None


def test_a_damaged_state_is_refused_counted_and_replaced(
    tmp_path: Path, exporter: Exporter
) -> None:
    (tmp_path / "state").write_bytes(b"damaged")
    fleet = Fleet(tmp_path)
    fleet.write(10)
    exporter.start()
    with prometheus(tmp_path / "prometheus", exporter.url, interval="500ms") as server:
        wait_for(lambda: len(samples(server, COUNTERS[1])) > 1, "two scrapes")

        assert server.value("surge_exporter_state_rejected_total{reason='corrupt'}") == 1
        assert server.value("sum(surge_source_lines_total)") == 0
        assert (tmp_path / "state").read_bytes().startswith(b"surge-exporter state 1 ")
