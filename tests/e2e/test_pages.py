"""As an operator lives it: a fleet, its exporter, Prometheus, Alertmanager, and who is told.

The fleet of `tests.fast_fleet` lives 360 times as fast as Prometheus does, so the times for which
alerts wait and keep firing are divided by as much. The ranges of expressions stay as they are: to
`[5m]` as to `[3d]` the test is one short while. In that while a tenth of the requests of the
failing caller fail. An error budget's page asks for 30 % at least, so it is right not to come;
its ticket, which asks for 5 %, may.
"""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from surge_exporter.render.rules import META_FILE, rule_files
from surge_exporter.rules.choices import Choices
from surge_exporter.rules.routing import Receiver
from tests.durations import seconds
from tests.fast_fleet import SPEED
from tests.fragment import fragment
from tests.servers import Prometheus, alertmanager, child, exporter_url, prometheus, wait_for
from tests.webhook import Notification, Webhook, webhook

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(180),
    pytest.mark.xdist_group("pages"),  # one process, or the fixture would run in each
]

INTERVAL = "500ms"
"""Three minutes of the fleet's."""

CHOICES = Choices(
    # A clock that runs 360 times as fast as that of Prometheus is wrong: the alert would be right.
    disabled=frozenset({"SurgeClockSkew"}),
)


@dataclass(frozen=True, slots=True)
class Page:
    """What an operator is to be told of one trouble."""

    alert: str
    severity: str
    action: str
    recommends: str
    """How the recommended action begins."""
    says: str
    """A pattern for the description: the trouble's numbers are in it."""
    board: str
    states: int = 1
    """How many it may go through before it is over; the pager is told of each."""


PAGES = (
    Page(
        "SurgeDemandSurge",
        "critical",
        "prewarm_local_inference",
        "Pre-warm local inference: ",
        r"Demand of surge is [2-9]\.\d\d times what season and history let expect",
        "surge-demand",
        states=3,  # a warning, critical, a warning again as it fades
    ),
    Page(
        "SurgeGiteaDown",
        "critical",
        "cache_forge_state",
        "Cache forge state ",
        r"Gitea has not answered surge for \d+m \d+s",
        "surge-dependencies",
    ),
    Page(
        "SurgeInferenceDown",
        "critical",
        "investigate_model_reliability",
        "Investigate model reliability: ",
        r"The inference checks at 127\.0\.0\.1:\d+ have failed for \d+m \d+s",
        "surge-dependencies",
    ),
    Page(
        "SurgeCallerFailures",
        "warning",
        "investigate_failure_rates",
        "Investigate failure rates: ",
        r"[2-9]\d(\.\d+)?% of the requests of pr_review in surge failed",
        "surge-callers",
    ),
)

TICKETS = {
    # What the pages above were of, as long as the window of an hour remembers it.
    "SurgeGiteaOutages",
    "SurgeInferenceFailures",
    # Of the failing caller.
    "SurgeCallerErrorBudgetBurn",
}
"""Which alerts may become tickets."""


class Desk:
    """What has come to the receivers."""

    def __init__(self, hook: Webhook) -> None:
        self._hook = hook

    def told(self, receiver: Receiver) -> list[Notification]:
        """Return what came to one of them."""
        return self._hook.received(f"/{receiver}")

    def alerts(self, receiver: Receiver) -> set[str]:
        """Return of which alerts one of them was told."""
        return {name for told in self.told(receiver) for name in told.names}

    def firing(self, page: Page) -> Mapping[str, Any]:
        """Wait until the pager was told of a page; return its alert."""
        labels = {"alertname": page.alert, "severity": page.severity}
        told = self._hook.wait(
            f"/{Receiver.PAGER}", lambda told: _fires(told, labels) is not None, page.alert
        )
        found = _fires(told, labels)
        assert found is not None
        return found

    def resolved(self, receiver: Receiver, action: str) -> None:
        """Wait until the newest that was said of an action is that it is over."""

        def is_over() -> bool:
            of_action = [
                told
                for told in self.told(receiver)
                if told.payload["groupLabels"].get("action") == action
            ]
            return bool(of_action) and of_action[-1].status == "resolved"

        wait_for(is_over, f"{receiver} to be told that {action} is over")


def _fires(told: Notification, labels: Mapping[str, str]) -> Mapping[str, Any] | None:
    return next(
        (
            alert
            for alert in told.alerts
            if alert["status"] == "firing" and labels.items() <= alert["labels"].items()
        ),
        None,
    )


def _firing(told: Notification) -> set[tuple[str, str]]:
    """Return which alerts of a notification fire, and how severely."""
    return {
        (alert["labels"]["alertname"], alert["labels"]["severity"])
        for alert in told.alerts
        if alert["status"] == "firing"
    }


def hurried(name: str, text: str) -> str:
    """Return a rule file whose alerts wait as long in the fleet's time as the shipped ones.

    Whether there is an exporter at all is asked in real time: its file stays as it is.
    """
    if name == META_FILE:
        return text
    rules = yaml.safe_load(text)
    for group in rules["groups"]:
        for rule in group["rules"]:
            for setting in {"for", "keep_firing_for"} & rule.keys():
                rule[setting] = f"{seconds(rule[setting]) / SPEED * 1000:.0f}ms"
    return yaml.safe_dump(rules)


