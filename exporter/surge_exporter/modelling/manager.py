"""The manager: generates with the model that serves, and switches to another when it must."""

import logging
import threading
from collections.abc import Callable, Mapping

from surge_exporter.modelling.answering import Answering, PreflightCheck, Stream
from surge_exporter.modelling.events import Announcer, Subscriber
from surge_exporter.modelling.gate import Gate
from surge_exporter.modelling.ladder import Ladder
from surge_exporter.modelling.loading import Loader
from surge_exporter.modelling.record import Record
from surge_exporter.modelling.switching import Switcher
from surge_exporter.modelling.turn import Turn
from surge_exporter.modelling.values import Answer, DeniedError, ManagerStatus, Patience
from surge_exporter.runtime.clock import Clock, SystemClock
from surge_exporter.runtime.model_servers.protocol import GenerateOptions, ModelServer
from surge_exporter.scaling.decisions import Decision, Kind
from surge_exporter.scaling.performance import Performance
from surge_exporter.scaling.preflight import Operation
from surge_exporter.scaling.tiers import Catalogue, ModelSpec

_log = logging.getLogger(__name__)


class ModelManager:
    """Keeps one model of a catalogue in service. Any thread may call anything.

    Each call blocks until it is done; nothing happens between calls. State is in parts that
    guard themselves: `Gate`, `Record`, `Announcer`.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        server: ModelServer,
        preflight: PreflightCheck,
        *,
        patience: Patience | None = None,
        clock: Clock | None = None,
        turn: Turn | None = None,
    ) -> None:
        """Take what to choose from, who serves, and who knows the host; nothing is asked yet."""
        self._clock = clock or SystemClock()
        self._patience = patience or Patience()
        self._server = server
        self._preflight = preflight
        self._ladder = Ladder(catalogue)
        self._gate = Gate(turn or threading.Condition(), self._clock, self._patience)
        self._record = Record(self._clock)
        self._announcer = Announcer()
        self._loader = Loader(
            server=server,
            ladder=self._ladder,
            gate=self._gate,
            record=self._record,
            may_load=self._may_load,
        )
        self._switcher = Switcher(
            loader=self._loader,
            ladder=self._ladder,
            gate=self._gate,
            announcer=self._announcer,
            may_load=self._may_load,
            clock=self._clock,
        )
        self._answering = Answering(
            server=server,
            gate=self._gate,
            switcher=self._switcher,
            record=self._record,
            preflight=preflight,
            select=lambda: self.select().name,
            clock=self._clock,
            patience=self._patience,
        )

    def look(self) -> bool:
        """Ask the server what it has in memory; say whether what was known has changed.

        What serves stays what was chosen, unless only other models are in memory: somebody else
        has switched, and the largest of them serves from now on. So is what a server has loaded
        before the first switch.

        Raises:
            ModelServerError: the server did not say. What was known stays: one answer that is
                missing must not make room on paper, nor take it away.
        """
        before = self._gate.status()
        running = self._server.running()
        if running is None:
            return False
        names = self._ladder.in_memory(running)
        loaded = frozenset(names)
        after = self._gate.learn(loaded, largest=next(iter(names), None), since=before)
        if after.loaded == loaded:
            for name in names:
                self._record.add_load(name, failed=False)
        if after.changes == before.changes + 1:
            for news in after.news(before):
                _log.info("%s", news)
        return (after.current, after.loaded) != (before.current, before.loaded)

    def missing(self) -> tuple[str, ...]:
        """Ask the server which of the models it does not have; none where it can't say.

        Raises:
            ModelServerError: nobody answers.
        """
        listed = self._loader.listed()
        models = self._ladder.catalogue.models
        return () if listed is None else tuple(m.name for m in models if m not in listed)

    def select(self) -> ModelSpec:
        """Return the model that would best serve now; nothing is switched.

        Raises:
            DeniedError: none may.
        """
        verdict = self._preflight(None, Operation.LOAD)
        if verdict.recommended_model is None:
            raise DeniedError(verdict)
        return self._ladder.find(verdict.recommended_model)

    def generate(self, prompt: str, options: GenerateOptions | None = None) -> Answer:
        """Return a whole answer: if a model fails, or a switch can't wait for it, the next one's.

        Raises:
            DeniedError: the host can't afford it now.
            NotNowError: a switch takes too long.
            ModelServerError: no model could, or the request itself is at fault.
        """
        return self._answering.whole(prompt, options or GenerateOptions())

    def stream(self, prompt: str, options: GenerateOptions | None = None) -> Stream:
        """Return a streaming answer, its first piece there already.

        Until then models are tried as `generate` does. After it nothing is begun anew: the
        stream raises `AnswerBrokenError`, and the next request falls back.

        Raises:
            DeniedError: the host can't afford it now.
            NotNowError: a switch takes too long.
            ModelServerError: no model could, or the request itself is at fault.
        """
        return self._answering.begun(prompt, options or GenerateOptions())

    def switch(self, model: str, reason: str = "asked for") -> bool:
        """Serve with another model, once running answers are finished or their time is over.

        Not from within a stream's loop, which is one of them. Returns whether that model serves
        now: after a failure it may be a smaller one, or the one before.

        Raises:
            ValueError: no model has that name.
            ModelServerError: none could be loaded; the one before is asked on.
        """
        self._ladder.find(model)
        self._switcher.switch(model, reason, wanted=lambda current: current != model)
        return self._gate.status().current == model

    def would_follow(self, decision: Decision) -> bool:
        """Say whether a decision asks for a model that does not serve yet, and might.

        It does not while it is on record that it could not be loaded: each try takes what serves
        out of memory.
        """
        current, wanted = self._gate.status().current, decision.model
        if wanted == current or self._ladder.catalogue.find(wanted) is None:  # after a reload
            return False
        return current is None or not self._record.fails(str(wanted))

    def follow(self, decision: Decision, *, goes_on: Callable[[], bool] = lambda: True) -> bool:
        """Do what a decision says; return whether there was anything to do.

        Down it goes by one tier at most, past tiers that the pre-flight check does not allow;
        the next decision says whether to go on. If what serves has left memory, its successor
        is only chosen: loading it would free nothing, and take some. Up it goes as decided, if
        the check allows it still: memory may have gone that no look at the server shows. Once
        `goes_on` says no, no other model is tried in place of one that can't be loaded.

        Raises:
            DeniedError: it does not.
            ModelServerError: no model could be loaded; the one before is asked on.
        """
        current = self._gate.status().current
        if not self.would_follow(decision):
            return False
        target = self._step(current, self._ladder.find(str(decision.model)))
        is_down = current is not None and not self._ladder.is_smaller(current, than=target)
        if not is_down and not (verdict := self._preflight(target, Operation.LOAD)).allowed:
            raise DeniedError(verdict)
        return self._switcher.switch(
            target,
            decision.reason,
            wanted=lambda found: found == current,
            kind=Kind.CASCADE if decision.kind is Kind.CASCADE else None,
            may_wait=is_down,
            goes_on=goes_on,
        )

    def release(self) -> None:
        """Take what serves out of memory: whoever comes next is not to find it there."""
        self._switcher.release()

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Tell somebody of every event, on the thread that switches; return what ends that."""
        return self._announcer.subscribe(subscriber)

    def performance(self) -> Mapping[str, Performance]:
        """Return what each model did lately, as the scaler takes it."""
        return self._record.performance()

    def status(self) -> ManagerStatus:
        """Return what is going on."""
        gate = self._gate.status()
        spec = self._ladder.catalogue.find(gate.current)
        events, last = self._switcher.events()
        return ManagerStatus(
            server=self._server.name,
            model=gate.current,
            tier=spec.tier if spec else None,
            loaded=None if gate.loaded is None else self._ladder.by_size(gate.loaded),
            look=gate.changes,
            switching_to=gate.switching_to,
            in_flight=gate.in_flight,
            waiting=gate.waiting,
            performance=self._record.performance(),
            events=events,
            last_event=last,
        )

    def _may_load(self, model: str) -> bool:
        return self._preflight(model, Operation.LOAD).allowed

    def _step(self, current: str | None, target: ModelSpec) -> str:
        """Return the model to switch to on the way to another."""
        if current is None or not self._ladder.is_smaller(target.name, than=current):
            return target.name
        passed = {target.tier, self._ladder.find(current).tier}

        def may_serve(model: ModelSpec) -> bool:
            is_between = model.tier not in passed and not self._record.fails(model.name)
            return model == target or (is_between and self._may_load(model.name))

        return next(filter(may_serve, self._ladder.smaller(current))).name
