"""Every query of the dashboards, asked of a real server that knows a simulated day."""

import math
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import boards
from tests.boards import Target
from tests.servers import installed
from tests.simulated import END, INSTANCES, JOB, SCRAPED_SECONDS, scraped
from tests.victoria import Victoria, evaluate, victoria

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(180),
    pytest.mark.xdist_group("dashboard-queries"),
]

_ALL = ".+"
_RATE_INTERVAL = "5m"
_STEP_SECONDS = 300


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victoria]:
    """Run a server that knows a day of two exporters, and what the rules make of it."""
    with victoria(tmp_path_factory.mktemp("dashboards") / "victoria") as running:
        running.add(scraped())
        evaluate(running, start=END - SCRAPED_SECONDS, end=END)
        yield running


TARGETS = boards.targets()
each_target = pytest.mark.parametrize("target", TARGETS, ids=str)


def _labels(uid: str) -> list[str]:
    return [str(v["name"]) for v in boards.variables(boards.boards()[uid])]


def _answer(server: Victoria, target: Target, chosen: dict[str, str]) -> list[dict[str, Any]]:
    values = {**chosen, "__rate_interval": _RATE_INTERVAL}
    expr = boards.resolved(target.expr, values)
    if target.query["instant"]:
        found = server.ask("query", query=expr, time=END)["result"]
        return [{"metric": s["metric"], "values": [s["value"]]} for s in found]
    return server.series(expr, start=END - 24 * 3600, end=END, step=_STEP_SECONDS)


@each_target
def test_every_query_finds_numbers_and_the_labels_its_legend_names(
    server: Victoria, target: Target
) -> None:
    found = _answer(server, target, dict.fromkeys(_labels(target.board), _ALL))
    assert found, target.expr
    for series in found:
        assert all(math.isfinite(float(value)) for _, value in series["values"]), series["metric"]
    for label in re.findall(r"\{\{(\w+)\}\}", str(target.query["legendFormat"])):
        assert all(series["metric"].get(label) for series in found), label


@each_target
def test_a_choice_of_one_fleet_and_exporter_finds_no_other(
    server: Victoria, target: Target
) -> None:
    nobody = dict.fromkeys(_labels(target.board), "nobody")
    assert all(
        "job" not in series["metric"] and float(series["values"][-1][1]) == 0
        for series in _answer(server, target, nobody)
    ), "somebody else is shown"


@pytest.mark.parametrize("target", [t for t in TARGETS if t.panel["type"] == "table"], ids=str)
def test_a_table_names_every_label_that_its_rows_have(server: Victoria, target: Target) -> None:
    (organize,) = (t for t in target.panel["transformations"] if t["id"] == "organize")
    found = _answer(server, target, dict.fromkeys(_labels(target.board), _ALL))
    labels = {label for series in found for label in series["metric"]}
    assert labels <= set(organize["options"]["renameByName"])


@pytest.mark.parametrize("uid", sorted(boards.boards()))
def test_every_variable_offers_what_there_is(server: Victoria, uid: str) -> None:
    offered: dict[str, list[str]] = {}
    chosen: dict[str, str] = {}
    for variable in boards.variables(boards.boards()[uid]):
        query = boards.resolved(str(variable["query"]), chosen)
        matched = re.fullmatch(r"label_values\((.+), (\w+)\)", query)
        assert matched, query
        values = server.ask(
            f"label/{matched[2]}/values",
            **{"match[]": matched[1], "start": END - SCRAPED_SECONDS, "end": END},
        )
        offered[str(variable["name"])] = values
        chosen[str(variable["name"])] = _ALL
    assert offered == {"job": [JOB], "instance": list(INSTANCES)}


@pytest.mark.parametrize("uid", sorted(boards.boards()))
def test_the_alerts_that_fired_are_marked(server: Victoria, uid: str) -> None:
    (annotation,) = boards.boards()[uid]["annotations"]["list"]
    expr = boards.resolved(annotation["expr"], {"job": JOB})
    assert server.series(expr, start=END - 24 * 3600, end=END, step=_STEP_SECONDS)


def test_every_query_is_one_that_prometheus_reads(tmp_path: Path) -> None:
    """Cases that VictoriaMetrics' dialect would let pass."""
    values = {"__rate_interval": _RATE_INTERVAL}
    exprs = {boards.resolved(target.expr, values) for target in boards.targets()}
    rules = [{"record": f"query:{n}", "expr": expr} for n, expr in enumerate(sorted(exprs))]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    command = [installed("promtool"), "check", "rules", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
