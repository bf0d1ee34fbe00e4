"""What a rules file is made of, as values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from surge_exporter.model import Seconds, Severity

_AT_ONCE = Seconds(0.0)

MOST_RULES = 20
"""In one group: Mimir's and Cortex' default for `ruler_max_rules_per_rule_group`."""


class AlertSeverity(StrEnum):
    """How bad it is, in Prometheus' usual words."""

    INFO = "info"
    WARNING = Severity.WARNING.value
    CRITICAL = Severity.CRITICAL.value


class Notify(StrEnum):
    """Whom an alert is for: a label, so that Alertmanager can route by it."""

    PAGE = "page"
    """Somebody must look now, at any hour."""
    TICKET = "ticket"
    """Somebody must look, on a working day."""
    NOBODY = "nobody"
    """Context for who looks anyway."""


USUAL_NOTIFY: Mapping[AlertSeverity, Notify] = {
    AlertSeverity.CRITICAL: Notify.PAGE,
    AlertSeverity.WARNING: Notify.TICKET,
    AlertSeverity.INFO: Notify.NOBODY,
}
"""Whom an alert is for, unless a row of the signals table says so itself."""

MINUTE = 60.0

OWN_LABELS = ("severity", "notify", "action")
"""What every alert says of itself, for Alertmanager to route by."""


class Board(StrEnum):
    """The dashboards, by uid; an alert links to the one that shows its numbers."""

    OVERVIEW = "surge-overview"
    DEMAND = "surge-demand"
    CALLERS = "surge-callers"
    DEPENDENCIES = "surge-dependencies"
    HOST = "surge-host"
    EXPORTER = "surge-exporter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alerting rule. An alert of two severities is two of these with one name."""

    name: str
    severity: AlertSeverity
    notify: Notify
    action: str
    """The slug that automation goes by."""
    expr: str
    for_seconds: Seconds = _AT_ONCE
    keep_firing_seconds: Seconds = _AT_ONCE
    summary: str
    """One sentence that holds for a whole group of these alerts: no templates, no numbers."""
    description: str
    """What is the case, with the numbers; a template of Prometheus."""
    recommended_action: str
    """What to do first, in the imperative."""
    board: Board
    labels: Mapping[str, str] = field(default_factory=dict)
    """Further labels, which a user asked for."""

    @property
    def key(self) -> str:
        """The name that tells it from the alert of the same name and another severity."""
        return f"{self.name}.{self.severity}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One recording rule, named level:metric:operations."""

    name: str
    expr: str
    about: str
    """What the number means, for the docs and for who reads the file."""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RecordingGroup:
    """Recording rules that are evaluated one after the other, so that one may use the last."""

    name: str
    rules: tuple[Recording, ...]

    def __post_init__(self) -> None:
        _check_size(self.name, self.rules)


@dataclass(frozen=True, slots=True)
class AlertGroup:
    """Alerting rules on one subject."""

    name: str
    rules: tuple[Alert, ...]

    def __post_init__(self) -> None:
        _check_size(self.name, self.rules)


def _check_size(name: str, rules: Sequence[object]) -> None:
    if len(rules) > MOST_RULES:
        raise ValueError(f"{name}: expected at most {MOST_RULES} rules, got {len(rules)}")
