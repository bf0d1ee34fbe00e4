"""What all plots share: the library, which is optional, their colours, and a file's form."""

import io
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK = "#1f2328"
MUTED = "#6e7781"
BLUE = "#0969da"
ORANGE = "#bc4c00"
BAND_OPACITY = 0.18

_FORMATS = ("svg", "png")
_WIDTH_INCHES, _PANEL_INCHES = 10.0, 3.6
_STYLE: dict[Any, Any] = {
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.edgecolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": "#d8dee4",
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    "savefig.facecolor": "white",
    "savefig.dpi": 120,
    "svg.fonttype": "none",
    "svg.hashsalt": "surge-exporter",
}


class PlotError(ValueError):
    """A plot cannot be made; the message says what was expected."""


def check_plot(name: str) -> str:
    """Return the form of a file to plot into: svg or png.

    Raises:
        PlotError: the name ends otherwise, or the library is missing.
    """
    _, dot, form = name.lower().rpartition(".")
    if not dot or form not in _FORMATS:
        endings = " or ".join(f".{one}" for one in _FORMATS)
        raise PlotError(f"expected a file that ends in {endings} for --plot, got {name}")
    try:
        import_module("matplotlib.figure")
    except ImportError as error:
        raise PlotError(
            "expected matplotlib for --plot: pip install 'surge-exporter[plot]'"
        ) from error
    return form


def image(form: str, panels: int, draw: Callable[["Figure"], None]) -> bytes:
    """Return a figure with room for so many panels, one above the other, drawn in our style.

    The same figure gives the same bytes, as long as the library stays the same.
    """
    from matplotlib import rc_context  # noqa: PLC0415 - optional, and slow to import
    from matplotlib.figure import Figure  # noqa: PLC0415

    file = io.BytesIO()
    with rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH_INCHES, panels * _PANEL_INCHES))
        draw(figure)
        undated = {"Date": None} if form == "svg" else {"Software": None}
        figure.savefig(file, format=form, metadata=undated)
    return file.getvalue()