@contextmanager
def fleet(folder: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """Run the simulated fleet and its exporter; yield its URL, and what lets time pass."""
    folder.mkdir()
    log = folder / "exporter.log"
    command = [sys.executable, "-m", "tests.fast_fleet", str(folder)]
    with child(command, log, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        with process.stdin as held:

            def let_go() -> None:
                held.write(b"go\n")
                held.flush()

            yield exporter_url(log), let_go


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Prometheus, Desk]]:
    """What was told of a fleet, from before its troubles until all of them are over."""
    root = tmp_path_factory.mktemp("pages")
    rules = {name: hurried(name, text) for name, text in rule_files(CHOICES).items()}
    with (
        webhook() as hook,
        fleet(root / "fleet") as (url, let_go),
        alertmanager(root / "alertmanager", fragment(hook.url), "surge.yml") as manager,
        prometheus(
            root / "prometheus", url, interval=INTERVAL, rules=rules, alertmanager=manager.url
        ) as server,
    ):
        desk = Desk(hook)
        evaluated = "count_over_time(job:surge_demand_level:index[1h])"
        wait_for(lambda: (server.value(evaluated) or 0) >= 3, "rules that see the calm fleet")
        assert hook.received() == [], "somebody was told of something while nothing was wrong"

        let_go()
        for page in PAGES:
            desk.firing(page)
        for page in PAGES:
            desk.resolved(Receiver.PAGER, page.action)
        for action in ("prewarm_local_inference", "cache_forge_state"):
            desk.resolved(Receiver.AUTOMATION, action)
        yield server, desk


Lived = tuple[Prometheus, Desk]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.alert)
def test_each_trouble_is_a_page_with_what_to_do_and_why(lived: Lived, page: Page) -> None:
    _, desk = lived
    alert = desk.firing(page)

    assert alert["labels"]["notify"] == "page"
    assert alert["labels"]["action"] == page.action
    assert alert["labels"]["job"] == "surge"
    notes = alert["annotations"]
    assert notes["summary"]
    assert notes["recommended_action"].startswith(page.recommends)
    assert re.search(page.says, notes["description"])
    assert notes["runbook_url"].endswith(f"/runbooks/{page.alert}")
    assert notes["dashboard_url"].endswith(f"/d/{page.board}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.alert)
def test_each_trouble_is_one_page_and_no_notification_says_what_the_last_one_said(
    lived: Lived, page: Page
) -> None:
    """A page is a group, from its first firing alert until it is resolved; in between it changes.

    Pagers that know groups show one incident; the others ring for each that is firing.
    """
    _, desk = lived
    group = {"job": "surge", "action": page.action}
    told = [told for told in desk.told(Receiver.PAGER) if told.payload["groupLabels"] == group]
    firing = [_firing(notification) for notification in told]

    *begun, over = [notification.status for notification in told]
    assert (set(begun), over) == ({"firing"}, "resolved")
    assert len(begun) <= page.states
    assert [now for before, now in pairwise(firing) if now == before] == []


def test_there_are_as_many_pages_as_troubles(lived: Lived) -> None:
    _, desk = lived
    over = [told for told in desk.told(Receiver.PAGER) if told.status == "resolved"]

    assert len(over) == len(PAGES)


def test_nothing_else_pages(lived: Lived) -> None:
    _, desk = lived

    assert desk.alerts(Receiver.PAGER) == {page.alert for page in PAGES}


def test_each_page_is_of_its_own_subject(lived: Lived) -> None:
    _, desk = lived
    alerts = [alert["labels"] for told in desk.told(Receiver.PAGER) for alert in told.alerts]

    assert {labels["caller"] for labels in alerts if "caller" in labels} == {"pr_review"}
    assert {(labels["alertname"], labels["severity"]) for labels in alerts} - {
        ("SurgeDemandSurge", "warning")  # which it was before it was critical
    } == {(page.alert, page.severity) for page in PAGES}


def test_automation_is_told_what_to_do_and_when_to_undo_it(lived: Lived) -> None:
    _, desk = lived
    heard = [
        (told.payload["groupLabels"]["action"], told.status)
        for told in desk.told(Receiver.AUTOMATION)
    ]

    for action in ("prewarm_local_inference", "cache_forge_state"):
        of_action = [status for heard_action, status in heard if heard_action == action]
        assert of_action[0] == "firing"
        assert of_action.count("resolved") == 1
        assert of_action[-1] == "resolved"
    assert {action for action, _ in heard} == {"prewarm_local_inference", "cache_forge_state"}


def test_tickets_are_of_the_same_troubles(lived: Lived) -> None:
    _, desk = lived

    assert desk.alerts(Receiver.TICKETS) <= TICKETS


def test_no_rule_failed(lived: Lived) -> None:
    server, _ = lived
    rules = server.rules()

    assert rules
    assert [rule["name"] for rule in rules if rule["health"] != "ok"] == []
