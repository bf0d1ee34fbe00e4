"""Whether the thresholds that were chosen can be what their alerts go by."""

from collections.abc import Iterator

from surge_exporter.model import Severity
from surge_exporter.rules.choices import ChoiceError, Choices
from surge_exporter.rules.conditions import is_confirmed_by_exporters
from surge_exporter.rules.limits import LIMITS, Range
from surge_exporter.rules.scope import alert_name
from surge_exporter.signals import SIGNALS, Signal


def threshold_keys() -> frozenset[str]:
    """Return the alerts that have a threshold, each with its severity."""
    rows = (f"{alert_name(signal)}.{s}" for signal in SIGNALS for s in signal.thresholds)
    return frozenset((*rows, *LIMITS))


def check_thresholds(choices: Choices) -> None:
    """Check each threshold that was chosen against what is measured, and those of one alert.

    Raises:
        ChoiceError: no value could be beyond one, each would be, or critical is below warning.
    """
    for signal in SIGNALS:
        _check_row(signal, choices)
    for key, limit in LIMITS.items():
        _check_range(key, limit.within, choices)
    for name, warning, critical in _ordered():
        _check_order(name, warning, critical, choices)


def _check_row(signal: Signal, choices: Choices) -> None:
    name = alert_name(signal)
    for severity, default in signal.thresholds.items():
        _check_range(f"{name}.{severity}", Range(most=signal.most), choices)
        chosen = choices.threshold(name, severity)
        if is_confirmed_by_exporters(signal) and chosen is not None and chosen < default:
            raise ChoiceError(
                f"{name}.{severity}: expected a threshold from {default:g} on, got {chosen:g};"
                " the exporter confirms nothing below its own, which its configuration lowers:"
                f" `signals: {{{signal.name}: {{{severity}: {chosen:g}}}}}`"
            )


def _check_range(key: str, within: Range, choices: Choices) -> None:
    name, _, severity = key.partition(".")
    chosen = choices.threshold(name, severity)
    if chosen is not None and chosen not in within:
        raise ChoiceError(f"{key}: expected a threshold {within}, got {chosen:g}")


def _ordered() -> Iterator[tuple[str, float, float]]:
    """Yield the alerts whose critical says more of the same than warning, with their defaults."""
    for signal in SIGNALS:
        if signal.thresholds.keys() == set(Severity):
            of = signal.thresholds
            yield alert_name(signal), of[Severity.WARNING], of[Severity.CRITICAL]


def _check_order(name: str, warning: float, critical: float, choices: Choices) -> None:
    chosen = {severity: choices.threshold(name, severity) for severity in Severity}
    low, high = chosen[Severity.WARNING], chosen[Severity.CRITICAL]
    low, high = warning if low is None else low, critical if high is None else high
    if high < low:
        raise ChoiceError(
            f"{name}.{Severity.CRITICAL}: expected at least its warning, {low:g}, got {high:g}"
        )
