"""`report`: the verdict once, over files as they are."""

import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import click

from surge_exporter import config as configuration
from surge_exporter.commands import options
from surge_exporter.commands.options import USAGE_ERROR, Fault
from surge_exporter.config import Config
from surge_exporter.core.cycle import Cycle, Telemetry
from surge_exporter.core.evidence import counted
from surge_exporter.core.timestamps import parse_timestamp
from surge_exporter.model import OutOfWindow, Source, UnixSeconds
from surge_exporter.render.report import to_json, to_markdown
from surge_exporter.runtime.clock import SystemClock
from surge_exporter.runtime.inputs import (
    Input,
    InputError,
    Inputs,
    UnreadableError,
    expand,
    on_disk,
    total_bytes,
)
from surge_exporter.runtime.reading import FileTally, newest_record, read_into, source_status
from surge_exporter.signals import MAINTAIN, judge, surge_factors

_SHOW_PROGRESS_FROM_BYTES = 20 * 1024 * 1024
_CLOCK_SLACK_SECONDS = 300.0
_Reading = tuple[Cycle, UnixSeconds, dict[Source, list[FileTally]]]
"""What was read, up to which instant, and what became of each file's lines."""

_OPTION = {Source.REQUESTS: "--metrics", Source.HEARTBEAT: "--heartbeat"}
_RECORD = {Source.REQUESTS: "request", Source.HEARTBEAT: "heartbeat"}


@click.command()
@click.option(
    "--metrics",
    multiple=True,
    metavar="PATH|GLOB",
    help="Request logs, plain or gzip; - is standard input. Repeatable."
    f"  [default: {configuration.REQUEST_GLOB}]",
)
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
        with on_disk(_find_inputs(named, config)) as inputs:
            cycle, at, tallies = _read(telemetry, inputs, moment)
    except UnreadableError as error:
        raise Fault(str(error)) from error
    except InputError as error:
        raise Fault(str(error), USAGE_ERROR) from error
    _refuse_garbage(tallies, {source for source, paths in named.items() if paths})
    _say_what_was_wrong(tallies)
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


def _find_inputs(named: Mapping[Source, Sequence[str]], config: Config) -> Inputs:
    """Return the files that the options name, or that are where telemetry is by default."""
    defaults = options.patterns(config)
    inputs = {}
    for source, paths in named.items():
        inputs[source] = expand(paths or defaults[source])
        if paths and not inputs[source]:
            raise InputError(f"no file matches {_OPTION[source]} {' '.join(paths)}")
    if not any(inputs.values()):
        looked = " or ".join(p for patterns in defaults.values() for p in patterns)
        raise InputError(
            f"no telemetry: expected files like {looked};"
            " name them with --metrics and --heartbeat, or their folder with --telemetry-dir"
        )
    return inputs


def _read(telemetry: Telemetry, inputs: Inputs, now: UnixSeconds | None) -> _Reading:
    """Read all inputs with windows that end at `now`, or at the newest record.

    The newest record is looked for at the ends of files; where it may be elsewhere, it is looked
    for everywhere.
    """
    if now is not None:
        return _read_at(telemetry, inputs, now)
    clock_now = SystemClock().now()
    not_after = UnixSeconds(clock_now + _CLOCK_SLACK_SECONDS)
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
    with _progress([file for files in inputs.values() for file in files]) as advance:
        return cycle, at, read_into(cycle, inputs, at, advance)


def _some_are_ahead(reading: _Reading) -> bool:
    _, _, tallies = reading
    return any(t.out_of_window[OutOfWindow.FUTURE] for files in tallies.values() for t in files)


@contextmanager
def _progress(files: Sequence[Input]) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on stderr if it is a terminal and the work is long."""
    size = total_bytes(files)
    if size < _SHOW_PROGRESS_FROM_BYTES or not sys.stderr.isatty():
        yield lambda _: None
        return
    with click.progressbar(length=size, label="Reading telemetry", file=sys.stderr) as bar:
        yield bar.update


def _refuse_garbage(
    tallies: Mapping[Source, Sequence[FileTally]], named: Collection[Source]
) -> None:
    """Check that what there was to read held a record.

    Raises:
        Fault: a source that somebody named held none, or all sources together did.
    """
    nothing = not any(tally.records for files in tallies.values() for tally in files)
    for source, files in tallies.items():
        garbage = [tally for tally in files if tally.lines or tally.fault]
        is_needed = nothing or source in named
        if garbage and is_needed and not any(tally.records for tally in garbage):
            raise Fault(_why_nothing(source, garbage[0]))


def _why_nothing(source: Source, tally: FileTally) -> str:
    if tally.lines:
        return f"no line could be read as telemetry: {_rejections(source, tally)}"
    return f"nothing could be read: {tally.fault}"


def _say_what_was_wrong(tallies: Mapping[Source, Sequence[FileTally]]) -> None:
    """Name on stderr the files that were empty or partly unreadable."""
    for source, files in tallies.items():
        for tally in files:
            for note in _notes(source, tally):
                click.echo(f"Note: {note}", err=True)


def _notes(source: Source, tally: FileTally) -> Iterator[str]:
    if tally.fault is not None:
        yield f"{tally.fault}; what could be read before that counts."
    elif not tally.lines:
        yield f"{tally.name} is empty: nothing in it counts."
    if tally.first_rejected is not None:
        yield _rejections(source, tally)


def _rejections(source: Source, tally: FileTally) -> str:
    reasons = ", ".join(f"{reason} {count}" for reason, count in tally.rejected.items())
    first = tally.first_rejected
    detail = f"; the first: {first.detail}: {first.excerpt!r}" if first else ""
    rejected = sum(tally.rejected.values())
    hold = "holds" if rejected == 1 else "hold"
    return (
        f"{rejected} of {counted(tally.lines, 'line')} of {tally.name} {hold} no {_RECORD[source]}"
        f" ({reasons}){detail}"
    )
