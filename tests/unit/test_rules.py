"""The rules are made of the table, say who must do what, and change as users wish."""

import re
from dataclasses import replace
from operator import ge

import pytest
import yaml

from surge_exporter.core.samples import single
from surge_exporter.model import Seconds, Severity
from surge_exporter.render.rules import ALERTS_FILE, META_FILE, RULES_FILE, rule_files
from surge_exporter.rules.catalogue import alerts, every_alert, meta_alerts, recordings
from surge_exporter.rules.choices import ChoiceError, Choices, check_pattern
from surge_exporter.rules.conditions import active
from surge_exporter.rules.rule import MOST_RULES, Alert, AlertSeverity, Notify
from surge_exporter.rules.scope import Scope, alert_name
from surge_exporter.rules.words import words
from surge_exporter.signals import SIGNALS, Signal
from surge_exporter.snapshot import Metric

ALERTS = every_alert(Choices())


def _find(key: str, **choices: object) -> Alert:
    (found,) = (a for a in every_alert(Choices(**choices)) if a.key == key)  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.name)
def test_every_row_of_the_table_has_an_alert_for_each_of_its_severities(signal: Signal) -> None:
    found = [alert for alert in ALERTS if alert.name == alert_name(signal)]

    assert [str(alert.severity) for alert in found] == [str(s) for s in signal.thresholds]
    assert {alert.action for alert in found} == {signal.action.slug}
    for alert in found:
        assert alert.for_seconds == signal.for_seconds
        assert alert.keep_firing_seconds == signal.keep_firing_seconds
        assert (alert.notify is Notify.PAGE) == (Severity(alert.severity) in signal.pages)


def test_a_new_row_needs_no_edit_of_the_rules() -> None:
    signal = Signal(
        name="queue_length",
        condition="requests that wait",
        metric=Metric(
            name="surge_queue_requests",
            kind="gauge",
            help="Requests that wait.",
            labels=("model",),
            collector="demand",
            read=single(lambda _: None),
        ),
        exceeds=ge,
        thresholds={Severity.WARNING: 10.0},
        measure=lambda _, __: (),
        action=SIGNALS[0].action,
        for_seconds=Seconds(60.0),
        keep_firing_seconds=Seconds(0.0),
        pages=frozenset(),
    )

    assert alert_name(signal) == "SurgeQueueLength"
    assert active(Scope(Choices()), signal, Severity.WARNING) == (
        "max by (job, model) (surge_queue_requests) >= on (job) group_left () min by (job)"
        ' (surge_signal_threshold{signal="queue_length",severity="warning"})'
    )
    assert words(signal).summary == "Signal queue_length is over its threshold."


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.key)
def test_an_alert_says_who_must_do_what(alert: Alert) -> None:
    assert re.fullmatch(r"Surge[A-Z][A-Za-z]+", alert.name)
    assert re.fullmatch(r"[a-z]+(_[a-z]+)+", alert.action)
    assert alert.summary.endswith(".")
    assert "{{" not in alert.summary, "a summary heads a group of alerts"
    assert alert.recommended_action.endswith(".")
    assert "{fleet}" not in alert.description
    assert "{exporter}" not in alert.description


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.key)
def test_what_is_critical_pages_and_what_is_info_wakes_nobody(alert: Alert) -> None:
    if alert.severity is AlertSeverity.CRITICAL:
        assert alert.notify is Notify.PAGE
    assert (alert.severity is AlertSeverity.INFO) == (alert.notify is Notify.NOBODY)


def test_no_alert_is_there_twice() -> None:
    keys = [alert.key for alert in ALERTS]

    assert len(keys) == len(set(keys))


def test_a_group_is_small_enough_for_every_ruler() -> None:
    sizes = {group.name: len(group.rules) for group in recordings(Choices())}
    groups = (*alerts(Choices()), *meta_alerts(Choices()))
    sizes |= {group.name: len(group.rules) for group in groups}

    assert max(sizes.values()) <= MOST_RULES
    assert len(sizes) == len(groups) + len(recordings(Choices()))


def test_recorded_names_are_level_metric_operations() -> None:
    for group in recordings(Choices()):
        for rule in group.rules:
            assert re.fullmatch(r"job(_\w+)?:surge_[a-z_]+:[a-z0-9_]+", rule.name)


def test_recorded_series_are_used_only_after_they_are_made_in_the_same_group() -> None:
    """Groups run side by side: a rule that reads another group's series lags by an interval."""
    for group in recordings(Choices()):
        made: set[str] = set()
        for rule in group.rules:
            read = set(re.findall(r"job(?:_\w+)?:surge_\w+:\w+", rule.expr)) - {rule.name}
            assert read <= made
            made.add(rule.name)


def test_thresholds_are_those_that_exporters_export() -> None:
    for signal in SIGNALS:
        for severity in signal.thresholds:
            matched = f'signal="{signal.name}",severity="{severity}"'
            assert matched in active(Scope(Choices()), signal, severity)


def test_a_chosen_threshold_takes_the_place_of_the_exported_one() -> None:
    alert = _find("SurgeCallerFailures.warning", thresholds={"SurgeCallerFailures": 0.4})

    assert ">= 0.4" in alert.expr
    assert "surge_signal_threshold" not in alert.expr


def test_a_surge_must_be_confirmed_and_over_a_chosen_threshold() -> None:
    alert = _find("SurgeDemandSurge.critical", thresholds={"SurgeDemandSurge.critical": 5})

    assert "> 5\nand" in alert.expr
    assert 'surge_confirmed{severity="critical"}' in alert.expr


