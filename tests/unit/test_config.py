"""The configuration: what is left out has a default, what is wrong gets one sentence."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surge_exporter.config import (
    LONGEST_HORIZON_HOURS,
    SHORTEST_HORIZON_HOURS,
    Config,
    ConfigError,
    LimitsConfig,
    TelemetryConfig,
    WebConfig,
    WindowConfig,
    load,
    parse,
    telemetry,
    to_yaml,
    tuning,
)
from surge_exporter.config_scaling import (
    ModelConfig,
    ScalingConfig,
    ServerConfig,
    ServerKind,
    ThresholdsConfig,
    scaler_settings,
)
from surge_exporter.core.cycle import Telemetry
from surge_exporter.core.records import REQUEST_FIELDS
from surge_exporter.core.ticks import TICK_FIELDS
from surge_exporter.model import Seconds, Severity
from surge_exporter.scaling.decisions import Settings, Thresholds
from surge_exporter.scaling.performance import Limits
from surge_exporter.scaling.resources import GIB
from surge_exporter.scaling.tiers import ModelSpec
from surge_exporter.signals import BATCH_CALLERS, SIGNALS, default_tuning

TESTDATA = Path(__file__).parent.parent / "testdata"

INVALID: Mapping[str, str] = {
    "unknown-section": "unknown setting windows; known there: telemetry, window, ",
    "unknown-setting": "unknown setting window.horizon; known there: horizon_hours",
    "unknown-place": "unknown setting telemetry.- at $; known there: directory, requests, ",
    "unknown-signal": "unknown setting signals.demand; known there: demand_surge, ",
    "unknown-threshold": (
        "unknown setting signals.demand_surge.warn; known there: warning, critical"
    ),
    "unknown-severity": (
        "unknown setting signals.heavy_batch.critical;"
        " known there: warning, dominant_share, min_callers"
    ),
    "unknown-request-field": (
        "unknown setting telemetry.request_fields.agent; known there: timestamp, success, "
    ),
    "unknown-heartbeat-field": (
        "unknown setting telemetry.heartbeat_fields.gitea;"
        " known there: timestamp, gitea_alive, inference_ok"
    ),
    "text-for-number": "window.horizon_hours: expected a number, got 'six'",
    "quoted-number": "window.horizon_hours: expected a number, got '6'",
    "truth-for-number": "window.horizon_hours: expected a number, got true",
    "fraction-of-caller": "limits.callers: expected a whole number, got 1.5",
    "text-for-list": "telemetry.requests: expected a list, got 'metrics/local_*.jsonl'",
    "number-in-list": "batch_callers[1]: expected text, got 7",
    "number-for-section": "window: expected a mapping, got 6",
    "empty-section": "window: expected a mapping, got nothing",
    "number-for-signal": "signals.demand_surge: expected a mapping, got 2",
    "text-for-threshold": "signals.demand_surge.warning: expected a number, got 'high'",
    "text-for-truth": "web.enable_lifecycle: expected true or false, got 'yes'",
    "text-for-capacity": (
        "capacity_requests_per_second: expected a number or nothing, got 'lots'"
    ),
    "number-for-field-path": "telemetry.request_fields.caller: expected text, got 3",
    "empty-field-path": "telemetry.heartbeat_fields.gitea_alive: expected a dotted path, got ''",
    "list-at-top": "top level: expected a mapping, got ['window', 'limits']",
    "text-at-top": "top level: expected a mapping, got 'horizon six'",
    "horizon-zero": "window.horizon_hours: expected a number >= 0.05, got 0",
    "horizon-too-long": "window.horizon_hours: expected a number <= 336, got 400",
    "horizon-nan": "window.horizon_hours: expected a number >= 0.05, got nan",
    "horizon-infinite": "window.horizon_hours: expected a number <= 336, got inf",
    "capacity-zero": "capacity_requests_per_second: expected a number > 0, got 0",
    "capacity-infinite": "capacity_requests_per_second: expected a number <= 1e+09, got inf",
    "stale-after-nothing": "telemetry.stale_after_seconds: expected a number > 0, got 0",
    "no-callers": "limits.callers: expected a whole number >= 1, got 0",
    "too-many-models": "limits.models: expected a whole number <= 100000, got 1000000",
    "expiry-negative": "limits.idle_expiry_seconds: expected a number > 0, got -1",
    "threshold-negative": (
        "signals.demand_surge.warning: expected a number from 0 to 1e+09, got -1.5"
    ),
    "threshold-nan": "signals.demand_surge.warning: expected a number from 0 to 1e+09, got nan",
    "threshold-infinite": (
        "signals.demand_surge.critical: expected a number from 0 to 1e+09, got inf"
    ),
    "critical-below-warning": (
        "signals.demand_surge.critical: expected at least its warning, 3, got 2"
    ),
    "warning-above-default-critical": (
        "signals.demand_surge.critical: expected at least its warning, 4, got 3"
    ),
    "no-listen-address": "web.listen_addresses: expected a list of length >= 1, got []",
    "timezone": "telemetry.timezone: expected a name like Europe/Berlin, got 'Mars/Olympus'",
    "timezone-path": "telemetry.timezone: expected a name like Europe/Berlin, got '../etc/passwd'",
    "model-without-tier": "scaling.models[0].tier: expected a value, got nothing",
    "model-unknown-setting": (
        "unknown setting scaling.models[0].vram; known there: name, tier, memory_gib, gpu"
    ),
    "model-without-size": "scaling.models[0].memory_gib: expected a number > 0, got 0",
    "model-twice": "scaling.models[1].name: expected each model once, got 'llama3.2' again",
    "server-kind": "scaling.server.kind: expected one of dry_run, ollama, openai, got 'llama'",
    "server-without-url": (
        "scaling.server.url: expected an address for the ollama server, got nothing"
    ),
    "server-url": "scaling.server.url: expected http:// or https://, got 'localhost:8080'",
    "degrade-below-upgrade": (
        "scaling.thresholds.degrade_from: expected at least upgrade_below, 0.8, got 0.5"
    ),
    "cpu-degrade-below-upgrade": (
        "scaling.thresholds.cpu_degrade_from: expected at least upgrade_below, 0.8, or null,"
        " got 0.5"
    ),
    "threshold-percent": "scaling.thresholds.degrade_from: expected a number <= 1, got 90",
    "cgroup": "scaling.cgroup: expected own, host or a path like /a/b, got 'yours'",
    "interval-zero": "scaling.interval_seconds: expected a number >= 0.1, got 0",
    "not-utf8": "expected UTF-8 text: ",
    "yaml": "expected YAML: while parsing a flow node, ",
    "yaml-tab": "(line 2, column 1)",
    "yaml-two-documents": "expected a single document in the stream, but found another document",
    "yaml-duplicate-section": "expected YAML: found the key 'limits' twice (line 4, column 1)",
    "yaml-duplicate-setting": "expected YAML: found the key 'callers' twice (line 3, column 3)",
    "yaml-number-as-key": "expected YAML: found int as a key, not text (line 3, column 5)",
    "yaml-list-as-key": "expected YAML: found seq as a key, not text (line 1, column 3)",
    "yaml-no-such-date": "expected YAML: month must be in 1..12",
    "yaml-python-object": "could not determine a constructor for the tag ",
    "yaml-control-character": "expected YAML: unacceptable character #x0007: ",
    "yaml-too-deep": "expected YAML: nested too deeply",
}
"""What is said of each `testdata/invalid-*.yml`, after the name of the file."""


def invalid(name: str) -> Path:
    return TESTDATA / f"invalid-{name}.yml"


def message(path: Path) -> str:
    """Return what is said of a file that cannot be used."""
    with pytest.raises(ConfigError) as caught:
        load(path)
    return str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "\n", "# a comment\n", "---\n", "{}", "\ufeff", "window: {}\nsignals: {}\n"]
)
def test_an_empty_configuration_has_every_default(text: str) -> None:
    assert parse(text) == Config()


def test_the_defaults_are_those_of_the_core_and_of_the_table() -> None:
    assert telemetry(Config()) == Telemetry()
    assert tuning(Config()) == default_tuning()


@pytest.mark.parametrize("name", INVALID)
def test_a_mistake_gets_a_sentence_with_file_setting_expectation_and_find(name: str) -> None:
    said = message(invalid(name))

    assert said.startswith(f"{invalid(name)}: ")
    assert INVALID[name] in said
    assert "\n" not in said


def test_every_file_of_the_corpus_has_its_sentence() -> None:
    assert {path.name for path in TESTDATA.glob("invalid-*")} == {
        invalid(name).name for name in INVALID
    }


@pytest.mark.parametrize(("name", "fault"), [("none.yml", "No such file"), ("", "directory")])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, fault: str) -> None:
    said = message(tmp_path / name)

    assert said.startswith(f"{tmp_path / name}: cannot be read: ")
    assert fault in said


def test_a_merge_key_is_yaml_too() -> None:
    config = parse(
        "signals:\n"
        "  gitea_outages: &both {warning: 3}\n"
        "  inference_failures: {<<: *both}\n"
        "  caller_failures: {<<: *both, warning: 0.5}\n"
    )

    assert config.signals == {
        "gitea_outages": {"warning": 3.0},
        "inference_failures": {"warning": 3.0},
        "caller_failures": {"warning": 0.5},
    }


def test_telemetry_is_read_as_configured() -> None:
    config = parse(
        "telemetry:\n"
        "  timezone: Europe/Berlin\n"
        "  stale_after_seconds: 60\n"
        "  request_fields: {caller: agent.name}\n"
        "  heartbeat_fields: {gitea_alive: checks.forge}\n"
        "window: {horizon_hours: 1.5}\n"
        "limits: {callers: 7, models: 3, idle_expiry_seconds: 3600}\n"
    )

    assert telemetry(config) == Telemetry(
        horizon_seconds=Seconds(5400.0),
        stale_after_seconds=Seconds(60.0),
        request_fields={"caller": "agent.name"},
        heartbeat_fields={"gitea_alive": "checks.forge"},
        zone=ZoneInfo("Europe/Berlin"),
        caller_limit=7,
        model_limit=3,
        idle_expiry_seconds=Seconds(3600.0),
    )


def test_thresholds_and_parameters_take_the_place_of_the_tables() -> None:
    config = parse(
        "signals:\n  demand_surge: {critical: 5}\n  heavy_batch: {warning: 0.5, min_callers: 8}\n"
    )

    changed = tuning(config)

    assert changed.thresholds == {
        **default_tuning().thresholds,
        ("demand_surge", Severity.CRITICAL): 5.0,
        ("heavy_batch", Severity.WARNING): 0.5,
    }
    assert changed.parameters == {
        **default_tuning().parameters,
        ("heavy_batch", "min_callers"): 8.0,
    }


def test_a_row_that_is_only_ever_critical_can_be_configured() -> None:
    config = parse("signals:\n  gitea_down: {critical: 60, min_failed_checks: 3}\n")

    assert tuning(config).thresholds["gitea_down", Severity.CRITICAL] == 60.0
    assert tuning(config).parameters["gitea_down", "min_failed_checks"] == 3.0
    with pytest.raises(
        ConfigError, match=r"gitea_down\.warning; known there: critical, min_failed"
    ):
        parse("signals:\n  gitea_down: {warning: 60}\n")


def test_capacity_and_batch_callers_are_tuning_too() -> None:
    config = parse("capacity_requests_per_second: 2\nbatch_callers: [nightly, '*_sweep']\n")

    assert tuning(config).capacity_requests_per_second == 2.0
    assert tuning(config).batch_callers == ("nightly", "*_sweep")
    assert tuning(Config()).batch_callers == BATCH_CALLERS


def test_the_yaml_of_a_configuration_says_every_threshold_and_parameter() -> None:
    resolved = parse(to_yaml(Config())).signals

    assert resolved == {
        signal.name: {
            **{str(severity): value for severity, value in signal.thresholds.items()},
            **signal.parameters,
        }
        for signal in SIGNALS
    }


def test_without_a_section_the_scaler_has_its_own_defaults() -> None:
    assert scaler_settings(Config().scaling) == Settings()


def test_the_scaler_decides_by_what_is_configured() -> None:
    config = parse(
        "scaling:\n"
        "  thresholds:\n"
        "    {degrade_from: 0.85, cpu_degrade_from: null, least_available_gib: 0.5,"
        " p95_seconds: 30}\n"
        "  models:\n"
        "    - {name: 'hermes4:70b', tier: large, memory_gib: 40, gpu: true}\n"
        "    - {name: 'llama3.2:3b', tier: small, memory_gib: 2.5}\n"
    )

    settings = scaler_settings(config.scaling)

    assert settings.thresholds == Thresholds(
        degrade_from=0.85, cpu_degrade_from=None, least_available_bytes=GIB // 2
    )
    assert settings.limits == Limits(p95_seconds=Seconds(30.0))
    assert settings.catalogue.tiers == ("small", "large")
    assert settings.catalogue.of_tier("large") == (
        ModelSpec(name="hermes4:70b", tier="large", memory_bytes=40 * GIB, needs_gpu=True),
    )


NUMBERS = st.floats(min_value=0, max_value=1e9)
POSITIVE = st.floats(min_value=0, max_value=1e9, exclude_min=True)
# PyYAML itself writes the line ends that only Unicode knows so that it reads them as spaces.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x85\u2028\u2029"))
TEXTS = st.lists(TEXT, max_size=3).map(tuple)


def fields(names: Mapping[str, str]) -> st.SearchStrategy[dict[str, str]]:
    return st.dictionaries(st.sampled_from(sorted(names)), TEXT.filter(bool), max_size=3)


def overrides() -> st.SearchStrategy[dict[str, dict[str, float]]]:
    """Draw numbers for any part of the table; of two thresholds the greater is the critical."""

    def row(names: Sequence[str]) -> st.SearchStrategy[dict[str, float]]:
        numbers = st.lists(NUMBERS, min_size=len(names), max_size=len(names)).map(sorted)
        return numbers.map(lambda drawn: dict(zip(names, drawn, strict=True)))

    return st.fixed_dictionaries(
        {},
        optional={
            signal.name: row((*map(str, signal.thresholds), *signal.parameters))
            for signal in SIGNALS
        },
    )


CONFIGS = st.builds(
    Config,
    telemetry=st.builds(
        TelemetryConfig,
        directory=TEXT,
        requests=TEXTS,
        heartbeat=TEXTS,
        timezone=st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu"]),
        stale_after_seconds=POSITIVE,
        request_fields=fields(REQUEST_FIELDS),
        heartbeat_fields=fields(TICK_FIELDS),
    ),
    window=st.builds(
        WindowConfig,
        horizon_hours=st.floats(SHORTEST_HORIZON_HOURS, LONGEST_HORIZON_HOURS),
    ),
    capacity_requests_per_second=st.none() | POSITIVE,
    batch_callers=TEXTS,
    signals=overrides(),
    limits=st.builds(LimitsConfig, callers=st.integers(1, 100_000), idle_expiry_seconds=POSITIVE),
    scaling=st.builds(
        ScalingConfig,
        interval_seconds=st.floats(0.1, 3600),
        cgroup=st.sampled_from(["own", "host", "/system.slice/ollama.service"]),
        models=st.lists(
            st.builds(
                ModelConfig,
                name=TEXT.filter(bool),
                tier=TEXT.filter(bool),
                memory_gib=st.floats(0, 1e6, exclude_min=True),
                gpu=st.booleans(),
            ),
            max_size=3,
            unique_by=lambda model: model.name,
        ).map(tuple),
        thresholds=st.builds(
            ThresholdsConfig,
            upgrade_below=st.floats(0, 0.5),
            degrade_from=st.floats(0.5, 1),
            cpu_degrade_from=st.none() | st.floats(0.5, 1),
        ),
        server=st.builds(
            ServerConfig, kind=st.sampled_from(ServerKind), url=st.just("http://localhost:1")
        ),
    ),
    web=st.builds(WebConfig, listen_addresses=TEXTS.filter(bool)),
)


@settings(max_examples=50, deadline=None)
@given(CONFIGS)
def test_any_configuration_comes_back_from_its_yaml(config: Config) -> None:
    again = parse(to_yaml(config))

    assert again == msgspec.structs.replace(config, signals=again.signals)
    assert (tuning(again), telemetry(again)) == (tuning(config), telemetry(config))


YAML_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def settings_of(kind: type[msgspec.Struct]) -> st.SearchStrategy[dict[str, Any]]:
    """Draw a mapping with settings of a section, and anything for their values."""
    values = {
        field.name: settings_of(type(field.default)) | YAML_VALUES
        if isinstance(field.default, msgspec.Struct)
        else YAML_VALUES
        for field in msgspec.structs.fields(kind)
    }
    return st.fixed_dictionaries({}, optional=values)


@settings(max_examples=200, deadline=None)
@given(settings_of(Config).map(msgspec.yaml.encode).map(bytes.decode) | st.text())
def test_any_text_is_a_configuration_or_a_config_error(text: str) -> None:
    with suppress(ConfigError):
        assert isinstance(parse(text), Config)
