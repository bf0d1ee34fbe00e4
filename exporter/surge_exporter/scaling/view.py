"""What the host could serve with, as one sample shows it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from surge_exporter.model import UnixSeconds
from surge_exporter.scaling.decisions import NEVER, Inputs, Settings, State
from surge_exporter.scaling.holding import Watched, watch
from surge_exporter.scaling.pressure import (
    Demand,
    Outlook,
    demands,
    mean_cpu,
    misfit,
    obstacles,
    obstacles_to,
    outlook,
    poor_performance,
)
from surge_exporter.scaling.tiers import Catalogue, Held, ModelSpec, free_bytes, largest_device


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
    outlook: Outlook

    @classmethod
    def of(cls, state: State, inputs: Inputs, settings: Settings) -> "View":
        """Return the view; the outlook is of what came after the last change."""
        settings = settings.on(inputs.sample)
        served = settings.catalogue.find(inputs.serving)
        current = settings.catalogue.find(state.model)
        is_told = inputs.loaded is not None or served is not None
        loaded = _loaded(inputs, settings.catalogue, served) if is_told else current
        return cls(
            state=state,
            inputs=inputs,
            settings=settings,
            served=served,
            current=current,
            loaded=loaded,
            watched=_told(loaded, inputs)
            if is_told
            else watch(state.watched, current, inputs.sample),
            outlook=outlook(inputs, settings, since=state.changed_at),
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
        return Held(bytes=self.watched.held_bytes, on_gpu=self.watched.on_gpu)

    @property
    def awaited(self) -> ModelSpec | None:
        """The larger model that is still loaded, where the last step down was not followed."""
        rank = self.settings.catalogue.rank
        if self.inputs.loaded is None or self.loaded is None or self.served is not None:
            return None
        return self.loaded if rank(self.loaded.tier) > self.rank else None

    def demands(self) -> list[Demand]:
        """Return what demands a smaller model; not to fit at all is the first of it."""
        if self.current is None:
            return []
        lost = [Demand(reason, of_host=False) for reason in self.misfit(self.current)]
        return lost + demands(self.current, self.inputs, self.settings, self.outlook)

    def troubles(self) -> list[str]:
        """Return what the model that is recommended is known to do badly, loading included."""
        current = self.current
        return (
            [] if current is None else list(poor_performance(current, self.inputs, self.settings))
        )

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
        """Return the models of a tier that fit: what serves first, what does badly last."""
        found = [
            spec
            for spec in self.settings.catalogue.of_tier(tier)
            if next(self.misfit(spec), None) is None
        ]
        return sorted(found, key=lambda spec: (spec != self.loaded, self._does_badly(spec)))

    def could_hold(self, spec: ModelSpec) -> bool:
        """Say whether this machine could hold a model if nothing else were in memory."""
        needed = spec.memory_bytes * (1.0 + self.settings.thresholds.margin_ratio)
        return needed <= largest_device(spec, self.inputs.sample)

    def _does_badly(self, spec: ModelSpec) -> bool:
        return next(poor_performance(spec, self.inputs, self.settings), None) is not None

    def _is_in_memory(self, spec: ModelSpec) -> bool:
        """Say whether a server holds a model, on a machine that could: a GPU may have gone."""
        is_there = spec.name in (self.inputs.loaded or ())
        return is_there and spec.memory_bytes <= largest_device(spec, self.inputs.sample)


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


def _told(loaded: ModelSpec | None, inputs: Inputs) -> Watched:
    held = Held.by(loaded)
    free = free_bytes(inputs.sample, on_gpu=held.on_gpu)
    return Watched(held.on_gpu, free, held.bytes)
