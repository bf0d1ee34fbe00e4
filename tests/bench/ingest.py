"""Measure ingest: CPU per line of the whole way into the windows, against plain peers.

    python -m tests.bench.ingest [LINES]

The peers run on the same lines in the same process, round by round in turn, so that the ratios
hold on a machine whose speed drifts. `decode only` is the floor, `json` what one would write
first: `json.loads`, `fromisoformat`, a dict of counts.
"""

import json
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime

import msgspec

from surge_exporter.core.cycle import Cycle, Telemetry
from surge_exporter.core.scenario import Scenario
from surge_exporter.core.simulate import telemetry
from surge_exporter.model import HOUR, Request, Source, UnixSeconds

START = UnixSeconds(1_774_807_200.0)
BLOCK_BYTES = 64 * 1024
ROUNDS = 5


def blocks(lines: int) -> list[bytes]:
    """Return request lines of eight hours as blocks of whole lines."""
    scenario = Scenario(start=START, requests_per_hour=lines / 8, rhythm=0.1)
    found = telemetry(scenario, seed=1, start=START, stop=UnixSeconds(START + 8 * HOUR))
    data = "".join(f"{line.text}\n" for line in found if line.source is Source.REQUESTS).encode()
    return list(_cut(data))


def _cut(data: bytes) -> Iterator[bytes]:
    start = 0
    while start < len(data):
        end = data.rfind(b"\n", start, start + BLOCK_BYTES) + 1
        yield data[start:end]
        start = end


def whole_way(data: list[bytes]) -> int:
    """Into the windows, as a cold start goes."""
    return _ingest(data, live=False)


def whole_way_live(data: list[bytes]) -> int:
    """Into windows and counters, as live lines go."""
    return _ingest(data, live=True)


def _ingest(data: list[bytes], *, live: bool) -> int:
    cycle = Cycle(Telemetry())
    now = UnixSeconds(START + 8 * HOUR)
    for block in data:
        cycle.ingest(Source.REQUESTS, block, now=now, live=live)
    demand = cycle.observe(now).demand
    return demand.recent.requests + demand.baseline.requests


def decode_only(data: list[bytes]) -> int:
    """The floor: what msgspec takes to decode."""
    decoder = msgspec.json.Decoder(Request)
    return sum(len(decoder.decode_lines(block)) for block in data)


def plain_json(data: list[bytes]) -> int:
    """What one would write first."""
    counts: defaultdict[tuple[object, ...], int] = defaultdict(int)
    for block in data:
        for line in block.splitlines():
            found = json.loads(line)
            at = datetime.fromisoformat(found["timestamp"]).timestamp()
            key = (at // 60, found["caller"], found["model"], found["success"])
            counts[key] += 1
    return sum(counts.values())


SUBJECTS: dict[str, Callable[[list[bytes]], int]] = {
    "whole way": whole_way,
    "whole way, live": whole_way_live,
    "decode only": decode_only,
    "json": plain_json,
}


def main(lines: int) -> None:
    """Print microseconds of CPU per line, and the ratio to `whole way` of the same round."""
    data = blocks(lines)
    count = sum(block.count(b"\n") for block in data)
    spent: dict[str, list[float]] = {name: [] for name in SUBJECTS}
    for turn in range(ROUNDS):
        for name, subject in SUBJECTS.items():
            sys.stderr.write(f"\rround {turn + 1} of {ROUNDS}: {name:<20}")
            began = time.process_time()
            found = subject(data)
            spent[name].append((time.process_time() - began) / count * 1e6)
            if found != count:
                raise SystemExit(f"{name} counted {found} of {count} lines")
    sys.stderr.write("\r" + " " * 60 + "\r")
    sys.stdout.write(f"{count} lines, {sum(map(len, data)) / count:.0f} bytes each\n")
    sys.stdout.write(f"{'':<20}{'us/line':>10}{'ratio':>8}\n")
    for name, times in spent.items():
        ratios = [a / b for a, b in zip(times, spent["whole way"], strict=True)]
        sys.stdout.write(
            f"{name:<20}{statistics.median(times):>10.2f}{statistics.median(ratios):>8.2f}\n"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500_000)
