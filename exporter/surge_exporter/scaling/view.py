"""What the host could serve with, as one sample shows it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from surge_exporter.model import UnixSeconds
from surge_exporter.scaling.decisions import NEVER, Inputs, Settings, State
from surge_exporter.scaling.holding import Watched, told, watch
from surge_exporter.scaling.outlook import Outlook, mean_cpu, outlook
from surge_exporter.scaling.pressure import (
    Demand,
    demands,
    misfit,
    obstacles,
    obstacles_to,
    overfilling,
    poor_performance,
)
from surge_exporter.scaling.tiers import Catalogue, Held, ModelSpec, largest_device


@dataclass(frozen=True, slots=True)
class View:
    """A step's inputs beside the state, and what follows from them at once."""

    state: State
    inputs: Inputs
    settings: Settings
    served: ModelSpec | None
    """None if nobody says what serves, or it is not in the catalogue."""
    current: ModelSpec | None
    """The model recommended so far."""
    loaded: ModelSpec | None
    """What gives up its memory for a successor; if nobody says what is loaded, recommendations
    count as followed."""
    watched: Watched
    arrived_at: UnixSeconds | None
    """Since when the recommended model is in memory; None if it does not seem to be."""
    outlook: Outlook
    is_strict: bool = False
    """Whether only what a server has named gives up memory, where it names what is loaded."""

    @classmethod
    def of(cls, state: State, inputs: Inputs, settings: Settings) -> "View":
        """Return the view; the outlook is of what came after the last change."""
        settings = settings.on(inputs.sample)
        served = settings.catalogue.find(inputs.serving)
        current = settings.catalogue.find(state.model)
        is_told = inputs.loaded is not None or served is not None
        loaded = _loaded(inputs, settings.catalogue, served) if is_told else current
        watched = _watched(state, inputs, current, loaded, catalogue=settings.catalogue)
        arrived_at = _arrived_at(state, inputs, current, watched)
        return cls(
            state=state,
            inputs=inputs,
            settings=settings,
            served=served,
            current=current,
            loaded=loaded,
            watched=watched,
            arrived_at=arrived_at,
            outlook=outlook(inputs, settings, changed_at=state.changed_at, arrived_at=arrived_at),
        )

    @property
    def now(self) -> UnixSeconds:
        """When the step is made."""
        return self.inputs.now

    @property
    def rank(self) -> int:
        """How large the tier recommended so far is."""
        return self.settings.catalogue.rank(self.state.tier)

    @property
    def held(self) -> Held:
        """What a successor would have in the place of what is loaded."""
        is_named = self.is_strict and self.inputs.loaded is not None
        return self.watched.named if is_named else self.watched.held

    @property
    def awaited(self) -> str | None:
        """What is said if the last step down was not followed yet, as it seems."""
        rank = self.settings.catalogue.rank
        if self.served is not None or self.current is None:
            return None
        if self.inputs.loaded is not None:
            larger = self.loaded is not None and rank(self.loaded.tier) > self.rank
            return f"{self.loaded.name} is still loaded" if self.loaded and larger else None
        above, patience = self.state.awaited_above, self.settings.thresholds.stabilization_seconds
        is_there = above is not None and self.watched.taken_bytes > above
        is_early = self.now - self.state.changed_at < patience
        return "a larger model may still be loaded" if is_there and is_early else None

    def demands(self) -> list[Demand]:
        """Return what demands a smaller model; not to fit at all is the first of it.

        One that a server does not hold has to fit as what is loaded anew.
        """
        if self.current is None:
            return []
        lost = [Demand(reason, of_host=False) for reason in self.misfit(self.current)]
        if self.inputs.loaded is not None and self.arrived_at is None:
            lost += [Demand(reason, of_host=True) for reason in self.overfilling(self.current)]
        return lost + demands(self.current, self.inputs, self.settings, self.outlook)

    def troubles(self, spec: ModelSpec) -> list[str]:
        """Return what a model is known to do badly, loading included."""
        return list(poor_performance(spec, self.inputs, self.settings))

    def misfit(self, spec: ModelSpec) -> Iterator[str]:
        """Yield why a model does not fit, if it does not."""
        if not self._is_in_memory(spec):
            yield from misfit(spec, self.held, self.inputs.sample, self.settings)

    def obstacles(self, spec: ModelSpec) -> Iterator[str]:
        """Yield what speaks against loading a larger model."""
        yield from obstacles(self.inputs, self.settings, self.outlook)
        in_memory = self._is_in_memory(spec)
        yield from obstacles_to(
            spec, self.inputs, self.settings, held=self.held, in_memory=in_memory
        )

    def overfilling(self, spec: ModelSpec) -> Iterator[str]:
        """Yield why a recommended model can't be loaded any more without a step down at once."""
        if not self._is_in_memory(spec):
            limit = self.settings.thresholds.degrade_from
            yield from overfilling(spec, self.held, self.inputs.sample, self.settings, limit)

    def smaller(self, demanded: Sequence[Demand]) -> ModelSpec | None:
        """Return the model to step down to: of the next tier that has one that fits.

        Pressure on the host alone moves no model from a GPU into it: that would add to it.
        """
        on_gpu = self.loaded is not None and self.loaded.needs_gpu
        stays = on_gpu and all(demand.of_host for demand in demanded)
        for tier in reversed(self.settings.catalogue.tiers[: max(0, self.rank)]):
            fitting = [spec for spec in self.fitting(tier) if spec.needs_gpu or not stays]
            if fitting:
                return fitting[0]
        return None

    def larger(self) -> list[ModelSpec]:
        """Return a model of each tier above, up to the first that something speaks against.

        Tiers that this machine could not hold even if it were empty are passed over.
        """
        catalogue, found = self.settings.catalogue, list[ModelSpec]()
        for tier in catalogue.tiers[self.rank + 1 :]:
            possible = [spec for spec in catalogue.of_tier(tier) if self.could_hold(spec)]
            unopposed = [s for s in possible if next(self.obstacles(s), None) is None]
            if possible and not unopposed:
                break
            found += unopposed[:1]
        return found

    def smallest_fitting(self) -> list[ModelSpec]:
        """Return the model of the smallest tier that has one that fits, if any has."""
        tiers = self.settings.catalogue.tiers
        return [spec for tier in tiers for spec in self.fitting(tier)[:1]][:1]

    def fitting(self, tier: str) -> list[ModelSpec]:
        """Return the models of a tier that can be had: what serves first, what does badly last."""
        found = [
            spec
            for spec in self.settings.catalogue.of_tier(tier)
            if next(self.misfit(spec), None) is None and not self.is_unloadable(spec)
        ]
        return sorted(found, key=lambda spec: (spec != self.loaded, bool(self.troubles(spec))))

    def is_unloadable(self, spec: ModelSpec) -> bool:
        """Say whether a model that is not in memory could not be loaded when it was tried."""
        known = self.inputs.performance.get(spec.name)
        return known is not None and known.load_failures > 0 and spec != self.loaded

    def could_hold(self, spec: ModelSpec) -> bool:
        """Say whether this machine could hold a model if nothing else were in memory."""
        needed = spec.memory_bytes * (1.0 + self.settings.thresholds.margin_ratio)
        return needed <= largest_device(spec, self.inputs.sample)

    def _is_in_memory(self, spec: ModelSpec) -> bool:
        """Say whether a server holds a model, on a machine that could: a GPU may have gone.

        What was loaded when somebody looked is gone if its memory is back.
        """
        if spec.name not in (self.inputs.loaded or ()):
            return False
        is_gone = spec == self.loaded and not self.watched.holds(spec)
        return not is_gone and spec.memory_bytes <= largest_device(spec, self.inputs.sample)


