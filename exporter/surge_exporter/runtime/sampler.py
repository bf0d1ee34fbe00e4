"""The thread that watches the host: it owns samples and the scaler's state, and publishes both."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import inf
from typing import Protocol

from surge_exporter.model import Seconds
from surge_exporter.runtime.clock import Clock, Waker
from surge_exporter.runtime.performance import Surroundings
from surge_exporter.runtime.resources import SETTLE_SECONDS
from surge_exporter.scaling.decisions import Decision, Inputs, Kind, Settings, State
from surge_exporter.scaling.preflight import Operation, Preflight, answer
from surge_exporter.scaling.pressure import outlook
from surge_exporter.scaling.resources import Sample
from surge_exporter.scaling.scaler import step
from surge_exporter.scaling.tiers import hardware_tier
from surge_exporter.scaling.trend import Trend
from surge_exporter.snapshot import Answered, HostStatus, Outcome

FRESH_SECONDS = 0.1
"""A sample younger than this is shared by all who ask."""
PATIENCE_SECONDS = 1.0
"""How long who asks waits for a fresh sample; then the newest there is must do."""

_FIRST_SECONDS = 1.0  # until the first decision: an exporter that starts is busy itself
_MOST_CHANGES = 10
_MOST_SAMPLES = 5000  # of a window however long, looked at however often
_MISSED = 3  # intervals; by then the newest sample says nothing of now
_LATE_SECONDS = 10.0
_MOST_ANSWERS = 100  # anybody may ask for models that do not exist
_RETRY_SECONDS = Seconds(5.0)

_log = logging.getLogger(__name__)


class Sampled(Protocol):
    """What takes samples; see `Resources`, the real one."""

    def sample(self) -> Sample:
        """Return the host as it is now."""
        ...

    def close(self) -> None:
        """Let go of whatever it holds."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """What the configuration decides: replaced as a whole on reload."""

    enabled: bool = True
    interval_seconds: float = 2.0
    cgroup: str = "own"
    settings: Settings = field(default_factory=Settings)


@dataclass(frozen=True, slots=True)
class Serving:
    """What a model manager knows; nobody says, without one."""

    model: str | None = None
    """Where switches are made: the one that serves."""
    in_flight: int = 0
    loaded: tuple[str, ...] | None = None
    """What the server has in memory; None where it does not say."""


class Sampler:
    """Watches the host. `run` is the one thread that samples and decides; any thread may ask.

    `_asking` guards what crosses threads: who asked, what was published, and the answers' counts.
    """

    def __init__(
        self,
        sampling: Sampling,
        *,
        clock: Clock,
        waker: Waker,
        build: Callable[[Sampling], Sampled],
        surroundings: Callable[[], Surroundings] = Surroundings,
        serving: Callable[[], Serving] = Serving,
    ) -> None:
        """Take what the composition root wires together.

        Args:
            sampling: what to do, until `configure` says otherwise.
            clock: tells the time; a fake one makes stabilisation quick.
            waker: what the thread waits on.
            build: makes what takes samples.
            surroundings: what telemetry says; it must not wait.
            serving: what the model manager says; likewise.
        """
        self._sampling = sampling
        self._applied: Sampling | None = None
        self._clock = clock
        self._waker = waker
        self._build = build
        self._surroundings = surroundings
        self._serving = serving
        self._listeners: list[Callable[[HostStatus], None]] = []
        self._resources: Sampled | None = None
        self._history: deque[Sample] = deque(maxlen=_MOST_SAMPLES)
        self._state = State()
        self._inputs: Inputs | None = None
        self._decision: Decision | None = None
        self._trends: Mapping[str, Trend] = {}
        self._due = self._settled_at = clock.monotonic()
        self._changes: deque[Decision] = deque(maxlen=_MOST_CHANGES)
        self._events: dict[Kind, int] = {kind: 0 for kind in Kind if kind is not Kind.HOLD}
        self._failures = 0
        self._failed: set[str] = set()
        self._stopping = False
        self._asking = threading.Condition()
        self._asked = self._answered = 0
        self._status: HostStatus | None = None
        self._taken_at: Seconds | None = None
        self._answered_by: Sample | None = None
        self._answers: dict[tuple[str | None, Operation], Preflight] = {}
        self._checks = dict.fromkeys(Outcome, 0)

    def configure(self, sampling: Sampling) -> None:
        """Do otherwise from the next turn on; any thread."""
        self._sampling = sampling
        self._waker.wake()

    def listen(self, listener: Callable[[HostStatus], None]) -> None:
        """Call somebody after each decision, on this thread: it must return soon."""
        self._listeners.append(listener)

    def stop(self) -> None:
        """End `run` soon; safe to call from any thread."""
        self._stopping = True
        self._waker.wake()

    def status(self) -> HostStatus | None:
        """Return the newest there is; None if there is none of now. Any thread, never waits."""
        with self._asking:
            if self._status is None or self._is_late():
                return None
            return replace(self._status, checks=dict(self._checks), failures=self._failures)

    def fresh(self) -> HostStatus | None:
        """Return a sample of now, the same to all who ask at a time; any thread but `run`'s."""
        with self._asking:
            if self._sampling.enabled and not (self._is_fresh() or self._stopping):
                self._asked += 1
                ticket = self._asked
                self._waker.wake()
                self._asking.wait_for(
                    lambda: self._answered >= ticket or self._stopping, PATIENCE_SECONDS
                )
        return self.status()

    def preflight(
        self, model: str | None = None, operation: Operation = Operation.GENERATE
    ) -> Answered | None:
        """Say whether an operation may start now; any thread. None if nothing is watched.

        A host that can't be looked at denies: nobody knows what it has left.
        """
        if not self._sampling.enabled:
            return None
        status, inputs = self.fresh(), self._inputs
        if status is None or inputs is None:
            found = _blind(model, operation)
        else:
            found = self._answer(status, inputs, model, operation)
        with self._asking:
            self._checks[Outcome.ALLOWED if found.allowed else Outcome.DENIED] += 1
        return Answered(preflight=found, sampled_at=status.sample.at if status else None)

    def run(self) -> None:
        """Watch, until `stop`."""
        try:
            while not self._stopping:
                self.turn()
                self._waker.wait(self._rest())
        finally:
            self._stopping = True
            with self._asking:
                self._asking.notify_all()
            self._close()

    def turn(self) -> None:
        """Take a sample if one is due or asked for, and decide if one is due; never raises."""
        try:
            self._apply(self._sampling)
            now = self._clock.monotonic()
            if now < self._settled_at:
                return
            is_due = now >= self._due
            if is_due:
                self._due = Seconds(now + self._sampling.interval_seconds)
            if is_due or self._is_wanted():
                self._look(is_due=is_due)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next sample may be well
            self._fail(error)
        with self._asking:
            self._answered = self._asked
            self._asking.notify_all()

    def _apply(self, sampling: Sampling) -> None:
        """Begin anew where the configuration changed what the old state speaks of."""
        before = self._applied
        if sampling is before:
            return
        self._applied = sampling
        if before is not None and sampling.settings.catalogue != before.settings.catalogue:
            self._state, self._decision = State(), None
        if before is not None and sampling.enabled and sampling.cgroup == before.cgroup:
            self._due = min(self._due, self._in(sampling.interval_seconds))
        if not sampling.enabled or before is None or sampling.cgroup != before.cgroup:
            self._close()
        if sampling.enabled and self._resources is None:
            self._resources = self._build(sampling)
            self._settled_at = self._in(SETTLE_SECONDS)
            self._due = self._in(_FIRST_SECONDS)

    def _close(self) -> None:
        """Let go of what takes samples, and forget those it took."""
        if self._resources is not None:
            self._resources.close()
            self._resources = None
        self._history.clear()
        with self._asking:
            self._status = self._taken_at = self._inputs = None

    def _rest(self) -> float:
        now = self._clock.monotonic()
        return max(0.0, (self._settled_at if now < self._settled_at else self._due) - now)

    def _in(self, seconds: float) -> Seconds:
        return Seconds(self._clock.monotonic() + seconds)

    def _look(self, *, is_due: bool) -> None:
        settings = (self._applied or self._sampling).settings
        if self._resources is not None:
            sample = self._resources.sample()
            self._inputs = self._inputs_of(sample, settings)
            if is_due:
                self._decide(self._inputs, settings)
            self._publish(sample, settings)
            if is_due:
                self._tell()

    def _answer(
        self, status: HostStatus, inputs: Inputs, model: str | None, operation: Operation
    ) -> Preflight:
        """Answer by a sample; who asks the same while that is fresh gets the same answer."""
        sample, question = status.sample, (model, operation)
        with self._asking:
            if self._answered_by is not sample:
                self._answered_by, self._answers = sample, {}
            if question in self._answers:
                return self._answers[question]
        inputs = replace(inputs, now=sample.at, sample=sample)
        settings = (self._applied or self._sampling).settings
        found = answer(inputs, status.state, settings, model=model, operation=operation)
        with self._asking:
            if self._answered_by is sample and len(self._answers) < _MOST_ANSWERS:
                self._answers[question] = found
        return found

    def _inputs_of(self, sample: Sample, settings: Settings) -> Inputs:
        window = settings.thresholds.trend_window_seconds
        while self._history and not sample.at - window <= self._history[0].at <= sample.at:
            self._history.popleft()
        surroundings, serving = self._surroundings(), self._serving()
        return Inputs(
            now=sample.at,
            sample=sample,
            history=tuple(self._history),
            performance=surroundings.performance,
            surge_predicted=surroundings.surge_predicted,
            serving=serving.model,
            in_flight=serving.in_flight,
            loaded=serving.loaded,
        )

    def _decide(self, inputs: Inputs, settings: Settings) -> None:
        self._history.append(inputs.sample)
        found = outlook(inputs, settings, since=self._state.changed_at).trends
        # The first is that of the whole window, the others are of its end.
        self._trends = {resource: of[0] for resource, of in found.items() if of}
        decision, self._state = step(self._state, inputs, settings)
        self._decision = decision
        if decision.kind is not Kind.HOLD:
            self._events[decision.kind] += 1
            self._changes.appendleft(decision)
            _log.info(
                "recommendation changed decision=%s tier=%s model=%s reason=%r",
                decision.kind,
                decision.recommended,
                decision.model,
                decision.reason,
            )

    def _publish(self, sample: Sample, settings: Settings) -> None:
        inputs = self._inputs
        tier = settings.catalogue.find(inputs.serving) if inputs else None
        status = HostStatus(
            sample=sample,
            hardware_tier=hardware_tier(sample),
            tiers=settings.catalogue.tiers,
            serving=tier,
            decision=self._decision,
            state=self._state,
            trends=self._trends,
            changes=tuple(self._changes),
            events=dict(self._events),
        )
        with self._asking:
            self._status, self._taken_at = status, self._clock.monotonic()

    def _tell(self) -> None:
        status = self.status()
        if status is None:
            return
        for listener in self._listeners:
            try:
                listener(status)
            except Exception as error:  # noqa: BLE001 - the others are to hear of it all the same
                self._fail(error)

    def _fail(self, error: Exception) -> None:
        """Count what went wrong; the first of each kind is worth a line and its traceback."""
        kind = type(error).__name__
        self._failures += 1
        if kind not in self._failed:
            self._failed.add(kind)
            _log.error("sampling failed kind=%s error=%s", kind, error, exc_info=error)

    def _is_wanted(self) -> bool:
        with self._asking:
            return self._asked != self._answered and not self._is_fresh()

    def _is_fresh(self) -> bool:
        return self._age() < FRESH_SECONDS

    def _is_late(self) -> bool:
        return self._age() > max(_LATE_SECONDS, _MISSED * self._sampling.interval_seconds)

    def _age(self) -> float:
        return inf if self._taken_at is None else self._clock.monotonic() - self._taken_at


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
