"""The dashboards as they are committed: fresh, without overlaps, and good by a linter's rules.

The rules are those of Grafana's dashboard-linter, which is a program of Go that can't be had
from a package registry of Python or Node; each test says which it stands for.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
import yaml

from surge_exporter.dashboards.boards import dashboards
from surge_exporter.dashboards.layout import placed
from surge_exporter.dashboards.panel import COLUMNS, Row, Text, Unit
from surge_exporter.render.dashboards import dashboard_files
from surge_exporter.rules.choices import Choices
from surge_exporter.rules.rule import Board
from surge_exporter.signals import SIGNALS
from tests import boards
from tests.boards import Target
from tests.promql import RATE_INTERVAL, selectors
from tests.victoria import RULES

BOARDS = boards.boards()
TARGETS = boards.targets()
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}

each_board = pytest.mark.parametrize("board", BOARDS.values(), ids=list(BOARDS))
each_target = pytest.mark.parametrize("target", TARGETS, ids=str)


def test_the_committed_dashboards_are_those_that_the_code_makes() -> None:
    committed = {path.name: path.read_text("utf-8") for path in boards.FOLDER.iterdir()}
    assert committed == dashboard_files(Choices()), "write dashboards/ anew"


def test_there_is_a_dashboard_for_every_link_of_an_alert() -> None:
    assert set(BOARDS) == {board.value for board in Board}


@each_board
def test_a_dashboard_imports_anywhere(board: Mapping[str, Any]) -> None:
    assert "id" not in board
    assert "__inputs" not in board
    assert 36 <= board["schemaVersion"] <= 41  # of Grafana 10.4 to 11.6: later ones migrate it
    assert re.fullmatch(r"[a-z-]{1,40}", board["uid"])


@each_board
def test_a_dashboard_is_not_editable(board: Mapping[str, Any]) -> None:
    """uneditable-dashboard: what is edited in place is lost at the next import."""
    assert board["editable"] is False


@each_board
def test_the_data_source_is_a_variable(board: Mapping[str, Any]) -> None:
    """template-datasource."""
    variable = board["templating"]["list"][0]
    assert variable["name"] == "datasource"
    assert variable["label"] == "Data source"
    assert (variable["type"], variable["query"]) == ("datasource", "prometheus")


@each_board
def test_job_and_instance_are_variables_that_offer_several_and_all(
    board: Mapping[str, Any],
) -> None:
    """template-job, template-instance."""
    variables = boards.variables(board)
    assert [variable["name"] for variable in variables] == ["job", "instance"]
    for variable in variables:
        assert variable["datasource"] == DATASOURCE
        assert variable["label"] == variable["name"].capitalize()
        assert variable["multi"]
        assert variable["includeAll"]
        assert variable["allValue"] == ".+"


@each_board
def test_the_query_of_a_variable_is_promql_and_asked_again_for_another_time(
    board: Mapping[str, Any],
) -> None:
    """template-label-promql, template-on-time-change-reload."""
    for variable in boards.variables(board):
        asked = re.fullmatch(r"label_values\((.+), \w+\)", variable["query"])
        assert asked
        assert selectors(asked[1])
        assert variable["refresh"] == 2


@each_board
def test_every_panel_asks_the_data_source_that_is_chosen(board: Mapping[str, Any]) -> None:
    """panel-datasource."""
    for panel in boards.panels(board):
        if panel["type"] != "text":
            assert panel["datasource"] == DATASOURCE
            assert all(target["datasource"] == DATASOURCE for target in panel["targets"])


@each_board
def test_every_panel_says_what_it_is_and_what_to_do(board: Mapping[str, Any]) -> None:
    """panel-title-description."""
    for panel in boards.panels(board):
        assert panel["title"]
        assert len(panel["description"].split()) >= 8, panel["title"]
        assert panel["description"].endswith("."), panel["title"]
    titles = [panel["title"] for panel in boards.panels(board)]
    assert len(set(titles)) == len(titles)


@each_board
def test_every_number_has_a_unit(board: Mapping[str, Any]) -> None:
    """panel-units: but a state, which has a name instead, and a factor, which has none."""
    for panel in boards.panels(board):
        if panel["type"] != "text":
            assert panel["fieldConfig"]["defaults"]["unit"] in set(Unit)


@each_board
def test_every_panel_asks_something(board: Mapping[str, Any]) -> None:
    """panel-no-targets."""
    for panel in boards.panels(board):
        assert panel["type"] == "text" or panel["targets"], panel["title"]


@each_target
def test_every_query_is_promql(target: Target) -> None:
    """target-promql; and there is no LogQL, which target-logql and target-logql-auto are for."""
    assert selectors(target.expr)
    assert target.query["datasource"]["type"] == "prometheus"


@each_target
def test_the_rate_of_a_counter_is_taken_over_what_the_resolution_asks_for(target: Target) -> None:
    """target-rate-interval."""
    for selected in selectors(target.expr):
        if selected.function in {"rate", "irate", "increase"}:
            assert f"{selected.range_seconds:g}s" == RATE_INTERVAL


@each_target
def test_every_selector_keeps_to_what_is_chosen(target: Target) -> None:
    """target-job, target-instance: but of recorded series and alerts, which are of a fleet."""
    for selected in selectors(target.expr):
        if selected.name == "ALERTS":
            assert 'job=~"$job|"' in selected.matchers
        elif boards.is_recorded(selected.name):
            assert 'job=~"$job"' in selected.matchers
        else:
            assert {'job=~"$job"', 'instance=~"$instance"'} <= selected.matchers


@each_target
def test_a_counter_is_shown_by_its_rate_or_increase(target: Target) -> None:
    """target-counter-agg."""
    for selected in selectors(target.expr):
        family = boards.family_of(selected.name)
        is_counted = selected.name.endswith("_total") or (family and family.kind == "histogram")
        assert bool(is_counted) == bool(selected.function), selected.name


@each_target
def test_every_metric_is_one_that_something_exports(target: Target) -> None:
    for selected in selectors(target.expr):
        name = selected.name
        family = boards.family_of(name)
        if family is not None:
            labels = {re.split(r"[=!]", matcher)[0] for matcher in selected.matchers}
            assert labels <= {*family.labels, "job", "instance"}, name
        else:
            own = name in boards.SERVERS_OWN or boards.is_recorded(name)
            assert own, name


def test_every_recorded_series_is_one_that_the_rules_record() -> None:
    groups = yaml.safe_load((RULES / "surge.rules.yml").read_text("utf-8"))["groups"]
    recorded = {rule["record"] for group in groups for rule in group["rules"]}
    shown = {s.name for t in TARGETS for s in selectors(t.expr) if boards.is_recorded(s.name)}
    assert shown <= recorded


@each_board
def test_panels_have_numbers_of_their_own_and_do_not_overlap(board: Mapping[str, Any]) -> None:
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    cells = [_cells(panel["gridPos"]) for panel in board["panels"]]
    assert all(not one & other for one, other in combinations(cells, 2))
    assert all(x < COLUMNS for places in cells for x, _ in places)


@each_board
def test_the_rows_of_panels_are_as_wide_as_the_dashboard(board: Mapping[str, Any]) -> None:
    """A gap at the right is a panel that was taken out and not made up for."""
    covered = set().union(*(_cells(panel["gridPos"]) for panel in board["panels"]))
    ends = {y for panel in board["panels"] for y in [panel["gridPos"]["y"]]}
    assert all((x, y) in covered for y in ends for x in range(COLUMNS))


def _cells(place: Mapping[str, int]) -> set[tuple[int, int]]:
    return {
        (x, y)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    }


def test_a_panel_that_does_not_fit_goes_below_and_one_that_never_does_is_refused() -> None:
    panel = Text(title="a", description="b", content="c", width=14, height=3)
    places = [place for _, place in placed([Row("r", (panel, panel)), Row("s", (panel,))])]
    assert [(p.x, p.y) for p in places] == [(0, 0), (0, 1), (0, 4), (0, 7), (0, 8)]
    with pytest.raises(ValueError, match="expected 'a' to fit into 24 columns"):
        list(placed([Row("r", (replace(panel, width=25),))]))


def test_every_signal_has_a_panel_with_its_thresholds() -> None:
    for signal in SIGNALS:
        panels = [t.panel for t in TARGETS if signal.metric.name in boards.named(t.expr)]
        lines = {
            matcher
            for panel in panels
            for target in panel["targets"]
            for s in selectors(target["expr"])
            if s.name == "surge_signal_threshold"
            for matcher in [frozenset(s.matchers)]
        }
        for severity in signal.thresholds:
            wanted = {f'signal="{signal.name}"', f'severity="{severity}"'}
            assert any(wanted <= matchers for matchers in lines), signal.name


def test_thresholds_are_the_tables_own() -> None:
    """What turns a panel orange is what turns the signal active."""
    (panel,) = (p for p in boards.panels(BOARDS["surge-overview"]) if p["title"] == "Surge factor")
    (signal,) = (s for s in SIGNALS if s.name == "demand_surge")
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    assert [step["value"] for step in steps] == [None, *signal.thresholds.values()]


def test_a_threshold_that_is_chosen_for_the_rules_is_that_of_the_dashboards() -> None:
    files = dashboard_files(Choices(thresholds={"SurgeDemandSurge.warning": 2.25}))
    (panel,) = (
        panel
        for panel in boards.panels(json.loads(files["surge-demand.json"]))
        if panel["title"] == "Surge factor"
    )
    assert "vector(2.25)" in {target["expr"] for target in panel["targets"]}
    steps = json.loads(files["surge-overview.json"])["panels"][2]["fieldConfig"]["defaults"]
    assert [step["value"] for step in steps["thresholds"]["steps"]] == [None, 2.25, 3.0]


@each_board
def test_alerts_are_marked_and_other_dashboards_are_a_click_away(board: Mapping[str, Any]) -> None:
    (annotation,) = board["annotations"]["list"]
    (alerts,) = selectors(annotation["expr"])
    assert alerts.name == "ALERTS"
    assert 'alertstate="firing"' in alerts.matchers
    (links,) = board["links"]
    assert (links["type"], links["asDropdown"], links["tags"]) == ("dashboards", True, ["surge"])
    assert board["tags"] == ["surge"]


def test_a_fleet_may_be_other_labels_than_the_job() -> None:
    choices = Choices(by=("cluster", "env"), selector='team="a"')
    for board in dashboards(choices):
        assert [v.name for v in board.variables] == ["cluster", "env", "job", "instance"]
        for row in board.rows:
            for query in (query for panel in row.panels for query in panel.queries):
                for selected in selectors(query.expr):
                    chosen = {"ALERTS": {'cluster=~"$cluster|"', 'env=~"$env|"'}}.get(
                        selected.name, {'cluster=~"$cluster"', 'env=~"$env"'}
                    )
                    assert chosen <= selected.matchers
                    is_raw = selected.name != "ALERTS" and not boards.is_recorded(selected.name)
                    assert ('team="a"' in selected.matchers) == is_raw
