"""The alerts of the signals table: a row gives one for each of its severities."""

from collections.abc import Iterator

from surge_exporter.rules.conditions import alerting
from surge_exporter.rules.rule import Alert, AlertSeverity, Notify
from surge_exporter.rules.scope import Scope, alert_name
from surge_exporter.rules.words import words
from surge_exporter.signals import SIGNALS


def signal_alerts(scope: Scope) -> Iterator[Alert]:
    """Yield them in the table's order. For, keep firing and page or ticket are the row's."""
    for signal in SIGNALS:
        text = words(signal)
        for severity in signal.thresholds:
            yield Alert(
                name=alert_name(signal),
                severity=AlertSeverity(severity),
                notify=Notify.PAGE if severity in signal.pages else Notify.TICKET,
                action=signal.action.slug,
                expr=alerting(scope, signal, severity),
                for_seconds=signal.for_seconds,
                keep_firing_seconds=signal.keep_firing_seconds,
                summary=text.summary,
                description=scope.addressed(text.description),
                recommended_action=text.recommended_action,
                board=text.board,
            )
