"""Which series a dashboard shows: those of the fleets and exporters that are chosen in it."""

from collections.abc import Iterator
from dataclasses import dataclass

from surge_exporter.dashboards.panel import Variable
from surge_exporter.rules.choices import Choices

JOB = "job"
INSTANCE = "instance"
_KNOWN_BY = "surge_exporter_build_info"
"""The metric that every exporter has, whatever it reads."""
_MOST_LINES = 10


@dataclass(frozen=True, slots=True)
class Scope:
    """Writes selectors. What is chosen in a dashboard is in its variables."""

    choices: Choices

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that tell exporters apart, the instance last."""
        return (*dict.fromkeys((*self.choices.by, JOB)), INSTANCE)

    @property
    def fleet(self) -> str:
        """The legend of a fleet."""
        return " ".join(f"{{{{{label}}}}}" for label in self.choices.by)

    @property
    def by(self) -> str:
        """The labels of a fleet, as `by (...)` has them."""
        return ", ".join(self.choices.by)

    def recorded(self, name: str, *matchers: str) -> str:
        """Return a selector of what a recording rule says of the chosen fleets."""
        return _selector(name, *map(_chosen, self.choices.by), *matchers)

    def raw(self, name: str, *matchers: str) -> str:
        """Return a selector of what the chosen exporters export."""
        given = (self.choices.selector,) if self.choices.selector else ()
        return _selector(name, *map(_chosen, self.labels), *given, *matchers)

    def rate(self, name: str, *matchers: str) -> str:
        """Return a counter's rate, over as long as the dashboard's resolution asks for."""
        return f"rate({self.raw(name, *matchers)}[$__rate_interval])"

    def increase(self, name: str, *matchers: str) -> str:
        """Return a counter's increase, likewise."""
        return f"increase({self.raw(name, *matchers)}[$__rate_interval])"

    @property
    def firing(self) -> str:
        """A selector of the alerts that fire. Some have no instance, or are about no fleet."""
        chosen = (f'{label}=~"${label}|"' for label in self.choices.by)
        return _selector("ALERTS", 'alertname=~"Surge.+"', 'alertstate="firing"', *chosen)

    def variables(self) -> tuple[Variable, ...]:
        """Return what can be chosen; each choice narrows those after it."""
        return tuple(self._variables())

    def _variables(self) -> Iterator[Variable]:
        given = [self.choices.selector] if self.choices.selector else []
        for label in self.labels:
            series = _selector(_KNOWN_BY, *given)
            query = f"label_values({series}, {label})"
            yield Variable(name=label, label=label.capitalize(), query=query)
            given.append(_chosen(label))


def most(expr: str) -> str:
    """Return the series that are greatest: more lines than these nobody can tell apart."""
    return f"topk({_MOST_LINES}, {expr})"


def _chosen(label: str) -> str:
    return f'{label}=~"${label}"'


def _selector(name: str, *matchers: str) -> str:
    return f"{name}{{{', '.join(matchers)}}}" if matchers else name
