"""All rules there are, as the choices have them."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

from surge_exporter.model import Seconds
from surge_exporter.rules.caller_alerts import caller_alerts
from surge_exporter.rules.choices import ChoiceError, Choices
from surge_exporter.rules.exporter_alerts import exporter_alerts, presence_alerts
from surge_exporter.rules.host_alerts import host_alerts
from surge_exporter.rules.recordings import recording_groups
from surge_exporter.rules.rule import (
    MOST_RULES,
    USUAL_NOTIFY,
    Alert,
    AlertGroup,
    RecordingGroup,
)
from surge_exporter.rules.scope import Scope
from surge_exporter.rules.signal_alerts import signal_alerts
from surge_exporter.rules.telemetry_alerts import telemetry_alerts
from surge_exporter.rules.thresholds import check_thresholds, threshold_keys

_T = TypeVar("_T")


def recordings(choices: Choices) -> tuple[RecordingGroup, ...]:
    """Return the recording rules; disabling alerts takes none of them away.

    Raises:
        ChoiceError: as of `check`.
    """
    check(choices)
    return recording_groups(Scope(choices))


def alerts(choices: Choices) -> tuple[AlertGroup, ...]:
    """Return the alerts that go by what exporters say.

    Raises:
        ChoiceError: as of `check`.
    """
    check(choices)
    return tuple(_chosen(_alert_groups(Scope(choices)), choices))


def meta_alerts(choices: Choices) -> tuple[AlertGroup, ...]:
    """Return the alerts on exporters that say nothing, in a file of their own.

    A Prometheus that watches others may load them alone.

    Raises:
        ChoiceError: as of `check`.
    """
    check(choices)
    return tuple(_chosen(_meta_groups(Scope(choices)), choices))


def _alert_groups(scope: Scope) -> tuple[AlertGroup, ...]:
    return (
        *alert_groups("surge-signals", signal_alerts(scope)),
        *alert_groups("surge-callers", caller_alerts(scope)),
        *alert_groups("surge-hosts", host_alerts(scope)),
        *alert_groups("surge-telemetry", telemetry_alerts(scope)),
        *alert_groups("surge-exporters", exporter_alerts(scope)),
    )


def _meta_groups(scope: Scope) -> tuple[AlertGroup, ...]:
    return tuple(alert_groups("surge-presence", presence_alerts(scope)))


def alert_groups(name: str, rules: Iterable[Alert]) -> Iterator[AlertGroup]:
    """Yield a group of these alerts, and name-2 and so on of those that are too many for one.

    Alerts read nothing of each other, so that it is all one in which group they are.
    """
    rest, count = tuple(rules), 1
    while rest:
        yield AlertGroup(name if count == 1 else f"{name}-{count}", rest[:MOST_RULES])
        rest, count = rest[MOST_RULES:], count + 1


def every_alert(choices: Choices) -> tuple[Alert, ...]:
    """Return the alerts of all files, in their order.

    Raises:
        ChoiceError: as of `check`.
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
        notify=alert.notify if severity is alert.severity else USUAL_NOTIFY[severity],
        for_seconds=_of(alert, choices.for_seconds, alert.for_seconds),
        keep_firing_seconds=alert.keep_firing_seconds if choices.keep_firing else Seconds(0.0),
        labels=choices.labels,
    )


def _of(alert: Alert, chosen: Mapping[str, _T], default: _T) -> _T:
    return chosen.get(alert.key, chosen.get(alert.name, default))


def _named(alert: Alert, names: Iterable[str]) -> bool:
    return not {alert.key, alert.name}.isdisjoint(names)


def check(choices: Choices) -> None:
    """Check that the choices are of alerts that there are, and such as rules can have.

    Raises:
        ChoiceError: a choice is of an alert that there is not, its threshold can't be one, or two
            alerts that are kept would have one name and severity.
    """
    scope = Scope(replace(choices, thresholds={}))
    known = {alert.key for alert in _every(scope)}
    for chosen in (choices.for_seconds, choices.severities, choices.disabled):
        _expect(chosen, known, "an alert")
    _expect(choices.thresholds, threshold_keys(), "an alert with a threshold")
    check_thresholds(choices)
    _check_keys(_every(Scope(choices)), choices)


def _every(scope: Scope) -> tuple[Alert, ...]:
    groups = (*_alert_groups(scope), *_meta_groups(scope))
    return tuple(alert for group in groups for alert in group.rules)


def _check_keys(rules: Iterable[Alert], choices: Choices) -> None:
    was: dict[str, str] = {}
    for alert in rules:
        if not _named(alert, choices.disabled):
            key = _change(alert, choices).key
            if key in was:
                raise ChoiceError(
                    f"expected one {key}, got two: {was[key]} and {alert.key} would both be it;"
                    f" --disable {was[key]} or --disable {alert.key}"
                )
            was[key] = alert.key


def _expect(chosen: Iterable[str], keys: Collection[str], what: str) -> None:
    names = {key.partition(".")[0] for key in keys}
    for name in chosen:
        if name not in names and name not in keys:
            raise ChoiceError(
                f"expected {what}, with or without .severity, got {name!r};"
                f" there are {', '.join(sorted(names))}"
            )
