"""`backtest`: how good the forecast would have been on one's own telemetry."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click

from surge_exporter import config as configuration
from surge_exporter.commands import options
from surge_exporter.commands.options import USAGE_ERROR, Fault
from surge_exporter.commands.telemetry import (
    CLOCK_SLACK_SECONDS,
    find_inputs,
    progress,
    reading_progress,
    refuse_garbage,
    say_what_was_wrong,
)
from surge_exporter.config import Config
from surge_exporter.core.backtest import count_origins, least_hours, walk_forward
from surge_exporter.core.counts import Counts, CountsError, RequestCounts, parse_counts
from surge_exporter.core.evidence import counted
from surge_exporter.core.lines import MAX_LINE_BYTES
from surge_exporter.core.outlook import whole_hours
from surge_exporter.model import OutOfWindow, Seconds, Source, UnixSeconds
from surge_exporter.render.backtest import Results, by_horizon, to_csv, to_json, to_markdown
from surge_exporter.render.backtest_plot import draw_backtest
from surge_exporter.render.plots import PlotError, check_plot
from surge_exporter.runtime.clock import SystemClock
from surge_exporter.runtime.inputs import (
    Input,
    InputError,
    UnreadableError,
    expand,
    on_disk,
    read_blocks,
)
from surge_exporter.runtime.reading import read_into

_FIXED_HORIZONS_HOURS = (1, 24)
_SHOW_PROGRESS_FROM_ORIGINS = 1000


@click.command()
@options.metrics
@options.telemetry_dir
@click.option(
    "--counts",
    "counts_path",
    metavar="FILE",
    help="Instead of logs, a CSV of bucket_start_epoch,count, plain or gzip; - is standard input.",
)
@options.horizon
@click.option("--json", "as_json", is_flag=True, help="Print the scores as JSON.")
@click.option("--csv", "as_csv", is_flag=True, help="Print every forecast as CSV.")
@click.option(
    "--plot",
    "plot_path",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Draw the forecast over what came, too, and errors by hour of day: .svg or .png."
    " Needs surge-exporter[plot].",
)
@options.config_file
def backtest(
    *,
    metrics: tuple[str, ...],
    directory: str | None,
    counts_path: str | None,
    horizon_hours: float | None,
    as_json: bool,
    as_csv: bool,
    plot_path: Path | None,
    config_path: Path | None,
) -> None:
    """Say how good the forecast would have been on your own telemetry.

    At each hour of it the next 1 h, 24 h and the horizon are forecast from what was known then,
    and held against what came, beside the last window, yesterday, last week, and the rule that
    adds a fifth to the last window where it is more than 1.5 times the one before.
    """
    if as_json and as_csv:
        raise Fault("expected --json or --csv, got both", USAGE_ERROR)
    if counts_path is not None and metrics:
        raise Fault("expected --metrics or --counts, got both", USAGE_ERROR)
    form = None if plot_path is None else _plot_form(plot_path)
    config = options.override(options.load_config(config_path), directory, horizon_hours)
    telemetry = configuration.telemetry(config)
    try:
        counts = _read_logs(metrics, config) if counts_path is None else _read_counts(counts_path)
    except UnreadableError as error:
        raise Fault(str(error)) from error
    except InputError as error:
        raise Fault(str(error), USAGE_ERROR) from error
    results = _walk(counts, telemetry.horizon_seconds)
    if plot_path is not None and form is not None:
        picture = draw_backtest(results.outcomes[results.configured_hours], form, telemetry.zone)
        _write(plot_path, picture)
    render = to_json if as_json else to_csv if as_csv else to_markdown
    click.echo(render(results), nl=False)


def _plot_form(path: Path) -> str:
    try:
        return check_plot(str(path))
    except PlotError as error:
        raise Fault(str(error), USAGE_ERROR) from error


def _read_logs(named: tuple[str, ...], config: Config) -> Counts:
    telemetry = configuration.telemetry(config)
    reader = RequestCounts(telemetry)
    now = UnixSeconds(SystemClock().now() + CLOCK_SLACK_SECONDS)
    with (
        on_disk(find_inputs({Source.REQUESTS: named}, config)) as inputs,
        reading_progress(inputs[Source.REQUESTS]) as advance,
    ):
        tallies = read_into(reader, inputs, now, advance)
    refuse_garbage(tallies, tallies)
    say_what_was_wrong(tallies)
    ahead = sum(tally.out_of_window[OutOfWindow.FUTURE] for tally in tallies[Source.REQUESTS])
    if ahead:
        _note(f"{counted(ahead, 'request')} of the future, by this machine's clock, left out.")
    return reader.counts()


def _read_counts(path: str) -> Counts:
    files = expand([path])
    if len(files) != 1:
        raise InputError(f"expected one file for --counts, got {len(files)} that match {path}")
    with on_disk({Source.REQUESTS: files}) as inputs:
        (file,) = inputs[Source.REQUESTS]
        try:
            counts = parse_counts(_lines(file))
        except CountsError as error:
            raise Fault(f"{file.name}: {error}") from error
    if counts.missing:
        buckets = counted(counts.missing, "bucket")
        _note(f"{file.name} has no row for {buckets}: without one, the count is 0.")
    return counts


def _lines(file: Input) -> Iterator[bytes]:
    for chunk in read_blocks(Source.REQUESTS, file):
        if chunk.too_long:
            raise CountsError(f"expected lines of at most {MAX_LINE_BYTES} bytes")
        yield from chunk.block.split(b"\n")[:-1]


def _walk(counts: Counts, horizon_seconds: Seconds) -> Results:
    """Test the forecast over all horizons.

    Raises:
        Fault: the history is too short to.
    """
    configured = whole_hours(horizon_seconds)
    horizons = sorted({*_FIXED_HORIZONS_HOURS, configured})
    if counts.earlier:
        begin = datetime.fromtimestamp(counts.start, UTC).isoformat(timespec="minutes")
        _note(f"what is from before {begin} is left out: four weeks of silence follow it.")
    least = least_hours(horizons)
    if counts.hours < least:
        raise Fault(
            f"expected at least {least} h of telemetry to test forecasts for"
            f" {horizons[-1]} h, got {counts.hours:.1f} h"
        )
    origins = count_origins(counts)
    shown_from = _SHOW_PROGRESS_FROM_ORIGINS
    with progress(origins, "Forecasting", shown_from=shown_from) as advance:
        outcomes = []
        for outcome in walk_forward(counts, horizons):
            outcomes.append(outcome)
            advance(1)
    return Results(counts, configured, by_horizon(outcomes))


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise Fault(f"{path}: cannot be written: {error.strerror or error}") from error


def _note(text: str) -> None:
    click.echo(f"Note: {text}", err=True)
