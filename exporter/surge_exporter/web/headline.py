"""The first thing read: the verdict as one coloured banner, or why there is none yet."""

from collections.abc import Iterator

from surge_exporter.core.samples import known_level
from surge_exporter.model import (
    Demand,
    DemandLevel,
    DispatchPosture,
    Observation,
    ResourceMode,
    Severity,
    Source,
    SurgeTest,
    Tuning,
    Verdict,
)
from surge_exporter.signals import NORMAL_DEMAND_ABOVE
from surge_exporter.snapshot import Snapshot, SourceStatus
from surge_exporter.web.markup import NOTHING, Html, tag
from surge_exporter.web.parts import Tone, clock, factor, hours, icon, moment, pill, size

_LEVEL_TONES = {
    DemandLevel.LOW: Tone.OK,
    DemandLevel.NORMAL: Tone.OK,
    DemandLevel.ELEVATED: Tone.WARN,
    DemandLevel.CRITICAL: Tone.CRIT,
    DemandLevel.UNKNOWN: Tone.UNKNOWN,
}
_MODE_TONES = {ResourceMode.STEADY: Tone.OK, ResourceMode.SURGE: Tone.WARN}
_POSTURE_TONES = {DispatchPosture.NORMAL: Tone.OK, DispatchPosture.DEGRADED: Tone.WARN}
_URGENCY = (Tone.OK, Tone.UNKNOWN, Tone.WARN, Tone.CRIT)
_SCALE_HEADROOM = 4 / 3  # the scale runs on past the critical threshold by a third of it

_EXPECTED_LINES = {
    Source.REQUESTS: "one line per inference request",
    Source.HEARTBEAT: "one line per health tick",
}
_EXAMPLE = (
    '{"timestamp": "2026-03-29T21:04:11Z", "model": "hermes4:14b", "caller": "heartbeat_tick",'
    ' "prompt_len": 1834, "response_len": 212, "success": true}'
)


def reading(snapshot: Snapshot) -> Html:
    """Return the banner for while history is being read: a partial sum would mislead."""
    return _banner(
        Tone.UNKNOWN,
        "Reading history…",
        tag("p", "The verdict follows when both windows are loaded.", class_="lead"),
        tag(
            "ul",
            *(_progress(source) for source in snapshot.sources_with_history),
            class_="progress",
        ),
    )


def _progress(source: SourceStatus) -> Html:
    whole = max(source.read_bytes + source.pending_bytes, 1)
    progress = tag(
        "progress",
        value=str(source.read_bytes),
        max=str(whole),
        aria_label=f"{source.source}: read so far",
    )
    left = tag("span", f"{size(source.pending_bytes)} pending")
    return tag("li", tag("b", source.source), progress, left)


def silent(snapshot: Snapshot) -> Html:
    """Return the banner for when no record has been seen at all: what is expected where."""
    expected = (
        (tag("dt", tag("code", pattern)), tag("dd", _EXPECTED_LINES[source.source]))
        for source in snapshot.sources_with_history
        for pattern in source.patterns
    )
    return _banner(
        Tone.UNKNOWN,
        "No telemetry yet",
        tag(
            "p",
            "Not one record has been read, so there is nothing to judge."
            " The exporter follows these files:",
            class_="lead",
        ),
        tag("dl", *(element for pair in expected for element in pair), class_="expected"),
        tag("p", "A request line looks like this:", class_="lead"),
        tag("pre", tag("code", _EXAMPLE), tabindex="0", aria_label="Example of a request line"),
    )


def judged(snapshot: Snapshot, observation: Observation, verdict: Verdict) -> Html:
    """Return the verdict: demand and its factor, resource mode, dispatch posture."""
    level = known_level(observation, verdict)
    value = None if level is DemandLevel.UNKNOWN else observation.demand.surge_factor
    return _banner(
        tone(snapshot),
        _heading(snapshot, observation),
        tag("p", *_lead(snapshot, observation, level), class_="lead"),
        _factor(value, observation.demand, _LEVEL_TONES[level]),
        tag("ul", *_pills(observation, verdict), class_="pills", aria_label="Verdict"),
        _scale(value, snapshot.tuning, _LEVEL_TONES[level]),
    )


def _heading(snapshot: Snapshot, observation: Observation) -> Html:
    if not observation.stale:
        return tag("span", title(snapshot))
    since = clock(max(observation.last_record.values()), snapshot.at)
    return tag("span", f"{title(snapshot)} since ", since)


