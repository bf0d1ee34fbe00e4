"""What the rules make of several exporters, in Prometheus and in VictoriaMetrics: the same, and
what a few lines of Python make of it.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest
import yaml

from surge_exporter.model import HOUR, DispatchPosture, ResourceMode, Severity, UnixSeconds
from surge_exporter.snapshot import Snapshot
from tests.backfilled import backfilled
from tests.fleet import (
    ASKED,
    COLD,
    COUNTED_INTERVAL,
    DAYS,
    END,
    FLEET,
    MEMBERS,
    ONE,
    Series,
    counted,
    for_prometheus,
    for_victoria,
    merged,
    scrape,
)
from tests.servers import wait_for
from tests.victoria import Victoria, victoria

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180), pytest.mark.xdist_group("fleet")]

RULES = Path(__file__).parents[2] / "rules"

_RECORDED = re.compile(r"\bjob\w*:\w+:\w+")
_RAW = re.compile(r"\b(?:surge_\w+|up)\b")

Labels = frozenset[tuple[str, str]]
Result = dict[Labels, dict[float, float]]
"""What an expression gives: values by time, by labels but the name."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of the committed files."""

    key: str
    expr: str
    labels: Mapping[str, str]
    record: str = ""

    @property
    def reads(self) -> frozenset[str]:
        """The recorded series that it needs."""
        return frozenset(_RECORDED.findall(self.expr))

    @property
    def is_of_traffic(self) -> bool:
        """Whether days of it are needed."""
        return "surge_inference_requests" in self.record


def _rules() -> Iterator[Rule]:
    for path in sorted(RULES.glob("*.yml")):
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            for rule in group["rules"]:
                name, labels = rule.get("record") or rule["alert"], rule.get("labels", {})
                whole = ".".join((name, *sorted(map(str, labels.values()))))
                yield Rule(whole, rule["expr"], labels, rule.get("record", ""))


ALL = tuple(_rules())
RAW = frozenset(name for rule in ALL for name in _RAW.findall(rule.expr))


class Server(Protocol):
    """Answers range queries."""

    def series(self, expr: str, *, start: float, end: float, step: float) -> list[dict[str, Any]]:
        """Return a `metric` and its `values` for each series."""


def _evaluated(server: Server, add: Callable[[Series], None]) -> dict[str, Result]:
    """Evaluate all rules; those that read recorded series after these were added."""
    found: dict[str, Result] = {}
    left, made = list(ALL), set[str]()
    while left:
        ready = [rule for rule in left if rule.reads <= made]
        recorded: Series = {}
        for rule in ready:
            found[rule.key] = _asked(server, rule)
            if rule.record:
                for labels, values in found[rule.key].items():
                    own = {**dict(labels), **rule.labels, "__name__": rule.record}
                    recorded[tuple(own.items())] = list(values.items())
        left = [rule for rule in left if rule not in ready]
        made |= {rule.record for rule in ready if rule.record not in {r.record for r in left}}
        if left:
            add(recorded)
    return found


def _asked(server: Server, rule: Rule) -> Result:
    start, step = ASKED[0], 600.0
    if rule.is_of_traffic:
        start, step = UnixSeconds(END - DAYS * 24 * HOUR), float(COUNTED_INTERVAL)
    found: Result = {}
    for series in server.series(rule.expr, start=start, end=END, step=step):
        labels = frozenset((k, v) for k, v in series["metric"].items() if k != "__name__")
        values = {float(at): float(value) for at, value in series["values"]}
        # Of `a or b` Prometheus gives two series whose names alone differ: one to a rule.
        found.setdefault(labels, {}).update(values)
    return found


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What both servers make of the fleets, and what these really were."""

    prometheus: dict[str, Result]
    victoria: dict[str, Result]
    snapshots: Mapping[str, Mapping[UnixSeconds, Snapshot]]
    """By exporter."""

    def at(self, key: str, at: float, **labels: str) -> float | None:
        """Return the value of a rule's series; None if there is none."""
        return self.prometheus[key].get(frozenset(labels.items()), {}).get(at)


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Evaluated:
    folder = tmp_path_factory.mktemp("fleet")
    scraped: Series = {}
    snapshots = {member.instance: scrape(member, RAW, scraped) for member in MEMBERS}
    with backfilled(folder / "prometheus") as prometheus:
        prometheus.add(for_prometheus(merged((scraped, counted()))))
        by_prometheus = _evaluated(prometheus, lambda s: prometheus.add(for_prometheus(s)))
    with victoria(folder / "victoria") as server:
        _add(server, merged((scraped, counted())))
        by_victoria = _evaluated(server, lambda series: _add(server, series))
    return Evaluated(by_prometheus, by_victoria, snapshots)


