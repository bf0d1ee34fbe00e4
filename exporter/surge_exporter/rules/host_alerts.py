"""Alerts on the host, over the scaler's metrics; absent metrics give no alert."""

from collections.abc import Iterator

from surge_exporter.model import Seconds
from surge_exporter.rules.rule import Alert, AlertSeverity, Board, Notify
from surge_exporter.rules.scope import INSTANCE, Scope, number
from surge_exporter.rules.words import PERCENT

_PRESSURE = "SurgeHostPressure"
_LEAST_AVAILABLE_BYTES = 1 << 30
"""With less the host is about to swap or to kill, whatever part of it that is."""
_MINUTE = 60.0


def host_alerts(scope: Scope) -> Iterator[Alert]:
    """Yield pressure on the host's resources, and a model tier that does not fit."""
    yield _pressure(scope, AlertSeverity.WARNING, Notify.TICKET, "")
    yield _pressure(scope, AlertSeverity.CRITICAL, Notify.PAGE, _short_of_memory(scope))
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
        for_seconds=Seconds(30 * _MINUTE),
        summary="A host runs a model of another tier than the scaler recommends.",
        description=scope.addressed(
            "The scaler at {exporter} recommends the tier {{ $labels.tier }}, and another one"
            " is in use."
        ),
        recommended_action="Switch to a model of the recommended tier.",
        board=Board.HOST,
    )


def _pressure(scope: Scope, severity: AlertSeverity, notify: Notify, more: str) -> Alert:
    limit = number(scope.limit(_PRESSURE, severity))
    used = "\nor\n".join(
        f"label_replace({scope.of('max', scope.series(metric), INSTANCE)} >= {limit},"
        f' "resource", "{resource}", "", "")'
        for resource, metric in (
            ("cpu", "surge_host_cpu_ratio"),
            ("memory", "surge_host_memory_ratio"),
            ("gpu_memory", "surge_host_gpu_memory_ratio"),
        )
    )
    return Alert(
        name=_PRESSURE,
        severity=severity,
        notify=notify,
        action="switch_to_smaller_model",
        expr=used + more,
        for_seconds=Seconds(5 * _MINUTE),
        keep_firing_seconds=Seconds(10 * _MINUTE),
        summary="A host that serves models is short of CPU or memory.",
        description=scope.addressed(
            f"{{{{ $labels.resource }}}} of {{exporter}} is {PERCENT} used."
        ),
        recommended_action="Switch to a smaller model, or move work to another host.",
        board=Board.HOST,
    )


def _short_of_memory(scope: Scope) -> str:
    used = scope.of("max", scope.series("surge_host_memory_ratio"), INSTANCE)
    available = scope.of("min", scope.series("surge_host_memory_available_bytes"), INSTANCE)
    return (
        f"\nor\nlabel_replace({used} and {available} < {_LEAST_AVAILABLE_BYTES},"
        f' "resource", "memory", "", "")'
    )
