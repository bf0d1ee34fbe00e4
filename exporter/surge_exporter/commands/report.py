"""`report`: the verdict once, over files as they are."""

import sys
from functools import partial
from pathlib import Path

import click

from surge_exporter import config as configuration
from surge_exporter.commands import options
from surge_exporter.commands.options import USAGE_ERROR, Fault
from surge_exporter.commands.telemetry import (
    CLOCK_SLACK_SECONDS,
    find_inputs,
    reading_progress,
    refuse_garbage,
    say_what_was_wrong,
)
from surge_exporter.core.cycle import Cycle, Telemetry
from surge_exporter.core.timestamps import parse_timestamp
from surge_exporter.model import OutOfWindow, Source, UnixSeconds
from surge_exporter.render.report import to_json, to_markdown
from surge_exporter.runtime.clock import SystemClock
from surge_exporter.runtime.inputs import InputError, Inputs, UnreadableError, on_disk
from surge_exporter.runtime.reading import FileTally, newest_record, read_into, source_status
from surge_exporter.signals import MAINTAIN, judge, surge_factors

_Reading = tuple[Cycle, UnixSeconds, dict[Source, list[FileTally]]]
"""What was read, up to which instant, and what became of each file's lines."""


@click.command()
@options.metrics
@click.option(
    "--heartbeat",
    multiple=True,
    metavar="PATH|GLOB",
    help=f"Heartbeat logs, likewise.  [default: {configuration.HEARTBEAT_GLOB}]",
)
@options.telemetry_dir
@options.horizon
@click.option(
    "--now", metavar="TIME", help="Report as of this time.  [default: the newest record's]"
)
@click.option("--json", "as_json", is_flag=True, help="Print the JSON contract.")
@click.option(
    "--exit-code", is_flag=True, help="Exit with 1 if any action but maintaining is recommended."
)
@options.config_file
def report(
    *,
    metrics: tuple[str, ...],
    heartbeat: tuple[str, ...],
    directory: str | None,
    horizon_hours: float | None,
    now: str | None,
    as_json: bool,
    exit_code: bool,
    config_path: Path | None,
) -> None:
    """Say what demand is doing and what to do about it, from telemetry files.

    Prints Markdown, or JSON with --json. Rates are requests per hour.
    """
    config = options.override(options.load_config(config_path), directory, horizon_hours)
    telemetry, tuning = configuration.telemetry(config), configuration.tuning(config)
    moment = _parse_now(now, telemetry)
    named = {Source.REQUESTS: metrics, Source.HEARTBEAT: heartbeat}
    try:
        with on_disk(find_inputs(named, config)) as inputs:
            cycle, at, tallies = _read(telemetry, inputs, moment)
    except UnreadableError as error:
        raise Fault(str(error)) from error
    except InputError as error:
        raise Fault(str(error), USAGE_ERROR) from error
    refuse_garbage(tallies, {source for source, paths in named.items() if paths})
    say_what_was_wrong(tallies)
    cycle.set_surge_factors(**surge_factors(tuning))
    observation = cycle.observe(at)
    verdict = judge(observation, tuning)
    statuses = [source_status(source, tallies[source], at) for source in Source]
    render = to_json if as_json else to_markdown
    click.echo(render(observation, verdict, statuses), nl=False)
    if exit_code and any(r.action != MAINTAIN.slug for r in verdict.recommendations):
        sys.exit(1)


def _parse_now(text: str | None, telemetry: Telemetry) -> UnixSeconds | None:
    try:
        return None if text is None else parse_timestamp(text, telemetry.zone)
    except ValueError as error:
        raise Fault(f"--now: {error}", USAGE_ERROR) from error


def _read(telemetry: Telemetry, inputs: Inputs, now: UnixSeconds | None) -> _Reading:
    """Read all inputs with windows that end at `now`, or at the newest record.

    The newest record is looked for at the ends of files; where it may be elsewhere, it is looked
    for everywhere.
    """
    if now is not None:
        return _read_at(telemetry, inputs, now)
    clock_now = SystemClock().now()
    not_after = UnixSeconds(clock_now + CLOCK_SLACK_SECONDS)
    find = partial(newest_record, Cycle(telemetry), inputs, not_after=not_after)
    at = find(ends_only=True)
    reading = None if at is None or at > not_after else _read_at(telemetry, inputs, at)
    if reading is None or _some_are_ahead(reading):
        newest = find(ends_only=False)
        if reading is None or newest != at:
            reading = _read_at(telemetry, inputs, clock_now if newest is None else newest)
    return reading


def _read_at(telemetry: Telemetry, inputs: Inputs, at: UnixSeconds) -> _Reading:
    cycle = Cycle(telemetry, report_at=at)
    with reading_progress([file for files in inputs.values() for file in files]) as advance:
        return cycle, at, read_into(cycle, inputs, at, advance)


def _some_are_ahead(reading: _Reading) -> bool:
    _, _, tallies = reading
    return any(t.out_of_window[OutOfWindow.FUTURE] for files in tallies.values() for t in files)
