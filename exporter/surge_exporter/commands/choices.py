"""The options of `render` with which users change rules without a fork."""

import math
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click

from surge_exporter.commands.options import USAGE_ERROR, Fault
from surge_exporter.model import Seconds
from surge_exporter.rules.catalogue import check
from surge_exporter.rules.choices import (
    DASHBOARD_URL,
    RUNBOOK_URL,
    ChoiceError,
    Choices,
    check_pattern,
)
from surge_exporter.rules.labels import check_fleet, check_further
from surge_exporter.rules.rule import AlertSeverity
from surge_exporter.rules.selector import check_selector

_Command = Callable[..., None]
_T = TypeVar("_T")

_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", re.ASCII)
_UNIT_SECONDS = (86400, 3600, 60, 1)

_OPTIONS = (
    click.option(
        "--threshold",
        "thresholds",
        multiple=True,
        metavar="ALERT[.SEVERITY]=NUMBER",
        help="Fire from this number on, whatever threshold the exporters export; only"
        " SurgeDemandSurge can't go below theirs. Repeatable.",
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
    """Give a command these options, and the parameter `choices` in their place.

    All are checked, whatever the command makes of them: what one part refuses, all refuse.
    """

    @wraps(command)
    def with_choices(**arguments: Any) -> None:
        own = {name: arguments.pop(name) for name in _NAMES}
        try:
            found = _choices(**own)
            check(found)
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
    selector = selector.strip()
    fleet = tuple(name.strip() for name in by.split(","))
    further = assigned("--label", labels, str, "text")
    with _of("--selector"):
        check_selector(selector)
    with _of("--by"):
        check_fleet(fleet)
    with _of("--label"):
        check_further(further, fleet)
    with _of("--runbook-url"):
        check_pattern(runbook_url, "alert")
    with _of("--dashboard-url"):
        check_pattern(dashboard_url, "dashboard")
    return Choices(
        thresholds=assigned("--threshold", thresholds, _number, "a number"),
        for_seconds=assigned("--for", waits, _seconds, "a duration like 15m"),
        severities=assigned(
            "--severity", severities, AlertSeverity, f"one of {', '.join(AlertSeverity)}"
        ),
        disabled=frozenset(disabled),
        labels=further,
        selector=selector,
        by=fleet,
        keep_firing=keep_firing,
        runbook_url=runbook_url,
        dashboard_url=dashboard_url,
    )


@contextmanager
def _of(option: str) -> Iterator[None]:
    """Say of which option a choice is that can't be."""
    try:
        yield
    except ChoiceError as error:
        raise ChoiceError(f"{option}: {error}") from error


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


def check_webhook(option: str, url: str) -> None:
    """Check that a server could be reached at a URL.

    Raises:
        ChoiceError: it has another scheme than Alertmanager knows, no host, or is none.
    """
    try:
        parts = urlsplit(url)
        reachable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number, half an IPv6 address
        reachable = False
    if not reachable or not url.isprintable() or " " in url:
        raise ChoiceError(f"{option}: expected a URL like https://host/path, got {url!r}")


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _seconds(text: str) -> Seconds:
    found = _DURATION.fullmatch(text)
    if not text or found is None:
        raise ValueError(text)
    counts = (int(count or 0) for count in found.groups())
    return Seconds(float(sum(n * unit for n, unit in zip(counts, _UNIT_SECONDS, strict=True))))
