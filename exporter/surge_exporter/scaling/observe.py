"""What happened since the last step, other than by it."""

from dataclasses import replace

from surge_exporter.model import UnixSeconds
from surge_exporter.scaling.decisions import (
    NEVER,
    Inputs,
    Settings,
    State,
    Switch,
    Thresholds,
)

_LEAST_PATIENCE_SECONDS = 300.0  # with a switch: models take minutes to load


def observe(state: State, inputs: Inputs, settings: Settings) -> State:
    """Return the state with what happened since the last step, other than by it."""
    now, thresholds = inputs.now, settings.thresholds
    if state.at is not None and now < state.at:
        state = _set_back(state, now, thresholds)
    if state.at is None or not 0.0 <= now - state.at <= thresholds.most_gap_seconds:
        state = replace(state, changed_at=now, advised=())
    if settings.catalogue.find(state.model) is None:  # after a reload
        state = replace(state, tier=None, model=None)
    served = settings.catalogue.find(inputs.serving)
    if served is None:  # nobody says any more; what did serve may come back, and is no change then
        return replace(state, switch=None)
    if served.name == state.serving and not _given_up(state.switch, now, thresholds):
        return state
    found = replace(state, serving=served.name, switch=None, changed_at=now, advised=(), demands=0)
    if served.name == state.model:  # a switch was made; an upgrade has to last from here on
        return replace(found, upgraded_at=now if state.upgraded_at > NEVER else NEVER)
    found = replace(found, tier=served.tier, model=served.name, steps_down=0, upgraded_at=NEVER)
    was_refused = state.switch is not None and served.name == state.serving
    # Nobody made it, which says little of the model: one doubling, however often.
    is_undone = was_refused and state.upgraded_at > NEVER
    return replace(found, undone=max(state.undone, int(is_undone)))


def _set_back(state: State, now: UnixSeconds, thresholds: Thresholds) -> State:
    """Return the state for a clock that was set back: nothing in it may be of times to come."""
    switch = state.switch
    if switch is not None:
        latest = UnixSeconds(now + thresholds.drain_seconds)
        switch = switch._replace(deadline=min(switch.deadline, latest))
    return replace(
        state,
        sampled_at=NEVER,
        upgraded_at=min(state.upgraded_at, now),
        arrived_at=None if state.arrived_at is None else min(state.arrived_at, now),
        switch=switch,
    )


def _given_up(switch: Switch | None, now: UnixSeconds, thresholds: Thresholds) -> bool:
    """Say whether a switch is so late that it won't be made any more."""
    patience = max(_LEAST_PATIENCE_SECONDS, thresholds.stabilization_seconds)
    return switch is not None and now >= switch.deadline + patience
