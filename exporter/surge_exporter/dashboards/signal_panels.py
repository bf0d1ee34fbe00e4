"""The panels that come from the signals table: a new row there is a new panel here."""

from collections.abc import Iterator
from operator import gt

from surge_exporter.dashboards.panel import Colour, Line, Query, Row, Step, TimeSeries, Unit
from surge_exporter.dashboards.scope import INSTANCE, Scope, most
from surge_exporter.model import Severity
from surge_exporter.rules import scope as rules
from surge_exporter.rules.rule import Board
from surge_exporter.rules.scope import alert_name
from surge_exporter.signals import SIGNALS, Signal

_COLOUR = {Severity.WARNING: Colour.ORANGE, Severity.CRITICAL: Colour.RED}
_BOARD = {
    "callers": Board.CALLERS,
    "dependencies": Board.DEPENDENCIES,
    "host": Board.HOST,
    "exporter": Board.EXPORTER,
}
"""By the part of the scrape that a signal's metric belongs to; the others are about demand."""
_WHOLE, _HALF = 24, 12


def steps(scope: Scope, signal: str) -> tuple[Step, ...]:
    """Return the colours of a value that a signal judges, by the table's thresholds."""
    row = _row(signal)
    return (
        Step(Colour.GREEN),
        *(
            Step(_COLOUR[severity], _or(_chosen(scope, row, severity), threshold))
            for severity, threshold in row.thresholds.items()
        ),
    )


def threshold_lines(scope: Scope, *signals: Signal) -> Iterator[Query]:
    """Yield the thresholds of signals as dashed lines: those that their alerts go by.

    That is what is chosen for the rules, else what the exporters are configured to; of several,
    the lowest.
    """
    for signal in signals:
        subject = f"{signal.name} " if len(signals) > 1 else ""
        for severity in signal.thresholds:
            series = scope.raw(
                "surge_signal_threshold", f'signal="{signal.name}"', f'severity="{severity}"'
            )
            chosen = _chosen(scope, signal, severity)
            yield Query(
                expr=f"min({series})" if chosen is None else f"vector({chosen:g})",
                legend=f"{subject}{severity} from here",
                line=Line(colour=_COLOUR[severity], dashed=True),
            )


def lines_of(scope: Scope, name: str) -> tuple[Query, ...]:
    """Return the threshold lines of the signal of that name."""
    return tuple(threshold_lines(scope, _row(name)))


def _row(name: str) -> Signal:
    return next(row for row in SIGNALS if row.name == name)


def _chosen(scope: Scope, signal: Signal, severity: Severity) -> float | None:
    return rules.Scope(scope.choices).chosen(alert_name(signal), severity)


def _or(chosen: float | None, default: float) -> float:
    return default if chosen is None else chosen


def signal_row(board: Board, scope: Scope) -> Row:
    """Return the numbers that signals go by on a dashboard's subject, by exporter."""
    names = dict.fromkeys(signal.metric.name for signal in SIGNALS if board_of(signal) is board)
    return Row("What the signals go by, at each exporter", tuple(_panels(tuple(names), scope)))


def board_of(signal: Signal) -> Board:
    """Return the dashboard that shows a signal's number."""
    return _BOARD.get(signal.metric.collector, Board.DEMAND)


def _panels(names: tuple[str, ...], scope: Scope) -> Iterator[TimeSeries]:
    """Yield a panel per metric: two beside each other, but a whole row where lines are many."""
    few = [name for name in names if "caller" not in _labels(name)]
    for place, name in enumerate(few):
        is_alone = place == len(few) - 1 and place % 2 == 0
        yield _panel(name, scope, width=_WHOLE if is_alone else _HALF)
    for name in names:
        if name not in few:
            yield _panel(name, scope, width=_WHOLE)


def _labels(name: str) -> tuple[str, ...]:
    return next(s.metric.labels for s in SIGNALS if s.metric.name == name)


def _panel(name: str, scope: Scope, *, width: int) -> TimeSeries:
    signals = tuple(signal for signal in SIGNALS if signal.metric.name == name)
    metric = signals[0].metric
    labels = (*metric.labels, INSTANCE)
    series = scope.raw(name)
    return TimeSeries(
        title=metric.help.partition(";")[0].removesuffix("."),
        description=f"{metric.help} {' '.join(map(_advice, signals))}",
        queries=(
            Query(
                expr=most(series) if "caller" in labels else series,
                legend=" · ".join(f"{{{{{label}}}}}" for label in labels),
            ),
            *threshold_lines(scope, *signals),
        ),
        unit=unit_of(name),
        width=width,
        legend_beside=width == _WHOLE,
    )


def _advice(signal: Signal) -> str:
    bound = "Over" if signal.exceeds is gt else "From"
    return (
        f"{bound} the dashed line on, `{signal.name}` is active:"
        f" {signal.action.title[0].lower()}{signal.action.title[1:]}."
    )


def unit_of(metric: str) -> Unit:
    """Return the unit that a metric's name states.

    >>> unit_of("surge_caller_token_share_ratio")
    <Unit.RATIO: 'percentunit'>
    """
    ends = {
        "_requests_per_second": Unit.REQUESTS_PER_SECOND,
        "_ratio": Unit.RATIO,
        "_seconds": Unit.SECONDS,
        "_bytes": Unit.BYTES,
        "_checks": Unit.COUNT,
        "_outages": Unit.COUNT,
    }
    return next((unit for end, unit in ends.items() if metric.endswith(end)), Unit.NONE)
