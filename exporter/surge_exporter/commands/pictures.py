"""What commands share that draw."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from surge_exporter.commands.options import USAGE_ERROR, Fault
from surge_exporter.render.plots import PlotError, check_plot

_Command = TypeVar("_Command", bound=Callable[..., Any])


def plot_option(about: str) -> Callable[[_Command], _Command]:
    """Return a decorator that adds `--plot`, given what is drawn."""
    return click.option(
        "--plot",
        "plot_path",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help=f"{about}: .svg or .png. Needs surge-exporter[plot].",
    )


def plot_form(path: Path) -> str:
    """Return the form of a picture: svg or png.

    Raises:
        Fault: it is to have another, or nothing is there to draw with.
    """
    try:
        return check_plot(str(path))
    except PlotError as error:
        raise Fault(str(error), USAGE_ERROR) from error


def write_picture(path: Path, data: bytes) -> None:
    """Write a picture's file.

    Raises:
        Fault: it cannot be written.
    """
    try:
        path.write_bytes(data)
    except OSError as error:
        raise Fault(f"{path}: cannot be written: {error.strerror or error}") from error
