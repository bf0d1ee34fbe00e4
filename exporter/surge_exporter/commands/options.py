"""Options and messages that several commands share."""

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from surge_exporter import config as configuration
from surge_exporter.config import Config, ConfigError
from surge_exporter.model import Source

_Command = TypeVar("_Command", bound=Callable[..., Any])

USAGE_ERROR = 2


class Fault(click.ClickException):
    """Ends a command with one sentence on stderr."""

    def __init__(self, message: str, code: int = 1) -> None:
        """Take the sentence, and the exit code: 1 for a failure, 2 for wrong usage."""
        super().__init__(message)
        self.exit_code = code  # type: ignore[misc]  # click declares it for the class


class FiniteRange(click.FloatRange):
    """Takes a number in a range; of click's own, NaN is in every range."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number.

        Raises:
            click.BadParameter: it is none, or not in the range.
        """
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"expected a number, got {value}", param, ctx)
        return number


def config_file(command: _Command) -> _Command:
    """Add `--config.file`."""
    return click.option(
        "--config.file",
        "config_path",
        type=click.Path(path_type=Path),
        envvar="SURGE_CONFIG_FILE",
        show_envvar=True,
        help="YAML configuration; every setting has a default.",
    )(command)


def metrics(command: _Command) -> _Command:
    """Add `--metrics`, empty unless given."""
    return click.option(
        "--metrics",
        multiple=True,
        metavar="PATH|GLOB",
        help="Request logs, plain or gzip; - is standard input. Repeatable."
        f"  [default: {configuration.REQUEST_GLOB}]",
    )(command)


def telemetry_dir(command: _Command) -> _Command:
    """Add `--telemetry-dir`."""
    return click.option(
        "--telemetry-dir",
        "directory",
        type=click.Path(),
        envvar="SURGE_TELEMETRY_DIR",
        show_envvar=True,
        help="Where metrics/ and heartbeat/ are.  [default: the current directory]",
    )(command)


def horizon(command: _Command) -> _Command:
    """Add `--horizon`."""
    return click.option(
        "--horizon",
        "horizon_hours",
        type=FiniteRange(
            min=configuration.SHORTEST_HORIZON_HOURS, max=configuration.LONGEST_HORIZON_HOURS
        ),
        envvar="SURGE_HORIZON",
        show_envvar=True,
        metavar="HOURS",
        help="Length of the recent window, the baseline and the forecast.  [default: 6]",
    )(command)


def listen_addresses(command: _Command) -> _Command:
    """Add `--web.listen-address`, empty unless given."""
    return click.option(
        "--web.listen-address",
        "listen_addresses",
        multiple=True,
        envvar="SURGE_WEB_LISTEN_ADDRESS",
        show_envvar=True,
        metavar="HOST:PORT",
        help=f"Where to listen. Repeatable.  [default: 127.0.0.1:{configuration.DEFAULT_PORT}]",
    )(command)


def load_config(path: Path | None) -> Config:
    """Return the configuration of a file, the default one without.

    Raises:
        Fault: it cannot be used.
    """
    try:
        return Config() if path is None else configuration.load(path)
    except ConfigError as error:
        raise Fault(str(error), USAGE_ERROR) from error


def override(config: Config, directory: str | None, horizon_hours: float | None) -> Config:
    """Return the configuration with what the command line says in its place."""
    if directory is not None:
        telemetry = msgspec.structs.replace(config.telemetry, directory=directory)
        config = msgspec.structs.replace(config, telemetry=telemetry)
    if horizon_hours is not None:
        window = msgspec.structs.replace(config.window, horizon_hours=horizon_hours)
        config = msgspec.structs.replace(config, window=window)
    return config


def patterns(config: Config) -> dict[Source, tuple[str, ...]]:
    """Return where each source's files are, relative to the current directory or absolute."""
    folder = Path(os.path.expanduser(config.telemetry.directory))  # noqa: PTH111 - an unknown user stays as is
    found = {
        Source.REQUESTS: config.telemetry.requests,
        Source.HEARTBEAT: config.telemetry.heartbeat,
    }
    return {
        source: tuple(str(folder / pattern) for pattern in globs)
        for source, globs in found.items()
    }
