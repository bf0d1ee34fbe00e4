"""How expressions are written: over which series, by which labels, against which threshold."""

from dataclasses import dataclass
from operator import gt

from surge_exporter.model import Severity
from surge_exporter.rules.choices import Choices
from surge_exporter.rules.limits import LIMITS
from surge_exporter.signals import Signal

INSTANCE = "instance"
"""The label of one exporter, which Prometheus and all that scrape like it give."""


def number(value: float) -> str:
    """Return a number as an expression has it, with all its digits.

    >>> number(1800.0), number(0.9999999)
    ('1800', '0.9999999')
    """
    return f"{value:.15g}"


def alert_name(signal: Signal) -> str:
    """Return what a row's alert is called.

    >>> from surge_exporter.signals import SIGNALS
    >>> alert_name(SIGNALS[0])
    'SurgeDemandSurge'
    """
    return "Surge" + "".join(word.capitalize() for word in signal.name.split("_"))


@dataclass(frozen=True, slots=True)
class Scope:
    """Writes the recurring parts of expressions, as the choices have them."""

    choices: Choices

    def series(self, name: str, *matchers: str, over: str = "", **equal: str) -> str:
        """Return a selector, of a range with `over`; the choices' matchers are added to these."""
        parts = [*matchers, *(f'{label}="{value}"' for label, value in equal.items())]
        if self.choices.selector:
            parts.append(self.choices.selector)
        braces = f"{{{','.join(parts)}}}" if parts else ""
        return f"{name}{braces}" + (f"[{over}]" if over else "")

    def labels(self, *more: str) -> str:
        """Return the labels of a fleet and these, as an aggregation or a join lists them."""
        return ", ".join(dict.fromkeys((*self.choices.by, *more)))

    def of(self, aggregation: str, expression: str, *labels: str) -> str:
        """Return an aggregation for each fleet, and each of these labels in it."""
        return f"{aggregation} by ({self.labels(*labels)}) ({expression})"

    def threshold(self, signal: Signal, severity: Severity) -> str:
        """Return operator and right hand of a row's comparison, fit for one fleet or its parts.

        The threshold is the one that the exporters export, so that rules stay true when their
        configuration changes; of several, the lowest. One in the choices takes its place.
        """
        sign = ">" if signal.exceeds is gt else ">="
        chosen = self.chosen(alert_name(signal), severity)
        if chosen is not None:
            return f"{sign} {number(chosen)}"
        return f"{sign} {self.join()} {self.exported_threshold(signal, severity)}"

    def exported_threshold(self, signal: Signal, severity: Severity) -> str:
        """Return a row's threshold, as exported; of several, the lowest."""
        series = self.series("surge_signal_threshold", signal=signal.name, severity=severity)
        return self.of("min", series)

    def parameter(self, signal: str, parameter: str) -> str:
        """Return the right hand of a comparison of a fleet's parts with a row's parameter."""
        return f"{self.join()} {self.exported(signal, parameter)}"

    def exported(self, signal: str, parameter: str) -> str:
        """Return a row's parameter, as exported; of several, the lowest."""
        series = self.series("surge_signal_parameter", signal=signal, parameter=parameter)
        return self.of("min", series)

    def join(self) -> str:
        """Return how a fleet's parts are compared with a number of the fleet."""
        return f"on ({self.labels()}) group_left ()"

    def chosen(self, name: str, severity: str) -> float | None:
        """Return the threshold that the choices have for an alert; None if they have none."""
        return self.choices.threshold(name, severity)

    def limit(self, name: str, severity: str) -> float:
        """Return the number that an alert beside the signals table goes by.

        Raises:
            KeyError: there is none in the table of limits.
        """
        chosen = self.chosen(name, severity)
        return LIMITS[f"{name}.{severity}"].value if chosen is None else chosen

    def addressed(self, description: str) -> str:
        """Return a description with {fleet} and {exporter} put as templates of their labels."""
        fleet = "/".join(f"{{{{ $labels.{label} }}}}" for label in self.choices.by)
        exporter = f"{{{{ $labels.{INSTANCE} }}}}"
        return description.replace("{fleet}", fleet).replace("{exporter}", exporter)
