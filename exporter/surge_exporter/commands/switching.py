"""Has the model server watched, and made to follow what the sampler decides, as configured."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from surge_exporter.config_scaling import (
    ScalingConfig,
    ServerConfig,
    ServerKind,
    scaler_settings,
)
from surge_exporter.model import Seconds
from surge_exporter.modelling.connect import connect_configured
from surge_exporter.modelling.follower import Follower
from surge_exporter.modelling.manager import ModelManager
from surge_exporter.modelling.values import ManagerStatus, Patience, Phase, ScalingEvent
from surge_exporter.runtime.clock import Clock
from surge_exporter.runtime.sampler import Serving
from surge_exporter.scaling.decisions import Kind
from surge_exporter.scaling.performance import Performance
from surge_exporter.scaling.preflight import Operation, Preflight
from surge_exporter.scaling.tiers import Catalogue
from surge_exporter.snapshot import Answered, HostStatus, ModelReport, SwitchOutcome

Check = Callable[[str | None, Operation], Answered | None]

_FAREWELL_SECONDS = 1.0
_OUTCOMES = {Phase.DONE: SwitchOutcome.DONE, Phase.FAILED: SwitchOutcome.FAILED}


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a manager is made of: it goes on as long as this stays the same."""

    catalogue: Catalogue
    server: ServerConfig
    drain_seconds: Seconds
    switches: bool
    """Whether models are loaded; if not, the server is only asked what it has in memory."""


@dataclass(frozen=True, slots=True)
class _Made:
    """A manager at work, and by which plan."""

    plan: _Plan
    follower: Follower
    number: int
    """Of managers, how many there were before."""
    before: "_Made | None" = None
    """Who last knew that server, until the follower does."""


