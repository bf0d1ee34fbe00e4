"""Switches from one model to another: drain, unload, load, fall back, and tell of it."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import takewhile

from surge_exporter.modelling.events import Announcer
from surge_exporter.modelling.gate import Gate
from surge_exporter.modelling.ladder import Ladder
from surge_exporter.modelling.loading import Loader
from surge_exporter.modelling.values import Phase, ScalingEvent
from surge_exporter.runtime.clock import Clock
from surge_exporter.runtime.model_servers.protocol import ModelServerError
from surge_exporter.scaling.decisions import Kind

_log = logging.getLogger(__name__)


class Switcher:
    """Makes switches, each on the thread that asks for it, one at a time.

    `_events` is only written by who is switching, and replaced as a whole.
    """

    def __init__(
        self,
        *,
        loader: Loader,
        ladder: Ladder,
        gate: Gate,
        announcer: Announcer,
        may_load: Callable[[str], bool],
        clock: Clock,
    ) -> None:
        self._loader = loader
        self._ladder = ladder
        self._gate = gate
        self._announcer = announcer
        self._may_load = may_load
        self._clock = clock
        self._events: tuple[Mapping[Kind, int], ScalingEvent | None] = ({}, None)

    def events(self) -> tuple[Mapping[Kind, int], ScalingEvent | None]:
        """Return how many switches were made, by kind, and the last event."""
        return self._events

    def switch(
        self,
        model: str,
        reason: str,
        *,
        wanted: Callable[[str | None], bool],
        kind: Kind | None = None,
        may_wait: bool = False,
        goes_on: Callable[[], bool] = lambda: True,
    ) -> bool:
        """Switch, if that is still wanted once no other switch is going on; say whether it was.

        Where the model can't be loaded, the next one of the ladder is.

        Args:
            model: the one to serve.
            reason: why, for the event.
            wanted: is asked, of what serves, whether to switch after all.
            kind: what the event is to say, where it is not for the sizes to say.
            may_wait: if what serves is not in memory, neither need its successor be: the first
                request loads it.
            goes_on: says whether to try another model after one that can't be loaded.

        Raises:
            ModelServerError: no model could be loaded; the one before is asked on.
        """
        try:
            with self._gate.switching(model, wanted) as going:
                if going is None:
                    return False
                kind = kind or self._ladder.kind(going.was, model)
                event = self._event(kind, going.was, model, reason)
                self._switch(event, may_wait=may_wait, goes_on=goes_on)
                return True
        finally:
            self._announcer.tell()

    def fall_back(self, model: str, reason: str, kind: Kind = Kind.CASCADE) -> bool:
        """Have a smaller model serve in place of this one; say whether another serves now.

        Raises:
            ModelServerError: no model could be loaded.
        """
        if self._gate.status().current == model:
            smaller = next(
                (found for found in self._ladder.smaller(model) if self._may_load(found.name)),
                None,
            )
            if smaller is not None:
                self.switch(
                    smaller.name, reason, wanted=lambda current: current == model, kind=kind
                )
        return self._gate.status().current != model

    def release(self) -> None:
        """Take what serves out of memory, once running answers are over; nothing serves then."""
        with self._gate.switching(None, lambda current: current is not None) as going:
            if going is not None:
                self._gate.drain()
                self._loader.unload(str(going.was))
                self._gate.serve(None)

    def _switch(self, event: ScalingEvent, *, may_wait: bool, goes_on: Callable[[], bool]) -> None:
        self._note(event)
        self._announcer.tell()  # readers may want to know before the drain is over
        was, wanted = event.was, str(event.model)
        faults: list[str] = []
        try:
            candidates = self._loader.candidates(wanted, was, faults)
            model = next(candidates).name
            if model != was:  # or no answer is to be cut: there is nobody to take over
                drained = self._gate.drain()
                event = replace(event, drained_seconds=drained.seconds, cut=drained.cut)
                if may_wait and was is not None and self._gate.has_left(was):
                    faults.append(f"{was} is not in memory: {model} is loaded on demand")
                    self._gate.serve(model, is_loaded=False)
                else:
                    others = takewhile(lambda _: goes_on(), candidates)
                    model = self._loader.load(model, others, was, faults)
                    self._gate.serve(model)
        except ModelServerError as error:
            reason = f"{event.reason}; {error}"
            self._note(replace(event, phase=Phase.FAILED, model=was, reason=reason))
            raise
        phase = Phase.FAILED if model == was else Phase.DONE
        reason = "; ".join((event.reason, *faults))
        self._note(replace(event, phase=phase, model=model, reason=reason))

    def _event(self, kind: Kind, was: str | None, model: str, reason: str) -> ScalingEvent:
        now = self._clock.now()
        return ScalingEvent(
            at=now, kind=kind, phase=Phase.STARTED, was=was, model=model, reason=reason
        )

    def _note(self, event: ScalingEvent) -> None:
        event = replace(event, at=self._clock.now())
        counts, _ = self._events
        if event.phase is Phase.DONE:
            counts = {**counts, event.kind: counts.get(event.kind, 0) + 1}
        self._events = (counts, event)
        self._announcer.add(event)
        level = logging.WARNING if event.phase is Phase.FAILED else logging.INFO
        _log.log(
            level,
            "switch %s kind=%s from=%s to=%s cut=%d reason=%s",
            *(event.phase, event.kind, event.was, event.model, event.cut, event.reason),
        )
