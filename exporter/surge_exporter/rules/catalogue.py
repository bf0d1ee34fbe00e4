"""All rules there are, as the choices have them."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

from surge_exporter.model import Seconds
from surge_exporter.rules.caller_alerts import caller_alerts
from surge_exporter.rules.choices import ChoiceError, Choices
from surge_exporter.rules.exporter_alerts import exporter_alerts, presence_alerts
from surge_exporter.rules.host_alerts import host_alerts
from surge_exporter.rules.limits import LIMITS
from surge_exporter.rules.recordings import recording_groups
from surge_exporter.rules.rule import Alert, AlertGroup, AlertSeverity, Notify, RecordingGroup
from surge_exporter.rules.scope import Scope, alert_name
from surge_exporter.rules.signal_alerts import signal_alerts
from surge_exporter.rules.telemetry_alerts import telemetry_alerts
from surge_exporter.signals import SIGNALS

_T = TypeVar("_T")


def recordings(choices: Choices) -> tuple[RecordingGroup, ...]:
    """Return the recording rules; disabling alerts takes none of them away.

    Raises:
        ChoiceError: a choice is of an alert that there is not.
    """
    _check(choices)
    return recording_groups(Scope(choices))


def alerts(choices: Choices) -> tuple[AlertGroup, ...]:
    """Return the alerts that go by what exporters say.

    Raises:
        ChoiceError: a choice is of an alert that there is not.
    """
    _check(choices)
    return tuple(_chosen(_alert_groups(Scope(choices)), choices))


def meta_alerts(choices: Choices) -> tuple[AlertGroup, ...]:
    """Return the alerts on exporters that say nothing, in a file of their own.

    A Prometheus that watches others may load them alone.

    Raises:
        ChoiceError: a choice is of an alert that there is not.
    """
    _check(choices)
    return tuple(_chosen(_meta_groups(Scope(choices)), choices))


def _alert_groups(scope: Scope) -> tuple[AlertGroup, ...]:
    return (
        AlertGroup("surge-signals", tuple(signal_alerts(scope))),
        AlertGroup("surge-callers", tuple(caller_alerts(scope))),
        AlertGroup("surge-hosts", tuple(host_alerts(scope))),
        AlertGroup("surge-telemetry", tuple(telemetry_alerts(scope))),
        AlertGroup("surge-exporters", tuple(exporter_alerts(scope))),
    )


def _meta_groups(scope: Scope) -> tuple[AlertGroup, ...]:
    return (AlertGroup("surge-presence", tuple(presence_alerts(scope))),)


def every_alert(choices: Choices) -> tuple[Alert, ...]:
    """Return the alerts of all files, in their order.

    Raises:
        ChoiceError: a choice is of an alert that there is not.
    """
    groups = (*alerts(choices), *meta_alerts(choices))
    return tuple(alert for group in groups for alert in group.rules)


def _chosen(groups: Iterable[AlertGroup], choices: Choices) -> Iterator[AlertGroup]:
    for group in groups:
        kept = [alert for alert in group.rules if not _named(alert, choices.disabled)]
        if kept:
            yield AlertGroup(group.name, tuple(_change(alert, choices) for alert in kept))


def _change(alert: Alert, choices: Choices) -> Alert:
    severity = _of(alert, choices.severities, alert.severity)
    return replace(
        alert,
        severity=severity,
        notify=alert.notify if severity is alert.severity else _NOTIFY[severity],
        for_seconds=_of(alert, choices.for_seconds, alert.for_seconds),
        keep_firing_seconds=alert.keep_firing_seconds if choices.keep_firing else Seconds(0.0),
        labels=choices.labels,
    )


def _of(alert: Alert, chosen: Mapping[str, _T], default: _T) -> _T:
    return chosen.get(alert.key, chosen.get(alert.name, default))


def _named(alert: Alert, names: Iterable[str]) -> bool:
    return not {alert.key, alert.name}.isdisjoint(names)


def _check(choices: Choices) -> None:
    scope = Scope(replace(choices, thresholds={}))
    groups = (*_alert_groups(scope), *_meta_groups(scope))
    known = {alert.key for group in groups for alert in group.rules}
    for chosen in (choices.for_seconds, choices.severities, choices.disabled):
        _expect(chosen, known, "an alert")
    limited = {f"{alert_name(signal)}.{s}" for signal in SIGNALS for s in signal.thresholds}
    _expect(choices.thresholds, limited | set(LIMITS), "an alert with a threshold")


def _expect(chosen: Iterable[str], keys: Collection[str], what: str) -> None:
    names = {key.partition(".")[0] for key in keys}
    for name in chosen:
        if name not in names and name not in keys:
            raise ChoiceError(
                f"expected {what}, with or without .severity, got {name!r};"
                f" there are {', '.join(sorted(names))}"
            )


_NOTIFY = {
    AlertSeverity.CRITICAL: Notify.PAGE,
    AlertSeverity.WARNING: Notify.TICKET,
    AlertSeverity.INFO: Notify.NOBODY,
}
