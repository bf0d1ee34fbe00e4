"""What the alerts would have done over recorded telemetry, and which thresholds do less."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from surge_exporter.alerts import patience, readings
from surge_exporter.core.cycle import Cycle, Telemetry
from surge_exporter.core.episodes import Episode, Ledger
from surge_exporter.core.replay import Recorded, play, steps
from surge_exporter.core.thresholds import Search
from surge_exporter.model import HOUR, Observation, Seconds, Severity, Tuning, UnixSeconds
from surge_exporter.signals import ROWS, SIGNALS, Signal, surge_factors

WEEK = Seconds(7 * 24 * HOUR)

_TOLD = tuple(signal for signal in SIGNALS if signal.is_in_telemetry)


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """What one signal's alerts of one severity add up to."""

    signal: Signal
    severity: Severity
    episodes: int
    seconds: float

    @property
    def pages(self) -> bool:
        """Whether they interrupt a person."""
        return self.severity in self.signal.pages


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A threshold that would have given as few episodes as wished."""

    signal: Signal
    severity: Severity
    threshold: float
    episodes: int
    suggested: float | None
    """None where no threshold would have."""
    suggested_episodes: int


@dataclass(frozen=True, slots=True)
class Hour:
    """One hour of the epoch."""

    start: UnixSeconds
    requests: int
    expected: float | None
    """What the seasonal test expected, requests per hour; None where there was no test."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Playback:
    """What came of playing telemetry back."""

    start: UnixSeconds
    end: UnixSeconds
    step_seconds: Seconds
    horizon_seconds: Seconds
    pages_per_week: float
    """As wished, of each signal and severity."""
    tested_from: UnixSeconds | None
    """Since when there is history enough for the seasonal test."""
    episodes: Sequence[Episode]
    totals: Sequence[Total]
    suggestions: Sequence[Suggestion]
    hours: Sequence[Hour]

    @property
    def weeks(self) -> float:
        """How many they are; less than one counts as one: a day says little of a week."""
        return max(1.0, (self.end - self.start) / WEEK)

    def pages(self, episode: Episode) -> bool:
        """Say whether an episode would have interrupted a person."""
        return episode.key.severity in row(episode).pages


def row(episode: Episode) -> Signal:
    """Return an episode's row of the table."""
    return ROWS[episode.key.signal]


def play_back(
    recorded: Recorded,
    telemetry: Telemetry,
    tuning: Tuning,
    *,
    step_seconds: Seconds,
    pages_per_week: float,
    progress: Callable[[int], None] = lambda _: None,
) -> Playback:
    """Return what the alerts would have done; there must be records."""
    cycle = Cycle(telemetry)
    cycle.set_surge_factors(**surge_factors(tuning))
    witness = _Witness(tuning, Ledger(patience(step_seconds)))
    play(cycle, recorded, step_seconds, witness.see, progress)
    first, last = steps(recorded, step_seconds)
    start, end = UnixSeconds(first * step_seconds), UnixSeconds(last * step_seconds)
    episodes = witness.ledger.episodes(last, step_seconds)
    allowed = pages_per_week * max(1.0, (end - start) / WEEK)
    return Playback(
        start=start,
        end=end,
        step_seconds=step_seconds,
        horizon_seconds=telemetry.horizon_seconds,
        pages_per_week=pages_per_week,
        tested_from=witness.tested_from,
        episodes=episodes,
        totals=[
            _total(signal, severity, episodes, end)
            for signal in _TOLD
            for severity in signal.thresholds
        ],
        suggestions=[
            suggestion
            for signal in _TOLD
            for suggestion in _suggestions(signal, witness.ledger, tuning, allowed)
        ],
        hours=witness.hours(recorded, end),
    )


@dataclass(slots=True)
class _Witness:
    """Sees each step, and keeps what is to be known of it."""

    tuning: Tuning
    ledger: Ledger
    tested_from: UnixSeconds | None = None
    expected: dict[int, float] = field(default_factory=dict)
    """By hour, as it was expected at its end."""

    def see(self, step: int, observation: Observation) -> bool:
        test = observation.demand.surge_test
        if test is not None:
            self.tested_from = self.tested_from or observation.at
            hour = int(observation.at // HOUR) - 1
            self.expected.setdefault(hour, test.expected_requests_per_second * HOUR)
        return self.ledger.write(step, readings(observation, self.tuning), stale=observation.stale)

    def hours(self, recorded: Recorded, end: UnixSeconds) -> list[Hour]:
        counts = recorded.requests_by_hour()
        known = sorted({*counts, *self.expected})
        return [
            Hour(UnixSeconds(hour * HOUR), counts.get(hour, 0), self.expected.get(hour))
            for hour in known
            if (hour + 1) * HOUR <= end
        ]


def _total(
    signal: Signal, severity: Severity, episodes: Sequence[Episode], end: UnixSeconds
) -> Total:
    own = [e for e in episodes if e.key[:2] == (signal.name, severity)]
    return Total(
        signal=signal,
        severity=severity,
        episodes=len(own),
        seconds=sum((end if e.end is None else e.end) - e.start for e in own),
    )


def _suggestions(
    signal: Signal, ledger: Ledger, tuning: Tuning, allowed: float
) -> list[Suggestion]:
    """Return what to change, the milder severity first: no other may have a lower threshold."""
    found: list[Suggestion] = []
    floor = 0.0
    for severity in signal.thresholds:
        threshold = tuning.thresholds[signal.name, severity]
        search = _search(signal, severity, ledger)
        episodes = search.episodes(threshold)
        suggested: float | None = max(threshold, floor)
        if suggested is not None and search.episodes(suggested) > allowed:
            suggested = search.least_threshold(suggested, most=signal.most, allowed=allowed)
        floor = floor if suggested is None else suggested
        if suggested != threshold:
            found.append(
                Suggestion(
                    signal=signal,
                    severity=severity,
                    threshold=threshold,
                    episodes=episodes,
                    suggested=suggested,
                    suggested_episodes=0 if suggested is None else search.episodes(suggested),
                )
            )
    return found


def _search(signal: Signal, severity: Severity, ledger: Ledger) -> Search:
    tracks = {k: t for k, t in ledger.tracks.items() if k[:2] == (signal.name, severity)}
    return Search(
        tracks=[track.segments for track in tracks.values()],
        exceeds=signal.exceeds,
        patience=ledger.patience[signal.name],
    )
