"""From what is beyond its threshold at each step of time to the alerts that would have fired."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import ceil
from typing import NamedTuple

from surge_exporter.model import Seconds, Severity, UnixSeconds


class Key(NamedTuple):
    """What an alert is about: each has its own."""

    signal: str
    severity: Severity
    subject: str
    """The caller or the horizon, or "" for the whole fleet."""


class Reading(NamedTuple):
    """One key at one instant."""

    key: Key
    value: float
    judged: float
    """What is held against the threshold; what a test decides may differ from what it shows."""
    holds: bool
    """Whether it is beyond its threshold, or a test says so."""
    lasts: bool
    """Whether it would hold if it had held just before, whatever is judged."""
    threshold: float
    evidence: str


class Segment(NamedTuple):
    """Steps in a row, the last included, over which one key held at one value."""

    first: int
    last: int
    judged: float
    lasts: bool


@dataclass(slots=True)
class Stretch:
    """Steps in a row, the last included, over which one key held."""

    first: int
    last: int
    peak: float = 0.0
    evidence: str = ""
    """As of when the alert fired, if it did."""
    fell_to: float | None = None
    """The value after it; None where there was none."""
    went_stale: bool = False


class Patience(NamedTuple):
    """How long, in steps, an alert waits before it fires, and before it resolves."""

    fires_after: int
    keeps_firing: int

    @classmethod
    def of(
        cls, for_seconds: Seconds, keep_firing_seconds: Seconds, step_seconds: Seconds
    ) -> "Patience":
        """Return the patience of an alert that is evaluated at each step."""
        return cls(ceil(for_seconds / step_seconds), ceil(keep_firing_seconds / step_seconds))


class Resolution(StrEnum):
    """How an episode ended."""

    FELL = "fell"
    """The value is no longer beyond the threshold."""
    UNCONFIRMED = "unconfirmed"
    """It is, but the test that decides no longer takes it for more than chance."""
    ABSENT = "absent"
    """There is nothing left to measure: a caller fell silent, say."""
    STALE = "stale"
    """Nothing was logged any more."""
    END_OF_LOGS = "end_of_logs"
    """It did not end."""


class Span(NamedTuple):
    """An alert from its firing to its resolution, made of stretches with short breaks."""

    fired: int
    resolved: int | None
    """The step; None if it fires still."""
    stretches: tuple[Stretch, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """An alert that would have fired."""

    key: Key
    threshold: float
    peak: float
    evidence: str
    active_since: UnixSeconds
    start: UnixSeconds
    """When it fired."""
    end: UnixSeconds | None
    """When it resolved."""
    resolution: Resolution
    resolved_value: float | None


class Track:
    """The history of one key."""

    def __init__(self, patience: Patience, threshold: float) -> None:
        self.patience = patience
        self.threshold = threshold
        self.stretches: list[Stretch] = []
        self.segments: list[Segment] = []

    def hold(self, step: int, reading: Reading) -> None:
        """Note that the key holds at a step, at which it may have held before."""
        stretch = self.stretches[-1] if self.stretches else None
        if stretch is None or stretch.last != step - 1:
            stretch = Stretch(step, step)
            self.stretches.append(stretch)
        stretch.last = step
        stretch.peak = max(stretch.peak, reading.value)
        if step - stretch.first == self.patience.fires_after:
            stretch.evidence = reading.evidence
        self._note(Segment(step, step, reading.judged, reading.lasts))

    def release(self, value: float | None, *, stale: bool) -> None:
        """Note that the key, which held at the step before, does no more."""
        self.stretches[-1].fell_to = value
        self.stretches[-1].went_stale = stale

    def _note(self, new: Segment) -> None:
        old = self.segments[-1] if self.segments else None
        if old is not None and (old.last + 1, *old[2:]) == (new.first, *new[2:]):
            self.segments[-1] = old._replace(last=new.last)
        else:
            self.segments.append(new)


@dataclass(slots=True)
class Ledger:
    """All keys' histories, written step by step."""

    patience: Mapping[str, Patience]
    """By signal."""
    tracks: dict[Key, Track] = field(default_factory=dict)
    _held: set[Key] = field(default_factory=set)

    def write(self, step: int, readings: Iterable[Reading], *, stale: bool) -> bool:
        """Note what is read at a step; return whether anything holds."""
        held: set[Key] = set()
        for reading in readings:
            key = reading.key
            if reading.holds:
                if key not in self.tracks:
                    self.tracks[key] = Track(self.patience[key.signal], reading.threshold)
                self.tracks[key].hold(step, reading)
                held.add(key)
            elif key in self._held:
                self.tracks[key].release(reading.value, stale=stale)
                self._held.discard(key)
        for key in self._held - held:
            self.tracks[key].release(None, stale=stale)
        self._held = held
        return bool(held)

    def episodes(self, last_step: int, step_seconds: Seconds) -> list[Episode]:
        """Return the episodes up to the last step, in the order in which they began."""
        found = [
            _episode(key, track.threshold, span, step_seconds)
            for key, track in self.tracks.items()
            for span in spans(track.stretches, track.patience, last_step)
        ]
        return sorted(found, key=lambda episode: (episode.start, episode.key))


def spans(stretches: Iterable[Stretch], patience: Patience, last_step: int) -> Iterator[Span]:
    """Yield the alerts that stretches, in order, give rise to.

    As Prometheus has it: an alert fires once its key has held for so long without a break, and
    resolves at the first step at which the key has not held for so long.
    """
    fired, parts = 0, list[Stretch]()
    for stretch in stretches:
        if parts and stretch.first <= _resolved(parts[-1], patience):
            parts.append(stretch)
            continue
        if parts:
            yield Span(fired, _resolved(parts[-1], patience), tuple(parts))
            parts = []
        if stretch.first + patience.fires_after <= stretch.last:
            fired, parts = stretch.first + patience.fires_after, [stretch]
    if parts:
        resolved = _resolved(parts[-1], patience)
        yield Span(fired, resolved if resolved <= last_step else None, tuple(parts))


def _resolved(stretch: Stretch, patience: Patience) -> int:
    return stretch.last + 1 + patience.keeps_firing


def _episode(key: Key, threshold: float, span: Span, step_seconds: Seconds) -> Episode:
    first, last = span.stretches[0], span.stretches[-1]
    if span.resolved is None:
        resolution = Resolution.END_OF_LOGS
    elif last.went_stale:
        resolution = Resolution.STALE
    elif last.fell_to is None:
        resolution = Resolution.ABSENT
    else:
        still_high = last.fell_to > threshold
        resolution = Resolution.UNCONFIRMED if still_high else Resolution.FELL
    return Episode(
        key=key,
        threshold=threshold,
        peak=max(stretch.peak for stretch in span.stretches),
        evidence=first.evidence,
        active_since=UnixSeconds(first.first * step_seconds),
        start=UnixSeconds(span.fired * step_seconds),
        end=None if span.resolved is None else UnixSeconds(span.resolved * step_seconds),
        resolution=resolution,
        resolved_value=None if span.resolved is None else last.fell_to,
    )
