"""What the inhibition rules must hold by themselves, without an Alertmanager."""

from collections.abc import Iterator

import pytest

from surge_exporter.rules.catalogue import every_alert
from surge_exporter.rules.choices import Choices
from surge_exporter.rules.inhibitions import Inhibition, inhibitions
from surge_exporter.rules.matchers import Matcher, Matchers, all_match
from tests.known_alerts import BY_KEY, FLEET, KNOWN, Known

RULES = inhibitions(Choices(by=FLEET))
EACH = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.why)


def _sources(rule: Inhibition) -> list[Known]:
    return [known for known in KNOWN if all_match(_about_name(rule.source), known.labels())]


def _targets(rule: Inhibition) -> list[Known]:
    return [known for known in KNOWN if all_match(rule.target, known.labels())]


def _about_name(matchers: Matchers) -> Matchers:
    return tuple(found for found in matchers if found.label in {"alertname", "severity"})


def _pairs() -> Iterator[tuple[Inhibition, Known, Known]]:
    for rule in RULES:
        for source in _sources(rule):
            for target in _targets(rule):
                yield rule, source, target


@EACH
def test_every_name_is_that_of_an_alert(rule: Inhibition) -> None:
    names = {
        name
        for matcher in (*rule.source, *rule.target)
        if matcher.label == "alertname"
        for name in matcher.value.split("|")
    }

    assert names <= {known.name for known in KNOWN}


@EACH
def test_every_severity_that_is_asked_for_exists(rule: Inhibition) -> None:
    assert {known.name for known in _sources(rule)} == set(_names(rule.source))
    assert {known.name for known in _targets(rule)} == set(_names(rule.target))


def _names(matchers: Matchers) -> list[str]:
    return next(found for found in matchers if found.label == "alertname").value.split("|")


@EACH
def test_nothing_is_on_both_sides(rule: Inhibition) -> None:
    assert not {found.key for found in _sources(rule)} & {found.key for found in _targets(rule)}


@EACH
def test_both_sides_carry_every_label_in_which_they_must_agree(rule: Inhibition) -> None:
    for known in (*_sources(rule), *_targets(rule)):
        assert set(rule.equal) <= set(known.subject), known.key


@EACH
def test_a_subject_is_never_wider_than_what_both_sides_name(rule: Inhibition) -> None:
    """Or an alert about one machine would silence what another saw."""
    shared = {"instance", "caller", "dependency", "resource"}
    if _names(rule.source) == ["SurgeExporterAbsent"]:
        return
    for source in _sources(rule):
        for target in _targets(rule):
            assert shared & set(source.subject) & set(target.subject) <= set(rule.equal)


def test_there_are_no_circles() -> None:
    silenced_by: dict[str, set[str]] = {}
    for _, source, target in _pairs():
        silenced_by.setdefault(source.key, set()).add(target.key)

    def reachable(key: str, seen: frozenset[str]) -> Iterator[str]:
        for found in silenced_by.get(key, ()):
            yield found
            if found not in seen:
                yield from reachable(found, seen | {found})

    assert [key for key in BY_KEY if key in set(reachable(key, frozenset()))] == []


def test_a_ticket_silences_no_page() -> None:
    for _, source, target in _pairs():
        assert (source.notify, target.notify) != ("ticket", "page"), (source.key, target.key)


def test_one_exporter_never_silences_what_is_critical_for_the_fleet() -> None:
    for _, source, target in _pairs():
        if "instance" in source.subject and target.severity == "critical":
            assert "instance" in target.subject, (source.key, target.key)


def test_without_an_exporter_nothing_else_is_heard_of_the_fleet() -> None:
    heard = {
        known.name
        for known in KNOWN
        if not all_match(RULES[0].target, known.labels(job="a")) and "job" in known.subject
    }

    assert _names(RULES[0].source) == ["SurgeExporterAbsent"]
    assert heard == {"SurgeExporterAbsent"}


def test_an_absent_alert_silences_the_fleets_that_its_own_labels_leave_open() -> None:
    absent = [
        rule
        for rule in inhibitions(Choices(by=("cluster", "job")))
        if _names(rule.source) == ["SurgeExporterAbsent"]
    ]

    assert [(rule.source[1:], rule.equal) for rule in absent] == [
        ((), ("cluster", "job")),
        ((Matcher("cluster", "=", ""),), ("job",)),
        ((Matcher("job", "=", ""),), ("cluster",)),
        ((Matcher("cluster", "=", ""), Matcher("job", "=", "")), ()),
    ]


def test_fleets_are_told_apart_by_the_labels_that_were_chosen() -> None:
    for rule in inhibitions(Choices(by=("cluster",))):
        if _names(rule.source) != ["SurgeExporterAbsent"]:
            assert rule.equal[0] == "cluster"
            assert "job" not in rule.equal


def test_a_label_of_fleets_that_is_one_of_subjects_too_is_named_once() -> None:
    for rule in inhibitions(Choices(by=("job", "instance"))):
        assert len(set(rule.equal)) == len(rule.equal)


@pytest.mark.parametrize(
    ("operator", "value", "label", "expected"),
    [
        ("=", "a", "a", True),
        ("=", "a", "ab", False),
        ("=", "", None, True),
        ("!=", "a", "a", False),
        ("!=", "a", None, True),
        ("=~", "a|b", "b", True),
        ("=~", "a|b", "ab", False),
        ("=~", "a|b", None, False),
    ],
)
def test_a_matcher_takes_a_label_that_is_missing_for_empty(
    *, operator: str, value: str, label: str | None, expected: bool
) -> None:
    labels = {} if label is None else {"x": label}

    assert Matcher("x", operator, value).matches(labels) is expected  # type: ignore[arg-type]


def test_the_alerts_that_are_known_here_are_those_of_the_rules() -> None:
    rules = [(a.name, a.severity, a.notify, a.action) for a in every_alert(Choices())]

    assert sorted((k.name, k.severity, k.notify, k.action) for k in KNOWN) == sorted(rules)
