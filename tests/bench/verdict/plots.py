"""The results as pictures. Matplotlib is imported where it is called, as the peers are."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.bench.verdict import OURS
from tests.bench.verdict.accuracy import Accuracy
from tests.bench.verdict.metrics import HORIZONS_HOURS
from tests.bench.verdict.rivals import DETECTORS, THRESHOLDS
from tests.bench.verdict.surges import MAGNITUDES, RATES, Outcome, Verdict

_COLOURS = ("#c0392b", "#7f8c8d", "#2c3e50", "#2980b9", "#27ae60", "#8e44ad", "#d35400", "#16a085")
"""Ours comes first."""
_RATIOS = (0.125, 0.25, 0.5, 1.0, 2.0)
_SETTINGS: Mapping[str, object] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "figure.constrained_layout.use": True,
    "svg.fonttype": "none",
    "svg.hashsalt": "surge-exporter",  # names within the file are the same in each run
}


def accuracy(found: Accuracy, path: Path) -> None:
    """Draw the error of each method and horizon at the common origins, and ours to AutoETS."""
    figure, (errors, to_peer) = _axes(2, [3, 2])
    methods = found.common_methods
    width = 0.8 / len(methods)
    for i, (method, colour) in enumerate(zip(methods, _COLOURS, strict=False)):
        heights = [found.common_mase(method, horizon) for horizon in HORIZONS_HOURS]
        places = [place + (i - len(methods) / 2 + 0.5) * width for place in range(len(heights))]
        errors.bar(places, heights, width, label=method, color=colour)
    errors.axhline(1, color="black", linewidth=0.8)
    errors.set_xticks(range(len(HORIZONS_HOURS)), [f"{hours} h" for hours in HORIZONS_HOURS])
    errors.set_ylabel("MASE, geometric mean of the series")
    errors.set_ylim(0, 1.85)
    errors.legend(frameon=False, fontsize=8, ncols=2, loc="upper left")
    if "AutoETS" in methods:
        for place, horizon in enumerate(HORIZONS_HOURS):
            ratios = sorted(found.ratios_to("AutoETS", horizon).values())
            spread = [place + 0.3 * (i / len(ratios) - 0.5) for i in range(len(ratios))]
            to_peer.scatter(spread, ratios, s=14, color=_COLOURS[0], alpha=0.8)
            mean = found.ratio_to("AutoETS", horizon).mean
            to_peer.hlines(mean, place - 0.25, place + 0.25, color="black")
        to_peer.set_yscale("log", base=2)
        to_peer.set_yticks(_RATIOS, [f"{ratio:g}" for ratio in _RATIOS])
        to_peer.axhline(1, color="black", linewidth=0.8)
        to_peer.set_xticks(range(len(HORIZONS_HOURS)), [f"{h} h" for h in HORIZONS_HOURS])
        to_peer.set_ylabel("our error over that of AutoETS, by series")
    _save(figure, path)


def surges(outcomes: Sequence[Outcome], path: Path) -> None:
    """Draw what detectors find, by magnitude, their false alarms, by rate, and the trade."""
    figure, (found, false, traded) = _axes(3, [1, 1, 1])
    for name, colour in zip(DETECTORS, _COLOURS, strict=False):
        did = Verdict(outcomes, name)
        style = {"color": colour, "marker": "o", "linewidth": 2 if name == OURS else 1.2}
        recalls = [did.recall(magnitude) for magnitude in MAGNITUDES]
        found.plot(range(len(recalls)), recalls, label=name, **style)
        alarms = [did.at(rate=rate).false_alarms_a_week for rate in RATES]
        false.plot(range(len(alarms)), alarms, label=name, **style)
    found.set_xticks(range(len(MAGNITUDES)), [f"{magnitude:g}x" for magnitude in MAGNITUDES])
    found.set_ylim(0, 1.02)
    found.set_ylabel("part of the surges found while they last")
    found.legend(frameon=False, fontsize=8)
    false.set_xticks(range(len(RATES)), [f"{rate}/h" for rate in RATES])
    false.set_yscale("symlog", linthresh=0.1)
    false.set_ylim(bottom=0)
    false.set_ylabel("false alarms a week")
    for name, thresholds in THRESHOLDS.items():
        colour = next(c for d, c in zip(DETECTORS, _COLOURS, strict=False) if d.startswith(name))
        verdicts = [Verdict(outcomes, (name, threshold)) for threshold in thresholds]
        alarms = [did.false_alarms_a_week for did in verdicts]
        traded.plot(alarms, [did.recall(3) for did in verdicts], color=colour, marker="o")
        for threshold, place, did in zip(thresholds, alarms, verdicts, strict=True):
            traded.annotate(f" {threshold:g}", (place, did.recall(3)), color=colour, fontsize=7)
    traded.set_xscale("log")
    traded.set_ylim(0, 1.02)
    traded.set_xlabel("false alarms a week, at the thresholds written")
    traded.set_ylabel("part of the surges of 3x found")
    _save(figure, path)


def _axes(columns: int, widths: Sequence[float]) -> Any:
    matplotlib = import_module("matplotlib")
    matplotlib.use("svg")
    matplotlib.rcParams.update(_SETTINGS)
    return import_module("matplotlib.pyplot").subplots(
        1, columns, figsize=(5 * columns, 4), width_ratios=widths
    )


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, metadata={"Date": None})
