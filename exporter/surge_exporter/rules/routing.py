"""Whom Alertmanager tells of an alert, and how patiently. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from surge_exporter.model import HOUR, Seconds
from surge_exporter.rules.choices import Choices
from surge_exporter.rules.matchers import Matcher, Matchers, one_of
from surge_exporter.rules.rule import AlertSeverity, Notify


class Receiver(StrEnum):
    """Who is told."""

    AUTOMATION = "surge-automation"
    PAGER = "surge-pager"
    TICKETS = "surge-tickets"
    NOBODY = "surge-nobody"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long alerts of a group are gathered, and when they are told of again."""

    wait: Seconds
    """Before the first notification of a group."""
    interval: Seconds
    """Before one of what has changed in it."""
    repeat: Seconds
    """Before one of what has not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Alerts that match go to the receiver, and to no later route unless it goes on."""

    why: str
    matchers: Matchers
    receiver: Receiver
    group_by: tuple[str, ...] = ()
    """Empty: as the route above."""
    pace: Pace | None = None
    goes_on: bool = False


AUTOMATED = (
    "prewarm_local_inference",
    "throttle_background_jobs",
    "cache_forge_state",
    "switch_to_smaller_model",
)
"""The actions that a program can carry out, and undo."""

OURS = Matcher("alertname", "=~", "Surge[A-Z].*")
"""What tells our alerts from those of others in the same Alertmanager."""

_AT_ONCE = Pace(wait=Seconds(10.0), interval=Seconds(60.0), repeat=HOUR)
_PAGES = Pace(wait=Seconds(30.0), interval=Seconds(300.0), repeat=Seconds(4 * HOUR))
_TICKETS = Pace(wait=Seconds(300.0), interval=HOUR, repeat=Seconds(24 * HOUR))

_INFO = Matcher("severity", "=", AlertSeverity.INFO)


def top(choices: Choices) -> Route:
    """Return the route of all our alerts; the others stand under it."""
    return Route(
        why="All alerts of surge-exporter. One that no route below takes is a ticket.",
        matchers=(OURS,),
        receiver=Receiver.TICKETS,
        group_by=tuple(dict.fromkeys(("alertname", *choices.by))),
        pace=_TICKETS,
    )


def routes(choices: Choices) -> tuple[Route, ...]:
    """Return the routes under that of all our alerts; the first that matches is taken."""
    return (
        Route(
            why="Context for who looks anyway.",
            matchers=(_INFO,),
            receiver=Receiver.NOBODY,
        ),
        Route(
            why="What a program can do. One group an action: it is over when nothing asks for that"
            " action any more.",
            matchers=(one_of("action", AUTOMATED),),
            receiver=Receiver.AUTOMATION,
            group_by=_by_action(choices),
            pace=_AT_ONCE,
            goes_on=True,
        ),
        Route(
            why="Somebody must look now. One group an action: an alert that ends while another of"
            " the group silences it leaves no page open.",
            matchers=(Matcher("notify", "=", Notify.PAGE),),
            receiver=Receiver.PAGER,
            group_by=_by_action(choices),
            pace=_PAGES,
        ),
        Route(
            why="Whatever its other labels say: critical is a page.",
            matchers=(Matcher("severity", "=", AlertSeverity.CRITICAL),),
            receiver=Receiver.PAGER,
            group_by=_by_action(choices),
            pace=_PAGES,
        ),
        Route(
            why="Somebody must look on a working day.",
            matchers=(Matcher("notify", "=", Notify.TICKET),),
            receiver=Receiver.TICKETS,
        ),
        Route(
            why="Asked to be told to nobody.",
            matchers=(Matcher("notify", "=", Notify.NOBODY),),
            receiver=Receiver.NOBODY,
        ),
    )


def _by_action(choices: Choices) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*choices.by, "action")))
