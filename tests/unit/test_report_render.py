"""The report as text: a JSON contract for scripts, Markdown for people."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NoReturn

import pytest

from surge_exporter.core.cycle import Cycle, Telemetry
from surge_exporter.model import (
    HOUR,
    CallerDemand,
    Dependency,
    Observation,
    RejectReason,
    Seconds,
    Source,
    UnixSeconds,
    Verdict,
)
from surge_exporter.render.report import report, to_json, to_markdown
from surge_exporter.signals import default_tuning, judge
from surge_exporter.snapshot import SourceStatus
from tests.conftest import Golden
from tests.snapshots import caller, demand, forecast, health, observation, source, window
from tests.telemetry import NOW, SIX_HOURS, request_line, spread, tick_line

CONTRACT: Mapping[str, type | tuple[type, ...]] = {
    "resource_mode": str,
    "dispatch_posture": str,
    "horizon_hours": (int, float),
    "recent_request_rate": float,
    "baseline_request_rate": float,
    "predicted_request_rate": float,
    "surge_factor": float,
    "demand_level": str,
    "gitea_outages": int,
    "inference_failures": int,
    "top_callers": list,
    "recommended_actions": list,
}
CALLER_CONTRACT: Mapping[str, type] = {
    "caller": str,
    "requests": int,
    "request_share": float,
    "token_volume": float,
    "token_share": float,
    "failures": int,
    "failure_rate": float,
}
SOURCES = (source(Source.REQUESTS), source(Source.HEARTBEAT))
HOSTILE = "a|b\nc\r# d</td><script>`*_x_*` [link](http://x)"


def verdict_on(observed: Observation) -> Verdict:
    return judge(observed, default_tuning())


def json_of(observed: Observation, sources: Sequence[SourceStatus] = SOURCES) -> dict[str, Any]:
    """Return the report as a script gets it: from text, and only if it is JSON to the letter."""

    def refuse(constant: str) -> NoReturn:
        raise ValueError(constant)

    text = to_json(observed, verdict_on(observed), sources)
    found: dict[str, Any] = json.loads(text, parse_constant=refuse)
    return found


def markdown_of(observed: Observation, sources: Sequence[SourceStatus] = SOURCES) -> str:
    return to_markdown(observed, verdict_on(observed), sources)


def section(markdown: str, title: str) -> list[str]:
    """Return the lines of one section that are not blank."""
    lines = markdown.partition(f"## {title}\n")[2].partition("\n## ")[0].splitlines()
    return [line for line in lines if line]


def calm(
    *callers: CallerDemand, recent: int = 60, baseline: int = 60, **overrides: Any
) -> Observation:
    """Return demand that no signal minds; `overrides` are of the demand."""
    changes = {
        "recent": window(recent),
        "baseline": window(baseline),
        "surge_factor": recent / baseline,
        **overrides,
    }
    return observation(
        demand=demand(**changes),
        callers=callers,
        dependencies=(health(Dependency.GITEA), health(Dependency.INFERENCE)),
    )


def uncovered(recent: int) -> Observation:
    return calm(recent=recent, baseline=1, baseline_valid=False, surge_factor=None)


def surge() -> Observation:
    """Return what the core makes of 75 requests after 48, failing reviews and an outage."""
    cycle = Cycle(Telemetry(), report_at=NOW)
    before, recent = (
        spread(48, NOW - 2 * SIX_HOURS, NOW - SIX_HOURS),
        spread(75, NOW - SIX_HOURS, NOW),
    )
    requests = [request_line(at) for at in (*before, *recent[:40])]
    requests += [
        request_line(at, caller="nightly_batch", prompt_len=9_000) for at in recent[40:55]
    ]
    requests += [
        request_line(at, caller="review|<b>", success=index % 4 > 0)
        for index, at in enumerate(recent[55:])
    ]
    ticks = [
        tick_line(NOW - age, gitea=not HOUR <= age < 1.25 * HOUR)
        for age in range(0, int(2 * SIX_HOURS), 300)
    ]
    for kind, lines in ((Source.REQUESTS, requests), (Source.HEARTBEAT, ticks)):
        cycle.ingest(kind, b"".join(lines), now=NOW, live=False)
    return cycle.observe(NOW)


def test_the_report_of_a_surge_is_the_golden_one(golden: Golden) -> None:
    observed = surge()

    golden("report.json", to_json(observed, verdict_on(observed), SOURCES))
    golden("report.md", markdown_of(observed))


def test_75_requests_after_48_are_a_surge_of_1_56() -> None:
    found = json_of(surge())

    assert found["resource_mode"] == "surge"
    assert found["dispatch_posture"] == "degraded"
    assert found["demand_level"] == "elevated"
    assert found["surge_factor"] == 1.56
    assert found["recent_request_rate"] == found["predicted_request_rate"] == 12.5
    assert found["baseline_request_rate"] == 8.0
    assert (found["gitea_outages"], found["inference_failures"]) == (3, 0)
    assert found["recommended_action_slugs"] == [
        "prewarm_local_inference",
        "throttle_background_jobs",
        "investigate_failure_rates",
        "cache_forge_state",
    ]


@pytest.mark.parametrize(
    "observed",
    [surge(), calm(), Cycle(Telemetry()).observe(NOW)],
    ids=["surge", "calm", "nothing"],
)
def test_the_contract_comes_first_with_its_types(observed: Observation) -> None:
    found = json_of(observed)

    assert list(found)[: len(CONTRACT)] == list(CONTRACT)
    assert [key for key, kind in CONTRACT.items() if not isinstance(found[key], kind)] == []
    for top in found["top_callers"]:
        assert {key: type(value) for key, value in top.items()} == CALLER_CONTRACT
    assert all(isinstance(action, str) for action in found["recommended_actions"])
    assert found["recommended_actions"]


def test_the_text_is_the_object_and_ends_with_a_newline() -> None:
    observed = surge()
    text = to_json(observed, verdict_on(observed), SOURCES)

    assert json.loads(text) == report(observed, verdict_on(observed), SOURCES)
    assert text.endswith("}\n")


def test_rates_and_the_factor_have_two_decimals() -> None:
    found = json_of(calm(recent=100, baseline=91, forecasts=(forecast(6, 10 / 7, 1, 2),)))

    assert found["recent_request_rate"] == 16.67
    assert found["baseline_request_rate"] == 15.17
    assert found["predicted_request_rate"] == 1.43
    assert found["surge_factor"] == 1.1


def test_shares_and_failure_rates_have_four_decimals() -> None:
    thirds = caller("a", requests=3, failures=1, request_share=2 / 3, token_share=1 / 7)

    (found,) = json_of(calm(thirds))["top_callers"]

    assert found["request_share"] == 0.6667
    assert found["token_share"] == 0.1429
    assert found["failure_rate"] == 0.3333


@pytest.mark.parametrize(
    ("factor", "shown", "level", "mode"),
    [
        (3.004, 3.0, "critical", "surge"),
        (3.0, 3.0, "elevated", "surge"),
        (1.504, 1.5, "elevated", "surge"),
        (1.5, 1.5, "normal", "steady"),
        (1.004, 1.0, "normal", "steady"),
        (1.0, 1.0, "low", "steady"),
        (0.996, 1.0, "low", "steady"),
    ],
)
def test_the_level_is_that_of_the_factor_before_rounding(
    factor: float, shown: float, level: str, mode: str
) -> None:
    found = json_of(calm(surge_factor=factor))

    assert (found["surge_factor"], found["demand_level"], found["resource_mode"]) == (
        shown,
        level,
        mode,
    )


def test_without_a_valid_baseline_the_factor_is_1_and_demand_is_low() -> None:
    found = json_of(uncovered(500))

    assert (found["surge_factor"], found["demand_level"]) == (1.0, "low")
    assert found["baseline_valid"] is False


@pytest.mark.parametrize(("hours", "shown"), [(6.0, "6"), (1.5, "1.5"), (0.1, "0.1")])
def test_the_horizon_is_a_number_without_needless_decimals(hours: float, shown: str) -> None:
    horizon = Cycle(replace(Telemetry(), horizon_seconds=HOUR * hours)).observe(NOW)  # type: ignore[arg-type]

    text = to_json(horizon, verdict_on(horizon), SOURCES)

    assert f'"horizon_hours": {shown},\n' in text


def callers(count: int) -> list[CallerDemand]:
    return [caller(f"agent{index:02}", requests=count - index) for index in range(count)]


@pytest.mark.parametrize("stale", [True, False])
def test_json_says_whether_telemetry_is_stale(stale: bool) -> None:  # noqa: FBT001 - a table's column
    assert json_of(replace(calm(), stale=stale))["stale"] is stale


def test_the_ten_busiest_callers_come_in_their_order() -> None:
    found = json_of(calm(*callers(12)))

    assert [top["caller"] for top in found["top_callers"]] == [
        f"agent{index:02}" for index in range(10)
    ]


def test_a_caller_of_the_baseline_alone_is_no_top_caller() -> None:
    observed = calm(caller("here"), caller("gone", requests=0, baseline_requests=9))

    assert [top["caller"] for top in json_of(observed)["top_callers"]] == ["here"]
    assert "gone" not in markdown_of(observed)


def test_a_hostile_name_survives_json() -> None:
    (found,) = json_of(calm(caller(HOSTILE)))["top_callers"]

    assert found["caller"] == HOSTILE


def test_sources_say_what_was_rejected_and_when_the_last_record_was() -> None:
    rejected = {**dict.fromkeys(RejectReason, 0), RejectReason.JSON: 2}
    observed = replace(calm(), last_record={Source.REQUESTS: NOW})

    found = json_of(observed, (source(Source.REQUESTS, rejected=rejected), SOURCES[1]))

    assert found["sources"]["requests"]["rejected"] == {"json": 2}
    assert found["sources"]["requests"]["last_record_at"] == "2026-03-29T19:04:00+00:00"
    assert found["sources"]["heartbeat"]["rejected"] == {}
    assert found["sources"]["heartbeat"]["last_record_at"] is None


def test_a_signal_is_listed_with_its_numbers_and_its_caller() -> None:
    found = json_of(calm(caller("nightly_batch", token_share=0.41234567)))["signals"]

    assert [{**signal, "evidence": ""} for signal in found] == [
        {
            "signal": "heavy_batch",
            "severity": "warning",
            "value": 0.4123,
            "threshold": 0.25,
            "caller": "nightly_batch",
            "subject": "nightly_batch",
            "evidence": "",
        }
    ]


def test_a_signal_that_is_about_a_horizon_names_no_caller() -> None:
    usual = calm()
    bad = replace(usual.demand.forecast, mase=2.0, history_seconds=Seconds(8 * 24 * HOUR))
    observed = replace(usual, demand=replace(usual.demand, forecasts=(bad,)))

    (found,) = json_of(observed)["signals"]

    assert (found["signal"], found["caller"], found["subject"]) == ("forecast_error", None, "6h")


def test_a_time_that_no_date_can_say_is_shown_as_the_last_that_one_can() -> None:
    observed = replace(calm(), at=UnixSeconds(253_402_300_800.0))

    assert json_of(observed)["generated_at"] == "9999-12-31T23:59:59+00:00"


@pytest.mark.parametrize(
    ("observed", "line"),
    [
        (surge(), "# Demand is elevated: 1.56 times that of the 6 h before"),
        (calm(recent=6, baseline=12), "# Demand is low: 0.50 times that of the 6 h before"),
        (uncovered(7), "# Demand has no baseline yet: 7 requests in the last 6 h"),
        (uncovered(1), "# Demand has no baseline yet: 1 request in the last 6 h"),
        (
            replace(surge(), stale=True),
            "# Telemetry is stale: the newest record is from 2026-03-29T19:04:00+00:00",
        ),
        (
            replace(calm(), stale=True, last_record={}),
            "# No telemetry: there is no record from before 2026-03-29T21:04:11+00:00",
        ),
    ],
)
def test_markdown_begins_with_the_verdict(observed: Observation, line: str) -> None:
    assert markdown_of(observed).splitlines()[0] == line


def test_markdown_says_mode_and_posture_before_anything_else() -> None:
    assert markdown_of(surge()).splitlines()[2] == (
        "Resource mode **surge**, dispatch posture **degraded**, as of 2026-03-29T19:04:00+00:00."
    )


def test_markdown_says_what_to_do_in_the_words_of_json() -> None:
    observed = calm(recent=75, baseline=48)

    (action,) = section(markdown_of(observed), "What to do")

    title, _, evidence = json_of(observed)["recommended_actions"][0].partition(": ")
    assert action == f"- **{title}**: {evidence}"


def test_calm_is_an_action_too() -> None:
    assert section(markdown_of(calm()), "What to do") == [
        "- **Maintain current allocation**: no signal is active at 10.0 requests/h"
    ]


def test_a_hostile_name_breaks_neither_the_table_nor_the_list() -> None:
    hostile, tame = (caller(name, failures=5) for name in (HOSTILE, "tame"))

    shown = markdown_of(calm(hostile, tame))

    table = section(shown, "Callers")
    assert len(table) == 2 + 2
    assert {row.replace("\\|", "").count("|") for row in table} == {7}
    assert len(section(shown, "What to do")) == 1
    assert shown.count("\n# ") == 0
    assert "<script>" not in shown
    assert r"a\|b c # d\</td\>\<script\>\`\*\_x\_\*\` \[link\](http://x)" in shown


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("doc_index", "doc_index"),
        ("__other__", r"\_\_other\_\_"),
        ("a&lt;b", r"a\&lt;b"),
        ("~~gone~~", r"\~\~gone\~\~"),
        ("back\\slash", r"back\\slash"),
    ],
)
def test_a_name_is_shown_as_it_is(name: str, shown: str) -> None:
    table = section(markdown_of(calm(caller(name))), "Callers")

    assert table[2].startswith(f"| {shown} |")


@pytest.mark.parametrize(
    ("count", "said"), [(11, "And 1 more caller."), (12, "And 2 more callers.")]
)
def test_the_table_of_callers_says_how_many_it_leaves_out(count: int, said: str) -> None:
    table = section(markdown_of(calm(*callers(count))), "Callers")

    assert len(table) == 2 + 10 + 1
    assert table[-1] == said


def test_no_callers_make_no_table() -> None:
    assert section(markdown_of(calm()), "Callers") == ["No requests in the recent window."]


@pytest.mark.parametrize(("up", "state"), [(True, "up"), (False, "**down**"), (None, "unknown")])
def test_the_table_of_dependencies_says_what_holds_now(up: bool | None, state: str) -> None:  # noqa: FBT001 - a table's column
    gitea = health(Dependency.GITEA, failed_checks=3, outages=1, downtime_seconds=180.0, up=up)
    observed = replace(calm(), dependencies=(gitea, health(Dependency.INFERENCE)))

    table = section(markdown_of(observed), "Dependencies")

    assert table[2] == f"| gitea | {state} | 3 of 360 | 1 | 3 min |"


def test_a_baseline_that_is_too_short_is_explained() -> None:
    lines = section(markdown_of(uncovered(7)), "Demand")

    assert lines[-1].startswith("The baseline is too little covered to compare with")
