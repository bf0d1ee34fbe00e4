"""What the alerts on the exporters themselves have in common."""

from typing import Any

from surge_exporter.model import Seconds
from surge_exporter.rules.rule import MINUTE, USUAL_NOTIFY, Alert, AlertSeverity, Board
from surge_exporter.rules.scope import Scope

RESTORE = "restore_telemetry"
"""What automation can't do alone: make the numbers trustworthy again."""


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
    return Alert(
        severity=severity,
        notify=USUAL_NOTIFY[severity],
        action=RESTORE,
        board=Board.EXPORTER,
        for_seconds=Seconds(for_minutes * MINUTE),
        keep_firing_seconds=Seconds(keep_minutes * MINUTE),
        description=scope.addressed(description),
        **fields,
    )
