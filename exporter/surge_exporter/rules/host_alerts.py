"""Alerts on the host, over the scaler's metrics; absent metrics give no alert."""

from collections.abc import Iterator

from surge_exporter.model import Seconds
from surge_exporter.rules.rule import MINUTE, Alert, AlertSeverity, Board, Notify
from surge_exporter.rules.scope import INSTANCE, Scope


def host_alerts(scope: Scope) -> Iterator[Alert]:
    """Yield the alert on a model tier that does not fit; pressure is a row of the table."""
    recommended = scope.of("max", scope.series("surge_model_tier_recommended"), INSTANCE, "tier")
    current = scope.of("max", scope.series("surge_model_tier_current"), INSTANCE, "tier")
    known = scope.of("max", scope.series("surge_model_tier_current"), INSTANCE)
    yield Alert(
        name="SurgeModelTierMismatch",
        severity=AlertSeverity.INFO,
        notify=Notify.NOBODY,
        action="switch_to_recommended_model",
        expr=(
            f"{recommended} == 1\n"
            f"unless on ({scope.labels(INSTANCE, 'tier')}) {current} == 1\n"
            f"and on ({scope.labels(INSTANCE)}) {known} == 1"
        ),
        for_seconds=Seconds(30 * MINUTE),
        summary="A host runs a model of another tier than the scaler recommends.",
        description=scope.addressed(
            "The scaler at {exporter} recommends the tier {{ $labels.tier }}, and another one"
            " is in use."
        ),
        recommended_action="Switch to a model of the recommended tier.",
        board=Board.HOST,
    )
