"""The thread that watches the host: it owns samples and the scaler's state, and publishes both."""

import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from surge_exporter.model import Seconds
from surge_exporter.runtime.clock import Clock, Waker
from surge_exporter.runtime.history import History
from surge_exporter.runtime.looks import Look, Looks
from surge_exporter.runtime.performance import Surroundings
from surge_exporter.runtime.preflights import Preflights
from surge_exporter.runtime.resources import SETTLE_SECONDS
from surge_exporter.scaling.decisions import Decision, Inputs, Kind, Settings, State
from surge_exporter.scaling.preflight import Operation
from surge_exporter.scaling.resources import Sample
from surge_exporter.scaling.scaler import step
from surge_exporter.scaling.tiers import hardware_tier
from surge_exporter.scaling.trend import Trend
from surge_exporter.scaling.view import View, in_use, judged_cpu
from surge_exporter.snapshot import Answered, HostStatus, ModelReport

_FIRST_SECONDS = 1.0  # until the first decision: an exporter that starts is busy itself
_MOST_CHANGES = 10
_MISSED = 3  # intervals; by then the newest sample says nothing of now
_LATE_SECONDS = 10.0

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
    look: int = field(default=0, compare=False)
    """Another number for each look at the server."""
    report: ModelReport | None = field(default=None, compare=False)
    """What readers are to be shown of it."""


