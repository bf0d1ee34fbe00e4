"""Pre-flight checks, answered by the newest look at the host, and counted."""

import threading

from surge_exporter.model import Seconds
from surge_exporter.runtime.looks import Look
from surge_exporter.scaling.decisions import Settings
from surge_exporter.scaling.preflight import Operation, Preflight, answer
from surge_exporter.scaling.resources import Sample
from surge_exporter.snapshot import Answered, Outcome

_MOST_ANSWERS = 100  # anybody may ask for models that do not exist
_RETRY_SECONDS = Seconds(5.0)


class Preflights:
    """Answers checks, on the thread of whoever asks.

    `_lock` guards the answers that are shared and the counts; no answer is made under it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answered_by: Sample | None = None
        self._answers: dict[tuple[str | None, Operation], Preflight] = {}
        self._counts = dict.fromkeys(Outcome, 0)

    def counts(self) -> dict[Outcome, int]:
        """Return how many had which outcome so far."""
        with self._lock:
            return dict(self._counts)

    def answer(
        self, look: Look | None, settings: Settings, model: str | None, operation: Operation
    ) -> Answered:
        """Say whether an operation may start now, and count it.

        A host that can't be looked at denies: nobody knows what it has left.
        """
        if look is None:
            found = _blind(model, operation)
        else:
            found = self._shared(look, settings, model, operation)
        with self._lock:
            self._counts[Outcome.ALLOWED if found.allowed else Outcome.DENIED] += 1
        return Answered(preflight=found, sampled_at=look.status.sample.at if look else None)

    def _shared(
        self, look: Look, settings: Settings, model: str | None, operation: Operation
    ) -> Preflight:
        """Answer by a look; who asks the same while that is the newest gets the same."""
        sample, question = look.status.sample, (model, operation)
        with self._lock:
            if self._answered_by is not sample:
                self._answered_by, self._answers = sample, {}
            if question in self._answers:
                return self._answers[question]
        found = answer(look.inputs, look.status.state, settings, model=model, operation=operation)
        with self._lock:
            if self._answered_by is sample and len(self._answers) < _MOST_ANSWERS:
                self._answers[question] = found
        return found


def _blind(model: str | None, operation: Operation) -> Preflight:
    return Preflight(
        allowed=False,
        reason="no sample of the host could be taken; the log says why",
        operation=operation,
        model=model,
        tier=None,
        recommended_model=None,
        retry_after_seconds=_RETRY_SECONDS,
    )
