"""The models of a catalogue as a ladder: what is smaller, what to try next."""

from collections.abc import Iterable, Iterator

from surge_exporter.runtime.model_servers.protocol import Running
from surge_exporter.scaling.decisions import Kind
from surge_exporter.scaling.tiers import Catalogue, ModelSpec


class Ladder:
    """A catalogue, with names instead of models where a server speaks."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue

    def find(self, name: str) -> ModelSpec:
        """Return a model.

        Raises:
            ValueError: there is none of that name.
        """
        found = self.catalogue.find(name)
        if found is None:
            known = ", ".join(model.name for model in self.catalogue.models)
            raise ValueError(f"expected one of the models {known}, got {name!r}")
        return found

    def known(self, served: str) -> ModelSpec | None:
        """Return the model that a server calls so; Ollama adds :latest to names without a tag."""
        return self.catalogue.find(served) or self.catalogue.find(served.removesuffix(":latest"))

    def in_memory(self, running: Iterable[Running]) -> tuple[str, ...]:
        """Return which of the models are, the largest first."""
        known = {spec for found in running if (spec := self.known(found.name))}
        return self.by_size(spec.name for spec in known)

    def by_size(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return names of models, the largest first."""
        return tuple(sorted(names, key=lambda name: (-self.find(name).memory_bytes, name)))

    def smaller(self, name: str) -> Iterator[ModelSpec]:
        """Yield what is smaller than a model: of its own tier first, then tier by tier."""
        model = self.find(name)
        for tier in reversed(self.catalogue.tiers[: self._rank(model) + 1]):
            for other in self.catalogue.of_tier(tier):
                if tier != model.tier or other.memory_bytes < model.memory_bytes:
                    yield other

    def is_smaller(self, name: str, than: str) -> bool:
        """Say whether a model is smaller than another."""
        return any(model.name == name for model in self.smaller(than))

    def kind(self, was: str | None, name: str) -> Kind:
        """Return what a switch does: one to the same size or a smaller one is a downgrade."""
        if was is None or self.is_smaller(was, name):
            return Kind.UPGRADE
        return Kind.DOWNGRADE

    def to_try(self, name: str, was: str | None) -> Iterator[ModelSpec]:
        """Yield what to load for a switch, until one can be: what served before, if all else
        fails, and at once if a larger one can't be had.
        """
        first = [self.find(name)]
        last = [self.find(was)] if was is not None else []
        if was is not None and self.is_smaller(was, name):
            first, last = first + last, []
        yield from first
        for model in self.smaller(first[-1].name):
            if model not in last:
                yield model
        yield from last

    def _rank(self, model: ModelSpec) -> int:
        return self.catalogue.rank(model.tier)
