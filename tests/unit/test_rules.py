"""The rules are made of the table, say who must do what, and change as users wish."""

import re
from dataclasses import replace
from operator import ge

import pytest
import yaml

from surge_exporter.core.samples import single
from surge_exporter.model import Seconds, Severity
from surge_exporter.render.rules import ALERTS_FILE, META_FILE, RULES_FILE, rule_files
from surge_exporter.rules.catalogue import (
    alert_groups,
    alerts,
    check,
    every_alert,
    meta_alerts,
    recordings,
)
from surge_exporter.rules.choices import ChoiceError, Choices, check_pattern
from surge_exporter.rules.conditions import active
from surge_exporter.rules.rule import (
    MOST_RULES,
    Alert,
    AlertGroup,
    AlertSeverity,
    Notify,
    RecordingGroup,
)
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


def test_no_two_groups_have_one_name() -> None:
    alerting = (*alerts(Choices()), *meta_alerts(Choices()))
    names = [*(g.name for g in recordings(Choices())), *(g.name for g in alerting)]

    assert len(set(names)) == len(names)


def test_a_group_too_large_for_some_rulers_can_not_be() -> None:
    with pytest.raises(ValueError, match=f"surge-x: expected at most {MOST_RULES} rules, got 21"):
        AlertGroup("surge-x", ALERTS[:1] * (MOST_RULES + 1))
    with pytest.raises(ValueError, match="surge-y: expected at most"):
        RecordingGroup("surge-y", recordings(Choices())[0].rules[:1] * (MOST_RULES + 1))


def test_alerts_too_many_for_one_group_are_in_two() -> None:
    many = ALERTS[:1] * (MOST_RULES + 1)

    found = [(group.name, len(group.rules)) for group in alert_groups("surge-x", many)]

    assert found == [("surge-x", MOST_RULES), ("surge-x-2", 1)]
    assert [group.name for group in alert_groups("surge-x", many[1:])] == ["surge-x"]


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


def test_a_threshold_may_be_lower_than_what_exporters_go_by() -> None:
    alert = _find("SurgeCallerFailures.warning", thresholds={"SurgeCallerFailures": 0.1})

    assert ">= 0.1" in alert.expr


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


@pytest.mark.parametrize("url", ["", "https://w/{alert!r}", "https://w/{alert:>9}", "{{alert}}"])
def test_a_link_has_its_placeholder_plain(url: str) -> None:
    with pytest.raises(ChoiceError, match="alert"):
        check_pattern(url, "alert")


@pytest.mark.parametrize(
    ("severities", "left_out"),
    [
        ({"SurgeDemandSurge": "critical"}, "SurgeDemandSurge.warning"),
        ({"SurgeDemandSurge.warning": "critical"}, "SurgeDemandSurge.critical"),
        ({"SurgeCallerErrorBudgetBurn": "info"}, "SurgeCallerErrorBudgetBurn.warning"),
        ({"SurgeTelemetryStale": "warning"}, "SurgeTelemetryStale.critical"),
    ],
)
def test_two_alerts_of_one_name_and_severity_are_one_too_many(
    severities: dict[str, str], left_out: str
) -> None:
    chosen = {name: AlertSeverity(severity) for name, severity in severities.items()}

    with pytest.raises(ChoiceError, match=rf"expected one .*, got two: .*--disable {left_out}"):
        check(Choices(severities=chosen))
    check(Choices(severities=chosen, disabled=frozenset({left_out})))


def test_severities_may_change_places() -> None:
    swapped = {
        "SurgeDemandSurge.warning": AlertSeverity.CRITICAL,
        "SurgeDemandSurge.critical": AlertSeverity.WARNING,
    }

    check(Choices(severities=swapped))


@pytest.mark.parametrize(
    ("thresholds", "says"),
    [
        ({"SurgeCallerFailures": 40}, "SurgeCallerFailures.warning: .* from 0 to 1, got 40"),
        ({"SurgeHeavyBatch.warning": 1.01}, "from 0 to 1, got 1.01"),
        ({"SurgeGiteaDown": -5}, "SurgeGiteaDown.critical: .* from 0 on, got -5"),
        ({"SurgeParseErrors": -1}, "SurgeParseErrors.warning: .* from 0, below 1, got -1"),
        ({"SurgeParseErrors": 1}, "from 0, below 1, got 1"),
        ({"SurgeClockSkew": -1}, "from 0 on, got -1"),
        ({"SurgeCallerErrorBudgetBurn": 99}, "above 0, below 1, got 99"),
        ({"SurgeCallerErrorBudgetBurn.warning": 0}, "above 0, below 1, got 0"),
        ({"SurgeCallerErrorBudgetBurn": 0.8}, "critical: .* objective above 0.8333, got 0.8"),
        ({"SurgeDemandSurge.warning": 4}, "at least its warning, 4, got 3"),
        (
            {"SurgeDemandSurge.warning": 5, "SurgeDemandSurge.critical": 4},
            "SurgeDemandSurge.critical: expected at least its warning, 5, got 4",
        ),
    ],
)
def test_a_threshold_that_always_or_never_fires_is_refused(
    thresholds: dict[str, float], says: str
) -> None:
    with pytest.raises(ChoiceError, match=says):
        rule_files(Choices(thresholds=thresholds))


@pytest.mark.parametrize(
    "thresholds",
    [
        {"SurgeCallerFailures": 1.0},
        {"SurgeGiteaDown": 0.0},
        {"SurgeCallerErrorBudgetBurn": 0.9},
        {"SurgeCallerErrorBudgetBurn.warning": 0.5},
        {"SurgeTelemetryStale.critical": 600.0},
        {"SurgeDemandSurge": 3.0},
    ],
)
def test_a_threshold_at_the_end_of_its_range_is_taken(thresholds: dict[str, float]) -> None:
    check(Choices(thresholds=thresholds))


def test_a_burn_rate_that_no_caller_could_reach_is_left_out() -> None:
    burn = "SurgeCallerErrorBudgetBurn"
    strict, lax = (_find(f"{burn}.critical", thresholds={burn: o}).expr for o in (0.95, 0.9))

    assert "14.4 * (1 - 0.95)" in strict
    assert "14.4" not in lax
    assert "6 * (1 - 0.9)" in lax


def test_what_the_exporters_confirm_is_lowered_in_their_configuration() -> None:
    """The alert needs both: with a lower number it would fire no sooner."""
    with pytest.raises(ChoiceError) as caught:
        check(Choices(thresholds={"SurgeDemandSurge.warning": 1.2}))

    assert str(caught.value).startswith("SurgeDemandSurge.warning: expected a threshold from 1.5")
    assert "`signals: {demand_surge: {warning: 1.2}}`" in str(caught.value)


def test_a_file_without_alerts_is_still_a_list_of_groups() -> None:
    names = frozenset(alert.name for alert in ALERTS)
    files = rule_files(Choices(disabled=names))

    assert yaml.safe_load(files[META_FILE]) == {"groups": []}
    assert yaml.safe_load(files[ALERTS_FILE]) == {"groups": []}


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
