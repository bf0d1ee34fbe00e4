"""The tables of the status page: callers, dependencies, signals, sources, rejected lines."""

from collections.abc import Iterable, Iterator

from surge_exporter.core.evidence import counted, is_batch, short_number
from surge_exporter.model import (
    CallerDemand,
    DependencyHealth,
    Finding,
    Observation,
    Rejected,
    Severity,
    Source,
    Verdict,
)
from surge_exporter.signals import SIGNALS, Signal
from surge_exporter.snapshot import Snapshot, SourceStatus
from surge_exporter.web.markup import NOTHING, Html, join, tag
from surge_exporter.web.parts import (
    NONE,
    NUMBER,
    ROOMY,
    SEVERITY_TONES,
    Column,
    Tone,
    bar,
    factor,
    moment,
    percent,
    section,
    size,
    span,
    state,
    table,
    toned,
)

TOP_CALLERS = 10

_NO_REQUESTS = "No requests in the recent window."


def callers(snapshot: Snapshot, observation: Observation, verdict: Verdict) -> Html:
    """Return the busiest callers of the recent window."""
    active = [caller for caller in observation.callers if caller.requests]
    if not active:
        return section("callers", "Callers", _note(_NO_REQUESTS), class_="card")
    tokens = "Tokens" if observation.demand.volume.unit == "tokens" else "Tokens (est.)"
    columns = (
        Column("Caller"),
        Column("Requests", NUMBER),
        Column("Share", ROOMY),
        Column(tokens, ROOMY),
        Column("Token share", NUMBER),
        Column("Failed", NUMBER),
        Column("Surge", NUMBER),
    )
    rows = (_caller(caller, snapshot, verdict) for caller in active[:TOP_CALLERS])
    rest = len(active) - TOP_CALLERS
    more = _note(f"and {counted(rest, 'more caller')}") if rest > 0 else NOTHING
    return section("callers", "Callers", table("Callers", columns, rows), more, class_="card")


def _caller(caller: CallerDemand, snapshot: Snapshot, verdict: Verdict) -> tuple[Html, ...]:
    heavy = _tone(verdict, "heavy_batch", caller.caller)
    failing = _tone(verdict, "caller_failures", caller.caller)
    waits = is_batch(caller.caller, snapshot.tuning.batch_callers)
    chip = tag("span", "batch", class_="chip", title="its work can wait") if waits else NOTHING
    return (
        join([tag("bdi", caller.caller, title=caller.caller), " ", chip]),
        tag("span", short_number(caller.requests)),
        _share(caller.request_share, None),
        tag("span", short_number(caller.volume.tokens)),
        _share(caller.token_share, heavy),
        tag(
            "span",
            toned(failing, percent(caller.failure_rate)),
            title=f"{caller.failures} of {counted(caller.requests, 'request')} failed",
        ),
        _caller_factor(caller),
    )


def _share(share: float, tone: Tone | None) -> Html:
    return tag("div", toned(tone, percent(share)), bar(share, tone), class_="share")


def _caller_factor(caller: CallerDemand) -> Html:
    if caller.surge_factor is not None and not caller.baseline_requests:
        return tag("span", "new", title="no requests in the window before")
    return tag("span", factor(caller.surge_factor))


def _tone(verdict: Verdict, signal: str, subject: str) -> Tone | None:
    worst = _worst(f for f in verdict.findings if (f.signal, f.subject) == (signal, subject))
    return SEVERITY_TONES[worst] if worst else None


def _worst(findings: Iterable[Finding]) -> Severity | None:
    severities = {finding.severity for finding in findings}
    return next((s for s in (Severity.CRITICAL, Severity.WARNING) if s in severities), None)


def dependencies(snapshot: Snapshot, observation: Observation) -> Html:
    """Return what the heartbeat says of each dependency."""
    columns = (
        Column("Dependency"),
        Column("Now"),
        Column("Since", NUMBER),
        Column("Failed", NUMBER),
        Column("Outages", ROOMY),
        Column("Downtime", NUMBER),
    )
    rows = (_dependency(health, snapshot) for health in observation.dependencies)
    return section(
        "dependencies", "Dependencies", table("Dependencies", columns, rows), class_="card"
    )


def _dependency(health: DependencyHealth, snapshot: Snapshot) -> tuple[str, ...]:
    known = {True: (Tone.OK, "up"), False: (Tone.CRIT, "down"), None: (Tone.UNKNOWN, "unknown")}
    tone, words = known[health.up]
    return (
        health.dependency.value,
        state(tone, words),
        moment(health.last_change, snapshot.at),
        f"{short_number(health.failed_checks)} of {short_number(health.checks)}",
        str(health.outages),
        span(health.downtime_seconds) if health.checks else NONE,
    )


