"""The numbers of the alerts that no row of the signals table has: one place for each.

They are the rules' own, since no exporter exports them; `render rules --threshold` changes them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from surge_exporter.model import HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """The numbers that a threshold can be: with any other its alert would fire always or never.

    >>> print(Range(most=1.0)), print(Range(above=0.0, below=1.0)), print(Range(least=1.5))
    from 0 to 1
    above 0, below 1
    from 1.5 on
    (None, None, None)
    """

    least: float = 0.0
    above: float | None = None
    """In place of `least`, for a limit that is not one of the numbers."""
    most: float = math.inf
    below: float | None = None
    """In place of `most`, likewise."""

    def __contains__(self, value: float) -> bool:
        low = value >= self.least if self.above is None else value > self.above
        return low and (value <= self.most if self.below is None else value < self.below)

    def __str__(self) -> str:
        low = f"from {self.least:g}" if self.above is None else f"above {self.above:g}"
        if self.below is not None:
            return f"{low}, below {self.below:g}"
        return f"{low} to {self.most:g}" if math.isfinite(self.most) else f"{low} on"


_EXCEEDED_RATIO = Range(below=1.0)
"""Of a part that must be above its limit: none is above 1."""
_PART_OF_ALL = Range(above=0.0, below=1.0)
_SECONDS = Range()
_AT_LEAST_ONE = Range(least=1.0)


@dataclass(frozen=True, slots=True)
class Limit:
    """A number, and what it says."""

    value: float
    about: str
    within: Range


OBJECTIVE = Limit(
    0.95,
    "objective: the part of a caller's requests that shall succeed;"
    " burn rates that no caller could reach, failing all of them, are left out",
    _PART_OF_ALL,
)
_TELEMETRY_AGE = Limit(0.5 * HOUR, "seconds without a record", _SECONDS)

LIMITS: Mapping[str, Limit] = {
    "SurgeCallerErrorBudgetBurn.critical": OBJECTIVE,
    "SurgeCallerErrorBudgetBurn.warning": OBJECTIVE,
    "SurgeLowTrafficCallerFailing.warning": Limit(
        0.5, "failed part of a day's requests", _EXCEEDED_RATIO
    ),
    "SurgeModelSwitchFailing.warning": Limit(
        2.0, "switches of models that failed within three hours", _AT_LEAST_ONE
    ),
    "SurgeTelemetryStale.warning": _TELEMETRY_AGE,
    "SurgeTelemetryStale.critical": _TELEMETRY_AGE,
    "SurgeClockSkew.warning": Limit(60.0, "seconds between two clocks", _SECONDS),
    "SurgeParseErrors.warning": Limit(0.01, "rejected part of the lines", _EXCEEDED_RATIO),
}
"""By alert and severity."""