def in_use(inputs: Inputs, catalogue: Catalogue) -> ModelSpec | None:
    """Return what serves; where nobody says that, the largest model that is loaded."""
    return catalogue.find(inputs.serving) or _loaded(inputs, catalogue, None)


def judged_cpu(state: State, inputs: Inputs, settings: Settings) -> float | None:
    """Return how busy the CPU was of late; None where it is to decide nothing.

    That is so by choice, or since a GPU model serves: a smaller one would free no CPU. Unlike what
    a step goes by, it reaches back beyond the last change.
    """
    current = settings.on(inputs.sample).catalogue.find(state.model)
    thresholds = settings.thresholds
    if thresholds.cpu_degrade_from is None or (current is not None and current.needs_gpu):
        return None
    window = thresholds.cpu_window_seconds
    return mean_cpu(inputs, since=NEVER, window_seconds=window).mean_ratio


def _loaded(inputs: Inputs, catalogue: Catalogue, served: ModelSpec | None) -> ModelSpec | None:
    """Return what gives up its memory: what serves, if it is loaded."""
    if served is not None:
        return served if inputs.loaded is None or served.name in inputs.loaded else None
    known = [spec for name in inputs.loaded or () if (spec := catalogue.find(name))]
    return max(known, key=lambda spec: spec.memory_bytes, default=None)


def _watched(
    state: State,
    inputs: Inputs,
    current: ModelSpec | None,
    loaded: ModelSpec | None,
    *,
    catalogue: Catalogue,
) -> Watched:
    """Return what is held: as a server says if that is news, else by what became of memory.

    A model that was there, and is not by a look, may have come back between that and the sample:
    if as much went as half of it, that is the model, until the next look says otherwise.
    """
    sample, before = inputs.sample, state.watched
    is_said = inputs.loaded is not None or (loaded is not None and before is None)
    if not is_said or inputs.told in {None, state.told}:
        is_larger = loaded is None or (
            current is not None and catalogue.rank(current.tier) > catalogue.rank(loaded.tier)
        )
        return watch(before, current if is_larger else loaded, sample)
    said = told(loaded, current, sample)
    was_listed = state.told is not None and state.told.loaded is not None
    if loaded is not None or current is None or before is None:
        return said
    if not was_listed or state.arrived_at is None:
        return said
    came = watch(before._replace(held_bytes=0, beyond_bytes=0, named_bytes=0), current, sample)
    return came if came.holds(current) else said


def _arrived_at(
    state: State, inputs: Inputs, current: ModelSpec | None, watched: Watched
) -> UnixSeconds | None:
    """Return since when what is recommended is in memory; None if it does not seem to be."""
    if current is None:
        return None
    is_said = current.name in (inputs.loaded or ())
    is_held = watched.on_gpu == current.needs_gpu and watched.holds(current)
    if not (is_said or is_held):
        return None
    return inputs.sample.at if state.arrived_at is None else state.arrived_at
