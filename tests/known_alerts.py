"""The alerts that there are, and the labels that tell those of one name apart."""

from collections.abc import Mapping
from dataclasses import dataclass

FLEET = ("job",)

_TABLE = """
SurgeDemandSurge             warning  page   prewarm_local_inference       job
SurgeDemandSurge             critical page   prewarm_local_inference       job
SurgePredictedDemand         warning  page   prewarm_local_inference       job
SurgeHeavyBatch              warning  ticket throttle_background_jobs      job caller
SurgeCallerFailures          warning  page   investigate_failure_rates     job caller
SurgeInferenceFailures       warning  ticket investigate_model_reliability job instance dependency
SurgeGiteaOutages            warning  ticket cache_forge_state             job dependency
SurgeForecastError           warning  ticket check_demand_forecast         job instance horizon
SurgeGiteaDown               critical page   cache_forge_state             job dependency
SurgeInferenceDown           critical page   investigate_model_reliability job instance dependency
SurgeGiteaFlapping           warning  ticket cache_forge_state             job dependency
SurgeInferenceFlapping       warning  ticket investigate_model_reliability job instance dependency
SurgeCallerErrorBudgetBurn   critical page   investigate_failure_rates     job caller
SurgeCallerErrorBudgetBurn   warning  ticket investigate_failure_rates     job caller
SurgeLowTrafficCallerFailing warning  ticket investigate_failure_rates     job caller
SurgeHostPressure            warning  ticket switch_to_smaller_model       job instance resource
SurgeHostPressure            critical page   switch_to_smaller_model       job instance resource
SurgeHostCpuBusy             warning  ticket switch_to_smaller_model       job instance
SurgeModelServerDown         warning  ticket investigate_model_reliability job instance
SurgeModelSwitchFailing      warning  ticket investigate_model_reliability job instance
SurgeModelTierMismatch       info     nobody switch_to_recommended_model   job instance tier
SurgeExporterAbsent          critical page   restore_telemetry             job
SurgeExporterDown            warning  ticket restore_telemetry             job instance
SurgeTelemetryStale          warning  ticket restore_telemetry             job instance source
SurgeTelemetryStale          critical page   restore_telemetry             job
SurgeTelemetryMissing        warning  ticket restore_telemetry             job instance source
SurgeTelemetryMissing        critical page   restore_telemetry             job
SurgeClockSkew               warning  ticket restore_telemetry             job instance
SurgeParseErrors             warning  ticket restore_telemetry             job instance source
SurgeLinesLost               warning  ticket restore_telemetry             job instance source
SurgeReadErrors              warning  ticket restore_telemetry             job instance source
SurgeConfigReloadFailed      warning  ticket restore_telemetry             job instance
SurgeCollectorFailing        warning  ticket restore_telemetry             job instance collector
SurgeLabelOverflow           info     nobody restore_telemetry             job instance label
SurgeTelemetryReadTwice      warning  ticket restore_telemetry             source directory
SurgeExportersDisagree       warning  ticket restore_telemetry             job
"""


@dataclass(frozen=True, slots=True)
class Known:
    """An alert of one severity, as far as Alertmanager knows it."""

    name: str
    severity: str
    notify: str
    action: str
    subject: tuple[str, ...]
    """The labels that are there beside these."""

    @property
    def key(self) -> str:
        """The name that tells it from the alert of the same name and another severity."""
        return f"{self.name}.{self.severity}"

    def labels(self, **subject: str) -> dict[str, str]:
        """Return all labels of one that is about this subject, made up where it is not said."""
        return {
            "alertname": self.name,
            "severity": self.severity,
            "notify": self.notify,
            "action": self.action,
            **{label: f"some {label}" for label in self.subject},
            **subject,
        }


KNOWN: tuple[Known, ...] = tuple(
    Known(name, severity, notify, action, tuple(subject))
    for name, severity, notify, action, *subject in map(str.split, _TABLE.split("\n")[1:-1])
)

BY_KEY: Mapping[str, Known] = {known.key: known for known in KNOWN}