def test_a_choice_with_a_severity_is_of_that_one_alone() -> None:
    chosen = {"SurgeCallerErrorBudgetBurn.warning": Seconds(7200.0)}

    assert _find("SurgeCallerErrorBudgetBurn.warning", for_seconds=chosen).for_seconds == Seconds(
        7200.0
    )
    assert _find("SurgeCallerErrorBudgetBurn.critical", for_seconds=chosen).for_seconds == Seconds(
        120.0
    )


def test_a_changed_severity_changes_who_is_told() -> None:
    changed = {"SurgeParseErrors": AlertSeverity.CRITICAL}

    assert _find("SurgeParseErrors.critical", severities=changed).notify is Notify.PAGE


def test_a_disabled_alert_takes_no_recording_rule_with_it() -> None:
    choices = Choices(disabled=frozenset({"SurgeCallerErrorBudgetBurn", "SurgeExporterAbsent"}))
    files, default = rule_files(choices), rule_files(Choices())

    assert "SurgeCallerErrorBudgetBurn" not in files[ALERTS_FILE]
    assert "SurgeExporterAbsent" not in files[META_FILE]
    assert files[RULES_FILE] == default[RULES_FILE]


def test_a_selector_stands_in_every_selector_of_raw_series() -> None:
    texts = rule_files(Choices(selector='cluster="a"'))
    expressions = [
        rule["expr"]
        for text in texts.values()
        for group in yaml.safe_load(text)["groups"]
        for rule in group["rules"]
    ]

    for expression in expressions:
        bare = re.sub(r"job(_\w+)?:surge_\w+:\w+", "", expression)
        for name, braces in re.findall(r"\b(surge_\w+|up)\b(\{[^}]*\})?", bare):
            if not re.search(rf'"[^"]*{name}[^"]*"', bare):
                assert 'cluster="a"' in braces, expression


def test_a_fleet_may_be_made_of_other_labels() -> None:
    alert = _find("SurgeGiteaDown.critical", by=("cluster", "job"))

    assert "by (cluster, job, dependency)" in alert.expr
    assert "{{ $labels.cluster }}/{{ $labels.job }}" in alert.description
    assert "by (job" not in alert.expr


def test_labels_are_added_to_every_alert() -> None:
    for name in (ALERTS_FILE, META_FILE):
        found = yaml.safe_load(rule_files(Choices(labels={"team": "agents"}))[name])
        for group in found["groups"]:
            assert {rule["labels"]["team"] for rule in group["rules"]} == {"agents"}


def test_old_evaluators_are_spared_what_they_do_not_know() -> None:
    assert "keep_firing_for" in rule_files(Choices())[ALERTS_FILE]
    assert "keep_firing_for" not in rule_files(Choices(keep_firing=False))[ALERTS_FILE]


def test_links_lead_where_the_user_says() -> None:
    choices = Choices(runbook_url="https://w/{alert}.md", dashboard_url="https://g/d/{dashboard}")
    found = yaml.safe_load(rule_files(choices)[META_FILE])["groups"][0]["rules"][0]["annotations"]

    assert found["runbook_url"] == "https://w/SurgeExporterAbsent.md"
    assert found["dashboard_url"] == "https://g/d/surge-exporter"


@pytest.mark.parametrize(
    "choices",
    [
        Choices(disabled=frozenset({"SurgeNoSuchThing"})),
        Choices(for_seconds={"SurgeGiteaDown.info": Seconds(1.0)}),
        Choices(severities={"surgegiteadown": AlertSeverity.INFO}),
        Choices(thresholds={"SurgeExporterDown": 1.0}),
    ],
)
def test_a_choice_of_what_there_is_not_is_an_error_that_names_what_there_is(
    choices: Choices,
) -> None:
    with pytest.raises(ChoiceError, match=r"expected an alert.*there are .*SurgeParseErrors"):
        rule_files(choices)


@pytest.mark.parametrize("url", ["https://w/{name}", "https://w/{alert", "https://w/{}"])
def test_a_link_has_no_placeholder_but_the_one_that_is_filled_in(url: str) -> None:
    with pytest.raises(ChoiceError, match="alert"):
        check_pattern(url, "alert")


def test_the_same_choices_give_the_same_text() -> None:
    choices = Choices(by=("cluster", "job"))

    assert rule_files(choices) == rule_files(replace(choices))


def test_a_threshold_keeps_all_its_digits() -> None:
    chosen = {"SurgeGiteaDown": 1234567.0, "SurgeCallerErrorBudgetBurn.critical": 0.9999999}

    assert ">= 1234567\n" in _find("SurgeGiteaDown.critical", thresholds=chosen).expr
    burn = _find("SurgeCallerErrorBudgetBurn.critical", thresholds=chosen)
    assert "(1 - 0.9999999)" in burn.expr
    assert "99.99999% succeed" in burn.description


def test_gauges_of_one_exporter_are_joined_by_all_their_labels() -> None:
    """Joined by some, two clusters with one address were an error, and no fleet had a verdict."""
    for group in recordings(Choices()):
        for rule in group.rules:
            assert not re.search(r"surge_\w+ [*/] on \(job, instance\) surge_", rule.expr)


def test_counters_are_read_in_a_way_that_all_servers_understand_alike() -> None:
    """MetricsQL's rate of a series younger than its range is that since it began."""
    for text in rule_files(Choices()).values():
        assert not re.search(r"\brate\(", text)
