"""Alerts: when a signal tells somebody. `replay` and the alert rules go by the same rows."""

from collections.abc import Iterator, Mapping

from surge_exporter.core.episodes import Key, Patience, Reading
from surge_exporter.core.evidence import Measurement
from surge_exporter.model import Observation, Seconds, Severity, Tuning
from surge_exporter.signals import SIGNALS, Signal


def readings(observation: Observation, tuning: Tuning) -> Iterator[Reading]:
    """Yield what the alert of each row goes by, at each severity and of each subject."""
    for signal in SIGNALS:
        measurements = tuple((signal.alert or signal.measure)(observation, tuning))
        for severity in signal.thresholds:
            threshold = tuning.thresholds[signal.name, severity]
            for measured in measurements:
                yield _reading(signal, severity, threshold, measured)


def patience(step_seconds: Seconds) -> Mapping[str, Patience]:
    """Return how patient the alert of each signal is that is evaluated at each step."""
    return {
        signal.name: Patience.of(signal.for_seconds, signal.keep_firing_seconds, step_seconds)
        for signal in SIGNALS
    }


def _reading(
    signal: Signal, severity: Severity, threshold: float, measured: Measurement
) -> Reading:
    test, judged, lasts = measured.test, measured.value, False
    if test is None:
        holds = signal.exceeds(judged, threshold)
    else:
        holds, judged = severity in test.confirmed, test.surging_factor
        lasts = severity is Severity.WARNING and not test.is_calm
    return Reading(
        key=Key(signal.name, severity, measured.subject),
        value=measured.value,
        judged=judged,
        holds=holds,
        lasts=lasts,
        threshold=threshold,
        evidence=measured.evidence,
    )
