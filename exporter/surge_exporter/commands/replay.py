"""`replay`: what would have paged, had the exporter run while this telemetry was written."""

from pathlib import Path

import click

from surge_exporter import config as configuration
from surge_exporter.commands import options
from surge_exporter.commands.options import USAGE_ERROR, Fault, FiniteRange
from surge_exporter.commands.pictures import plot_form, plot_option, write_picture
from surge_exporter.commands.telemetry import (
    CLOCK_SLACK_SECONDS,
    find_inputs,
    progress,
    reading_progress,
    refuse_garbage,
    say_what_was_wrong,
)
from surge_exporter.config import Config, ConfigError
from surge_exporter.core.evidence import counted
from surge_exporter.core.replay import Recorded, Recorder, steps
from surge_exporter.model import OutOfWindow, Seconds, Source
from surge_exporter.playback import Playback, play_back
from surge_exporter.render.replay import to_json, to_markdown
from surge_exporter.render.replay_plot import draw_replay
from surge_exporter.runtime.clock import SystemClock
from surge_exporter.runtime.inputs import InputError, UnreadableError, on_disk
from surge_exporter.runtime.reading import read_into

_LONGEST_STEP_SECONDS = 3600.0
_SHOW_PROGRESS_FROM_STEPS = 2000


@click.command()
@options.metrics
@options.heartbeat
@options.telemetry_dir
@options.horizon
@click.option(
    "--step",
    "step_seconds",
    type=FiniteRange(min=1, max=_LONGEST_STEP_SECONDS),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="Time between evaluations, as in evaluation_interval of Prometheus.",
)
@click.option(
    "--set",
    "numbers",
    multiple=True,
    metavar="SIGNAL.NAME=NUMBER",
    help="Try another threshold or parameter, like demand_surge.warning=2. Repeatable.",
)
@click.option(
    "--pages-per-week",
    type=FiniteRange(min=0),
    default=2.0,
    show_default=True,
    metavar="NUMBER",
    help="Suggest thresholds that give each signal at most so many alerts.",
)
@click.option("--json", "as_json", is_flag=True, help="Print all of it as JSON.")
@plot_option("Draw demand, what was expected of it, and the episodes, too")
@options.config_file
def replay(  # noqa: PLR0913 - one for each option
    *,
    metrics: tuple[str, ...],
    heartbeat: tuple[str, ...],
    directory: str | None,
    horizon_hours: float | None,
    step_seconds: float,
    numbers: tuple[str, ...],
    pages_per_week: float,
    as_json: bool,
    plot_path: Path | None,
    config_path: Path | None,
) -> None:
    """Say what would have paged, when, why, and what resolved it.

    Plays telemetry files back through the signals as if live: at each step of the time they cover
    it is known what was written before, and nothing else. Prints Markdown, or JSON with --json.
    """
    form = None if plot_path is None else plot_form(plot_path)
    config = options.override(options.load_config(config_path), directory, horizon_hours)
    try:
        config = configuration.with_numbers(config, numbers, "--set")
    except ConfigError as error:
        raise Fault(str(error), USAGE_ERROR) from error
    try:
        recorded = _read({Source.REQUESTS: metrics, Source.HEARTBEAT: heartbeat}, config)
    except UnreadableError as error:
        raise Fault(str(error)) from error
    except InputError as error:
        raise Fault(str(error), USAGE_ERROR) from error
    playback = _play(recorded, config, Seconds(step_seconds), pages_per_week)
    if plot_path is not None and form is not None:
        zone = configuration.telemetry(config).zone
        write_picture(plot_path, draw_replay(playback, form, zone))
    click.echo(to_json(playback) if as_json else to_markdown(playback), nl=False)


def _read(named: dict[Source, tuple[str, ...]], config: Config) -> Recorded:
    recorder = Recorder(configuration.telemetry(config))
    now = SystemClock().now()
    with on_disk(find_inputs(named, config)) as inputs:
        files = [file for several in inputs.values() for file in several]
        with reading_progress(files) as advance:
            tallies = read_into(recorder, inputs, now, advance)
    refuse_garbage(tallies, {source for source, paths in named.items() if paths})
    say_what_was_wrong(tallies)
    recorded = recorder.recorded()
    first, last = steps(recorded, Seconds(1.0))
    if first > last:
        raise Fault("nothing to replay: expected a record, got empty files")
    ahead = sum(t.out_of_window[OutOfWindow.FUTURE] for files in tallies.values() for t in files)
    if ahead and last <= now + CLOCK_SLACK_SECONDS:
        click.echo(
            f"Note: {counted(ahead, 'record')} of the future, by this machine's clock, left out.",
            err=True,
        )
    return recorded


def _play(
    recorded: Recorded, config: Config, step_seconds: Seconds, pages_per_week: float
) -> Playback:
    first, last = steps(recorded, step_seconds)
    with progress(last - first, "Replaying", shown_from=_SHOW_PROGRESS_FROM_STEPS) as advance:
        return play_back(
            recorded,
            configuration.telemetry(config),
            configuration.tuning(config),
            step_seconds=step_seconds,
            pages_per_week=pages_per_week,
            progress=advance,
        )