def _factor(value: float | None, demand: Demand, tone: Tone) -> Html:
    if value is None:
        return NOTHING
    caption = f"the rate of the {hours(demand.horizon_seconds)} before"
    return tag(
        "p", tag("b", factor(value), class_=tone), " ", tag("span", caption), class_="factor"
    )


def title(snapshot: Snapshot) -> str:
    """Return the page's one sentence."""
    observation, verdict = snapshot.observation, snapshot.verdict
    if observation is None or verdict is None:
        return "Reading history…"
    if not observation.last_record:
        return "No telemetry yet"
    if observation.stale:
        return "Telemetry is stale"
    if not observation.demand.baseline_valid:
        return "Demand has no baseline yet"
    return f"Demand is {verdict.demand_level.value}"


def tone(snapshot: Snapshot) -> Tone:
    """Return the most urgent tone of the verdict's parts."""
    observation, verdict = snapshot.observation, snapshot.verdict
    if observation is None or verdict is None or not observation.last_record:
        return Tone.UNKNOWN
    tones = {
        Tone.WARN if observation.stale else Tone.OK,
        _LEVEL_TONES[known_level(observation, verdict)],
        _MODE_TONES[verdict.resource_mode],
        _POSTURE_TONES[verdict.dispatch_posture],
    }
    return max(tones, key=_URGENCY.index)


def _banner(tone: Tone, heading: str, *children: str) -> Html:
    return tag(
        "section",
        tag("h1", icon(tone), heading, id="verdict"),
        *children,
        class_=f"verdict {tone}",
        aria_labelledby="verdict",
    )


def _lead(snapshot: Snapshot, observation: Observation, level: DemandLevel) -> Iterator[str]:
    demand = observation.demand
    if observation.stale:
        yield "The newest record is from "
        yield moment(max(observation.last_record.values()), snapshot.at)
        yield ": demand is unknown, not idle. Check that the fleet still writes its logs here."
    elif level is DemandLevel.UNKNOWN:
        yield "Telemetry begins "
        yield moment(observation.history_start, snapshot.at)
        yield f", too late to compare with the {hours(demand.horizon_seconds)} before."
    elif demand.surge_test is None:
        yield "Compared with the time just before; what is usual at this hour is not considered."
    else:
        yield _seasonal(demand.surge_test, level)


def _seasonal(test: SurgeTest, level: DemandLevel) -> str:
    times = f"{test.factor:.2f} times what is usual at this time (z\xa0=\xa0{test.z_score:.1f})."
    if Severity.CRITICAL in test.confirmed:
        return f"Confirmed as critical: {times}"
    if test.confirmed:
        return f"Confirmed: {times}"
    return times if _LEVEL_TONES[level] is Tone.OK else f"Not confirmed: {times}"


def _pills(observation: Observation, verdict: Verdict) -> Iterator[Html]:
    mode, posture = verdict.resource_mode, verdict.dispatch_posture
    for label, tone, words in (
        ("Resource mode", _MODE_TONES[mode], mode),
        ("Dispatch posture", _POSTURE_TONES[posture], posture),
    ):
        is_guess = observation.stale and tone is Tone.OK
        yield pill(label, Tone.UNKNOWN if is_guess else tone, words)


def _scale(value: float | None, tuning: Tuning, tone: Tone) -> Html:
    """Draw where the factor stands between its thresholds."""
    if value is None:
        return NOTHING
    elevated = tuning.thresholds["demand_surge", Severity.WARNING]
    critical = max(tuning.thresholds["demand_surge", Severity.CRITICAL], elevated)
    end = max(critical, NORMAL_DEMAND_ABOVE) * _SCALE_HEADROOM
    zones = ((0.0, elevated, Tone.OK), (elevated, critical, Tone.WARN), (critical, end, Tone.CRIT))
    marks = (
        (NORMAL_DEMAND_ABOVE, f"{NORMAL_DEMAND_ABOVE:g}×"),
        (elevated, f"{elevated:g}× elevated"),
        (critical, f"{critical:g}× critical"),
    )
    return tag(
        "svg",
        *(
            tag(
                "rect", x=_at(low, end), width=_at(high - low, end), y="6", height="6", class_=zone
            )
            for low, high, zone in zones
        ),
        *(tag("text", words, x=_at(mark, end), y="32") for mark, words in marks),
        tag("circle", cx=_at(value, end), cy="9", r="8", class_=tone),
        class_="scale",
        role="img",
        aria_label=f"{factor(value)}: elevated above {elevated:g}, critical above {critical:g}",
    )


def _at(value: float, end: float) -> str:
    return f"{min(max(value / end, 0.0), 1.0):.2%}"
