"""Which tier a host should serve with: one step over a state that is a value."""

from dataclasses import replace

from surge_exporter.model import UnixSeconds
from surge_exporter.scaling.decisions import (
    NEVER,
    Advice,
    Decision,
    Inputs,
    Kind,
    Settings,
    State,
    Switch,
    Thresholds,
)
from surge_exporter.scaling.holding import Watched, told
from surge_exporter.scaling.observe import observe
from surge_exporter.scaling.pressure import Demand, spoken
from surge_exporter.scaling.stabilize import LEAST_SECONDS, advise, patience, smallest
from surge_exporter.scaling.tiers import ModelSpec
from surge_exporter.scaling.view import View
from surge_exporter.scaling.words import counted, seconds

__all__ = [
    "Advice",
    "Decision",
    "Inputs",
    "Kind",
    "Settings",
    "State",
    "Switch",
    "Thresholds",
    "step",
]

_Outcome = tuple[Decision, State]


def step(state: State, inputs: Inputs, settings: Settings) -> _Outcome:
    """Return what to do now, and the state for the next step.

    Degradation comes first and waits for nothing but a switch that is under way; an upgrade waits
    for stabilisation, and every sample since must have advised it. If no tier fits, none is
    recommended, and whatever fits next counts as an upgrade.
    """
    observed = observe(state, inputs, settings)
    view = View.of(observed, inputs, settings)
    if view.state.at is None and view.current is None:
        decision, after = _begin(view)
    elif view.state.switch is not None:
        decision, after = _await_switch(view, view.state.switch)
    elif demanded := view.demands():
        decision, after = _step_down(view, demanded)
    else:
        decision, after = _step_up(view)
    if state.switch is not None and observed.switch is None and observed.model != state.model:
        not_made = f"the switch from {state.switch.replaces} to {state.model} was not made"
        decision = replace(decision, reason=f"{not_made}; {decision.reason}")
    return decision, replace(
        after,
        at=inputs.now,
        sampled_at=max(after.sampled_at, inputs.sample.at),
        watched=_watched(view, after),
        told=inputs.told,
        arrived_at=view.arrived_at,
    )


def _watched(view: View, after: State) -> Watched:
    """Return what is known of the memory that the model recommended from now on would go to."""
    spec = view.settings.catalogue.find(after.model)
    is_other_device = spec is not None and spec.needs_gpu != view.watched.on_gpu
    return told(None, spec, view.inputs.sample) if is_other_device else view.watched


def _begin(view: View) -> _Outcome:
    """Recommend the largest tier that nothing speaks against, or the smallest that fits."""
    candidates = [*reversed(view.larger()), *view.smallest_fitting()]
    if not candidates:
        return _hold(view, view.state, f"no tier fits: {_smallest_misfit(view)}")
    chosen = candidates[0]
    after = replace(view.state, tier=chosen.tier, model=chosen.name)
    return _hold(view, after, f"{chosen.tier} to begin with ({spoken(view.inputs.sample)})")


def _await_switch(view: View, switch: Switch) -> _Outcome:
    """Go on waiting for a switch, unless what it was decided for no longer holds."""
    against = [] if view.current is None else list(view.misfit(view.current))
    if back := _to_stay_with(view):
        pressing = [demand.reason for demand in replace(view, current=back).demands()]
        troubles = view.troubles(view.current) if view.current else []
        if against := pressing + troubles + against:
            return _change(view, Kind.DOWNGRADE, back, " and ".join(against))
    elif view.current is not None and view.is_unloadable(view.current):
        return _stay(view, " and ".join(view.troubles(view.current)))
    elif against:
        return _change(view, Kind.CASCADE, _next_down(view, view.demands()), against[0])
    left = switch.deadline - view.now
    running = f"{counted(view.inputs.in_flight, 'request')} on {switch.replaces}"
    if view.inputs.in_flight > 0 and left > 0.0:
        said = f"{view.state.model} waits for {running}, {seconds(left)} at most"
        return _hold(view, view.state, said)
    change = view.state.last_change
    why = f" ({change.reason})" if change else ""
    said = f"{view.state.model} is to take over now, {running}{why}"
    return _hold(view, view.state, said, ready=True)


