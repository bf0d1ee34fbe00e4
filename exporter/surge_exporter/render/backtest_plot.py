"""A backtest as a picture: the forecast over what came, and errors by the hour of day."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING

from surge_exporter.core.backtest import Method, Outcome
from surge_exporter.core.scores import errors_by_hour
from surge_exporter.render.plots import BAND_OPACITY, BLUE, INK, MUTED, ORANGE, image

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_HOUR_TICKS = range(0, 24, 3)
_COMPARED = (
    (Method.FORECAST, "forecast", BLUE),
    (Method.YESTERDAY, "yesterday", ORANGE),
    (Method.LAST_WINDOW, "last window", MUTED),
)


def draw_backtest(outcomes: Sequence[Outcome], form: str, zone: tzinfo) -> bytes:
    """Return the picture of one horizon's outcomes, with times in `zone`."""

    def draw(figure: "Figure") -> None:
        above, below = figure.subplots(2, 1)
        _draw_forecast(above, outcomes, zone)
        _draw_errors(below, outcomes, zone)

    return image(form, 2, draw)


def _draw_forecast(axes: "Axes", outcomes: Sequence[Outcome], zone: tzinfo) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num  # noqa: PLC0415

    hours = outcomes[0].horizon_hours
    times = date2num([datetime.fromtimestamp(outcome.at, UTC) for outcome in outcomes])
    said = [outcome.predictions[Method.FORECAST] for outcome in outcomes]
    axes.fill_between(
        times,
        [one.low for one in said],
        [one.high for one in said],
        color=BLUE,
        alpha=BAND_OPACITY,
        linewidth=0,
        label="80 % interval",
    )
    axes.plot(times, [outcome.actual for outcome in outcomes], color=INK, lw=1.0, label="actual")
    axes.plot(times, [one.point for one in said], color=BLUE, lw=1.2, label="forecast")
    locator = AutoDateLocator(tz=zone)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=zone))
    axes.set_title(f"Demand over the next {hours} h, by when it was forecast")
    _finish(axes, "requests/h")


def _draw_errors(axes: "Axes", outcomes: Sequence[Outcome], zone: tzinfo) -> None:
    hours = outcomes[0].horizon_hours
    for method, name, colour in _COMPARED:
        errors = [
            math.nan if error is None else error
            for error in errors_by_hour(outcomes, method, zone)
        ]
        axes.plot(range(24), errors, color=colour, lw=1.4, marker="o", ms=3, label=name)
    axes.set_xticks(_HOUR_TICKS, [f"{hour:02}:00" for hour in _HOUR_TICKS])
    axes.set_title(f"Error over the next {hours} h, by hour of day ({zone})")
    _finish(axes, "mean error, requests/h")


def _finish(axes: "Axes", label: str) -> None:
    from matplotlib.ticker import EngFormatter  # noqa: PLC0415

    axes.yaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_ylabel(label)
    axes.set_ylim(bottom=0)
    axes.margins(x=0.01)
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.2, ncols=3)
