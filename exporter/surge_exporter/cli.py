"""The command line: the composition root. Each command wires its parts in `commands`."""

import click

from surge_exporter import __version__
from surge_exporter.commands.backtest import backtest
from surge_exporter.commands.check_config import check_config
from surge_exporter.commands.demo import demo
from surge_exporter.commands.models import models
from surge_exporter.commands.preflight import preflight
from surge_exporter.commands.render import render
from surge_exporter.commands.replay import replay
from surge_exporter.commands.report import report
from surge_exporter.commands.serve import serve
from surge_exporter.commands.simulate import simulate

COMMANDS: tuple[click.Command, ...] = (
    serve,
    report,
    preflight,
    models,
    replay,
    backtest,
    render,
    check_config,
    simulate,
    demo,
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 99})
@click.version_option(__version__)
def main() -> None:
    """Tell operators of LLM agent fleets when demand surges, and what to do about it.

    Reads metrics/local_*.jsonl (a line per inference request) and heartbeat/ticks_*.jsonl (a
    line per health tick).
    """


for _command in COMMANDS:
    main.add_command(_command)
