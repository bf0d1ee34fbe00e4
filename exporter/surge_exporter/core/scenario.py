"""What a simulated fleet goes through: a rhythm, and episodes of trouble at set times."""

import math
from dataclasses import dataclass
from enum import StrEnum

from surge_exporter.model import HOUR, UnixSeconds

_DAY = 24 * HOUR


class EpisodeKind(StrEnum):
    """What may happen to the fleet, and what an episode's magnitude means."""

    SURGE = "surge"
    """Magnitude: a factor on the demand, above 0; factors of episodes that overlap multiply."""
    GITEA_OUTAGE = "gitea_outage"
    """Magnitude: the share of the forge checks that fail."""
    INFERENCE_FAILURES = "inference_failures"
    """Magnitude: the share of the inference checks that fail; a tenth of it of the requests."""
    FAILING_CALLER = "failing_caller"
    """Magnitude: the share of the requests of `FAILING_CALLER` that fail."""
    BATCH_JOB = "batch_job"
    """Magnitude: the share of the token volume that `BATCH_CALLER` takes, up to 0.99."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """Something that happens for a while.

    Raises:
        ValueError: the magnitude is not one of the kind's, or a time is negative.
    """

    kind: EpisodeKind
    start_seconds: float
    """After the start of the scenario."""
    duration_seconds: float
    magnitude: float

    def __post_init__(self) -> None:
        most = {EpisodeKind.SURGE: 1e6, EpisodeKind.BATCH_JOB: 0.99}.get(self.kind, 1.0)
        _require(
            0 < self.magnitude <= most, f"a {self.kind} above 0 and up to {most:g}", self.magnitude
        )
        _require(self.start_seconds >= 0, "a start of at least 0 s", self.start_seconds)
        _require(self.duration_seconds >= 0, "a duration of at least 0 s", self.duration_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What the fleet goes through. It is calm before `start`, at any distance.

    Raises:
        ValueError: a number is out of its bounds.
    """

    start: UnixSeconds
    requests_per_hour: float
    """Mean over a day without episodes; above 0."""
    tick_seconds: float = 60.0
    """Time between heartbeats; at least 1, since they are logged in whole seconds."""
    rhythm: float = 0.6
    """Amplitude of the daily rhythm: 0 is flat, below 1."""
    episodes: tuple[Episode, ...] = ()
    repeat_seconds: float | None = None
    """The period with which the episodes come again; None for never."""

    def __post_init__(self) -> None:
        rate, tick, repeat = self.requests_per_hour, self.tick_seconds, self.repeat_seconds
        _require(0 < rate < math.inf, "more than 0 requests/h", rate)
        _require(1 <= tick < math.inf, "a tick of at least 1 s", tick)
        _require(0 <= self.rhythm < 1, "a rhythm from 0 to below 1", self.rhythm)
        _require(repeat is None or repeat > 0, "a period above 0 s", repeat)

    def magnitudes(self, kind: EpisodeKind, at: float) -> list[float]:
        """Return the magnitudes of the episodes of `kind` that go on at `at`."""
        alike = (episode for episode in self.episodes if episode.kind is kind)
        return [episode.magnitude for episode in alike if self._goes_on(episode, at)]

    def share(self, kind: EpisodeKind, at: float) -> float:
        """Return the greatest magnitude of `kind` at `at`; 0 while nothing goes on."""
        return max(self.magnitudes(kind, at), default=0.0)

    def _goes_on(self, episode: Episode, at: float) -> bool:
        since = at - self.start - episode.start_seconds
        if since >= 0 and self.repeat_seconds is not None:
            since %= self.repeat_seconds
        return 0 <= since < episode.duration_seconds


def _require(held: bool, expected: str, got: float | None) -> None:  # noqa: FBT001 - reads as assert
    if not held:
        raise ValueError(f"expected {expected}, got {got}")


def day_scenario(start: UnixSeconds, requests_per_hour: float) -> Scenario:
    """Return a day with one episode of each kind, again every day."""
    return Scenario(
        start=start,
        requests_per_hour=requests_per_hour,
        episodes=(
            episode_at(EpisodeKind.BATCH_JOB, 2, 3, 0.6),
            episode_at(EpisodeKind.INFERENCE_FAILURES, 6, 0.5, 0.7),
            episode_at(EpisodeKind.SURGE, 9, 3, 4),
            episode_at(EpisodeKind.GITEA_OUTAGE, 15, 0.75, 1),
            episode_at(EpisodeKind.FAILING_CALLER, 19, 3, 0.7),
        ),
        repeat_seconds=_DAY,
    )


def demo_scenario(start: UnixSeconds) -> Scenario:
    """Return twelve hours in which a verdict with a horizon of 1 h shows all it can say.

    Each episode is over for the verdict, whose windows lag behind, before the next begins
    to show. The surge comes in two steps: one step big enough to stay critical for an hour
    would pass through elevated within minutes.
    """
    return Scenario(
        start=start,
        requests_per_hour=600,
        rhythm=0.1,
        episodes=(
            episode_at(EpisodeKind.SURGE, 0.75, 2.35, 2.2),
            episode_at(EpisodeKind.SURGE, 2, 1.1, 6),
            episode_at(EpisodeKind.GITEA_OUTAGE, 5.6, 0.5, 1),
            episode_at(EpisodeKind.INFERENCE_FAILURES, 7.5, 0.5, 0.8),
            episode_at(EpisodeKind.FAILING_CALLER, 9, 0.75, 0.7),
            episode_at(EpisodeKind.BATCH_JOB, 10.45, 0.7, 0.6),
        ),
        repeat_seconds=12 * HOUR,
    )


def episode_at(kind: EpisodeKind, start: float, hours: float, magnitude: float) -> Episode:
    """Return an episode that starts and lasts so many hours."""
    times = {"start_seconds": start * HOUR, "duration_seconds": hours * HOUR}
    return Episode(kind=kind, magnitude=magnitude, **times)
