"""The options of `render` with which users change rules without a fork."""

import math
import re
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, TypeVar

import click

from surge_exporter.commands.options import USAGE_ERROR, Fault
from surge_exporter.model import Seconds
from surge_exporter.rules.choices import (
    DASHBOARD_URL,
    RUNBOOK_URL,
    ChoiceError,
    Choices,
    check_pattern,
)
from surge_exporter.rules.rule import OWN_LABELS, AlertSeverity

_Command = Callable[..., None]
_T = TypeVar("_T")

_LABEL = re.compile(r"[a-zA-Z_]\w*", re.ASCII)
_MATCHER = r'[a-zA-Z_]\w*\s*(?:=~|!~|!=|=)\s*"(?:[^"\\]|\\.)*"'
_SELECTOR = re.compile(rf"{_MATCHER}(?:\s*,\s*{_MATCHER})*", re.ASCII)
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", re.ASCII)
_UNIT_SECONDS = (86400, 3600, 60, 1)

_OPTIONS = (
    click.option(
        "--threshold",
        "thresholds",
        multiple=True,
        metavar="ALERT[.SEVERITY]=NUMBER",
        help="Fire from this number on, whatever threshold the exporters export. Repeatable.",
    ),
    click.option(
        "--for",
        "waits",
        multiple=True,
        metavar="ALERT[.SEVERITY]=DURATION",
        help="Fire after so long, like SurgeHeavyBatch=30m. Repeatable.",
    ),
    click.option(
        "--severity",
        "severities",
        multiple=True,
        metavar="ALERT[.SEVERITY]=SEVERITY",
        help="Call it info, warning or critical; critical pages. Repeatable.",
    ),
    click.option(
        "--disable",
        "disabled",
        multiple=True,
        metavar="ALERT[.SEVERITY]",
        help="Leave an alert out; recording rules stay. Repeatable.",
    ),
    click.option(
        "--label",
        "labels",
        multiple=True,
        metavar="NAME=VALUE",
        help="Add a label to every alert, like team=agents. Repeatable.",
    ),
    click.option(
        "--selector",
        default="",
        metavar="MATCHERS",
        help='Read only these series, like \'cluster="a",env!="dev"\'.',
    ),
    click.option(
        "--by",
        default="job",
        show_default=True,
        metavar="LABELS",
        help="The labels that make a fleet, like cluster,job.",
    ),
    click.option(
        "--no-keep-firing-for",
        "keep_firing",
        flag_value=False,
        default=True,
        help="Leave out keep_firing_for, for Prometheus < 2.42 and vmalert < 1.92.",
    ),
    click.option(
        "--runbook-url",
        default=RUNBOOK_URL,
        show_default=True,
        metavar="PATTERN",
        help="Where runbooks are; {alert} is the alert's name.",
    ),
    click.option(
        "--dashboard-url",
        default=DASHBOARD_URL,
        show_default=True,
        metavar="PATTERN",
        help="Where dashboards are; {dashboard} is the dashboard's uid.",
    ),
)


def choices(command: _Command) -> _Command:
    """Give a command these options, and the parameter `choices` in their place."""

    @wraps(command)
    def with_choices(**arguments: Any) -> None:
        own = {name: arguments.pop(name) for name in _NAMES}
        try:
            found = _choices(**own)
        except ChoiceError as error:
            raise Fault(str(error), USAGE_ERROR) from error
        command(choices=found, **arguments)

    decorated = with_choices
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


_NAMES = (
    *("thresholds", "waits", "severities", "disabled", "labels"),
    *("selector", "by", "keep_firing", "runbook_url", "dashboard_url"),
)


def _choices(  # noqa: PLR0913 - one for each option
    *,
    thresholds: tuple[str, ...],
    waits: tuple[str, ...],
    severities: tuple[str, ...],
    disabled: tuple[str, ...],
    labels: tuple[str, ...],
    selector: str,
    by: str,
    keep_firing: bool,
    runbook_url: str,
    dashboard_url: str,
) -> Choices:
    if selector and not _SELECTOR.fullmatch(selector.strip()):
        raise ChoiceError(f'--selector: expected matchers like cluster="a", got {selector!r}')
    return Choices(
        thresholds=assigned("--threshold", thresholds, _number, "a number"),
        for_seconds=assigned("--for", waits, _seconds, "a duration like 15m"),
        severities=assigned(
            "--severity", severities, AlertSeverity, f"one of {', '.join(AlertSeverity)}"
        ),
        disabled=frozenset(disabled),
        labels={
            _label("--label", name): value
            for name, value in assigned("--label", labels, str, "text").items()
        },
        selector=selector.strip(),
        by=tuple(_label("--by", name.strip()) for name in by.split(",")),
        keep_firing=keep_firing,
        runbook_url=check_pattern(runbook_url, "alert"),
        dashboard_url=check_pattern(dashboard_url, "dashboard"),
    )


def assigned(
    option: str, assignments: Iterable[str], read: Callable[[str], _T], expected: str
) -> dict[str, _T]:
    """Return what NAME=VALUE options say, by name.

    Raises:
        ChoiceError: one is no assignment, or `read` raised ValueError: it was not as expected.
    """
    found = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals:
            raise ChoiceError(f"{option}: expected NAME=VALUE, got {assignment!r}")
        try:
            found[name.strip()] = read(value.strip())
        except ValueError as error:
            raise ChoiceError(f"{option}: {name}: expected {expected}, got {value!r}") from error
    return found


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _label(option: str, name: str) -> str:
    if name in OWN_LABELS:
        raise ChoiceError(f"{option}: expected a label of your own, got {name!r}")
    if not _LABEL.fullmatch(name):
        raise ChoiceError(f"{option}: expected the name of a label, got {name!r}")
    return name


def _seconds(text: str) -> Seconds:
    found = _DURATION.fullmatch(text)
    if not text or found is None:
        raise ValueError(text)
    counts = (int(count or 0) for count in found.groups())
    return Seconds(float(sum(n * unit for n, unit in zip(counts, _UNIT_SECONDS, strict=True))))
