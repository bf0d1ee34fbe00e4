"""What each model did lately, as the manager itself has seen it."""

import threading
from collections.abc import Mapping

from surge_exporter.model import Seconds
from surge_exporter.runtime.clock import Clock
from surge_exporter.scaling.performance import Outcomes, Performance


class Record:
    """Outcomes by model; `_guard` guards them: any thread reports."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._guard = threading.Lock()
        self._outcomes: dict[str, Outcomes] = {}

    def add(self, model: str, *, seconds: Seconds, failed: bool) -> None:
        """Take in a request that was answered, or at which the model failed."""
        now = self._clock.now()
        with self._guard:
            outcomes = self._outcomes.setdefault(model, Outcomes(model))
            outcomes.add(now, seconds=seconds, failed=failed)

    def add_load(self, model: str, *, failed: bool) -> None:
        """Take in that a model was found in memory, or could not be brought there."""
        now = self._clock.now()
        with self._guard:
            if failed or model in self._outcomes:
                self._outcomes.setdefault(model, Outcomes(model)).add_load(now, failed=failed)

    def fails(self, model: str) -> bool:
        """Say whether a model could not be loaded lately, and was not found in memory since."""
        known = self.performance().get(model)
        return known is not None and known.load_failures > 0

    def performance(self) -> Mapping[str, Performance]:
        """Return what each model did in the window."""
        now = self._clock.now()
        with self._guard:
            return {name: found.performance(now) for name, found in self._outcomes.items()}
