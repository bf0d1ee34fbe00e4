"""Measure how long an appended line takes to show on /metrics, with inotify and by polling.

    python -m tests.bench.latency [APPENDS]

A scrape reads what is new before it answers, so polling costs a scraper nothing.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.servers import exporter, get
from tests.telemetry import request_line

_COUNTER = 'surge_source_lines_total{source="requests"}'


def main(appends: int) -> None:
    """Print the median, the 99th percentile and the longest, in milliseconds."""
    for name, flags in (("inotify", []), ("polling", ["--tail.poll-only"])):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "metrics").mkdir()
            path = Path(folder) / "metrics" / "local_1.jsonl"
            path.touch()
            with exporter(Path(folder), Path(folder) / "log", *flags) as url:
                times = sorted(_append(url, path, number) for number in range(1, appends + 1))
        middle, tail = statistics.median(times), times[int(0.99 * (len(times) - 1))]
        sys.stdout.write(
            f"{name}: {appends} appends, visible after {1e3 * middle:.1f} ms (median),"
            f" {1e3 * tail:.1f} ms (p99), {1e3 * times[-1]:.1f} ms (longest)\n"
        )


def _append(url: str, path: Path, number: int) -> float:
    line = request_line(time.time())  # noqa: TID251 - a real process reads it
    began = time.perf_counter()
    with path.open("ab") as file:
        file.write(line)
    while f"{_COUNTER} {number}.0" not in (get(f"{url}/metrics") or ""):
        pass
    return time.perf_counter() - began


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
