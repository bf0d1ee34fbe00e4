"""Where lines were lost or doubled: in which file's life, and at which scrape it shows."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import accumulate, pairwise
from math import inf

from tests.soak.run import Outcome
from tests.soak.writer import SLOTS, Generation


def differences(outcome: Outcome) -> Iterator[str]:
    """Yield a line for every fault that can be told apart."""
    yield from _of_requests(outcome)
    yield from _of_ticks(outcome)


def _of_requests(outcome: Outcome) -> Iterator[str]:
    began = {(g.writer, g.number): g.began for g in outcome.generations}
    for g in outcome.generations:
        until = began.get((g.writer, g.number + SLOTS), inf)
        counted = _requests_at(outcome, g, until) - _requests_at(outcome, g, g.began)
        if counted != g.lines:
            yield (
                f"writer {g.writer}, generation {g.number}:"
                f" {g.lines} lines from {g.began - outcome.began:.2f} s"
                f" to {g.end.at - outcome.began:.2f} s ({g.end.way}), counted {counted:.0f}"
            )


def _requests_at(outcome: Outcome, generation: Generation, at: float) -> float:
    """Return what was counted under the labels of a generation at the last scrape before."""
    history = outcome.scraper.history
    index = bisect_left(history, at, key=lambda seen: seen.asked) - 1
    return history[index].requests.get(generation.labels, 0.0) if index >= 0 else 0.0


def _of_ticks(outcome: Outcome) -> Iterator[str]:
    """Yield when more ticks were counted than written, and after when fewer for good."""
    written = sorted(at for one in outcome.written for at in one.ticks)
    history = outcome.scraper.history
    excess = [seen.ticks - bisect_right(written, seen.answered) for seen in history]
    lack = [bisect_right(written, seen.asked) - seen.ticks for seen in history]
    doubled = list(accumulate(excess, max, initial=0.0))
    lost = list(accumulate(reversed(lack), min))[::-1]
    for (before, after), seen in zip(pairwise(doubled), history, strict=True):
        if after > before:
            yield f"ticks: {after - before:.0f} doubled by {seen.asked - outcome.began:.2f} s"
    for (before, after), seen in zip(pairwise([0.0, *lost]), history, strict=True):
        if after > max(before, 0.0):
            yield f"ticks: {after - before:.0f} lost by {seen.asked - outcome.began:.2f} s"
    for one in outcome.written:
        for rotation in one.ticks_rotations:
            yield f"ticks: {rotation.at - outcome.began:.2f} s {rotation.way}"
