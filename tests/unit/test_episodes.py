"""From what holds step by step to alerts, as Prometheus would fire them."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surge_exporter.core.episodes import (
    Key,
    Ledger,
    Patience,
    Reading,
    Resolution,
    Segment,
)
from surge_exporter.model import Seconds, Severity

KEY = Key("gitea_outages", Severity.WARNING, "")
MINUTE = Seconds(60.0)


def reading(value: float, *, holds: bool, key: Key = KEY) -> Reading:
    return Reading(key, value, value, holds, lasts=False, threshold=1.0, evidence=f"{value:g}")


def ledger(values: Sequence[float | None], patience: Patience, first: int = 100) -> Ledger:
    """Return what is written when these are read at steps, of which those from 1 on hold."""
    written = Ledger({KEY.signal: patience})
    for step, value in enumerate(values, first):
        read = [] if value is None else [reading(value, holds=value >= 1)]
        written.write(step, read, stale=False)
    return written


def fired(values: Sequence[float | None], patience: Patience) -> list[tuple[int, int | None]]:
    """Return from which step to which alerts fired."""
    episodes = ledger(values, patience).episodes(100 + len(values) - 1, Seconds(1.0))
    return [(int(e.start) - 100, None if e.end is None else int(e.end) - 100) for e in episodes]


def as_prometheus_does(holds: Sequence[bool], patience: Patience) -> list[tuple[int, int | None]]:
    """Evaluate an alert step by step, with its state of pending, firing and keeping on."""
    found: list[tuple[int, int | None]] = []
    active_since: int | None = None
    fired_at: int | None = None
    kept_since: int | None = None
    for step, active in enumerate(holds):
        if active:
            active_since = step if active_since is None else active_since
            kept_since = None
            if fired_at is None and step - active_since >= patience.fires_after:
                fired_at = step
        else:
            if fired_at is not None:
                kept_since = step if kept_since is None else kept_since
                if step - kept_since < patience.keeps_firing:
                    continue
                found.append((fired_at, step))
            active_since = fired_at = kept_since = None
    return found if fired_at is None else [*found, (fired_at, None)]


@given(
    st.lists(st.booleans(), max_size=40),
    st.integers(min_value=0, max_value=4),
    st.integers(min_value=0, max_value=4),
)
def test_alerts_fire_and_resolve_as_in_prometheus(
    holds: list[bool], fires_after: int, keeps_firing: int
) -> None:
    patience = Patience(fires_after, keeps_firing)

    assert fired([float(hold) for hold in holds], patience) == as_prometheus_does(holds, patience)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([2, 2], []),
        ([2, 2, 2, 0, 0, 0], [(2, 5)]),
        ([2, 2, 0, 2, 2], []),
        ([2, 2, 2, 0, 2, 0, 0, 0], [(2, 7)]),
        ([2, 2, 2, 0, 0, 2, 2, 2], [(2, None)]),
        ([2, 2, 2, 0, 0, 0, 2, 2, 2], [(2, 5), (8, None)]),
        ([2, 2, 2, None, None, None], [(2, 5)]),
    ],
)
def test_an_alert_waits_before_it_fires_and_before_it_resolves(
    values: list[float | None], expected: list[tuple[int, int | None]]
) -> None:
    assert fired(values, Patience(2, 2)) == expected


def test_an_episode_has_its_peak_and_the_evidence_of_when_it_fired() -> None:
    (episode,) = ledger([2, 3, 4, 9, 5, 0.5, 0], Patience(2, 1)).episodes(106, MINUTE)

    assert [episode.active_since, episode.start, episode.end] == [6000.0, 6120.0, 6360.0]
    assert (episode.evidence, episode.peak, episode.threshold) == ("4", 9, 1.0)
    assert (episode.resolution, episode.resolved_value) == (Resolution.FELL, 0.5)


def test_each_subject_has_its_own_episodes_in_the_order_of_time() -> None:
    written = Ledger({KEY.signal: Patience(0, 0)})
    a, b = KEY._replace(subject="a"), KEY._replace(subject="b")
    for step, holding in enumerate([{b}, {a, b}, {a}, set()]):
        written.write(step, [reading(2, holds=k in holding, key=k) for k in (a, b)], stale=False)

    found = written.episodes(3, Seconds(1.0))

    assert [e.key.subject for e in found] == ["b", "a"]
    assert [e.start for e in found] == [0.0, 1.0]
    assert [e.end for e in found] == [2.0, 3.0]


@pytest.mark.parametrize(
    ("value", "stale", "resolution"),
    [
        (0.5, False, Resolution.FELL),
        (1.5, False, Resolution.UNCONFIRMED),
        (None, False, Resolution.ABSENT),
        (None, True, Resolution.STALE),
        (0.5, True, Resolution.STALE),
    ],
)
def test_an_episode_says_how_it_ended(
    value: float | None,
    stale: bool,  # noqa: FBT001 - a case
    resolution: Resolution,
) -> None:
    written = ledger([2], Patience(0, 0))
    after = [] if value is None else [reading(value, holds=False)]
    written.write(101, after, stale=stale)

    (episode,) = written.episodes(101, MINUTE)

    assert (episode.resolution, episode.resolved_value) == (resolution, value)


def test_a_ledger_says_whether_anything_holds() -> None:
    written = Ledger({KEY.signal: Patience(0, 0)})

    assert not written.write(0, [reading(0.5, holds=False)], stale=False)
    assert written.write(1, [reading(2, holds=True)], stale=False)
    assert not written.write(2, [], stale=False)


def test_steps_at_one_value_are_kept_as_one() -> None:
    (track,) = ledger([2, 2, 3, 0, 3, 3], Patience(0, 0)).tracks.values()

    assert track.segments == [
        Segment(100, 101, 2, lasts=False),
        Segment(102, 102, 3, lasts=False),
        Segment(104, 105, 3, lasts=False),
    ]


@pytest.mark.parametrize(
    ("step", "expected"), [(60, (2, 10)), (300, (1, 2)), (45, (3, 14)), (3600, (1, 1))]
)
def test_patience_is_whole_steps_and_no_shorter(step: float, expected: tuple[int, int]) -> None:
    assert Patience.of(Seconds(120.0), Seconds(600.0), Seconds(step)) == expected
