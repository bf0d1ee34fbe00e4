"""What a scrape says: every family, no undefined value, nothing twice, whatever the snapshot."""

import math
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.exposition import choose_encoder, generate_latest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from surge_exporter import signals
from surge_exporter.core.series import OTHER, clean_label
from surge_exporter.metrics import COLLECTOR_DURATION, COLLECTOR_SUCCESS, COLLECTORS, METRICS
from surge_exporter.model import DemandLevel, Dependency, DispatchPosture, ResourceMode, Source
from surge_exporter.scaling.decisions import Kind
from surge_exporter.snapshot import (
    Family,
    HistogramValue,
    ModelReport,
    RawTotals,
    SeriesCount,
    Snapshot,
)
from surge_exporter.web.exposition import SnapshotCollector
from tests.servers import installed
from tests.snapshots import (
    callers,
    decision,
    demand,
    forecast,
    health,
    host,
    models,
    observation,
    snapshot,
    source,
    totals,
)

FAMILIES: tuple[Family, ...] = (*METRICS, COLLECTOR_SUCCESS, COLLECTOR_DURATION)
NAMES = [family.name for family in FAMILIES]
NEEDS_WINDOWS = {"callers", "dependencies"}
HOSTILE = [
    '"',
    "\\",
    "\n",
    '\\n"} 1\n# EOF\n',
    "{a=~'.*'}",
    "\u2028\u0085",
    "\ud800",
    "\0",
    "😀" * 99,
]


def registry(found: Snapshot) -> CollectorRegistry:
    """Return a registry with nothing but the collector."""
    made = CollectorRegistry(auto_describe=False)
    made.register(SnapshotCollector(lambda: found))
    return made


def text(found: Snapshot) -> str:
    """Return a scrape in the plain text format."""
    return generate_latest(registry(found)).decode()


def as_openmetrics(found: Snapshot) -> str:
    """Return a scrape in the OpenMetrics format."""
    encode, _ = choose_encoder("application/openmetrics-text; version=1.0.0")
    return encode(registry(found)).decode()


def parse_openmetrics(body: str) -> Iterable[Metric]:
    """Return what the strict parser of OpenMetrics reads; it raises where it can't."""
    families: Iterable[Metric] = openmetrics.text_string_to_metric_families(body)  # type: ignore[no-untyped-call]
    return families


def scrape(found: Snapshot) -> list[Metric]:
    """Return a scrape as Prometheus would read it."""
    return list(parse_text(text(found)))


def samples(found: Snapshot, name: str) -> dict[tuple[str, ...], float]:
    """Return the values of one family, by their label values in the order of label names."""
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for family in scrape(found)
        for sample in family.samples
        if sample.name == name
    }


def present(found: Snapshot) -> set[str]:
    """Return the names of all samples of a scrape."""
    return {sample.name for family in scrape(found) for sample in family.samples}


def observing(**changes: Any) -> Snapshot:
    """Return a snapshot whose demand differs from the usual surge."""
    return snapshot(observation=observation(demand=demand(**changes)))


def of_dependencies(**changes: Any) -> Snapshot:
    """Return a snapshot whose dependencies differ from the usual."""
    dependencies = tuple(health(dependency, **changes) for dependency in Dependency)
    return snapshot(observation=observation(dependencies=dependencies))


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_family_has_its_help_and_type_in_each_scrape(family: Family) -> None:
    lines = text(snapshot()).splitlines()

    assert f"# HELP {family.name} {family.help}" in lines
    assert f"# TYPE {family.name} {family.kind}" in lines


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_family_has_its_help_and_type_before_the_windows_are_loaded(family: Family) -> None:
    lines = text(snapshot(observation=None)).splitlines()

    assert f"# HELP {family.name} {family.help}" in lines
    assert f"# TYPE {family.name} {family.kind}" in lines


def test_all_samples_of_a_scrape_come_from_one_snapshot() -> None:
    asked = []

    def ask() -> Snapshot:
        asked.append(1)
        return snapshot()

    collector = SnapshotCollector(ask)

    assert len(list(collector.collect())) == len(FAMILIES)
    assert len(asked) == 1


def test_registering_asks_for_no_snapshot() -> None:
    def ask() -> Snapshot:
        raise AssertionError("nobody scraped")

    CollectorRegistry(auto_describe=True).register(SnapshotCollector(ask))


def test_all_families_are_described() -> None:
    described = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in SnapshotCollector(snapshot).describe()
    }

    assert described == set(NAMES)


