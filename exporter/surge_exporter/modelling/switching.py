"""Switches from one model to another: drain, unload, load, fall back, and tell of it."""

import logging
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import replace
from itertools import chain, takewhile

from surge_exporter.modelling.events import Announcer
from surge_exporter.modelling.gate import Gate
from surge_exporter.modelling.ladder import Ladder
from surge_exporter.modelling.record import Record
from surge_exporter.modelling.values import Phase, ScalingEvent
from surge_exporter.runtime.clock import Clock
from surge_exporter.runtime.model_servers.protocol import (
    GONE,
    Fault,
    ModelServer,
    ModelServerError,
)
from surge_exporter.scaling.decisions import Kind
from surge_exporter.scaling.tiers import ModelSpec

_MAY_STILL_COME = frozenset({Fault.FAILED, Fault.SILENT})
"""A model was only too slow, perhaps: it would lie in memory beside its successor."""

_log = logging.getLogger(__name__)


class Switcher:
    """Makes switches, each on the thread that asks for it, one at a time.

    `_events` is only written by who is switching, and replaced as a whole.
    """

    def __init__(
        self,
        *,
        server: ModelServer,
        ladder: Ladder,
        gate: Gate,
        record: Record,
        announcer: Announcer,
        may_load: Callable[[str], bool],
        clock: Clock,
    ) -> None:
        self._server = server
        self._ladder = ladder
        self._gate = gate
        self._record = record
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
                self._unload(str(going.was))
                self._gate.serve(None)

    def listed(self) -> frozenset[ModelSpec] | None:
        """Ask the server which of the models it has; None if it can't say.

        Raises:
            ModelServerError: nobody answers.
        """
        try:
            names = self._server.models()
        except ModelServerError as error:
            if error.fault in GONE:
                raise
            return None
        return frozenset(spec for name in names if (spec := self._ladder.known(name)))

    def _switch(self, event: ScalingEvent, *, may_wait: bool, goes_on: Callable[[], bool]) -> None:
        self._note(event)
        self._announcer.tell()  # readers may want to know before the drain is over
        was, wanted = event.was, str(event.model)
        faults: list[str] = []
        try:
            candidates = self._candidates(wanted, was, faults)
            model = next(candidates).name
            if model != was:  # or no answer is to be cut: there is nobody to take over
                drained = self._gate.drain()
                event = replace(event, drained_seconds=drained.seconds, cut=drained.cut)
                if may_wait and was is not None and self._gate.has_left(was):
                    faults.append(f"{was} is not in memory: {model} is loaded on demand")
                    self._gate.serve(model, is_loaded=False)
                else:
                    others = takewhile(lambda _: goes_on(), candidates)
                    model = self._load(model, others, was, faults)
                    self._gate.serve(model)
        except ModelServerError as error:
            reason = f"{event.reason}; {error}"
            self._note(replace(event, phase=Phase.FAILED, model=was, reason=reason))
            raise
        phase = Phase.FAILED if model == was else Phase.DONE
        reason = "; ".join((event.reason, *faults))
        self._note(replace(event, phase=phase, model=model, reason=reason))

    def _candidates(
        self, wanted: str, was: str | None, faults: list[str]
    ) -> Generator[ModelSpec, None, None]:
        """Yield what to load until one can be: what served, and of others what the server has.

        Nothing is taken out of memory for a name that was misspelt. Of what the server does not
        have the first is an error, if nothing served.
        """
        listed, first, has_any = self.listed(), None, False
        for spec in self._ladder.to_try(wanted, was):
            if spec.name != was and listed is not None and spec not in listed:
                first = first or spec.name
                self._record.add_load(spec.name, failed=True)
                faults.append(f"{spec.name} can't be loaded: the server does not list it")
            elif spec.name in (wanted, was) or self._may_load(spec.name):
                has_any = True
                yield spec
        if first is not None and not has_any:
            raise self._missing(first)

    def _missing(self, model: str) -> ModelServerError:
        return ModelServerError(
            Fault.MISSING,
            asked=f"models ({model})",
            server=self._server.name,
            came="it is not listed",
        )

    def _load(
        self, model: str, others: Iterable[ModelSpec], was: str | None, faults: list[str]
    ) -> str:
        """Load a model, or the next one that can be; return it, and note why others can't.

        What served goes first: a model that is to replace it may need its memory. It comes back
        only if it was there. After silence nothing else is tried: the server may hang, and each
        load would take minutes to show that.
        """
        has_left = was is not None and self._gate.has_left(was)
        if was is not None and not has_left:
            self._make_room(was)
        last: ModelServerError | None = None
        for name in chain((model,), (other.name for other in others)):
            if has_left and name == was:
                break
            if last is not None and last.fault is Fault.SILENT and name != was:
                continue
            try:
                self._server.load(name)
            except ModelServerError as error:
                last = error
                faults.append(f"{name} can't be loaded: {error.came}")
                if error.fault is Fault.UNREACHABLE:
                    break
                self._record.add_load(name, failed=True)
                if error.fault in _MAY_STILL_COME and name != was and not self._unload(name):
                    break
            else:
                self._record.add_load(name, failed=False)
                return name
        assert last is not None  # noqa: S101 - one at least was tried
        raise last

    def _make_room(self, was: str) -> None:
        """Unload what served; what stays in memory goes on serving, or there would be two.

        Raises:
            ModelServerError: it may still be there.
        """
        try:
            self._server.unload(was)
        except ModelServerError as error:
            # Its files may have been deleted; of what has no name nothing can be taken back.
            if error.fault is not Fault.MISSING:
                raise
        self._gate.unloaded(was)

    def _unload(self, model: str) -> bool:
        """Unload a model if that can be; say whether the server is there at all."""
        try:
            self._server.unload(model)
        except ModelServerError as error:
            _log.warning("unload failed model=%s error=%s", model, error)
            return error.fault not in GONE
        self._gate.unloaded(model)
        return True

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
