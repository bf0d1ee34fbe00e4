"""What a runbook says of an alert that nobody has to write: its rules, its numbers, its links."""

from collections.abc import Iterator, Sequence
from operator import gt

from surge_exporter.core.evidence import spoken_span
from surge_exporter.model import Seconds
from surge_exporter.rules.choices import Choices
from surge_exporter.rules.limits import LIMITS
from surge_exporter.rules.rule import Alert, Notify
from surge_exporter.rules.scope import alert_name
from surge_exporter.signals import SIGNALS, Signal

_NOTIFIES = {
    Notify.PAGE: "page: somebody looks now",
    Notify.TICKET: "ticket: on the next working day",
    Notify.NOBODY: "nobody: context on dashboards",
}
_WORDS = (
    (
        "HOST",
        "the machine that the exporter runs on: as a rule, the `instance` label without its port",
    ),
    ("DIR", "the folder that holds `metrics/` and `heartbeat/` on that machine"),
    ("JOB, INSTANCE, CALLER", "the labels of the alert that fired"),
    ("caller", "an agent, or a kind of work, as the request log names it"),
    ("inference", "the model server that the agents of a host ask"),
    ("Gitea", "the forge from which agents get work and to which they push it"),
    ("recent window", "the last hours that the verdict looks at, six unless configured"),
    (
        "fleet",
        "all exporters with the same `job`; numbers with `job:` in their names are its sums",
    ),
)


def severities(rules: Sequence[Alert]) -> str:
    """Return how loud each rule is, and how patient, as a table."""
    rows = (
        f"| {rule.severity} | {_NOTIFIES[rule.notify]} | {_lasting(rule.for_seconds, 'at once')}"
        f" | {_lasting(rule.keep_firing_seconds, 'no longer')} |"
        for rule in rules
    )
    head = (
        "| severity | whom it is for | fires after | keeps firing afterwards |\n|---|---|---|---|"
    )
    return "\n".join((head, *rows))


def reference(rules: Sequence[Alert], choices: Choices, muted_by: Sequence[str]) -> Iterator[str]:
    """Yield what follows the prose: dashboard, expression, thresholds, silence, words."""
    name = rules[0].name
    yield "## Reference"
    yield from _links(rules, choices)
    yield "### Expression"
    for rule in rules:
        if len(rules) > 1:
            yield f"For `{rule.severity}`:"
        yield f"```promql\n{rule.expr.strip()}\n```"
    yield "### Thresholds"
    signal = signal_of(name)
    if signal is not None:
        yield from _thresholds(signal)
    yield from _tuning(name, signal)
    yield "### Silence"
    yield from _silence(name, muted_by)
    yield "### Words"
    yield "\n".join(f"- **{word}**: {meaning}." for word, meaning in _WORDS)


def signal_of(name: str) -> Signal | None:
    """Return the row of the signals table that an alert is of.

    >>> signal_of("SurgeCallerFailures").name, signal_of("SurgeClockSkew")
    ('caller_failures', None)
    """
    return next((signal for signal in SIGNALS if alert_name(signal) == name), None)


def _links(rules: Sequence[Alert], choices: Choices) -> Iterator[str]:
    boards = dict.fromkeys(rule.board for rule in rules)
    links = (f"[{b}]({choices.dashboard_url.format(dashboard=b)})" for b in boards)
    actions = dict.fromkeys(rule.action for rule in rules)
    lines = [
        f"- Dashboard: {', '.join(links)}",
        f"- Action, for automation: {', '.join(f'`{action}`' for action in actions)}",
        "- Labels of every alert: `severity`, `notify`, `action`, and those of the expression",
    ]
    further = {key: value for rule in rules for key, value in rule.labels.items()}
    if further:
        added = ", ".join(f'`{key}="{value}"`' for key, value in further.items())
        lines.append(f"- Labels added here: {added}")
    yield "\n".join(lines)


def _thresholds(signal: Signal) -> Iterator[str]:
    sign = ">" if signal.exceeds is gt else ">="
    yield f"Signal `{signal.name}`: {signal.condition}."
    rows = [
        (f"{severity}, when {sign}", value, severity.value)
        for severity, value in signal.thresholds.items()
    ]
    rows += [(name, value, name) for name, value in signal.parameters.items()]
    lines = (
        f"| {words} | {value:g} | `signals: {{{signal.name}: {{{key}: {value:g}}}}}` |"
        for words, value, key in rows
    )
    head = "| what | default | in the exporter's configuration |\n|---|---|---|"
    yield "\n".join((head, *lines))
    yield (
        "The rules go by what each exporter exports: change its configuration, reload it, and the"
        f' rules follow. What is in force: `surge_signal_threshold{{signal="{signal.name}"}}`.'
    )


def _tuning(name: str, signal: Signal | None) -> Iterator[str]:
    limits = {key: limit for key, limit in LIMITS.items() if key.partition(".")[0] == name}
    if limits:
        rows = (f"| {key} | {limit.value:g} | {limit.about} |" for key, limit in limits.items())
        yield "\n".join(("| rule | default | what |\n|---|---|---|", *rows))
    flags = (
        *(["`--threshold {0}=NUMBER` for another threshold"] if limits or signal else []),
        "`--for {0}=15m` for another patience",
        "`--severity {0}=SEVERITY` for another severity",
        "`--disable {0}` to leave it out",
    )
    instead = "In the rules alone" if signal is not None else "In the rules"
    yield f"{instead}, with `surge-exporter render rules`:"
    yield "\n".join(f"- {flag.format(name)}" for flag in flags)


def _silence(name: str, muted_by: Sequence[str]) -> Iterator[str]:
    if muted_by:
        links = ", ".join(f"[{other}]({other}.md)" for other in muted_by)
        yield f"Not sent while one of these fires for the same fleet: {links}."
    yield (
        "By hand, for planned work or while somebody is at it; add labels of the alert, like"
        " `job=JOB`, to silence one of several:"
    )
    yield (
        f"```sh\namtool silence add alertname={name} --duration=2h"
        " --comment='who, why' --alertmanager.url=http://ALERTMANAGER:9093\n```"
    )


def _lasting(seconds: Seconds, none: str) -> str:
    if not seconds:
        return none
    return spoken_span(seconds) if seconds >= 60 else f"{seconds:g} s"  # noqa: PLR2004 - a minute