@pytest.mark.parametrize("name", ["surge_factor", "surge_inference_requests_total"])
def test_a_scrape_can_be_restricted_to_some_names(name: str) -> None:
    restricted = registry(snapshot()).restricted_registry([name])

    body = generate_latest(restricted).decode()

    assert {s.name for family in parse_text(body) for s in family.samples} == {name}


@pytest.mark.parametrize(
    ("found", "absent"),
    [
        (observing(surge_factor=None), ["surge_factor"]),
        (observing(baseline_valid=False), ["surge_baseline_requests_per_second"]),
        (
            observing(surge_test=None),
            [
                "surge_adjusted_factor",
                "surge_z_score",
                "surge_expected_requests_per_second",
                "surge_confirmed",
            ],
        ),
        (
            observing(
                forecasts=(
                    replace(
                        forecast(6, 1.0, 1.0, 1.0),
                        low_requests_per_second=None,
                        high_requests_per_second=None,
                        mase=None,
                        coverage_ratio=None,
                    ),
                )
            ),
            [
                "surge_predicted_low_requests_per_second",
                "surge_predicted_high_requests_per_second",
                "surge_forecast_mase",
                "surge_forecast_coverage_ratio",
            ],
        ),
        (
            snapshot(observation=observation(history_start=None, last_record={})),
            ["surge_forecast_history_seconds", "surge_source_last_record_timestamp_seconds"],
        ),
        (of_dependencies(up=None), ["surge_dependency_up"]),
        (of_dependencies(down_seconds=None), ["surge_dependency_down_seconds"]),
        (of_dependencies(last_change=None), ["surge_dependency_last_change_timestamp_seconds"]),
        (snapshot(), ["surge_capacity_requests_per_second"]),
        (snapshot(totals=replace(totals(), series=())), ["surge_inference_tokens_total"]),
        (
            snapshot(totals=replace(totals(), durations={})),
            ["surge_inference_request_duration_seconds_bucket"],
        ),
        (
            snapshot(sources=(source(Source.REQUESTS, last_read=None),)),
            ["surge_source_last_read_timestamp_seconds"],
        ),
    ],
)
def test_what_is_undefined_is_absent(found: Snapshot, absent: list[str]) -> None:
    assert not present(found) & set(absent)


def test_a_failure_ratio_needs_enough_requests() -> None:
    few = tuple(replace(caller, requests=4, failures=4) for caller in callers()[:1])
    found = snapshot(observation=observation(callers=few))

    assert samples(found, "surge_caller_failures") == {("heartbeat_tick",): 4.0}
    assert samples(found, "surge_caller_failure_ratio") == {}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(), min_size=1, max_size=4))
def test_no_number_in_a_snapshot_makes_a_scrape_undefined(pool: list[float]) -> None:
    def numbers() -> Iterator[float]:
        while True:
            yield from pool

    found = _with_floats(snapshot(), numbers())
    families = scrape(found)
    values = [sample.value for family in families for sample in family.samples]

    assert values
    assert all(math.isfinite(value) for value in values)


