"""What the scaler goes by, decides, and remembers: values, all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import inf
from typing import NamedTuple

from surge_exporter.model import UnixSeconds
from surge_exporter.scaling.holding import Watched
from surge_exporter.scaling.performance import Limits, Performance
from surge_exporter.scaling.resources import GIB, Sample
from surge_exporter.scaling.tiers import DEFAULT_CATALOGUE, Catalogue, on_host

NEVER = UnixSeconds(-inf)


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """From where on the scaler acts, and how patiently."""

    upgrade_below: float = 0.80
    """CPU and memory must be under it, also once the larger model is loaded."""
    degrade_from: float = 0.90
    """Memory at it, or above, demands a smaller model now."""
    cpu_degrade_from: float | None = 0.90
    """The same of CPU, unless a GPU model serves. None: CPU decides nothing, up or down."""
    cpu_window_seconds: float = 120.0
    """CPU counts as its mean over so long: an answer that uses all of it is no pressure yet."""
    gpu_degrade_from: float = 0.97
    """The same of GPU memory while a GPU model serves: servers reserve it on purpose."""
    least_available_bytes: int = GIB
    """Less available memory than that demands a smaller model, whatever the ratio."""
    margin_ratio: float = 0.10
    """How much more than it needs must be free for a model, as a part of what it needs."""
    stabilization_seconds: float = 300.0
    """How long after any change nothing is upgraded, and all must have advised it. The former
    doubles with each upgrade in a row that had to be taken back, up to `most_doublings` times."""
    most_doublings: int = 4
    trend_window_seconds: float = 600.0
    lead_seconds: float = 120.0
    """A trend that crosses a threshold within it acts before the threshold does."""
    trend_deviations: float = 3.0
    """How many standard errors a slope is taken to be lower than it looks."""
    cascade_samples: int = 2
    """How many samples in a row, after a step down took effect, demand the next one."""
    drain_seconds: float = 30.0
    """How long running requests are waited for before a switch."""
    most_gap_seconds: float = 60.0
    """After a longer time without a sample, stabilisation begins anew."""

    @property
    def history_seconds(self) -> float:
        """For how long a sample is of use to decisions after it."""
        return max(self.trend_window_seconds, self.cpu_window_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that does not change from step to step."""

    catalogue: Catalogue = DEFAULT_CATALOGUE
    thresholds: Thresholds = field(default_factory=Thresholds)
    limits: Limits = field(default_factory=Limits)

    def on(self, sample: Sample) -> "Settings":
        """Return the settings for a host: without configured models, those its devices suit."""
        return replace(self, catalogue=on_host(self.catalogue, sample))


class Kind(StrEnum):
    """What a decision does to the recommendation."""

    HOLD = "hold"
    UPGRADE = "upgrade"
    DOWNGRADE = "downgrade"
    CASCADE = "cascade"
    """A further step down, since the one before did not help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the host should serve with, and why."""

    at: UnixSeconds
    kind: Kind
    recommended: str | None
    """The tier; None if none fits."""
    model: str | None
    """The model of that tier to serve with."""
    current: str | None
    """The tier that serves or, where nobody says, the one recommended before."""
    reason: str
    """In words and numbers."""
    ready: bool = False
    """Whether `model` is to take over now: what ran has finished, or its deadline is over."""
    stabilization_until: UnixSeconds
    """Until when nothing is upgraded."""


class Told(NamedTuple):
    """What somebody said of a model server."""

    look: int
    serving: str | None
    loaded: tuple[str, ...] | None


class Advice(NamedTuple):
    """The largest tier that a sample allowed, by its rank."""

    at: UnixSeconds
    rank: int


class Switch(NamedTuple):
    """A change that was decided and not yet seen to be made."""

    replaces: str
    """The model that served when it was decided."""
    deadline: UnixSeconds
    """When it no longer waits for running requests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What one step leaves for the next; as large as there are tiers, however long it runs."""

    at: UnixSeconds | None = None
    """Of the last step; None before the first."""
    tier: str | None = None
    model: str | None = None
    changed_at: UnixSeconds = NEVER
    """When a change was last decided, made, or found; the start counts as one."""
    advised: tuple[Advice, ...] = ()
    """What could still be the smallest advice of the window: ranks rise from old to new."""
    switch: Switch | None = None
    serving: str | None = None
    """The model that was last said to serve."""
    sampled_at: UnixSeconds = NEVER
    """Of the newest sample seen: one shown twice is one sample."""
    steps_down: int = 0
    """In a row, with demand unbroken."""
    demands: int = 0
    """Samples in a row, after the last step took effect, that demanded a smaller model."""
    last_change: Decision | None = None
    upgraded_at: UnixSeconds = NEVER
    undone: int = 0
    """Upgrades in a row that were taken back before they had lasted as long as they had to be
    waited for, or that were never made."""
    watched: Watched | None = None
    told: Told | None = None
    """What a server said last."""
    awaited_above: int | None = None
    """With more than that taken, the larger model that was stepped down from is still there."""
    arrived_at: UnixSeconds | None = None
    """Since when the model that is recommended is in memory, as far as one can tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What one step goes by."""

    now: UnixSeconds
    sample: Sample
    history: Sequence[Sample] = ()
    """Samples before, oldest first; those out of the trend's window are passed over."""
    performance: Mapping[str, Performance] = field(default_factory=dict)
    """By model."""
    surge_predicted: bool = False
    serving: str | None = None
    """The model that serves; None if nobody says: recommendations then count as followed."""
    in_flight: int = 0
    """Its requests that still run."""
    loaded: tuple[str, ...] | None = None
    """The models that a server has in memory, of any; None if nobody says."""
    look: int = 0
    """Another number for each time that somebody looked; what was loaded may be over since."""

    @property
    def told(self) -> Told | None:
        """What a server is known to serve with and to hold; None if nobody says."""
        if self.serving is None and self.loaded is None:
            return None
        return Told(self.look, self.serving, self.loaded)
