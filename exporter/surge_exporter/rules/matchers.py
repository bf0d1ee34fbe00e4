"""What Alertmanager picks alerts by: conditions on labels, all of which must hold. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Matcher:
    """A condition on one label. A label that an alert lacks counts as empty, as it does there."""

    label: str
    operator: Literal["=", "!=", "=~"]
    value: str
    """Plain, or a regular expression that the whole label must match."""

    def __str__(self) -> str:
        return f'{self.label}{self.operator}"{self.value}"'

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Return what Alertmanager says of an alert with these labels."""
        found = labels.get(self.label, "")
        if self.operator == "=~":
            return re.fullmatch(self.value, found) is not None
        return (found == self.value) is (self.operator == "=")


Matchers = tuple[Matcher, ...]


def one_of(label: str, values: tuple[str, ...]) -> Matcher:
    """Return the condition that the label is one of these names or slugs."""
    if len(values) == 1:
        return Matcher(label, "=", values[0])
    return Matcher(label, "=~", "|".join(values))


def all_match(matchers: Matchers, labels: Mapping[str, str]) -> bool:
    """Say whether an alert with these labels is picked."""
    return all(matcher.matches(labels) for matcher in matchers)
