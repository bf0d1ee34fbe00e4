"""`simulate`: write the telemetry of a fleet that does not exist."""

import math
import signal
from collections.abc import Iterator
from pathlib import Path

import click

from surge_exporter.commands import options
from surge_exporter.commands.options import USAGE_ERROR, Fault, FiniteRange
from surge_exporter.core.scenario import day_scenario
from surge_exporter.core.simulate import Line, telemetry
from surge_exporter.core.timestamps import parse_timestamp
from surge_exporter.model import HOUR, UnixSeconds
from surge_exporter.runtime.clock import QueueWaker, ScaledClock, SystemClock
from surge_exporter.runtime.writer import TelemetryWriter, pace

_DAY_SECONDS = 86400.0


@click.command()
@options.telemetry_dir
@click.option(
    "--rate",
    type=FiniteRange(min=0, min_open=True, max=1_000_000),
    default=600.0,
    show_default=True,
    help="Mean requests per hour.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Same seed, same telemetry.")
@click.option("--start", metavar="TIME", help="Where live telemetry begins.  [default: now]")
@click.option(
    "--history",
    "history_hours",
    type=FiniteRange(min=0),
    default=24.0,
    show_default=True,
    metavar="HOURS",
    help="Telemetry from before the start, written at once.",
)
@click.option(
    "--duration",
    "duration_hours",
    type=FiniteRange(min=0),
    metavar="HOURS",
    help="Simulated time to go on for.  [default: until stopped]",
)
@click.option(
    "--speed",
    type=FiniteRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help="Simulated seconds per second. Above 1 telemetry runs ahead of the clock.",
)
@click.option("--no-wait", is_flag=True, help="Write all of --duration at once and end.")
def simulate(
    *,
    directory: str | None,
    rate: float,
    seed: int,
    start: str | None,
    history_hours: float,
    duration_hours: float | None,
    speed: float,
    no_wait: bool,
) -> None:
    """Write realistic telemetry under --telemetry-dir.

    A daily rhythm, eight callers and four models, and each day a demand surge, a Gitea outage,
    inference failures, a failing caller and a batch job.
    """
    if no_wait and duration_hours is None:
        raise Fault("--no-wait writes a certain time: give --duration HOURS", USAGE_ERROR)
    begin = _parse_start(start)
    oldest = UnixSeconds(begin - history_hours * HOUR)
    midnight = UnixSeconds(oldest - oldest % _DAY_SECONDS)
    scenario = day_scenario(midnight, rate)
    end = begin + (math.inf if duration_hours is None else duration_hours * HOUR)
    history = telemetry(scenario, seed=seed, start=oldest, stop=begin)
    live = telemetry(scenario, seed=seed, start=begin, stop=UnixSeconds(end))
    try:
        with TelemetryWriter(Path(directory or ".")) as writer:
            count = writer.write(history)
            click.echo(f"Wrote {count} lines of history.", err=True)
            count = writer.write(live) if no_wait else _write_live(writer, live, begin, speed)
            click.echo(f"Wrote {count} lines.", err=True)
    except OSError as error:
        raise Fault(f"cannot write under {directory or '.'}: {error}") from error
    except OverflowError as error:
        raise Fault("expected a time within the years 1 to 9999", USAGE_ERROR) from error


def _parse_start(text: str | None) -> UnixSeconds:
    try:
        return SystemClock().now() if text is None else parse_timestamp(text)
    except ValueError as error:
        raise Fault(f"--start: {error}", USAGE_ERROR) from error


def _write_live(
    writer: TelemetryWriter, lines: Iterator[Line], begin: UnixSeconds, speed: float
) -> int:
    stopped = False

    def stop(*_: object) -> None:
        nonlocal stopped
        stopped = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    clock = ScaledClock(SystemClock(), start=begin, speed=speed)
    count = 0
    for batch in pace(lines, clock, QueueWaker(), lambda: stopped):
        count += writer.write(batch)
    return count
