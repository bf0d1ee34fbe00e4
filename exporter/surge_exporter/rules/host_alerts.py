"""Alerts on the host, over the scaler's metrics; absent metrics give no alert."""

from collections.abc import Iterator

from surge_exporter.model import Seconds
from surge_exporter.rules.rule import MINUTE, USUAL_NOTIFY, Alert, AlertSeverity, Board, Notify
from surge_exporter.rules.scope import INSTANCE, Scope, number
from surge_exporter.rules.words import NUMBER
from surge_exporter.snapshot import SwitchOutcome

_INVESTIGATE = "investigate_model_reliability"
_FAILING = "SurgeModelSwitchFailing"
_FAILING_OVER = "3h"
"""Long enough for two: the scaler waits the longer for an upgrade the more it had to take back."""


def host_alerts(scope: Scope) -> Iterator[Alert]:
    """Yield the alerts on models and their server; pressure is a row of the table."""
    yield _server_down(scope)
    yield _switch_failing(scope)
    yield _tier_mismatch(scope)


def _server_down(scope: Scope) -> Alert:
    """What agents lose pages already, by their heartbeat: this is what the exporter loses."""
    up = scope.of("max", scope.series("surge_model_server_up"), INSTANCE)
    return Alert(
        name="SurgeModelServerDown",
        severity=AlertSeverity.WARNING,
        notify=USUAL_NOTIFY[AlertSeverity.WARNING],
        action=_INVESTIGATE,
        expr=f"{up} == 0",
        for_seconds=Seconds(5 * MINUTE),
        summary="A model server does not answer the exporter that watches it.",
        description=scope.addressed(
            "The model server that {exporter} asks does not answer: no model can be switched, and"
            " it is not known what is loaded."
        ),
        recommended_action="Investigate model reliability: check that the model server runs, and"
        " that the exporter is configured to ask it where it listens.",
        board=Board.HOST,
    )


def _switch_failing(scope: Scope) -> Alert:
    switches = scope.series(
        "surge_model_switches_total", outcome=SwitchOutcome.FAILED, over=_FAILING_OVER
    )
    failed = scope.of("sum", f"increase({switches})", INSTANCE)
    return Alert(
        name=_FAILING,
        severity=AlertSeverity.WARNING,
        notify=USUAL_NOTIFY[AlertSeverity.WARNING],
        action=_INVESTIGATE,
        expr=f"{failed} >= {number(scope.limit(_FAILING, AlertSeverity.WARNING))}",
        summary="Models that a host should switch to can't be loaded.",
        description=scope.addressed(
            f"{{exporter}} failed {NUMBER} times in {_FAILING_OVER} to switch to another model."
        ),
        recommended_action="Investigate model reliability: the exporter's log says which model"
        " could not be loaded, and why.",
        board=Board.HOST,
    )


def _tier_mismatch(scope: Scope) -> Alert:
    """Where a manager switches, an upgrade that fails is taken back long before this waits."""
    recommended = scope.of("max", scope.series("surge_model_tier_recommended"), INSTANCE, "tier")
    current = scope.of("max", scope.series("surge_model_tier_current"), INSTANCE, "tier")
    known = scope.of("max", scope.series("surge_model_tier_current"), INSTANCE)
    return Alert(
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
