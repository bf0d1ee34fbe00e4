"""The smallest advice of a window, as Kubernetes' autoscaler goes by it."""

from surge_exporter.model import Seconds
from surge_exporter.scaling.decisions import Advice, Thresholds

LEAST_SECONDS = 30.0
"""What is doubled at least: twice nothing is no patience."""


def advise(
    advised: tuple[Advice, ...], new: Advice, *, window_seconds: float
) -> tuple[Advice, ...]:
    """Return what could still be a window's smallest advice, the smallest first.

    Advice that a later one undercuts, or equals, is never the smallest again. So ranks rise from
    old to new, and there are never more of them than tiers, however many samples there are.
    """
    oldest = new.at - window_seconds
    kept = [one for one in advised if one.at > oldest and one.rank < new.rank]
    return (*kept, new)


def smallest(advised: tuple[Advice, ...]) -> int:
    """Return the smallest rank advised, of at least one."""
    return advised[0].rank


def patience(undone: int, thresholds: Thresholds) -> Seconds:
    """Return how long after a change nothing is upgraded.

    A load that the smaller model bears and the larger does not would otherwise have the two take
    turns for ever. So each upgrade in a row that had to be taken back doubles the time.
    """
    doublings = min(undone, thresholds.most_doublings)
    least = LEAST_SECONDS if doublings else 0.0
    return Seconds(max(least, thresholds.stabilization_seconds) * 2.0**doublings)
