"""What commands share that read telemetry files once: finding, progress, what was wrong."""

import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

import click

from surge_exporter.commands import options
from surge_exporter.commands.options import Fault
from surge_exporter.config import Config
from surge_exporter.core.evidence import counted
from surge_exporter.model import Source
from surge_exporter.runtime.inputs import Input, InputError, Inputs, expand, total_bytes
from surge_exporter.runtime.reading import FileTally

CLOCK_SLACK_SECONDS = 300.0
"""A writer's clock may be that far ahead of this machine's."""

_SHOW_PROGRESS_FROM_BYTES = 20 * 1024 * 1024
_OPTION = {Source.REQUESTS: "--metrics", Source.HEARTBEAT: "--heartbeat"}
_RECORD = {Source.REQUESTS: "request", Source.HEARTBEAT: "heartbeat"}


def find_inputs(named: Mapping[Source, Sequence[str]], config: Config) -> Inputs:
    """Return the files of these sources that options name, or that are where they are by default.

    Raises:
        InputError: there are none, or what is named is no file.
    """
    defaults = options.patterns(config)
    inputs = {}
    for source, paths in named.items():
        inputs[source] = expand(paths or defaults[source])
        if paths and not inputs[source]:
            raise InputError(f"no file matches {_OPTION[source]} {' '.join(paths)}")
    if not any(inputs.values()):
        looked = " or ".join(pattern for source in named for pattern in defaults[source])
        raise InputError(
            f"no telemetry: expected files like {looked};"
            f" name them with {' and '.join(_OPTION[source] for source in named)},"
            " or their folder with --telemetry-dir"
        )
    return inputs


@contextmanager
def progress(length: int, label: str, *, shown_from: int) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on stderr if it is a terminal and the work that long."""
    if length < shown_from or not sys.stderr.isatty():
        yield lambda _: None
        return
    with click.progressbar(length=length, label=label, file=sys.stderr) as bar:
        yield bar.update


@contextmanager
def reading_progress(files: Sequence[Input]) -> Iterator[Callable[[int], None]]:
    """Show the bytes read of some files likewise."""
    shown_from = _SHOW_PROGRESS_FROM_BYTES
    with progress(total_bytes(files), "Reading telemetry", shown_from=shown_from) as advance:
        yield advance


def refuse_garbage(
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


def say_what_was_wrong(tallies: Mapping[Source, Sequence[FileTally]]) -> None:
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