def _stay(view: View, reason: str) -> _Outcome:
    """Stay with what serves, since what was to replace it can't be loaded."""
    served = view.served
    stays = replace(
        view.state,
        tier=served.tier if served else None,
        model=served.name if served else None,
        switch=None,
        changed_at=view.now,
        advised=(),
    )
    return _hold(view, stays, f"{stays.tier} stays: {reason}")


def _to_stay_with(view: View) -> ModelSpec | None:
    """Return what serves while a larger model is to take over, if it still fits."""
    served, rank = view.served, view.settings.catalogue.rank
    if served is None or rank(served.tier) >= view.rank or list(view.misfit(served)):
        return None
    return served


def _step_down(view: View, demanded: list[Demand]) -> _Outcome:
    """Step down one tier; once more only if samples since go on demanding it."""
    state, reason = view.state, " and ".join(demand.reason for demand in demanded)
    is_new = view.inputs.sample.at > max(state.sampled_at, state.changed_at)
    seen, needed = state.demands + is_new, view.settings.thresholds.cascade_samples
    is_lost = view.current is not None and next(view.misfit(view.current), None) is not None
    target = _next_down(view, demanded)
    if state.steps_down and view.awaited and not is_lost:
        still = f"{reason}: {view.awaited}, {state.tier} was recommended"
        return _hold(view, _unadvised(view, seen), still)
    if state.steps_down and seen < needed and not is_lost:
        waiting = f"{reason}: {seen} of {needed} samples since the last step say so"
        return _hold(view, _unadvised(view, seen), waiting)
    if target is None and not is_lost:
        return _hold(view, _unadvised(view, seen), f"{reason}, but nothing smaller fits")
    return _change(view, Kind.CASCADE if state.steps_down else Kind.DOWNGRADE, target, reason)


def _next_down(view: View, demanded: list[Demand]) -> ModelSpec | None:
    """Return the model to step down to; of the same tier, if the model of it no longer fits."""
    tier, current = view.state.tier, view.current
    same = view.fitting(tier) if tier is not None else []
    if same and current not in same:
        return same[0]
    return view.smaller(demanded)


def _unadvised(view: View, seen: int) -> State:
    """Return the state after a sample that demanded a step down which was not made."""
    advised = _advised(view, view.rank)
    return replace(view.state, demands=seen, advised=advised)


def _step_up(view: View) -> _Outcome:
    """Step up one tier, if stabilisation is over and the smallest advice of it is larger."""
    larger = view.smallest_fitting() if view.current is None else view.larger()
    rank = view.settings.catalogue.rank
    advised = _advised(view, rank(larger[-1].tier) if larger else view.rank)
    state = replace(view.state, advised=advised, steps_down=0, demands=0)
    target = next((spec for spec in larger if rank(spec.tier) <= smallest(advised)), None)
    if target is None or view.now < _stabilization_until(view.settings, state):
        return _hold(view, state, _why_no_larger(view, larger))
    window = seconds(view.settings.thresholds.stabilization_seconds)
    reason = f"{target.tier} was advised for {window} ({spoken(view.inputs.sample)})"
    return _change(view, Kind.UPGRADE, target, reason)


def _advised(view: View, rank: int) -> tuple[Advice, ...]:
    window = view.settings.thresholds.stabilization_seconds
    return advise(view.state.advised, Advice(view.now, rank), window_seconds=window)


def _why_no_larger(view: View, larger: list[ModelSpec]) -> str:
    """Return what keeps a larger tier from being recommended, or that there is none."""
    tiers, state = view.settings.catalogue.tiers, view.state
    window = view.settings.thresholds.stabilization_seconds
    needed = _stabilization_until(view.settings, state) - state.changed_at
    changed = view.now - state.changed_at
    if view.rank < 0 and not larger:
        return f"no tier fits: {_smallest_misfit(view)}"
    if larger and changed < needed:
        why = f", {counted(state.undone, 'upgrade')} had to be taken back" if state.undone else ""
        waits = f"upgrades wait {seconds(needed)}{why}"
        return f"{larger[0].tier} is possible, {seconds(changed)} after a change; {waits}"
    if larger:
        return f"{larger[0].tier} is possible, but was not all of the last {seconds(window)}"
    above = [
        spec for tier in tiers[view.rank + 1 :] for spec in view.settings.catalogue.of_tier(tier)
    ]
    against = next((said for spec in above for said in view.obstacles(spec)), None)
    if against is None:
        used = spoken(view.inputs.sample)
        return f"{view.state.tier} is the largest of {counted(len(tiers), 'tier')} ({used})"
    return f"{view.state.tier} stays: {against}"