def _add(server: Victoria, series: Series) -> None:
    server.add(for_victoria(series))
    for name in {dict(labels)["__name__"] for labels in series}:
        _wait_until_there(server, name)


def _wait_until_there(server: Victoria, name: str) -> None:
    span = {"start": END - (DAYS + 1) * 24 * HOUR, "end": END}
    wait_for(lambda: server.ask("series", **{"match[]": name}, **span), f"{name} to be there")


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.key)
def test_both_servers_say_the_same(evaluated: Evaluated, rule: Rule) -> None:
    by_prometheus, by_victoria = (
        {
            (labels, at): value
            for labels, values in found[rule.key].items()
            for at, value in values.items()
        }
        for found in (evaluated.prometheus, evaluated.victoria)
    )
    only_victoria = by_victoria.keys() - by_prometheus.keys()

    assert by_prometheus.keys() <= by_victoria.keys()
    assert {at for _, at in only_victoria if not _is_of_firsts(rule, at)} == set()
    for key, value in by_prometheus.items():
        assert math.isfinite(value)
        near = 0.1 if _is_of_firsts(rule, key[1]) else 1e-9
        assert by_victoria[key] == pytest.approx(value, rel=near, abs=1e-12), key


def _is_of_firsts(rule: Rule, at: float) -> bool:
    """Say whether the first sample of a counter matters.

    Of one sample alone VictoriaMetrics makes an increase of 0, and Prometheus none. So a rate
    begins one scrape earlier, the mean of the first day has one more value, a zero, and what is
    usual is that of the day before from one scrape earlier on.
    """
    if not rule.is_of_traffic:
        return False
    age = at - (END - DAYS * 24 * HOUR)
    if "usual" in rule.record:
        return age <= 25 * HOUR
    return "failures" not in rule.record and (age == 0 or at in _FIRSTS)


_FIRSTS = tuple(END - 60.0 * back for back in range(180, 165, -1))
"""When the simulated exporters see most of their callers first."""


def _members(job: str) -> Sequence[str]:
    return [member.instance for member in MEMBERS if member.job == job]


@pytest.mark.parametrize("at", ASKED)
def test_the_verdict_of_a_fleet_is_its_exporters_demand_summed_then_divided(
    evaluated: Evaluated, at: UnixSeconds
) -> None:
    observations = [evaluated.snapshots[name][at].observation for name in _members(FLEET)]
    demands = [observation.demand for observation in observations if observation]
    recent = sum(demand.recent.requests_per_second for demand in demands)
    baseline = sum(demand.baseline.requests_per_second for demand in demands)
    tests = [demand.surge_test for demand in demands if demand.surge_test]
    expected = sum(test.expected_requests_per_second for test in tests)
    demand = sum(test.factor * test.expected_requests_per_second for test in tests)

    assert len(tests) == len(demands) == 3
    assert evaluated.at("job:surge_factor:ratio", at, job=FLEET) == pytest.approx(
        recent / baseline
    )
    assert evaluated.at("job:surge_adjusted_factor:ratio", at, job=FLEET) == pytest.approx(
        demand / expected
    )
    for severity in Severity:
        surging = sum(
            demand.recent.requests_per_second
            for demand in demands
            if demand.surge_test and severity in demand.surge_test.confirmed
        )
        share = evaluated.at("job:surge_confirmed:share", at, job=FLEET, severity=severity)
        assert share == pytest.approx(surging / recent, abs=1e-6)
        pages = evaluated.at(_surge(severity), at, job=FLEET) is not None
        assert pages == (surging / recent >= 0.5)


