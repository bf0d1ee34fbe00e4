"""What the scaler decides over a trace, as a picture: pressure above, tiers below."""

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from math import nan
from typing import TYPE_CHECKING

from surge_exporter.render.plots import BLUE, INK, MUTED, ORANGE, image
from surge_exporter.scaling.resources import CPU, GPU_MEMORY, MEMORY
from surge_exporter.scaling.scaler import Kind, Settings
from surge_exporter.scaling.trace import Moment

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LINES = (
    (MEMORY, "memory", BLUE, 1.6),
    (CPU, "CPU", MUTED, 0.8),
    (GPU_MEMORY, "GPU memory", INK, 1.2),
)
_MARKS = (
    (Kind.UPGRADE, "^", "#1a7f37", "upgrade"),
    (Kind.DOWNGRADE, "v", ORANGE, "downgrade"),
    (Kind.CASCADE, "v", "#cf222e", "cascade"),
)
_ON_WHITE = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
_WAITING = "#9a6700"
_WAITING_OPACITY = 0.10


def draw_scaling(moments: Sequence[Moment], settings: Settings, form: str, zone: tzinfo) -> bytes:
    """Return the picture of at least one moment, with times in `zone`."""

    def draw(figure: "Figure") -> None:
        pressure, tiers = figure.subplots(2, 1, sharex=True)
        _draw_pressure(pressure, moments, settings)
        _draw_tiers(tiers, moments, settings)
        _date_axis(tiers, zone)
        figure.legend(loc="outside lower center", ncols=4)

    return image(form, 2, draw)


def _draw_pressure(axes: "Axes", moments: Sequence[Moment], settings: Settings) -> None:
    from matplotlib.ticker import PercentFormatter  # noqa: PLC0415

    for resource, label, colour, width in _LINES:
        known = [
            (_date(moment.sample.at), moment.sample.pressure[resource])
            for moment in moments
            if resource in moment.sample.pressure
        ]
        if known:
            times, ratios = zip(*known, strict=True)
            axes.plot(times, ratios, color=colour, lw=width, label=label)
    thresholds = settings.thresholds
    for level, said in (
        (thresholds.upgrade_below, "upgrades need less"),
        (thresholds.degrade_from, "a smaller model is needed"),
    ):
        axes.axhline(level, color=INK, lw=0.8, ls=(0, (4, 3)))
        at = _date(moments[-1].sample.at)
        axes.text(at, level, said, fontsize=8, ha="right", va="center", bbox=_ON_WHITE)
    axes.set_ylim(0.0, 1.03)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_title("What the host uses")


def _draw_tiers(axes: "Axes", moments: Sequence[Moment], settings: Settings) -> None:
    rank = settings.catalogue.rank
    times = [_date(moment.decision.at) for moment in moments]
    recommended = [rank(moment.decision.recommended) for moment in moments]
    current = [_rank_or_gap(moment, settings) for moment in moments]
    axes.plot(times, recommended, color=BLUE, lw=1.8, drawstyle="steps-post", label="recommended")
    axes.plot(times, current, color=INK, lw=1.0, ls=":", drawstyle="steps-post", label="serving")
    axes.fill_between(
        times,
        -1.4,
        len(settings.catalogue.tiers) - 0.6,
        where=[m.decision.at < m.decision.stabilization_until for m in moments],
        color=_WAITING,
        alpha=_WAITING_OPACITY,
        linewidth=0,
        label="upgrades wait",
    )
    for kind, mark, colour, label in _MARKS:
        changes = [moment.decision for moment in moments if moment.decision.kind is kind]
        if changes:
            axes.plot(
                [_date(change.at) for change in changes],
                [rank(change.recommended) for change in changes],
                ls="",
                marker=mark,
                markersize=8,
                color=colour,
                label=label,
                zorder=3,
            )
    nothing_fits = min(recommended) < 0
    names = [*(["none fits"] if nothing_fits else []), *settings.catalogue.tiers]
    first = -1 if nothing_fits else 0
    axes.set_yticks(range(first, len(settings.catalogue.tiers)), names)
    axes.set_ylim(first - 0.4, len(settings.catalogue.tiers) - 0.6)
    axes.set_title("What it should serve with")


def _rank_or_gap(moment: Moment, settings: Settings) -> float:
    current = moment.decision.current
    return nan if current is None else settings.catalogue.rank(current)


def _date_axis(axes: "Axes", zone: tzinfo) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter  # noqa: PLC0415

    locator = AutoDateLocator(tz=zone)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=zone))
    axes.margins(x=0.01)


def _date(at: float) -> float:
    from matplotlib.dates import date2num  # noqa: PLC0415

    return float(date2num(datetime.fromtimestamp(at, UTC)))
