"""What a backtest found as text: Markdown for people, JSON and CSV for programs."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from surge_exporter.core.backtest import Method, Outcome
from surge_exporter.core.counts import Counts
from surge_exporter.core.evidence import percent
from surge_exporter.core.interval import TAIL
from surge_exporter.core.scores import Score, score
from surge_exporter.model import UnixSeconds

_NOMINAL = 1 - 2 * TAIL
_DECIMALS = 3
_ABOUT = (
    "Forecasts were made at each hour, from what was known then. MASE is the mean absolute error"
    " over that of yesterday's same window from the same hours; pinball is the mean loss of the"
    " quantiles 0.1, 0.5 and 0.9 over the same error; of both, less is better. Coverage is how"
    " often the truth lay in the 80 % interval. The best of each column is bold."
)


@dataclass(frozen=True, slots=True)
class Results:
    """The outcomes of a backtest, by horizon, and what it was made of."""

    counts: Counts
    configured_hours: int
    """The horizon that the verdict is about."""
    outcomes: Mapping[int, Sequence[Outcome]]


def by_horizon(outcomes: Iterable[Sequence[Outcome]]) -> dict[int, list[Outcome]]:
    """Return outcomes as they came hour by hour, horizon by horizon."""
    found: dict[int, list[Outcome]] = {}
    for several in outcomes:
        for outcome in several:
            found.setdefault(outcome.horizon_hours, []).append(outcome)
    return found


def to_markdown(results: Results) -> str:
    """Return the verdict in one sentence, and a table for each horizon."""
    lines = [verdict(results), ""]
    for hours in results.outcomes:
        lines += [f"## Next {hours} h", "", *_table(_scores(results, hours)), ""]
    return "\n".join([*lines, _ABOUT]) + "\n"


def to_json(results: Results) -> str:
    """Return the same as JSON; rates are requests per hour."""
    counts = results.counts
    found = {
        "verdict": verdict(results),
        "start": _iso(counts.start),
        "history_hours": round(counts.hours, 2),
        "requests": sum(counts.requests),
        "bucket_seconds": counts.bucket_seconds,
        "configured_horizon_hours": results.configured_hours,
        "horizons": [
            {
                "horizon_hours": hours,
                "origins": len(outcomes),
                "first_origin": _iso(outcomes[0].at),
                "last_origin": _iso(outcomes[-1].at),
                "methods": [_score(one) for one in _scores(results, hours)],
            }
            for hours, outcomes in results.outcomes.items()
        ],
    }
    return json.dumps(found, indent=2, allow_nan=False) + "\n"


def to_csv(results: Results) -> str:
    """Return a row for each hour and horizon; rates are requests per hour."""
    baselines = [method for method in Method if method is not Method.FORECAST]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["origin", "horizon_hours", "actual", "point", "low", "high", *baselines])
    for outcomes in results.outcomes.values():
        for outcome in outcomes:
            said = outcome.predictions
            points = [said[method].point if method in said else None for method in baselines]
            rates = [outcome.actual, *said[Method.FORECAST], *points]
            cells = ["" if rate is None else f"{rate:.2f}" for rate in rates]
            writer.writerow([_iso(outcome.at), outcome.horizon_hours, *cells])
    return text.getvalue()


def verdict(results: Results) -> str:
    """Return in one sentence how good the forecast was over the configured horizon."""
    hours = results.configured_hours
    ours, *others = _scores(results, hours)
    over = f"Over {_spoken(ours.origins)} the forecast for the next {hours} h was wrong by"
    held = f"; its 80 % interval held {percent(ours.coverage_ratio)} of what came"
    if ours.mase is None:
        return (
            f"{over} {ours.mean_absolute_error:.2f} requests/h, where yesterday's demand was"
            f" never wrong{held}."
        )
    better = [one for one in others if one.mase is not None and one.mase < ours.mase]
    if not better:
        rest = "no simple rule did better"
    else:
        best = min(better, key=lambda one: one.mase or 0.0)
        rest = f"{_name(best.method)} did better, with {best.mase:.2f}"
    return f"{over} {ours.mase:.2f} times as much as yesterday's demand{held}, and {rest}."


def _scores(results: Results, hours: int) -> list[Score]:
    """Return the scores of all methods that have one, the forecast's first."""
    found = [score(results.outcomes[hours], method) for method in Method]
    return [one for one in found if one is not None]


def _table(scores: Sequence[Score]) -> Iterator[str]:
    yield "| method | MASE | pinball | coverage | error, requests/h | origins |"
    yield "|---|--:|--:|--:|--:|--:|"
    columns = [
        _column([one.mase for one in scores], "{:.2f}".format),
        _column([one.pinball for one in scores], "{:.3f}".format),
        _column([one.coverage_ratio for one in scores], percent, aim=_NOMINAL),
        _column([one.mean_absolute_error for one in scores], "{:.2f}".format),
    ]
    for one, *cells in zip(scores, *columns, strict=True):
        yield f"| {_name(one.method)} | {' | '.join(cells)} | {one.origins} |"


def _column(
    values: Sequence[float | None], show: Callable[[float], str], *, aim: float = 0.0
) -> list[str]:
    """Return the values as shown, in bold what looks like the one nearest to the aim."""
    known = [value for value in values if value is not None]
    best = show(min(known, key=lambda value: abs(value - aim))) if known else ""
    texts = ["" if value is None else show(value) for value in values]
    return [f"**{text}**" if text and text == best else text for text in texts]


def _score(one: Score) -> dict[str, Any]:
    return {
        "method": one.method.value,
        "origins": one.origins,
        "mean_absolute_error": round(one.mean_absolute_error, 2),
        "mase": _rounded(one.mase),
        "pinball": _rounded(one.pinball),
        "coverage_ratio": _rounded(one.coverage_ratio),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _DECIMALS)


def _name(method: Method) -> str:
    return method.value.replace("_", " ")


def _spoken(hours: int) -> str:
    """Return a span in days, as exactly as matters.

    >>> _spoken(624), _spoken(37)
    ('26 days', '37 hours')
    """
    return f"{hours / 24:.0f} days" if hours >= 2 * 24 else f"{hours} hours"


def _iso(at: UnixSeconds) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
