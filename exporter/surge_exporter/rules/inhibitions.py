"""Which alert silences which: of a trouble and what follows from it, the trouble is heard. Pure.

What each of them goes by:

- A cause silences its consequences on the same subject and no further: `equal` says which labels
  make the subject, and lists only labels that both carry; for two that lack a label agree on it.
- One exporter of many never silences a critical alert of the whole fleet.
- A ticket silences a page only where it says that the page is a mistake.
- What is silenced still silences others: so there are no circles.
- That callers fail because a model server is down is not said here: alerts of callers speak of
  the fleet, that of a server of one machine, and what else fails them must be heard.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, combinations

from surge_exporter.rules.choices import Choices
from surge_exporter.rules.matchers import Matcher, Matchers, one_of
from surge_exporter.rules.rule import AlertSeverity


@dataclass(frozen=True, slots=True, kw_only=True)
class Inhibition:
    """While an alert of `source` fires, those of `target` that agree with it are not sent."""

    why: str
    """For who reads the file, and wonders why an alert was not sent."""
    source: Matchers
    target: Matchers
    equal: tuple[str, ...]
    """The labels in which both must agree."""


_DEMAND = ("SurgeDemandSurge", "SurgePredictedDemand")
_CALLERS = (
    "SurgeHeavyBatch",
    "SurgeCallerFailures",
    "SurgeCallerErrorBudgetBurn",
    "SurgeLowTrafficCallerFailing",
)
_GITEA = ("SurgeGiteaDown", "SurgeGiteaFlapping", "SurgeGiteaOutages")
_INFERENCE = ("SurgeInferenceDown", "SurgeInferenceFlapping", "SurgeInferenceFailures")
_SERVER_DOWN = "SurgeModelServerDown"
_FAILING = "SurgeModelSwitchFailing"
_MISMATCH = "SurgeModelTierMismatch"
_HOST = ("SurgeHostPressure", "SurgeHostCpuBusy", _SERVER_DOWN, _FAILING, _MISMATCH)
_READING = (
    "SurgeTelemetryMissing",
    "SurgeParseErrors",
    "SurgeLinesLost",
    "SurgeReadErrors",
    "SurgeConfigReloadFailed",
    "SurgeCollectorFailing",
    "SurgeLabelOverflow",
)

_CRITICAL = AlertSeverity.CRITICAL
_WARNING = AlertSeverity.WARNING
_NOT_CRITICAL = Matcher("severity", "!=", _CRITICAL)


def inhibitions(choices: Choices) -> tuple[Inhibition, ...]:
    """Return all of them, those first that silence most."""
    return (
        *_of_absence(choices),
        *_of_exporters(choices),
        *_of_demand_and_callers(choices),
        *_of_dependencies_and_hosts(choices),
    )


def muted_by(choices: Choices) -> dict[str, tuple[str, ...]]:
    """Return by alert the others, of the same subject, during which it is not sent."""
    found: dict[str, dict[str, None]] = {}
    for rule in inhibitions(choices):
        for target in _names(rule.target):
            sources = (name for name in _names(rule.source) if name != target)
            found.setdefault(target, {}).update(dict.fromkeys(sources))
    return {name: tuple(sources) for name, sources in found.items() if sources}


def _names(matchers: Matchers) -> list[str]:
    return [name for m in matchers if m.label == "alertname" for name in m.value.split("|")]


def _of_absence(choices: Choices) -> Iterator[Inhibition]:
    """Yield one for each set of labels that the alert may lack.

    `absent()` has the labels that its selector fixes and no others. One that it lacks would equal
    that of no target; lacking it means that no exporter is left whatever the label's value.
    """
    sizes = range(len(choices.by) + 1)
    for lacking in chain.from_iterable(combinations(choices.by, size) for size in sizes):
        yield Inhibition(
            why="Without an exporter nothing is known of the fleet."
            + (f" (If the alert has no {' and no '.join(lacking)}.)" if lacking else ""),
            source=(
                *_named("SurgeExporterAbsent"),
                *(Matcher(label, "=", "") for label in lacking),
            ),
            target=_named(
                *_DEMAND,
                *_CALLERS,
                *_GITEA,
                *_INFERENCE,
                *_HOST,
                *_READING,
                "SurgeForecastError",
                "SurgeExporterDown",
                "SurgeTelemetryStale",
                "SurgeClockSkew",
                "SurgeExportersDisagree",
            ),
            equal=tuple(label for label in choices.by if label not in lacking),
        )


def _of_exporters(choices: Choices) -> Iterator[Inhibition]:
    exporter = _equal(choices, "instance")
    yield Inhibition(
        why="An exporter that is down reads nothing; what it said last is old.",
        source=_named("SurgeExporterDown"),
        target=(
            *_named(
                "SurgeTelemetryStale",
                "SurgeClockSkew",
                "SurgeForecastError",
                *_INFERENCE[1:],
                *_HOST,
                *_READING,
            ),
            _NOT_CRITICAL,
        ),
        equal=exporter,
    )
    yield Inhibition(
        why="With a wrong clock, fresh records look old, and hours are not the forecast's.",
        source=_named("SurgeClockSkew"),
        target=(*_named("SurgeTelemetryStale", "SurgeForecastError"), _NOT_CRITICAL),
        equal=exporter,
    )
    yield Inhibition(
        why="Of a silent fleet every source is stale, and what is known of demand is old; what is"
        " critical is sent all the same.",
        source=_named("SurgeTelemetryStale", "SurgeTelemetryMissing", severity=_CRITICAL),
        target=(
            *_named(
                "SurgeTelemetryStale",
                "SurgeTelemetryMissing",
                "SurgeForecastError",
                *_INFERENCE[1:],
                *_DEMAND,
                *_CALLERS,
            ),
            _NOT_CRITICAL,
        ),
        equal=_equal(choices),
    )
    yield Inhibition(
        why="What cannot be read, or is not understood, looks as if nothing were written.",
        source=_named("SurgeReadErrors", "SurgeParseErrors"),
        target=_named("SurgeTelemetryStale", severity=_WARNING),
        equal=_equal(choices, "instance", "source"),
    )
    yield Inhibition(
        why="An exporter that kept its old configuration disagrees with those that did not.",
        source=_named("SurgeConfigReloadFailed"),
        target=_named("SurgeExportersDisagree"),
        equal=_equal(choices),
    )


def _of_demand_and_callers(choices: Choices) -> Iterator[Inhibition]:
    yield _worse("SurgeDemandSurge", _equal(choices))
    yield Inhibition(
        why="The demand is there already; and no forecast knew of it.",
        source=_named("SurgeDemandSurge"),
        target=_named("SurgePredictedDemand", "SurgeForecastError"),
        equal=_equal(choices),
    )
    yield _worse("SurgeCallerErrorBudgetBurn", _equal(choices, "caller"))
    yield Inhibition(
        why="The caller's errors are paged for already.",
        source=_named("SurgeCallerErrorBudgetBurn", severity=_CRITICAL),
        target=_named("SurgeCallerFailures", "SurgeLowTrafficCallerFailing"),
        equal=_equal(choices, "caller"),
    )
    yield Inhibition(
        why="While the failures of a caller page, a ticket on its budget can wait.",
        source=_named("SurgeCallerFailures"),
        target=_named(
            "SurgeCallerErrorBudgetBurn", "SurgeLowTrafficCallerFailing", severity=_WARNING
        ),
        equal=_equal(choices, "caller"),
    )


def _of_dependencies_and_hosts(choices: Choices) -> Iterator[Inhibition]:
    for (down, flapping, failures), labels in (
        (_GITEA, ("dependency",)),
        (_INFERENCE, ("instance", "dependency")),
    ):
        yield Inhibition(
            why="Down is down: that it failed before, or now and then, is no news.",
            source=_named(down),
            target=_named(flapping, failures),
            equal=_equal(choices, *labels),
        )
        yield Inhibition(
            why="That it flaps says that it failed.",
            source=_named(flapping),
            target=_named(failures),
            equal=_equal(choices, *labels),
        )
    yield _worse("SurgeHostPressure", _equal(choices, "instance", "resource"))
    yield Inhibition(
        why="A host that is short of something is to change its model anyway.",
        source=_named("SurgeHostPressure", "SurgeHostCpuBusy"),
        target=_named(_MISMATCH),
        equal=_equal(choices, "instance"),
    )
    for why, source, target in (
        ("The host's own heartbeat pages for its model server.", _INFERENCE[0], (_SERVER_DOWN,)),
        ("A server that does not answer loads nothing.", _SERVER_DOWN, (_FAILING, _MISMATCH)),
        ("What is recommended can't be loaded: the exporter tried.", _FAILING, (_MISMATCH,)),
    ):
        yield Inhibition(
            why=why,
            source=_named(source),
            target=_named(*target),
            equal=_equal(choices, "instance"),
        )


def _worse(name: str, equal: tuple[str, ...]) -> Inhibition:
    return Inhibition(
        why="Critical says more than warning.",
        source=_named(name, severity=_CRITICAL),
        target=_named(name, severity=_WARNING),
        equal=equal,
    )


def _named(*names: str, severity: AlertSeverity | None = None) -> Matchers:
    alertname = one_of("alertname", names)
    return (alertname,) if severity is None else (alertname, Matcher("severity", "=", severity))


def _equal(choices: Choices, *subject: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*choices.by, *subject)))