class Switching:
    """The manager of a running exporter: none where `scaling` neither switches nor names a server.

    `prepare`, what it returns, and `stop` are the loop's thread to call; `hear`, `serving` and
    `performance` the sampler's. They share one reference, `_made`, replaced as a whole. Followers
    count switches, each on its own thread; `_guard` guards the counts.
    """

    def __init__(self, check: Check, clock: Clock) -> None:
        """Take who knows the host, and the time."""
        self._check = check
        self._clock = clock
        self._made: _Made | None = None
        self._number = 0
        self._followers: list[Follower] = []
        """Who began: those that were told to stop may be loading still, long after."""
        self._guard = threading.Lock()
        self._switches: dict[tuple[Kind, SwitchOutcome], int] = {
            (kind, outcome): 0
            for kind in Kind
            for outcome in SwitchOutcome
            if kind is not Kind.HOLD
        }

    def prepare(self, section: ScalingConfig) -> Callable[[], None]:
        """Return what begins, ends, or begins anew, as the configuration has it.

        Until that is called nothing has changed. It waits for nobody: who begins anew waits on
        its own thread for what is still being loaded by the old configuration.

        Raises:
            ValueError: the server's URL can't be used.
        """
        plan, made = _plan(section), self._made
        if plan == (made.plan if made else None):
            return lambda: None
        if plan is None:
            return lambda: self._replace(None)
        self._number += 1
        known = made if made is None or made.follower.has_looked else made.before
        if known is not None and known.plan.server != plan.server:
            known = None
        begun = _Made(plan, self._build(plan), self._number, known and replace(known, before=None))
        return lambda: self._replace(begun)

    def hear(self, status: HostStatus) -> None:
        """Take the newest decision; nobody waits."""
        made = self._made
        if made is not None and made.plan.switches and status.decision is not None:
            made.follower.follow(status.decision)

    def serving(self) -> Serving:
        """Return what the sampler is to know: of a server that is only watched, what it holds.

        Until a server has answered nothing counts as loaded there; of one that was known before,
        what the new configuration knows, too. A dry run holds no memory, and serves with nothing.
        """
        made = self._made
        if made is None or made.plan.server.kind is ServerKind.DRY_RUN:
            return Serving()
        known = made if made.follower.has_looked else made.before
        if known is None:
            report = self._report(made.follower.manager.status(), is_up=made.follower.is_up)
            # Where nobody switches, advice may be followed on another server than was named.
            nobody_says = not made.plan.switches and report.is_up is False
            loads = None if nobody_says else ()
            return Serving(loaded=loads, look=made.number << 32, report=report)
        found, catalogue = known.follower.manager.status(), made.plan.catalogue
        loaded = found.loaded
        if loaded is not None:
            loaded = tuple(filter(catalogue.find, loaded))
        serves = made.plan.switches and catalogue.find(found.model) is not None
        return Serving(
            model=found.model if serves else None,
            in_flight=found.in_flight if serves else 0,
            loaded=loaded,
            look=(known.number << 32) + found.look,
            report=self._report(found, is_up=_is_up(made, known)),
        )

    def performance(self) -> Mapping[str, Performance]:
        """Return what the manager has seen of each model; nothing without one."""
        made = self._made
        return {} if made is None else made.follower.manager.performance()

    def stop(self) -> None:
        """Begin no further switch; what is loaded stays so. It takes a second at most."""
        made, self._made = self._made, None
        if made is not None:
            made.follower.stop()
            made.follower.join(_FAREWELL_SECONDS)

    def _replace(self, begun: _Made | None) -> None:
        made, self._made = self._made, begun
        if made is not None:
            made.follower.stop(_keeps(made.plan, begun.plan if begun else None))
        self._followers = [found for found in self._followers if not found.is_over]
        if begun is not None:
            begun.follower.start(after=tuple(self._followers))
            self._followers.append(begun.follower)

    def _report(self, found: ManagerStatus, *, is_up: bool | None) -> ModelReport:
        with self._guard:
            switches = dict(self._switches)
        return ModelReport(
            is_up=is_up,
            loaded=found.loaded,
            switching_to=found.switching_to,
            switches=switches,
        )

    def _count(self, event: ScalingEvent) -> None:
        outcome = _OUTCOMES.get(event.phase)
        if outcome is not None:
            with self._guard:
                self._switches[event.kind, outcome] += 1

    def _build(self, plan: _Plan) -> Follower:
        names = tuple(spec.name for spec in plan.catalogue.models)
        server = connect_configured(plan.server, names)
        patience = Patience(drain_seconds=plan.drain_seconds)
        manager = ModelManager(
            plan.catalogue, server, self._preflight, patience=patience, clock=self._clock
        )
        if plan.server.kind is not ServerKind.DRY_RUN:
            manager.subscribe(self._count)
        return Follower(manager, self._clock)

    def _preflight(self, model: str | None, operation: Operation) -> Preflight:
        found = self._check(model, operation)
        if found is not None:
            return found.preflight
        reason = "the host is not watched"
        return Preflight(
            allowed=False,
            reason=reason,
            operation=operation,
            model=model,
            tier=None,
            recommended_model=None,
        )


def _is_up(made: _Made, known: _Made) -> bool | None:
    """Return whether the server answers; of who is over, only what nobody after it has found."""
    newest = made.follower.is_up
    return known.follower.is_up if newest is None else newest


def _plan(section: ScalingConfig) -> _Plan | None:
    """Return what to make; None where there is no server to ask, or nobody who would use it."""
    asks = section.switch or section.server.kind is not ServerKind.DRY_RUN
    if not (section.enabled and asks):
        return None
    settings = scaler_settings(section)
    return _Plan(
        settings.catalogue,
        section.server,
        Seconds(settings.thresholds.drain_seconds),
        section.switch,
    )


def _keeps(old: _Plan, new: _Plan | None) -> Callable[[str], bool]:
    """Return what says whether a model that serves may stay in memory for those who come next.

    Whoever only watches has loaded nothing, and where nobody switches any more models stay. But
    what the next one would not know of would lie beside what that loads.
    """
    if not old.switches or new is None or not new.switches:
        return lambda _: True
    same_server = new.server == old.server
    return lambda model: same_server and new.catalogue.find(model) is not None
