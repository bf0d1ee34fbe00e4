"""What users change of the rules without a fork: each choice is data, checked by name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from string import Formatter

from surge_exporter.model import Seconds
from surge_exporter.rules.rule import AlertSeverity

RUNBOOK_URL = "http://localhost:10074/runbooks/{alert}"
DASHBOARD_URL = "http://localhost:3000/d/{dashboard}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """All of them. An alert is named `SurgeX`, or `SurgeX.warning` for one severity alone."""

    thresholds: Mapping[str, float] = field(default_factory=dict)
    """In place of what the exporter exports or the rules have as a default."""
    for_seconds: Mapping[str, Seconds] = field(default_factory=dict)
    severities: Mapping[str, AlertSeverity] = field(default_factory=dict)
    disabled: frozenset[str] = frozenset()
    labels: Mapping[str, str] = field(default_factory=dict)
    """Added to every alert."""
    selector: str = ""
    """Label matchers, as PromQL has them, for every series that is read: `cluster="a"`."""
    by: tuple[str, ...] = ("job",)
    """The labels that make a fleet of exporters; each fleet has its own verdict."""
    keep_firing: bool = True
    """Prometheus before 2.42 and vmalert before 1.92 do not know `keep_firing_for`."""
    runbook_url: str = RUNBOOK_URL
    """With {alert} where the alert's name goes."""
    dashboard_url: str = DASHBOARD_URL
    """With {dashboard} where the dashboard's uid goes."""

    def threshold(self, name: str, severity: str) -> float | None:
        """Return the threshold chosen for an alert of one severity; None if there is none."""
        return self.thresholds.get(f"{name}.{severity}", self.thresholds.get(name))


class ChoiceError(ValueError):
    """A choice that can't be: the message says what was expected and what came."""


def check_pattern(url: str, name: str) -> None:
    """Check that in a URL pattern nothing but `name` is to be filled in.

    Raises:
        ChoiceError: it has another placeholder or one with a format, or is no pattern.
    """
    if not url:
        raise ChoiceError(f"expected a URL with {{{name}}}, got ''")
    try:
        parts = [part[1:] for part in Formatter().parse(url) if part[1] is not None]
    except ValueError as error:
        raise ChoiceError(f"expected a URL with {{{name}}}, got {url!r}: {error}") from error
    doubled = "{{" in url or "}}" in url
    if doubled or any(part != (name, "", None) for part in parts):
        raise ChoiceError(f"expected no placeholder but {{{name}}}, got {url!r}")