def _surge(severity: Severity) -> str:
    (key,) = (
        rule.key
        for rule in ALL
        if rule.key.startswith("SurgeDemandSurge.") and rule.labels["severity"] == severity
    )
    return key


def test_the_fleet_pages_only_once_the_surge_is_half_of_its_demand(evaluated: Evaluated) -> None:
    paged = evaluated.prometheus[_surge(Severity.WARNING)]

    assert set(paged) == {frozenset({("job", FLEET)}), frozenset({("job", ONE)})}
    assert ASKED[0] not in paged[frozenset({("job", FLEET)})]
    assert END in paged[frozenset({("job", FLEET)})]


@pytest.mark.parametrize("at", ASKED)
def test_the_verdict_of_a_fleet_of_one_is_that_of_the_one(
    evaluated: Evaluated, at: UnixSeconds
) -> None:
    snapshot = evaluated.snapshots[_members(ONE)[0]][at]
    observation, verdict = snapshot.observation, snapshot.verdict
    assert observation
    assert verdict
    factor = observation.demand.surge_factor
    level = ("low", "normal", "elevated", "critical").index(verdict.demand_level)

    assert evaluated.at("job:surge_factor:ratio", at, job=ONE) == pytest.approx(factor)
    assert evaluated.at("job:surge_demand_level:index", at, job=ONE) == level
    mode = evaluated.at("job:surge_resource_mode:surge", at, job=ONE)
    assert mode == float(verdict.resource_mode is ResourceMode.SURGE)
    posture = evaluated.at("job:surge_dispatch_posture:degraded", at, job=ONE)
    assert posture == float(verdict.dispatch_posture is DispatchPosture.DEGRADED)
    assert _active(evaluated, at, ONE) == {(f.signal, f.severity) for f in verdict.findings}
    assert _actions(evaluated, at, ONE) == {r.action for r in verdict.recommendations}
    for caller in observation.callers:
        share = evaluated.at(
            "job:surge_caller_token_share:ratio", at, job=ONE, caller=caller.caller
        )
        assert share == pytest.approx(caller.token_share)


def _active(evaluated: Evaluated, at: float, job: str) -> set[tuple[str, str]]:
    return {
        (rule.labels["signal"], rule.labels["severity"])
        for rule in ALL
        if rule.record == "job:surge_signal_active:bool" and evaluated.at(rule.key, at, job=job)
    }


def _actions(evaluated: Evaluated, at: float, job: str) -> set[str]:
    return {
        {**dict(labels), **rule.labels}["action"]
        for rule in ALL
        if rule.record == "job:surge_recommended_action:bool"
        for labels, values in evaluated.prometheus[rule.key].items()
        if ("job", job) in labels and values.get(at)
    }


@pytest.mark.parametrize("name", ["SurgeDemandSurge", "SurgePredictedDemand"])
def test_a_fleet_that_has_just_begun_pages_for_no_demand(evaluated: Evaluated, name: str) -> None:
    for found in (evaluated.prometheus, evaluated.victoria):
        for rule in ALL:
            if rule.key.startswith(name):
                assert {labels for labels in found[rule.key] if ("job", COLD) in labels} == set()


def test_a_fleet_that_has_just_begun_is_to_go_on_as_it_is(evaluated: Evaluated) -> None:
    for at in ASKED[-10:]:
        assert evaluated.at("job:surge_factor:ratio", at, job=COLD) is None
        assert evaluated.at("job:surge_demand_level:index", at, job=COLD) is None
        assert _actions(evaluated, at, COLD) == {"maintain_current_allocation"}


def test_usual_is_the_median_of_the_last_seven_days_in_both(evaluated: Evaluated) -> None:
    """Every day is like the other, but the fifth, on which demand is five times as high."""
    key = "job:surge_inference_requests_over_usual:ratio_rate1h"
    for found in (evaluated.prometheus, evaluated.victoria):
        ratio = found[key][frozenset({("job", "counted")})]
        fifth = END - (DAYS - 4.5) * 24 * HOUR

        assert ratio[fifth] == pytest.approx(5, rel=0.05)
        assert ratio[END] == pytest.approx(1, rel=0.05)
