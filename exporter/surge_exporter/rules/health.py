"""What the alerts on the exporters themselves have in common."""

from typing import Any

from surge_exporter.model import Seconds
from surge_exporter.rules.rule import Alert, AlertSeverity, Board, Notify
from surge_exporter.rules.scope import Scope

RESTORE = "restore_telemetry"
"""What automation can't do alone: make the numbers trustworthy again."""

_MINUTE = 60.0


def health_alert(
    scope: Scope,
    *,
    severity: AlertSeverity = AlertSeverity.WARNING,
    for_minutes: float = 0.0,
    keep_minutes: float = 0.0,
    description: str,
    **fields: Any,
) -> Alert:
    """Return an alert on an exporter; what is critical pages, what is info tells nobody."""
    notify = {
        AlertSeverity.CRITICAL: Notify.PAGE,
        AlertSeverity.WARNING: Notify.TICKET,
        AlertSeverity.INFO: Notify.NOBODY,
    }[severity]
    return Alert(
        severity=severity,
        notify=notify,
        action=RESTORE,
        board=Board.EXPORTER,
        for_seconds=Seconds(for_minutes * _MINUTE),
        keep_firing_seconds=Seconds(keep_minutes * _MINUTE),
        description=scope.addressed(description),
        **fields,
    )
