"""What the pages say of each signal: the part of an alert that only people can write.

A row without words here still alerts, in the words of its condition.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from surge_exporter.rules.rule import Board
from surge_exporter.signals import Signal

PERCENT = "{{ $value | humanizePercentage }}"
DURATION = "{{ $value | humanizeDuration }}"
FACTOR = '{{ $value | printf "%.2f" }}'
NUMBER = '{{ $value | printf "%.0f" }}'
CALLER = "{{ $labels.caller }}"


@dataclass(frozen=True, slots=True)
class Words:
    """The annotations of an alert; `{fleet}` and `{exporter}` stand for whose it is."""

    summary: str
    description: str
    recommended_action: str
    board: Board


def words(signal: Signal) -> Words:
    """Return what a row's alert says."""
    return _WORDS.get(signal.name) or Words(
        summary=f"Signal {signal.name} is over its threshold.",
        description=f"{signal.condition} of {{fleet}} is {FACTOR}.".capitalize(),
        recommended_action=f"{signal.action.title}.",
        board=Board.OVERVIEW,
    )


_WORDS: Mapping[str, Words] = {
    "demand_surge": Words(
        summary="Demand is far above what is usual at this time.",
        description=f"Demand of {{fleet}} is {FACTOR} times what season and history let expect,"
        " at exporters with at least half of it, and by more than chance explains.",
        recommended_action="Pre-warm local inference: load the models that the busiest callers"
        " use, and add capacity before queues build up.",
        board=Board.DEMAND,
    ),
    "predicted_demand": Words(
        summary="Demand will exceed capacity within the forecast's horizon.",
        description=f"The predicted request rate of {{fleet}} is {PERCENT} of its capacity.",
        recommended_action="Pre-warm local inference, or add capacity, before the demand arrives.",
        board=Board.DEMAND,
    ),
    "heavy_batch": Words(
        summary="A background job uses much of the inference that others wait for.",
        description=f"{CALLER} used {PERCENT} of the token volume of {{fleet}} in the recent"
        " window.",
        recommended_action="Throttle background jobs: slow down or pause the caller, or move it"
        " to a quiet hour.",
        board=Board.CALLERS,
    ),
    "caller_failures": Words(
        summary="Many requests of a caller fail.",
        description=f"{PERCENT} of the requests of {CALLER} in {{fleet}} failed in the recent"
        " window.",
        recommended_action="Investigate failure rates: look at the caller's newest errors, and"
        " whether other callers of the same model fail too.",
        board=Board.CALLERS,
    ),
    "inference_failures": Words(
        summary="Inference checks failed.",
        description=f"{NUMBER} inference checks at {{exporter}} failed in the recent window.",
        recommended_action="Investigate model reliability: look at the model server's log around"
        " the failed checks.",
        board=Board.DEPENDENCIES,
    ),
    "gitea_outages": Words(
        summary="The forge was not reachable.",
        description=f"{NUMBER} Gitea checks of an exporter of {{fleet}} failed in the recent"
        " window, and at least half of the exporters saw it.",
        recommended_action="Cache forge state, so that agents can go on through the next outage.",
        board=Board.DEPENDENCIES,
    ),
    "host_pressure": Words(
        summary="A host that serves models is short of memory, its own or its GPU's.",
        description=f"{{{{ $labels.resource }}}} of {{exporter}} is {PERCENT} used.",
        recommended_action="Switch to a smaller model, or move work to another host.",
        board=Board.HOST,
    ),
    "host_cpu_busy": Words(
        summary="The CPUs of a host that serves models are busy nearly all the time.",
        description=f"The CPUs of {{exporter}} are {PERCENT} used on average.",
        recommended_action="Switch to a smaller model, or move work to another host; where"
        " models are meant to use all of the CPUs, tell the scaler that CPU decides nothing.",
        board=Board.HOST,
    ),
    "gitea_down": Words(
        summary="The forge is down.",
        description=f"Gitea has not answered {{fleet}} for {DURATION}, and at least half of the"
        " exporters say so.",
        recommended_action="Cache forge state and dispatch nothing that needs the forge; then"
        " bring Gitea back.",
        board=Board.DEPENDENCIES,
    ),
    "inference_down": Words(
        summary="Local inference is down.",
        description=f"The inference checks at {{exporter}} have failed for {DURATION}.",
        recommended_action="Investigate model reliability: check that the model server runs and"
        " that its model is loaded; restart it if it is not.",
        board=Board.DEPENDENCIES,
    ),
    "gitea_flapping": Words(
        summary="The forge goes down again and again.",
        description=f"Gitea had {NUMBER} outages in the recent window, as {{fleet}} saw it.",
        recommended_action="Cache forge state, and find what the outages have in common.",
        board=Board.DEPENDENCIES,
    ),
    "inference_flapping": Words(
        summary="Local inference goes down again and again.",
        description=f"Inference at {{exporter}} had {NUMBER} outages in the recent window.",
        recommended_action="Investigate model reliability: look for restarts, memory running out,"
        " models being swapped.",
        board=Board.DEPENDENCIES,
    ),
    "forecast_error": Words(
        summary="The demand forecast has gone bad.",
        description=f"Forecasts at {{exporter}} for {{{{ $labels.horizon }}}} were wrong by"
        f" {FACTOR} times as much as yesterday's demand would have been.",
        recommended_action="Check the demand forecast: do not act on predicted demand until"
        " you know what changed.",
        board=Board.DEMAND,
    ),
}