def _with_floats(value: Any, numbers: Iterator[float]) -> Any:
    """Return the value with every float in it replaced."""
    if isinstance(value, float):
        return next(numbers)
    if isinstance(value, tuple):
        return tuple(_with_floats(item, numbers) for item in value)
    if isinstance(value, Mapping):
        return {key: _with_floats(item, numbers) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        changed = {f.name: _with_floats(getattr(value, f.name), numbers) for f in fields(value)}
        return replace(value, **changed)
    return value


@pytest.mark.parametrize(
    ("name", "states"),
    [
        ("surge_demand_level", DemandLevel),
        ("surge_resource_mode", ResourceMode),
        ("surge_dispatch_posture", DispatchPosture),
    ],
)
@pytest.mark.parametrize(
    "found",
    [snapshot(), observing(baseline_valid=False), snapshot(observation=observation(stale=True))],
    ids=["surge", "no baseline", "stale"],
)
def test_an_enum_shows_all_states_and_is_in_one(
    name: str, states: type[DemandLevel], found: Snapshot
) -> None:
    shown = samples(found, name)

    assert set(shown) == {(state,) for state in states}
    assert sorted(shown.values()) == [0.0] * (len(states) - 1) + [1.0]


@pytest.mark.parametrize(
    ("found", "level"),
    [
        (snapshot(), DemandLevel.ELEVATED),
        (observing(surge_factor=3.1), DemandLevel.CRITICAL),
        (observing(surge_factor=1.0), DemandLevel.LOW),
        (observing(surge_factor=None, baseline_valid=False), DemandLevel.UNKNOWN),
        (snapshot(observation=observation(stale=True)), DemandLevel.UNKNOWN),
    ],
)
def test_the_demand_level_is_unknown_where_there_is_nothing_to_go_by(
    found: Snapshot, level: DemandLevel
) -> None:
    assert samples(found, "surge_demand_level")[level,] == 1.0


def test_every_action_is_shown_whether_it_is_recommended_or_not() -> None:
    shown = samples(snapshot(), "surge_recommended_action")

    assert set(shown) == {(action.slug,) for action in signals.ACTIONS}
    assert shown["prewarm_local_inference",] == 1.0
    assert shown["maintain_current_allocation",] == 0.0


def test_every_level_of_every_signal_has_a_threshold_and_is_active_or_not() -> None:
    keys = {(level, signal.name) for signal in signals.SIGNALS for level in signal.thresholds}
    active = samples(snapshot(), "surge_signal_active")

    assert set(active) == set(samples(snapshot(), "surge_signal_threshold")) == keys
    assert active["warning", "demand_surge"] == 1.0
    assert active["critical", "demand_surge"] == 0.0


def test_every_further_number_of_every_signal_is_shown_as_configured() -> None:
    usual = signals.default_tuning()
    changed = {**usual.parameters, ("caller_failures", "min_requests"): 7.0}
    shown = samples(snapshot(tuning=replace(usual, parameters=changed)), "surge_signal_parameter")

    assert set(shown) == {(name, s.name) for s in signals.SIGNALS for name in s.parameters}
    assert shown["min_requests", "caller_failures"] == 7.0
    assert shown["dominant_share", "heavy_batch"] == 0.6


def test_what_is_down_now_is_active_and_shown_with_how_long_it_has_been() -> None:
    found = of_dependencies(failed_checks=7, up=False, down_seconds=420.0)

    assert samples(found, "surge_dependency_down_seconds")["gitea",] == 420.0
    assert samples(found, "surge_signal_active")["critical", "gitea_down"] == 1.0
    assert samples(found, "surge_signal_active")["warning", "gitea_flapping"] == 0.0


def test_the_tokens_of_a_caller_are_shown_and_whether_its_work_can_wait() -> None:
    named, batch, *_ = callers()
    made = (
        replace(named, caller="chat"),
        replace(batch, caller="Nightly_Batch"),
        replace(batch, caller="old_batch", requests=0),
        replace(batch, caller=OTHER),
    )
    found = snapshot(observation=observation(callers=made))

    assert samples(found, "surge_caller_batch") == {("chat",): 0.0, ("Nightly_Batch",): 1.0}
    assert samples(found, "surge_caller_tokens")["chat",] == named.volume.tokens
    assert len(samples(found, "surge_caller_tokens")) == len(made)


def test_each_directory_of_a_source_is_shown_once() -> None:
    found = snapshot(
        sources=(
            source(Source.REQUESTS, directories=("0a", "0b")),
            source(Source.HEARTBEAT, directories=("0a",)),
        )
    )

    assert samples(found, "surge_source_directory_info") == {
        ("0a", "requests"): 1.0,
        ("0b", "requests"): 1.0,
        ("0a", "heartbeat"): 1.0,
    }


def test_a_configured_capacity_is_shown() -> None:
    found = snapshot(tuning=replace(signals.default_tuning(), capacity_requests_per_second=2.5))

    assert samples(found, "surge_capacity_requests_per_second") == {(): 2.5}


def test_before_the_windows_are_loaded_there_is_nothing_of_them() -> None:
    found = snapshot(observation=None)
    by_collector = {family.name: family for family in METRICS}
    shown = {by_collector[name].collector for name in present(found) if name in by_collector}

    assert not shown & NEEDS_WINDOWS
    assert not present(found) & {"surge_factor", "surge_demand_level", "surge_recommended_action"}


@pytest.mark.parametrize(
    "name",
    [
        "surge_source_up",
        "surge_source_lines_total",
        "surge_inference_requests_total",
        "surge_heartbeat_ticks_total",
        "surge_window_seconds",
        "surge_signal_threshold",
        "surge_exporter_build_info",
        "surge_exporter_config_last_reload_successful",
        "surge_scrape_collector_success",
    ],
)
def test_before_the_windows_are_loaded_the_exporter_speaks_of_itself(name: str) -> None:
    assert name in present(snapshot(observation=None))


def test_a_part_that_fails_is_left_out_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    success = samples(snapshot(sources=None), "surge_scrape_collector_success")

    assert success == {(name,): float(name != "sources") for name in COLLECTORS}
    assert "collector failed collector=sources" in caplog.text
    assert caplog.records[-1].exc_info


def test_the_other_parts_come_through_when_one_fails() -> None:
    whole, broken = present(snapshot()), present(snapshot(sources=None))

    assert whole - broken == {m.name for m in METRICS if m.collector == "sources"}


def test_each_part_says_how_long_it_took() -> None:
    ticks = iter(range(100))
    collector = SnapshotCollector(snapshot, timer=lambda: float(next(ticks)))

    *_, durations = collector.collect()

    assert {s.labels["collector"]: s.value for s in durations.samples} == dict.fromkeys(
        COLLECTORS, 1.0
    )


def test_without_samples_there_is_nothing_of_the_host() -> None:
    whole, blind = present(snapshot()), present(snapshot(host=None))

    assert whole - blind == {m.name for m in METRICS if m.collector == "host"}


def test_a_host_without_gpu_decision_or_manager_shows_what_it_has() -> None:
    plain = replace(host().sample, gpus=())
    found = snapshot(host=host(sample=plain, decision=None, serving=None, trends={}, models=None))
    shown = {name for name in present(found) if name.startswith(("surge_host", "surge_model"))}

    assert shown == {
        "surge_host_cpu_ratio",
        "surge_host_cpu_mean_ratio",
        "surge_host_memory_ratio",
        "surge_host_memory_available_bytes",
        "surge_host_memory_bytes",
        "surge_host_swap_used_bytes",
        "surge_host_load_ratio",
        "surge_host_pressure_ratio",
        "surge_host_tier",
    }
    assert "surge_scaling_stabilization_until_timestamp_seconds" not in present(found)


def test_cpu_is_shown_as_it_is_judged_and_is_nothing_that_runs_out() -> None:
    found = snapshot(host=host(cpu_mean_ratio=1.0))

    assert samples(found, "surge_host_cpu_mean_ratio") == {(): 1.0}
    assert set(samples(found, "surge_host_pressure_ratio")) == {("memory",), ("gpu_memory",)}


def test_cpu_that_decides_nothing_is_shown_as_it_was_sampled_alone() -> None:
    found = snapshot(host=host(cpu_mean_ratio=None))

    assert samples(found, "surge_host_cpu_ratio") == {(): 0.34}
    assert "surge_host_cpu_mean_ratio" not in present(found)


def test_a_gpu_that_does_not_say_how_busy_it_is_shows_its_memory() -> None:
    (gpu,) = host().sample.gpus
    sample = replace(host().sample, gpus=(gpu, replace(gpu, index=1, utilization_ratio=None)))
    found = snapshot(host=host(sample=sample))

    assert samples(found, "surge_host_gpu_memory_ratio") == {("0",): 0.375, ("1",): 0.375}
    assert samples(found, "surge_host_gpu_utilization_ratio") == {("0",): 0.81}


def test_one_tier_is_recommended_one_is_current_or_none_where_none_fits() -> None:
    nothing = replace(decision(Kind.DOWNGRADE, at=0, reason=""), recommended=None)
    tiers = {("small",): 0.0, ("medium",): 1.0, ("large",): 0.0}

    assert samples(snapshot(), "surge_model_tier_recommended") == tiers
    assert samples(snapshot(), "surge_model_tier_current") == tiers
    assert set(
        samples(snapshot(host=host(decision=nothing)), "surge_model_tier_recommended").values()
    ) == {0.0}


def test_events_and_checks_are_there_before_the_first() -> None:
    found = snapshot(host=host())

    assert samples(found, "surge_scaling_events_total") == {
        ("upgrade",): 0.0,
        ("downgrade",): 1.0,
        ("cascade",): 0.0,
    }
    assert samples(found, "surge_preflight_checks_total") == {("allowed",): 31.0, ("denied",): 2.0}


def test_switches_are_counted_by_how_they_ended_before_there_is_one() -> None:
    switches = samples(snapshot(), "surge_model_switches_total")

    assert set(switches) == {
        (decision, outcome)
        for decision in ("upgrade", "downgrade", "cascade")
        for outcome in ("done", "failed")
    }
    assert [labels for labels, value in switches.items() if value] == [("downgrade", "done")]


@pytest.mark.parametrize(
    ("server", "shown"),
    [
        (models(is_up=True), {(): 1.0}),
        (models(is_up=False), {(): 0.0}),
        (models(is_up=None), {}),
    ],
    ids=["up", "down", "not known"],
)
def test_a_model_server_is_up_or_down_or_not_known(
    server: ModelReport, shown: dict[tuple[str, ...], float]
) -> None:
    assert samples(snapshot(host=host(models=server)), "surge_model_server_up") == shown


@pytest.mark.parametrize(
    ("loaded", "shown"), [(("a", "b"), {("a",): 1.0, ("b",): 1.0}), ((), {}), (None, {})]
)
def test_what_a_model_server_has_loaded_is_shown_where_it_says(
    loaded: tuple[str, ...] | None, shown: dict[tuple[str, ...], float]
) -> None:
    found = snapshot(host=host(models=models(loaded=loaded)))

    assert samples(found, "surge_model_loaded") == shown


@pytest.mark.parametrize("found", [snapshot(), snapshot(observation=None)])
def test_no_label_set_is_there_twice(found: Snapshot) -> None:
    seen = Counter(
        (sample.name, frozenset(sample.labels.items()))
        for family in scrape(found)
        for sample in family.samples
    )

    assert [key for key, count in seen.items() if count > 1] == []


def test_every_sample_has_exactly_the_labels_of_its_family() -> None:
    labels = {family.name: set(family.labels) for family in FAMILIES}
    odd = [
        sample
        for family in scrape(snapshot())
        if family.type != "histogram"
        for sample in family.samples
        if set(sample.labels) != labels[sample.name]
    ]

    assert odd == []


@pytest.mark.parametrize("found", [snapshot(), snapshot(observation=None), snapshot(sources=None)])
def test_the_openmetrics_parser_reads_the_same_as_the_text_parser(found: Snapshot) -> None:
    body = as_openmetrics(found)

    def read(families: Callable[[str], Iterable[Metric]], body: str) -> set[tuple[str, str]]:
        return {
            (sample.name, repr(sorted(sample.labels.items())))
            for family in families(body)
            for sample in family.samples
        }

    assert read(parse_openmetrics, body) == read(parse_text, text(found))


def test_no_sample_has_a_timestamp_of_its_own() -> None:
    assert all(s.timestamp is None for family in scrape(snapshot()) for s in family.samples)


@settings(max_examples=60, deadline=None)
@given(st.one_of(st.text(), st.sampled_from(HOSTILE)))
def test_any_name_that_a_caller_gives_itself_passes_through_both_formats(raw: str) -> None:
    """Case 12."""
    label = clean_label(raw)
    found = snapshot(
        observation=observation(callers=(replace(callers()[0], caller=label),)),
        totals=_totals_of(label),
    )
    plain = {s.labels["caller"] for s in _of(scrape(found), "surge_caller_requests")}
    body = as_openmetrics(found)
    typed = {s.labels["model"] for s in _of(parse_openmetrics(body), "surge_inference_requests")}

    assert (plain, typed) == ({label}, {label})


def _totals_of(label: str) -> RawTotals:
    series = SeriesCount(
        caller=label, model=label, requests=1, failures=0, prompt_tokens=1, response_tokens=None
    )
    durations = {label: HistogramValue((("1.0", 0), ("+Inf", 1)), 2.0)}
    return replace(totals(), series=(series,), durations=durations)


def _of(families: Any, name: str) -> Any:
    return [sample for family in families if family.name == name for sample in family.samples]


def test_a_histogram_is_cumulative_and_has_its_count_and_sum() -> None:
    name = "surge_inference_request_duration_seconds"

    assert samples(snapshot(), f"{name}_bucket") == {
        ("1.0", "hermes4:14b"): 12.0,
        ("+Inf", "hermes4:14b"): 41.0,
    }
    assert samples(snapshot(), f"{name}_count") == {("hermes4:14b",): 41.0}
    assert samples(snapshot(), f"{name}_sum") == {("hermes4:14b",): 61.5}


@pytest.mark.parametrize("found", [snapshot(), snapshot(observation=None)])
def test_promtool_accepts_a_scrape(found: Snapshot) -> None:
    promtool = installed("promtool")

    checked = subprocess.run(
        [promtool, "check", "metrics"],
        input=text(found),
        capture_output=True,
        text=True,
        check=False,
    )

    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_names_kinds_and_labels_are_the_ones_promised(golden: Callable[[str, str], None]) -> None:
    rows = (f"{family.name} {family.kind} {','.join(family.labels)}" for family in FAMILIES)

    golden("metrics.txt", "\n".join((*CONTRACT, *sorted(row.rstrip() for row in rows))) + "\n")


CONTRACT = (
    "# Every metric: name, kind, labels. Names are a contract: rules, dashboards and alerts of",
    "# people we do not know use them. Add freely; rename or remove only with a major version",
    "# and an entry in CHANGELOG.md.",
    "# Refresh: pytest tests/unit/test_exposition.py --update-golden",
)
