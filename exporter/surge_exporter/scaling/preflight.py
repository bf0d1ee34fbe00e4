"""Whether an operation should start now, by a fresh sample."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from surge_exporter.model import Seconds
from surge_exporter.scaling.decisions import Inputs, Settings, State
from surge_exporter.scaling.pressure import spoken
from surge_exporter.scaling.stabilize import patience
from surge_exporter.scaling.tiers import ModelSpec
from surge_exporter.scaling.view import View
from surge_exporter.scaling.words import counted, seconds

RETRY_SECONDS = Seconds(30.0)
"""When to ask again about what any sample may change."""


class Operation(StrEnum):
    """What somebody is about to do."""

    GENERATE = "generate"
    """Have a model answer; it is loaded first if it is not."""
    LOAD = "load"
    """Bring a model into memory: it is not there yet, unless a server says that it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """The answer."""

    allowed: bool
    reason: str
    """In words and numbers."""
    operation: Operation
    model: str | None
    """The one asked for or, where none was named, the recommended one."""
    tier: str | None
    recommended_model: str | None
    """The model itself if it is allowed, or one that fits instead; None if none does."""
    retry_after_seconds: Seconds | None = None
    """None if it is allowed, or if waiting won't help."""


class _Denial(NamedTuple):
    reason: str
    retry_after_seconds: Seconds | None = RETRY_SECONDS


def answer(
    inputs: Inputs,
    state: State,
    settings: Settings,
    *,
    model: str | None = None,
    operation: Operation = Operation.GENERATE,
) -> Preflight:
    """Answer for one operation, by the fresh sample in the inputs and the scaler's last state.

    Who serves the smallest model that fits goes on serving, however hard pressed: a slow answer
    is better than none. To load a larger model, all must hold that an upgrade needs. Where nobody
    says what is loaded, what is recommended counts as loaded to generate, and not to load.
    """
    is_load = operation is Operation.LOAD
    if is_load and inputs.told is None:
        inputs = replace(inputs, loaded=())
    view = replace(View.of(state, inputs, settings), is_strict=is_load)
    spec = _usual(view) if model is None else view.settings.catalogue.find(model)
    denial = next(_denials(spec, model, view), None)
    best = _instead(spec, view) if denial else spec
    return Preflight(
        allowed=denial is None,
        reason=denial.reason if denial else _permission(spec, view),
        operation=operation,
        model=spec.name if spec else model,
        tier=spec.tier if spec else None,
        recommended_model=best.name if best else None,
        retry_after_seconds=denial.retry_after_seconds if denial else None,
    )


def _usual(view: View) -> ModelSpec | None:
    """Return the model that is asked about if none is named."""
    return view.current or next(iter([*view.larger()[::-1], *view.smallest_fitting()]), None)


def _denials(spec: ModelSpec | None, model: str | None, view: View) -> Iterator[_Denial]:
    """Yield what speaks against going on with a model, or against loading it."""
    if spec is None:
        known = counted(len(view.settings.catalogue.models), "model")
        unknown = f"{model} is not one of the {known} configured"
        yield _Denial(unknown, None) if model else _Denial(f"none of the {known} fits")
        return
    if view.is_unloadable(spec):
        yield from (_Denial(reason) for reason in view.troubles(spec))
    for reason in view.misfit(spec):
        yield _Denial(reason, RETRY_SECONDS if view.could_hold(spec) else None)
    if spec == view.loaded:
        yield from _against_going_on(spec, view)
    elif view.loaded is None and spec in view.smallest_fitting():
        return  # a slow answer is better than none
    elif spec == view.current:
        # Stabilisation is over, or it would not be recommended; memory may have gone since.
        yield from (_Denial(reason) for reason in view.overfilling(spec))
        yield from _against_going_on(spec, view)
    elif _is_larger(spec, view):
        yield from (_Denial(reason) for reason in view.obstacles(spec))
        yield from _too_early(spec, view)


def _against_going_on(spec: ModelSpec, view: View) -> Iterator[_Denial]:
    switch = view.state.switch
    if switch is not None and spec == view.served and view.now < switch.deadline:
        left = Seconds(max(1.0, switch.deadline - view.now))
        said = f"{view.state.model} takes over from {spec.name} within {seconds(left)}"
        yield _Denial(said, left)
    as_current = replace(view, current=spec)
    if (demanded := as_current.demands()) and _smaller(spec, view) is not None:
        yield _Denial(" and ".join(demand.reason for demand in demanded))


def _too_early(spec: ModelSpec, view: View) -> Iterator[_Denial]:
    """Yield how long upgrades have to wait; there is none where nothing serves yet."""
    needed = patience(view.state.undone, view.settings.thresholds)
    left = Seconds(view.state.changed_at + needed - view.now)
    if view.loaded is not None and left > 0.0:
        said = f"{spec.name} is larger than {view.loaded.name}: upgrades wait {seconds(left)} more"
        yield _Denial(said, left)


def _is_larger(spec: ModelSpec, view: View) -> bool:
    rank, loaded = view.settings.catalogue.rank, view.loaded
    return loaded is None or rank(spec.tier) > rank(loaded.tier)


def _instead(spec: ModelSpec | None, view: View) -> ModelSpec | None:
    """Return what to use in place of a denied model: what is recommended, or a smaller one."""
    current = view.current
    if current is not None and current != spec and current in view.fitting(current.tier):
        return current
    return _smaller(spec, view) if spec is not None else None


def _smaller(spec: ModelSpec, view: View) -> ModelSpec | None:
    """Return what to step down to from a model; what is not loaded gives up no memory."""
    if spec == view.loaded:
        below = replace(view, state=replace(view.state, tier=spec.tier), current=spec)
        return below.smaller(below.demands())
    catalogue = view.settings.catalogue
    lower = reversed(catalogue.tiers[: catalogue.rank(spec.tier)])
    return next((fitting for tier in lower for fitting in view.fitting(tier)), None)


def _permission(spec: ModelSpec | None, view: View) -> str:
    name = spec.name if spec else ""
    return f"{name} may serve ({spoken(view.inputs.sample)})"