def _smallest_misfit(view: View) -> str:
    smallest_tier = view.settings.catalogue.tiers[:1]
    specs = [spec for tier in smallest_tier for spec in view.settings.catalogue.of_tier(tier)]
    return next((said for spec in specs for said in view.misfit(spec)), "0 models are known")


def _change(view: View, kind: Kind, target: ModelSpec | None, reason: str) -> _Outcome:
    """Decide for another model, which takes over once the work on what serves is done."""
    served, now = view.served, view.now
    waits = target is not None and served is not None and target != served
    deadline = UnixSeconds(now + view.settings.thresholds.drain_seconds)
    state = replace(
        _judged(view, kind),
        tier=target.tier if target else None,
        model=target.name if target else None,
        changed_at=now,
        advised=(),
        switch=Switch(served.name, deadline) if waits and served is not None else None,
        steps_down=0 if kind is Kind.UPGRADE else view.state.steps_down + 1,
        demands=0,
        awaited_above=_awaited_above(view, target),
    )
    ready = target is not None and not (waits and view.inputs.in_flight > 0)
    said = f"{reason}: {_spoken_change(view, kind, target)}"
    decision = _decision(view, state, kind, said, ready=ready)
    return decision, replace(state, last_change=decision)


def _awaited_above(view: View, target: ModelSpec | None) -> int | None:
    """Return what is taken until a step down is followed; None if nobody could tell."""
    old = view.current
    if old is None or target is None or view.arrived_at is None:
        return None
    given_up = old.memory_bytes - target.memory_bytes
    is_of_kind = old.needs_gpu == target.needs_gpu == view.watched.on_gpu
    return view.watched.taken_bytes - given_up // 2 if is_of_kind and given_up > 0 else None


def _judged(view: View, kind: Kind) -> State:
    """Return the state with a judgement of the last upgrade: had it lasted, or is it undone?

    Lasting is to outlive the wait for a further upgrade clearly: a load that takes exactly that
    long to show would never count otherwise. To recommend a model where there was none is no
    upgrade in this sense.
    """
    state, now = view.state, view.now
    needed = patience(state.undone, view.settings.thresholds)
    lasted = now - state.upgraded_at >= 2.0 * max(LEAST_SECONDS, needed)
    is_known = state.upgraded_at > NEVER
    undone = 0 if is_known and lasted else state.undone
    if kind is Kind.UPGRADE:
        return replace(state, upgraded_at=now if view.current else NEVER, undone=undone)
    if is_known and not lasted:
        undone += 1
    return replace(state, upgraded_at=NEVER, undone=undone)


def _spoken_change(view: View, kind: Kind, target: ModelSpec | None) -> str:
    old, direction = view.current, "up" if kind is Kind.UPGRADE else "down"
    if target is None:
        return "no tier fits any more"
    if old is None:
        return f"{target.tier} fits again"
    if old.tier == target.tier:
        return f"go from {old.name} to {target.name}"
    return f"step {direction} from {old.tier} to {target.tier}"


def _hold(view: View, state: State, reason: str, *, ready: bool = False) -> _Outcome:
    return _decision(view, state, Kind.HOLD, reason, ready=ready), state


def _decision(view: View, state: State, kind: Kind, reason: str, *, ready: bool) -> Decision:
    return Decision(
        at=view.now,
        kind=kind,
        recommended=state.tier,
        model=state.model,
        current=view.served.tier if view.served else view.state.tier,
        reason=reason,
        ready=ready,
        stabilization_until=_stabilization_until(view.settings, state),
    )


def _stabilization_until(settings: Settings, state: State) -> UnixSeconds:
    """Return until when nothing is upgraded; where nothing serves, none was taken back."""
    undone = state.undone if state.model is not None else 0
    return UnixSeconds(state.changed_at + patience(undone, settings.thresholds))