def signals(snapshot: Snapshot, observation: Observation, verdict: Verdict) -> Html:
    """Return every signal: what it measures now, its thresholds, and whether it is active."""
    columns = (
        Column("Signal"),
        Column("Measures", "roomy"),
        Column("Now", NUMBER),
        Column("Threshold"),
        Column("State"),
    )
    rows = (_signal(signal, snapshot, observation, verdict) for signal in SIGNALS)
    return section("signals", "Signals", table("Signals", columns, rows), class_="card")


def _signal(
    signal: Signal, snapshot: Snapshot, observation: Observation, verdict: Verdict
) -> tuple[Html, ...]:
    measured = [m.value for m in signal.measure(observation, snapshot.tuning)]
    worst = _worst(f for f in verdict.findings if f.signal == signal.name)
    return (
        tag("code", signal.name),
        tag("span", signal.condition, class_="detail"),
        tag("span", _number(signal, max(measured)) if measured else NONE),
        join(_thresholds(signal, snapshot), " "),
        _activity(worst, is_measured=bool(measured)),
    )


def _thresholds(signal: Signal, snapshot: Snapshot) -> Iterator[Html]:
    above = "≥" if signal.exceeds(0.0, 0.0) else ">"
    for severity in signal.thresholds:
        threshold = snapshot.tuning.thresholds[signal.name, severity]
        name = tag("span", severity.value, class_="detail")
        yield tag("span", f"{above}\xa0{_number(signal, threshold)} ", name, class_="threshold")


def _number(signal: Signal, value: float) -> str:
    if signal.metric.name.endswith("_ratio"):
        return percent(value)
    return f"{value:.2f}".removesuffix("0").removesuffix(".0")


def _activity(worst: Severity | None, *, is_measured: bool) -> Html:
    if worst is None:
        return state(Tone.OK if is_measured else Tone.UNKNOWN, "quiet")
    severity = tag("span", worst, class_="detail")
    return join([state(SEVERITY_TONES[worst], "active"), " ", severity])


def sources(snapshot: Snapshot) -> Html:
    """Return how the reading of each source goes."""
    columns = (
        Column("Source"),
        Column("Reading"),
        Column("Last record", NUMBER),
        Column("Lines", NUMBER),
        Column("Files", ROOMY),
        Column("Pending", NUMBER),
    )
    rows = (_source(source, snapshot) for source in snapshot.sources_with_history)
    faults = [
        _note(fault) for source in snapshot.sources_with_history for fault in _faults(source)
    ]
    return section("sources", "Sources", table("Sources", columns, rows), *faults, class_="card")


def _source(source: SourceStatus, snapshot: Snapshot) -> tuple[str, ...]:
    last = snapshot.observation.last_record if snapshot.observation else {}
    return (
        source.source.value,
        state(Tone.OK, "up") if source.up else state(Tone.CRIT, "down"),
        moment(last.get(source.source), snapshot.at),
        short_number(source.lines),
        str(source.files),
        size(source.pending_bytes),
    )


def _faults(source: SourceStatus) -> Iterator[str]:
    for what, counts in (("rejected", source.rejected), ("out of window", source.out_of_window)):
        reasons = ", ".join(f"{reason} {short_number(n)}" for reason, n in counts.items() if n)
        if reasons:
            yield f"{source.source.value}: {what}: {reasons}"
    if source.read_errors:
        yield f"{source.source.value}: read errors: {short_number(source.read_errors)}"


def rejected(snapshot: Snapshot) -> Html:
    """Return the newest lines that gave no record, or nothing where there are none."""
    newest = snapshot.exporter.newest_rejected
    if not newest:
        return NOTHING
    columns = (Column("Reason"), Column("Line begins", "line"))
    rows = (_rejected(source, line) for source, line in newest)
    listing = table("Newest rejected lines", columns, rows)
    return section("rejected", "Newest rejected lines", listing, class_="card")


def _rejected(source: Source, line: Rejected) -> tuple[Html, ...]:
    why = tag("span", f"{source}: {line.detail}", class_="detail")
    return join([tag("code", line.reason), why]), tag("code", line.excerpt, class_="excerpt")


def _note(words: str) -> Html:
    return tag("p", words, class_="note")