class Sampler:
    """Watches the host. `run` is the one thread that samples and decides; any thread may ask.

    That thread owns all there is here. Others replace what it is to do (`configure`, `stop`), one
    reference at a time; what they wait for is in `Looks`, and what they share in `Preflights`.
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
        self._history = History()
        self._state = State()
        self._decision: Decision | None = None
        self._trends: Mapping[str, Trend] = {}
        self._due = self._settled_at = clock.monotonic()
        self._changes: deque[Decision] = deque(maxlen=_MOST_CHANGES)
        self._events: dict[Kind, int] = {kind: 0 for kind in Kind if kind is not Kind.HOLD}
        self._failures = 0
        self._failed: set[str] = set()
        self._stopping = False
        self._looks = Looks(clock, waker.wake)
        self._preflights = Preflights()

    def configure(self, sampling: Sampling) -> None:
        """Do otherwise from the next turn on; any thread."""
        self._sampling = sampling
        self._waker.wake()

    def listen(self, listener: Callable[[HostStatus], None]) -> None:
        """Call somebody after each decision, on `run`'s thread: it must return soon."""
        self._listeners.append(listener)

    def stop(self) -> None:
        """End `run` soon; safe to call from any thread."""
        self._stopping = True
        self._waker.wake()

    def status(self) -> HostStatus | None:
        """Return the newest there is; None if there is none of now. Any thread, never waits."""
        look = self._newest()
        if look is None:
            return None
        return replace(look.status, checks=self._preflights.counts(), failures=self._failures)

    def fresh(self) -> HostStatus | None:
        """Return a sample of now, the same to all who ask at a time; any thread but `run`'s."""
        self._ask()
        return self.status()

    def preflight(
        self, model: str | None = None, operation: Operation = Operation.GENERATE
    ) -> Answered | None:
        """Say whether an operation may start now; any thread but `run`'s. None if unwatched."""
        if not self._sampling.enabled:
            return None
        self._ask()
        look, settings = self._newest(), (self._applied or self._sampling).settings
        return self._preflights.answer(look, settings, model, operation)

    def run(self) -> None:
        """Watch, until `stop`."""
        try:
            while not self._stopping:
                self.turn()
                self._waker.wait(self._rest())
        finally:
            self._stopping = True
            self._looks.close()
            self._close()

    def turn(self) -> None:
        """Take a sample if one is due or asked for, and decide if one is due; never raises."""
        is_wanted = self._looks.hear()
        try:
            self._apply(self._sampling)
            now = self._clock.monotonic()
            if now < self._settled_at:
                return
            is_due = now >= self._due
            if is_due:
                self._due = Seconds(now + self._sampling.interval_seconds)
            if is_due or is_wanted:
                self._look(is_due=is_due)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next sample may be well
            self._fail(error)
        self._looks.answer()

    def _apply(self, sampling: Sampling) -> None:
        """Begin anew where the configuration changed what the old state speaks of."""
        before = self._applied
        if sampling is before:
            return
        if not sampling.enabled or before is None or sampling.cgroup != before.cgroup:
            self._close()
        if sampling.enabled and self._resources is None:
            self._due = self._in(sampling.interval_seconds)  # if building fails, again then
            self._resources = self._build(sampling)
            self._settled_at = self._in(SETTLE_SECONDS)
            self._due = self._in(_FIRST_SECONDS)
        elif sampling.enabled:
            self._due = min(self._due, self._in(sampling.interval_seconds))
        if before is not None and sampling.settings.catalogue != before.settings.catalogue:
            self._state, self._decision = State(), None
        self._applied = sampling

    def _close(self) -> None:
        """Let go of what takes samples, and forget those it took."""
        if self._resources is not None:
            self._resources.close()
            self._resources = None
        self._history.clear()
        self._looks.show(None)

    def _rest(self) -> float:
        now = self._clock.monotonic()
        return max(0.0, (self._settled_at if now < self._settled_at else self._due) - now)

    def _in(self, seconds: float) -> Seconds:
        return Seconds(self._clock.monotonic() + seconds)

    def _look(self, *, is_due: bool) -> None:
        settings = (self._applied or self._sampling).settings
        if self._resources is not None:
            sample = self._resources.sample()
            inputs = self._inputs_of(sample, settings)
            if is_due:
                self._decide(inputs, settings)
            self._publish(inputs, settings)
            if is_due:
                self._tell()

    def _inputs_of(self, sample: Sample, settings: Settings) -> Inputs:
        surroundings, serving = self._surroundings(), self._serving()
        return Inputs(
            now=sample.at,
            sample=sample,
            history=self._history.before(sample.at, settings.thresholds.history_seconds),
            performance=surroundings.performance,
            surge_predicted=surroundings.surge_predicted,
            serving=serving.model,
            in_flight=serving.in_flight,
            loaded=serving.loaded,
            look=serving.look,
        )

    def _decide(self, inputs: Inputs, settings: Settings) -> None:
        self._history.add(inputs.sample, settings.thresholds.history_seconds)
        found = View.of(self._state, inputs, settings).outlook.trends
        # The first is that of the whole window, the others are of its end.
        self._trends = {resource: of[0] for resource, of in found.items() if of}
        before = self._state.model
        decision, self._state = step(self._state, inputs, settings)
        self._decision = decision
        if decision.kind is not Kind.HOLD:
            self._events[decision.kind] += 1
            self._changes.appendleft(decision)
        if decision.kind is not Kind.HOLD or before not in {None, decision.model}:
            _log.info(
                "recommendation changed decision=%s tier=%s model=%s reason=%r",
                decision.kind,
                decision.recommended,
                decision.model,
                decision.reason,
            )

    def _publish(self, inputs: Inputs, settings: Settings) -> None:
        sample = inputs.sample
        status = HostStatus(
            sample=sample,
            hardware_tier=hardware_tier(sample),
            tiers=settings.catalogue.tiers,
            serving=in_use(inputs, settings.catalogue),
            decision=self._decision,
            state=self._state,
            trends=self._trends,
            changes=tuple(self._changes),
            events=dict(self._events),
            cpu_mean_ratio=judged_cpu(self._state, inputs, settings),
            models=self._serving().report,
        )
        self._looks.show(Look(status, inputs))

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

    def _ask(self) -> None:
        if self._sampling.enabled and not self._stopping:
            self._looks.ask()

    def _newest(self) -> Look | None:
        interval_seconds = self._sampling.interval_seconds
        return self._looks.newest(max(_LATE_SECONDS, _MISSED * interval_seconds))
