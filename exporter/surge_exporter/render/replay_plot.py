"""A replay as a picture: demand, what was expected of it, and what would have paged when."""

from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING

from surge_exporter.model import HOUR
from surge_exporter.playback import Playback
from surge_exporter.render.plots import BAND_OPACITY, BLUE, INK, image
from surge_exporter.signals import SIGNALS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = ("#cf222e", "#8250df", "#9a6700", "#bc4c00", "#1a7f37", "#0550ae", "#bf3989")
"""By row of the table, then from the beginning again."""


def draw_replay(playback: Playback, form: str, zone: tzinfo) -> bytes:
    """Return the picture, with times in `zone`."""

    def draw(figure: "Figure") -> None:
        _draw(figure.subplots(), playback, zone)
        figure.legend(loc="outside lower center", ncols=5)

    return image(form, 1, draw)


def _draw(axes: "Axes", playback: Playback, zone: tzinfo) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter  # noqa: PLC0415
    from matplotlib.ticker import EngFormatter  # noqa: PLC0415

    ends = [_date(hour.start + HOUR) for hour in playback.hours]
    requests = [float(hour.requests) for hour in playback.hours]
    axes.plot(ends, requests, color=INK, lw=1.0, label="requests")
    tested = [hour for hour in playback.hours if hour.expected is not None]
    axes.plot(
        [_date(hour.start + HOUR) for hour in tested],
        [float(hour.expected or 0.0) for hour in tested],
        color=BLUE,
        lw=1.2,
        label="expected",
    )
    for signal, colour in zip(SIGNALS, _COLOURS * len(SIGNALS), strict=False):
        name: str | None = signal.name
        for episode in playback.episodes:
            if episode.key.signal == signal.name:
                end = playback.end if episode.end is None else episode.end
                axes.axvspan(
                    _date(episode.start),
                    _date(end),
                    color=colour,
                    alpha=BAND_OPACITY,
                    linewidth=0,
                    label=name,
                )
                name = None  # once in the legend
    locator = AutoDateLocator(tz=zone)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=zone))
    axes.yaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_ylabel("requests/h")
    axes.set_ylim(bottom=0)
    axes.margins(x=0.01)
    axes.set_title("Demand, and what would have paged")


def _date(at: float) -> float:
    from matplotlib.dates import date2num  # noqa: PLC0415

    return float(date2num(datetime.fromtimestamp(at, UTC)))
