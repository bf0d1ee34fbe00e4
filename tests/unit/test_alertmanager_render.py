"""The fragment for Alertmanager as text: fresh, yours to change, and read as what it means."""

from pathlib import Path

import pytest
import yaml

from surge_exporter.render.alertmanager import alertmanager_files
from surge_exporter.rules.choices import Choices
from surge_exporter.rules.inhibitions import inhibitions
from surge_exporter.rules.matchers import all_match
from surge_exporter.rules.routing import OURS, Receiver, Route, routes, top
from tests.known_alerts import KNOWN, Known

DEPLOYED = Path(__file__).parents[2] / "deploy" / "alertmanager"


@pytest.mark.parametrize("name", sorted(alertmanager_files(Choices())))
def test_the_committed_files_are_what_the_code_says(name: str) -> None:
    assert (DEPLOYED / name).read_text() == alertmanager_files(Choices())[name]


def test_the_text_says_all_that_the_values_say() -> None:
    choices = Choices(by=("cluster", "job"))
    found = yaml.safe_load(alertmanager_files(choices)["surge.yml"])

    assert [
        (rule["source_matchers"], rule["target_matchers"], rule.get("equal", []))
        for rule in found["inhibit_rules"]
    ] == [
        (list(map(str, rule.source)), list(map(str, rule.target)), list(rule.equal))
        for rule in inhibitions(choices)
    ]
    (ours,) = found["route"]["routes"]
    assert ours["group_by"] == ["alertname", "cluster", "job"]
    assert ours["group_by"] == list(top(choices).group_by)
    assert [
        (route["matchers"], route["receiver"], route.get("continue", False))
        for route in ours["routes"]
    ] == [
        (list(map(str, route.matchers)), route.receiver, route.goes_on)
        for route in routes(choices)
    ]


def test_every_receiver_that_is_told_posts_to_its_url_also_that_it_is_over() -> None:
    text = alertmanager_files(
        Choices(), automation_url="http://a/?x='\"#", pager_url="http://p", tickets_url="http://t"
    )["surge.yml"]

    assert {
        receiver["name"]: receiver.get("webhook_configs")
        for receiver in yaml.safe_load(text)["receivers"]
    } == {
        "surge-automation": [{"url": "http://a/?x='\"#", "send_resolved": True}],
        "surge-pager": [{"url": "http://p", "send_resolved": True}],
        "surge-tickets": [{"url": "http://t", "send_resolved": True}],
        "surge-nobody": None,
    }


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.key)
def test_every_alert_goes_to_whom_it_is_for(known: Known) -> None:
    whom = {
        "page": Receiver.PAGER,
        "ticket": Receiver.TICKETS,
        "nobody": Receiver.NOBODY,
    }

    assert OURS.matches(known.labels())
    assert [found for found in _told(known.labels()) if found is not Receiver.AUTOMATION] == [
        whom[known.notify]
    ]


def test_tickets_are_told_of_more_patiently_than_pages() -> None:
    pages = [route.pace for route in routes(Choices()) if route.receiver is Receiver.PAGER]
    tickets = top(Choices()).pace

    for page in pages:
        assert page is not None
        assert tickets is not None
        assert page.wait * 2 <= tickets.wait
        assert page.interval * 2 <= tickets.interval
        assert page.repeat * 2 <= tickets.repeat


def _told(labels: dict[str, str]) -> list[Receiver]:
    """Return who is told, as Alertmanager walks the routes."""
    found: list[Route] = []
    for route in routes(Choices()):
        if all_match(route.matchers, labels):
            found.append(route)
            if not route.goes_on:
                break
    return [route.receiver for route in found] or [top(Choices()).receiver]
