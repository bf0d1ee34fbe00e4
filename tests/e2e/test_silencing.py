"""A real Alertmanager with the committed fragment: every cause silences what follows from it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from surge_exporter.rules.choices import Choices
from surge_exporter.rules.inhibitions import Inhibition, inhibitions
from surge_exporter.rules.matchers import all_match
from tests.fragment import fragment
from tests.known_alerts import BY_KEY, KNOWN, Known
from tests.servers import Alertmanager, alertmanager, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


@dataclass(frozen=True, slots=True)
class Case:
    """A cause, a consequence of it, and consequences that are somebody else's."""

    rule: Inhibition
    source: Mapping[str, str]
    target: Mapping[str, str]
    others: Mapping[str, Mapping[str, str]]
    """By the label in which they differ from the cause."""

    def __str__(self) -> str:
        return " > ".join(f"{x['alertname']}.{x['severity']}" for x in (self.source, self.target))


def _cases() -> Iterator[Case]:
    """Yield one for each pair of alerts that a rule is about, each in a job of its own."""
    numbers = count()
    for rule in inhibitions(Choices()):
        for source, target in _pairs(rule):
            job = f"case {next(numbers)}"
            of_the_cause = {label: f"{label} of the cause" for label in source.subject}
            in_common = {label: f"{label} of both" for label in rule.equal} | {"job": job}
            yield Case(
                rule=rule,
                source=source.labels(**(of_the_cause | in_common)),
                target=target.labels(**in_common),
                others={
                    label: target.labels(**(in_common | {label: f"another {label} than {job}"}))
                    for label in rule.equal
                },
            )


def _pairs(rule: Inhibition) -> Iterator[tuple[Known, Known]]:
    for source in KNOWN:
        if all_match(rule.source, source.labels()):
            yield from (
                (source, target) for target in KNOWN if all_match(rule.target, target.labels())
            )


CASES = tuple(_cases())

DOWN, OUTAGES = BY_KEY["SurgeGiteaDown.critical"], BY_KEY["SurgeGiteaOutages.warning"]

Found = Mapping[frozenset[tuple[str, str]], Mapping[str, Any]]


@pytest.fixture(scope="module")
def silent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alertmanager]:
    """An Alertmanager that tells nobody."""
    folder = tmp_path_factory.mktemp("silent") / "alertmanager"
    with alertmanager(folder, fragment(), "surge.yml") as server:
        yield server


@pytest.fixture(scope="module")
def found(silent: Alertmanager) -> Found:
    """What it says of the alerts of all cases."""
    labels = [
        labels for case in CASES for labels in (case.source, case.target, *case.others.values())
    ]
    return _settled(silent, labels)


def _settled(server: Alertmanager, alerts: Sequence[Mapping[str, str]]) -> Found:
    """Post these alerts; return them, by labels, once all of them are known as causes.

    Alertmanager takes causes to its mind in their order, some time after it was told of them: so
    a last one says when.
    """
    last = [known.labels(job=f"last of {len(alerts)}") for known in (DOWN, OUTAGES)]
    server.post([{"labels": labels} for labels in alerts])
    server.post([{"labels": labels} for labels in last])

    def judged() -> Found | None:
        found = {_key(alert["labels"]): alert for alert in server.alerts()}
        consequence = found.get(_key(last[1]), {"status": {"inhibitedBy": []}})
        return found if consequence["status"]["inhibitedBy"] else None

    return wait_for(judged, "the last consequence to be silenced")


def _key(labels: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    return frozenset(labels.items())


def _silenced_by(found: Found, labels: Mapping[str, str]) -> list[Mapping[str, str]]:
    """Return the labels of the first alert that silences this one, if any does."""
    status = found[_key(labels)]["status"]
    assert (status["state"] == "suppressed") is bool(status["inhibitedBy"])
    return [
        alert["labels"]
        for alert in found.values()
        if alert["fingerprint"] in status["inhibitedBy"]
    ]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_cause_silences_its_consequence_and_not_the_other_way_round(
    case: Case, found: Found
) -> None:
    assert _silenced_by(found, case.target) == [case.source]
    assert _silenced_by(found, case.source) == []


@pytest.mark.parametrize(
    ("case", "label"),
    [pytest.param(case, label, id=f"{case}, {label}") for case in CASES for label in case.others],
)
def test_what_is_another_s_consequence_is_heard(case: Case, label: str, found: Found) -> None:
    assert _silenced_by(found, case.others[label]) == []


def test_an_absence_that_names_no_fleet_silences_every_fleet(tmp_path: Path) -> None:
    absent = {
        k: v for k, v in BY_KEY["SurgeExporterAbsent.critical"].labels().items() if k != "job"
    }
    surges = [BY_KEY["SurgeDemandSurge.critical"].labels(job=job) for job in ("a", "b")]
    foreign = {"alertname": "NodeDown", "severity": "critical"}
    with alertmanager(tmp_path / "alertmanager", fragment(), "surge.yml") as server:
        found = _settled(server, [absent, *surges, foreign])

    assert [_silenced_by(found, labels) for labels in surges] == [[absent], [absent]]
    assert _silenced_by(found, absent) == []
    assert _silenced_by(found, foreign) == []
