"""A process that writes at a given rate, and knows what it wrote to which file."""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from surge_exporter.runtime.clock import SystemClock
from tests.soak.log import Log, Rotation
from tests.telemetry import request_line, tick_line

SLOTS = 20
"""So many generations of a writer's file have labels of their own, before they are used again."""

_MOST_LINES_AT_ONCE = 99
_CHANCE_TO_WRITE_IN_TWO = 0.02
_CHANCE_OF_A_TICK = 0.2
_MARK = "serial number"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one writer is to do."""

    folder: Path
    counted: Path
    """See `Log`."""
    number: int
    seed: int
    began: float
    until: float
    """By the monotonic clock."""
    lines_per_second: float
    rotate_every: float
    has_heartbeat: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """The lines that one writer wrote from one rotation to the next."""

    writer: int
    number: int
    lines: int
    began: float
    end: Rotation

    @property
    def labels(self) -> tuple[str, str]:
        """The caller and the model of its lines."""
        return labels_of(self.writer, self.number)


@dataclass(frozen=True, slots=True)
class Written:
    """What one writer wrote."""

    generations: list[Generation] = field(default_factory=list)
    ticks: list[float] = field(default_factory=list)
    """When each heartbeat tick was written, by the monotonic clock."""
    ticks_rotations: list[Rotation] = field(default_factory=list)


def labels_of(writer: int, generation: int) -> tuple[str, str]:
    """Return the caller and the model that say where a line was written."""
    return f"writer_{writer}", f"generation_{generation % SLOTS:02}"


def write(plan: Plan) -> Written:
    """Write and rotate until the plan's end; return what was written."""
    random = Random(plan.seed)
    log = Log(plan.folder / "metrics" / f"local_{plan.number}.jsonl", random, counted=plan.counted)
    heartbeat = Log(
        plan.folder / "heartbeat" / f"ticks_{plan.number}.jsonl", random, counted=plan.counted
    )
    logs = [log, heartbeat] if plan.has_heartbeat else [log]
    lines: Counter[int] = Counter()
    ticks: list[float] = []
    serial = 0
    rotate_at = plan.began + plan.rotate_every * random.random()
    for count in _bursts(plan, random):
        lines[log.generation] += count
        _append(log, _requests(plan.number, log.generation, serial, count), random)
        serial += count
        if plan.has_heartbeat and random.random() < _CHANCE_OF_A_TICK:
            ticks.append(time.monotonic())
            _append(heartbeat, tick_line(SystemClock().now()), random)
        is_time = time.monotonic() >= rotate_at
        for one in logs:
            one.rotate() if is_time else one.go_on()
        if is_time:
            rotate_at = time.monotonic() + plan.rotate_every * random.uniform(0.3, 1.7)
    for one in logs:
        one.close()
    return Written(list(_generations(plan, lines, log)), ticks, heartbeat.rotations)


def _bursts(plan: Plan, random: Random) -> Iterator[int]:
    """Yield how many lines to write next, each when it is time to; late ones without delay."""
    due = plan.began
    while time.monotonic() < plan.until:
        time.sleep(max(0.0, due - time.monotonic()))
        count = random.randint(1, _MOST_LINES_AT_ONCE)
        yield count
        due += count / plan.lines_per_second


def _append(log: Log, data: bytes, random: Random) -> None:
    if random.random() < _CHANCE_TO_WRITE_IN_TWO:
        log.write_in_two(data)
    else:
        log.write(data)


def _requests(writer: int, generation: int, serial: int, count: int) -> bytes:
    """Return lines that differ in their serial number, each of one character and one token."""
    caller, model = labels_of(writer, generation)
    line = request_line(
        SystemClock().now(),
        caller=caller,
        model=model,
        prompt_len=1,
        prompt_tokens=1,
        duration_ms=100,
        error=_MARK,
    )
    before, after = line.split(_MARK.encode())
    return b"".join([b"%b%d%b" % (before, n, after) for n in range(serial, serial + count)])


def _generations(plan: Plan, lines: Counter[int], log: Log) -> Iterator[Generation]:
    began = plan.began
    for number, end in enumerate([*log.rotations, Rotation("none", plan.until)]):
        yield Generation(
            writer=plan.number, number=number, lines=lines[number], began=began, end=end
        )
        began = end.at
