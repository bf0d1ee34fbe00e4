"""The numbers of the alerts that no row of the signals table has: one place for each.

They are the rules' own, since no exporter exports them; `render rules --threshold` changes them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from surge_exporter.model import HOUR


@dataclass(frozen=True, slots=True)
class Limit:
    """A number, and what it says."""

    value: float
    about: str


OBJECTIVE = Limit(0.95, "objective: the part of a caller's requests that shall succeed")
_TELEMETRY_AGE = Limit(0.5 * HOUR, "seconds without a record")

LIMITS: Mapping[str, Limit] = {
    "SurgeCallerErrorBudgetBurn.critical": OBJECTIVE,
    "SurgeCallerErrorBudgetBurn.warning": OBJECTIVE,
    "SurgeLowTrafficCallerFailing.warning": Limit(0.5, "failed part of a day's requests"),
    "SurgeHostPressure.warning": Limit(0.8, "used part of CPU, memory or GPU memory"),
    "SurgeHostPressure.critical": Limit(0.9, "used part of CPU, memory or GPU memory"),
    "SurgeTelemetryStale.warning": _TELEMETRY_AGE,
    "SurgeTelemetryStale.critical": _TELEMETRY_AGE,
    "SurgeClockSkew.warning": Limit(60.0, "seconds between two clocks"),
    "SurgeParseErrors.warning": Limit(0.01, "rejected part of the lines"),
}
"""By alert and severity."""
