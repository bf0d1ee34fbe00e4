"""Every metric family: the signals' own, and the rest.

`/metrics`, the docs and the golden file of names all come from this table.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal

from surge_exporter import signals
from surge_exporter.core.host_samples import (
    current_tier,
    decided,
    host_tier,
    loaded_models,
    model_switches,
    of_host,
    of_server,
    per_gpu,
    preflight_checks,
    recommended_tier,
    resource_trends,
    scaling_events,
)
from surge_exporter.core.samples import (
    Read,
    active_signals,
    caller_confirmed,
    confirmed,
    directories,
    known_level,
    observed,
    parameters,
    per_caller,
    per_dependency,
    per_forecast,
    per_series,
    per_source,
    single,
    states,
    tested,
    tested_caller,
    thresholds,
    tokens,
    waits,
)
from surge_exporter.model import DemandLevel, Dependency, DispatchPosture, ResourceMode
from surge_exporter.snapshot import (
    Family,
    Metric,
    RawTotals,
    Sample,
    Snapshot,
    SourceStatus,
    WatchMode,
)

COLLECTOR_SUCCESS = Family(
    name="surge_scrape_collector_success",
    kind="gauge",
    help="Whether a part of this scrape could be read.",
    labels=("collector",),
)
COLLECTOR_DURATION = Family(
    name="surge_scrape_collector_duration_seconds",
    kind="gauge",
    help="How long a part of this scrape took to read.",
    labels=("collector",),
)


def _rows(collector: str, kind: Literal["gauge", "counter", "histogram"]) -> Callable[..., Metric]:
    def row(name: str, text: str, read: Read, *labels: str) -> Metric:
        return Metric(
            name=name, kind=kind, help=text, labels=labels, collector=collector, read=read
        )

    return row


_demand = _rows("demand", "gauge")
_caller = _rows("callers", "gauge")
_dependency = _rows("dependencies", "gauge")
_raw = _rows("totals", "counter")
_source = _rows("sources", "gauge")
_source_total = _rows("sources", "counter")
_host = _rows("host", "gauge")
_host_total = _rows("host", "counter")
_exporter = _rows("exporter", "gauge")
_exporter_total = _rows("exporter", "counter")


def _windows(snapshot: Snapshot) -> Iterator[Sample]:
    for window in ("recent", "baseline", "forecast"):
        yield (window,), snapshot.horizon_seconds


def _actions(snapshot: Snapshot) -> Iterator[Sample]:
    if snapshot.verdict:
        recommended = {r.action for r in snapshot.verdict.recommendations}
        for action in signals.ACTIONS:
            yield (action.slug,), float(action.slug in recommended)


def _durations(snapshot: Snapshot) -> Iterator[Sample]:
    for model, histogram in snapshot.totals.durations.items():
        yield (model,), histogram


def _by_dependency(read: Callable[[RawTotals], Mapping[Dependency, int]]) -> Read:
    def samples(snapshot: Snapshot) -> Iterator[Sample]:
        for dependency, count in read(snapshot.totals).items():
            yield (dependency,), count

    return samples


def _by_reason(read: Callable[[SourceStatus], Iterable[tuple[str, int]]]) -> Read:
    def samples(snapshot: Snapshot) -> Iterator[Sample]:
        for source in snapshot.sources:
            for reason, count in read(source):
                yield (source.source, reason), count

    return samples


def _last_records(snapshot: Snapshot) -> Iterator[Sample]:
    for source, at in (snapshot.observation.last_record if snapshot.observation else {}).items():
        yield (source,), at


def _overflows(snapshot: Snapshot) -> Iterator[Sample]:
    for label, count in snapshot.totals.label_overflows.items():
        yield (label,), count


def _log_messages(snapshot: Snapshot) -> Iterator[Sample]:
    for level, count in snapshot.exporter.log_messages.items():
        yield (level,), count


def _watch_modes(snapshot: Snapshot) -> Iterator[Sample]:
    for mode in WatchMode:
        yield (mode,), float(mode is snapshot.exporter.watch.mode)


def _state_saved(snapshot: Snapshot) -> Iterator[Sample]:
    if snapshot.exporter.state.saved_at is not None:
        yield (), snapshot.exporter.state.saved_at


def _state_rejected(snapshot: Snapshot) -> Iterator[Sample]:
    for fault, count in snapshot.exporter.state.rejected.items():
        yield (fault,), count


def _build_info(snapshot: Snapshot) -> Iterator[Sample]:
    exporter = snapshot.exporter
    yield (exporter.version, exporter.revision, exporter.python_version), 1.0


_OTHERS: tuple[Metric, ...] = (
    _demand(
        "surge_adjusted_factor",
        "Demand over the seasonal expectation; absent until there is history to expect from.",
        tested(lambda test: test.factor),
    ),
    _demand(
        "surge_z_score",
        "How far demand lies over its expectation, in standard deviations; absent likewise.",
        tested(lambda test: test.z_score),
    ),
    _demand(
        "surge_expected_requests_per_second",
        "Request rate expected from season and history; absent likewise.",
        tested(lambda test: test.expected_requests_per_second),
    ),
    _demand(
        "surge_confirmed",
        "Whether the seasonal test confirms a surge; absent likewise.",
        confirmed,
        "severity",
    ),
    _demand(
        "surge_predicted_requests_per_second",
        "Expected mean request rate over the next hours; absent before any record.",
        per_forecast(lambda forecast: forecast.requests_per_second),
        "horizon",
    ),
    _demand(
        "surge_predicted_low_requests_per_second",
        "Lower end of the forecast's 80 % interval; absent until there is history for one.",
        per_forecast(lambda forecast: forecast.low_requests_per_second),
        "horizon",
    ),
    _demand(
        "surge_predicted_high_requests_per_second",
        "Upper end of the forecast's 80 % interval; absent likewise.",
        per_forecast(lambda forecast: forecast.high_requests_per_second),
        "horizon",
    ),
    _demand(
        "surge_forecast_coverage_ratio",
        "Part of finished forecasts whose interval held the truth; absent likewise.",
        per_forecast(lambda forecast: forecast.coverage_ratio),
        "horizon",
    ),
    _demand(
        "surge_forecast_history_seconds",
        "How much history the forecast was learned from; absent before it was.",
        observed(lambda observation: observation.demand.forecast.history_seconds),
    ),
    _demand(
        "surge_demand_level",
        "Demand against its baseline: 1 for the current level, unknown without a valid baseline"
        " or fresh telemetry.",
        states(DemandLevel, known_level),
        "level",
    ),
    _demand(
        "surge_resource_mode",
        "1 for the current mode: surge while a signal asks for more resources.",
        states(ResourceMode, lambda _, verdict: verdict.resource_mode),
        "mode",
    ),
    _demand(
        "surge_dispatch_posture",
        "1 for the current posture: degraded while the forge has outages.",
        states(DispatchPosture, lambda _, verdict: verdict.dispatch_posture),
        "posture",
    ),
    _demand(
        "surge_recent_requests_per_second",
        "Request rate over the covered part of the recent window; absent before any record.",
        observed(
            lambda o: None if o.history_start is None else o.demand.recent.requests_per_second
        ),
    ),
    _demand(
        "surge_baseline_requests_per_second",
        "Request rate over the covered part of the baseline window; absent without a valid"
        " baseline.",
        observed(
            lambda o: o.demand.baseline.requests_per_second if o.demand.baseline_valid else None
        ),
    ),
    _demand(
        "surge_baseline_valid",
        "Whether enough of the baseline window is covered to compare with.",
        observed(lambda o: float(o.demand.baseline_valid)),
    ),
    _demand(
        "surge_baseline_coverage_ratio",
        "Part of the baseline window that telemetry covers.",
        observed(lambda o: o.demand.baseline.covered_ratio),
    ),
    _demand(
        "surge_window_seconds",
        "Length of each window, as configured.",
        _windows,
        "window",
    ),
    _demand(
        "surge_capacity_requests_per_second",
        "Request rate that the fleet can serve; absent unless configured.",
        single(lambda snapshot: snapshot.tuning.capacity_requests_per_second),
    ),
    _demand(
        "surge_recommended_action",
        "1 for each action that the verdict recommends.",
        _actions,
        "action",
    ),
    _demand(
        "surge_signal_threshold",
        "Threshold of a signal, as configured.",
        thresholds,
        "signal",
        "severity",
    ),
    _demand(
        "surge_signal_parameter",
        "Further number that a signal needs, as configured.",
        parameters,
        "signal",
        "parameter",
    ),
    _demand(
        "surge_signal_active",
        "Whether a signal is beyond its threshold.",
        active_signals,
        "signal",
        "severity",
    ),
    _caller(
        "surge_caller_requests",
        "Requests of a caller in the recent window.",
        per_caller(lambda caller, _: caller.requests),
        "caller",
    ),
    _caller(
        "surge_caller_failures",
        "Failed requests of a caller in the recent window.",
        per_caller(lambda caller, _: caller.failures),
        "caller",
    ),
    _caller(
        "surge_caller_tokens",
        "Token volume of a caller in the recent window: logged tokens, else characters / 4.",
        per_caller(lambda caller, _: caller.volume.tokens),
        "caller",
    ),
    _caller(
        "surge_caller_batch",
        "Whether a caller's work can wait, by batch_callers; absent without recent requests.",
        per_caller(waits),
        "caller",
    ),
    _caller(
        "surge_caller_surge_factor",
        "Recent request rate of a caller over its baseline rate; absent without a valid baseline.",
        per_caller(lambda caller, _: caller.surge_factor),
        "caller",
    ),
    _caller(
        "surge_caller_adjusted_factor",
        "Demand of one of the busiest callers over its seasonal expectation; absent likewise.",
        per_caller(tested_caller(lambda test: test.factor)),
        "caller",
    ),
    _caller(
        "surge_caller_z_score",
        "How far that lies over its expectation, in standard deviations; absent likewise.",
        per_caller(tested_caller(lambda test: test.z_score)),
        "caller",
    ),
    _caller(
        "surge_caller_confirmed",
        "Whether the seasonal test confirms a surge of the caller; absent likewise.",
        caller_confirmed,
        "caller",
        "severity",
    ),
    _dependency(
        "surge_dependency_up",
        "The newest heartbeat check; absent while there is none or it is stale.",
        per_dependency(lambda health: None if health.up is None else float(health.up)),
        "dependency",
    ),
    _dependency(
        "surge_dependency_checks",
        "Heartbeat checks in the recent window.",
        per_dependency(lambda health: health.checks),
        "dependency",
    ),
    _dependency(
        "surge_dependency_downtime_seconds",
        "Time from failed checks to the next passed ones, in the recent window.",
        per_dependency(lambda health: health.downtime_seconds),
        "dependency",
    ),
    _dependency(
        "surge_dependency_last_change_timestamp_seconds",
        "When the dependency last went up or down; its oldest check where it never did.",
        per_dependency(lambda health: health.last_change),
        "dependency",
    ),
    _raw(
        "surge_inference_requests_total",
        "Requests read since the exporter started.",
        per_series(lambda series: series.requests),
        "caller",
        "model",
    ),
    _raw(
        "surge_inference_request_failures_total",
        "Failed requests read since the exporter started.",
        per_series(lambda series: series.failures),
        "caller",
        "model",
    ),
    _raw(
        "surge_inference_prompt_characters_total",
        "Characters of the prompts read since the exporter started.",
        single(lambda snapshot: snapshot.totals.prompt_characters),
    ),
    _raw(
        "surge_inference_response_characters_total",
        "Characters of the responses read since the exporter started.",
        single(lambda snapshot: snapshot.totals.response_characters),
    ),
    _raw(
        "surge_inference_tokens_total",
        "Tokens that were logged since the exporter started; absent where none were.",
        tokens,
        "caller",
        "model",
        "direction",
    ),
    _rows("totals", "histogram")(
        "surge_inference_request_duration_seconds",
        "Durations of requests read since the exporter started; absent where none are logged.",
        _durations,
        "model",
    ),
    _raw(
        "surge_heartbeat_ticks_total",
        "Heartbeat ticks read since the exporter started.",
        single(lambda snapshot: snapshot.totals.ticks),
    ),
    _raw(
        "surge_heartbeat_checks_total",
        "Heartbeat checks read since the exporter started.",
        _by_dependency(lambda totals: totals.checks),
        "dependency",
    ),
    _raw(
        "surge_heartbeat_check_failures_total",
        "Failed heartbeat checks read since the exporter started.",
        _by_dependency(lambda totals: totals.failed_checks),
        "dependency",
    ),
    _source(
        "surge_source_up",
        "Whether at least one file of the source can be read.",
        per_source(lambda source: float(source.up)),
        "source",
    ),
    _source(
        "surge_source_files",
        "Files being followed.",
        per_source(lambda source: source.files),
        "source",
    ),
    _source(
        "surge_source_pending_bytes",
        "Bytes written but not yet read.",
        per_source(lambda source: source.pending_bytes),
        "source",
    ),
    _source(
        "surge_source_last_record_timestamp_seconds",
        "Event time of the newest record.",
        _last_records,
        "source",
    ),
    _source(
        "surge_source_last_read_timestamp_seconds",
        "When the source was last looked at.",
        per_source(lambda source: source.last_read),
        "source",
    ),
    _source(
        "surge_source_directory_info",
        "A fingerprint of each directory read from, the same wherever it is mounted; always 1.",
        directories,
        "source",
        "directory",
    ),
    _source_total(
        "surge_source_lines_total",
        "Lines read since the exporter started, blank ones aside.",
        per_source(lambda source: source.lines),
        "source",
    ),
    _source_total(
        "surge_source_repaired_lines_total",
        "Lines that were not valid UTF-8 and gave a record all the same.",
        per_source(lambda source: source.repaired),
        "source",
    ),
    _source_total(
        "surge_source_read_bytes_total",
        "Bytes of whole lines read since the exporter started.",
        per_source(lambda source: source.read_bytes),
        "source",
    ),
    _source_total(
        "surge_source_read_errors_total",
        "Failed attempts to list, open or read.",
        per_source(lambda source: source.read_errors),
        "source",
    ),
    _source_total(
        "surge_source_rotations_total",
        "Files replaced by a new one under the same name.",
        per_source(lambda source: source.rotations),
        "source",
    ),
    _source_total(
        "surge_source_truncations_total",
        "Files cut short or rewritten in place, and so read again from the start.",
        per_source(lambda source: source.truncations),
        "source",
    ),
    _source_total(
        "surge_source_skipped_bytes_total",
        "Bytes passed over that no writer wrote: NULs and holes.",
        per_source(lambda source: source.skipped_bytes),
        "source",
    ),
    _source_total(
        "surge_source_rejected_lines_total",
        "Lines that gave no record, by reason.",
        _by_reason(lambda source: source.rejected.items()),
        "source",
        "reason",
    ),
    _source_total(
        "surge_source_out_of_window_records_total",
        "Good records too old or too far in the future for either window.",
        _by_reason(lambda source: source.out_of_window.items()),
        "source",
        "reason",
    ),
    _host(
        "surge_host_cpu_ratio",
        "Used part of the CPUs, or of the control group's quota where that is more; absent, as"
        " all of the host, unless it is sampled.",
        of_host(lambda host: host.sample.cpu_ratio),
    ),
    _host(
        "surge_host_memory_ratio",
        "Part of the memory, or of the control group's limit, that is not available.",
        of_host(lambda host: host.sample.memory_ratio),
    ),
    _host(
        "surge_host_memory_available_bytes",
        "Memory that could be had without swapping.",
        of_host(lambda host: host.sample.memory_available_bytes),
    ),
    _host(
        "surge_host_memory_bytes",
        "Memory of the host, or the control group's limit.",
        of_host(lambda host: host.sample.memory_total_bytes),
    ),
    _host(
        "surge_host_swap_used_bytes",
        "Swap in use.",
        of_host(lambda host: host.sample.swap_used_bytes),
    ),
    _host(
        "surge_host_load_ratio",
        "Load of the last minute over the CPUs that may be used; more than 1 is a queue.",
        of_host(lambda host: host.sample.load_per_cpu),
    ),
    _host(
        "surge_host_gpu_memory_ratio",
        "Used part of a GPU's memory; absent without GPU, or without its driver.",
        per_gpu(lambda gpu: gpu.memory_ratio),
        "gpu",
    ),
    _host(
        "surge_host_gpu_utilization_ratio",
        "Part of the time that a GPU was busy; absent likewise, or where it does not say.",
        per_gpu(lambda gpu: gpu.utilization_ratio),
        "gpu",
    ),
    _host(
        "surge_host_tier",
        "1 for the class of the machine, by the memory that it or its largest GPU has.",
        host_tier,
        "tier",
    ),
    _host(
        "surge_model_tier_recommended",
        "1 for the tier of models to serve with; all 0 where none fits.",
        recommended_tier,
        "tier",
    ),
    _host(
        "surge_model_tier_current",
        "1 for the tier of the model that serves or, without switching, is loaded; absent where"
        " nobody says.",
        current_tier,
        "tier",
    ),
    _host(
        "surge_model_server_up",
        "Whether the model server answered when it was last asked; absent where nobody asks one,"
        " and before the first answer.",
        of_server(lambda server: None if server.is_up is None else float(server.is_up)),
    ),
    _host(
        "surge_model_loaded",
        "1 for each configured model in the server's memory; others are absent, as all are where"
        " it does not say.",
        loaded_models,
        "model",
    ),
    _host_total(
        "surge_model_switches_total",
        "Switches of models since the exporter started, by how they ended: failed where no other"
        " model could be loaded.",
        model_switches,
        "decision",
        "outcome",
    ),
    _host_total(
        "surge_scaling_events_total",
        "Changes of the recommended tier since the exporter started.",
        scaling_events,
        "decision",
    ),
    _host(
        "surge_scaling_stabilization_until_timestamp_seconds",
        "Until when nothing larger is recommended.",
        decided(lambda decision: decision.stabilization_until),
    ),
    _host(
        "surge_scaling_last_decision_timestamp_seconds",
        "When the scaler last decided, be it to hold.",
        decided(lambda decision: decision.at),
    ),
    _host(
        "surge_scaling_trend_per_second",
        "Slope of a resource's use since the last change; absent without samples enough.",
        resource_trends,
        "resource",
    ),
    _host_total(
        "surge_scaling_errors_total",
        "Samples and decisions that failed since the exporter started.",
        of_host(lambda host: host.failures),
    ),
    _host_total(
        "surge_preflight_checks_total",
        "Pre-flight checks answered since the exporter started.",
        preflight_checks,
        "outcome",
    ),
    _exporter(
        "surge_exporter_build_info",
        "What is running; always 1.",
        _build_info,
        "version",
        "revision",
        "pythonversion",
    ),
    _exporter(
        "surge_exporter_config_last_reload_successful",
        "Whether the last attempt to load the configuration succeeded.",
        single(lambda snapshot: float(snapshot.exporter.reload_successful)),
    ),
    _exporter(
        "surge_exporter_config_last_reload_success_timestamp_seconds",
        "When the configuration was last loaded.",
        single(lambda snapshot: snapshot.exporter.reload_success_at),
    ),
    _exporter(
        "surge_exporter_watch_mode",
        "How new lines are noticed: by the kernel's word, or by looking every second.",
        _watch_modes,
        "mode",
    ),
    _exporter_total(
        "surge_exporter_watch_missed_total",
        "Times that bytes were found which no event had announced.",
        single(lambda snapshot: snapshot.exporter.watch.missed),
    ),
    _exporter_total(
        "surge_exporter_watch_overflows_total",
        "Times that the kernel dropped events for want of room.",
        single(lambda snapshot: snapshot.exporter.watch.overflows),
    ),
    _exporter_total(
        "surge_exporter_watch_rebuilds_total",
        "Times that a deaf watcher was replaced.",
        single(lambda snapshot: snapshot.exporter.watch.rebuilds),
    ),
    _exporter(
        "surge_exporter_state_last_saved_timestamp_seconds",
        "When the state of the last scrape was saved; absent if none was.",
        _state_saved,
    ),
    _exporter_total(
        "surge_exporter_state_save_errors_total",
        "Failed attempts to save the state.",
        single(lambda snapshot: snapshot.exporter.state.save_errors),
    ),
    _exporter_total(
        "surge_exporter_state_rejected_total",
        "Saved states that could not be used, by reason; 1 at most.",
        _state_rejected,
        "reason",
    ),
    _exporter_total(
        "surge_exporter_clock_jumps_total",
        "Times that the wall clock was set, or the machine slept, by more than a minute.",
        single(lambda snapshot: snapshot.exporter.clock_jumps),
    ),
    _exporter_total(
        "surge_exporter_label_overflows_total",
        "Records counted under __other__ because a label had no room for its value.",
        _overflows,
        "label",
    ),
    _exporter_total(
        "surge_exporter_log_messages_total",
        "Messages that the exporter logged.",
        _log_messages,
        "level",
    ),
)

METRICS: tuple[Metric, ...] = (
    *{signal.metric.name: signal.metric for signal in signals.SIGNALS}.values(),
    *_OTHERS,
)
COLLECTORS: tuple[str, ...] = tuple(dict.fromkeys(metric.collector for metric in METRICS))
"""The parts of a scrape, which fail separately."""
