"""The search for thresholds: round numbers, and what would have held beyond them."""

from itertools import islice
from operator import ge, gt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surge_exporter.core.episodes import Patience, Segment
from surge_exporter.core.thresholds import Search, round_numbers


def searched(*values: float, patience: Patience = Patience(0, 0)) -> Search:  # noqa: B008
    """Return a search in values at steps one after the other, of which those from 1 on held."""
    track = [
        Segment(step, step, value, lasts=False) for step, value in enumerate(values) if value >= 1
    ]
    return Search([track], gt, patience)


@given(st.floats(min_value=0, max_value=1e8), st.booleans())
def test_round_numbers_rise_by_a_tenth_at_most(above: float, whole: bool) -> None:  # noqa: FBT001
    numbers = list(islice(round_numbers(above, whole=whole), 30))

    assert all(a < b for a, b in zip([above, *numbers], numbers, strict=False))
    assert all(float(f"{number:.2g}") == number for number in numbers)
    assert not whole or all(number.is_integer() for number in numbers)


@pytest.mark.parametrize(
    ("threshold", "episodes"), [(1, 2), (2, 3), (3, 1), (4, 1), (4.9, 1), (5, 0)]
)
def test_episodes_are_counted_as_beyond_another_threshold(threshold: float, episodes: int) -> None:
    assert searched(3, 2, 3, 0, 3, 5).episodes(threshold) == episodes


def test_a_short_peak_is_no_episode_where_an_alert_waits() -> None:
    search = searched(2, 2, 5, 2, 2, patience=Patience(2, 0))

    assert (search.episodes(1), search.episodes(3)) == (1, 0)


def test_what_lasts_goes_on_below_the_threshold_once_it_was_beyond() -> None:
    track = [
        Segment(0, 4, 0.0, lasts=True),
        Segment(5, 6, 3.0, lasts=True),
        Segment(7, 20, 0.0, lasts=True),
        Segment(22, 30, 0.0, lasts=True),
    ]

    assert Search([track], gt, Patience(10, 0)).episodes(2.0) == 1
    assert Search([track], gt, Patience(20, 0)).episodes(2.0) == 0
    assert Search([track], gt, Patience(0, 0)).episodes(3.0) == 0


def test_episodes_of_all_subjects_count() -> None:
    track = [Segment(0, 0, 2.0, lasts=False)]

    assert Search([track, track], ge, Patience(0, 0)).episodes(2.0) == 2


@pytest.mark.parametrize(("allowed", "threshold"), [(2, 2.0), (1, 3.0), (0.9, 5.0), (0, 5.0)])
def test_the_least_threshold_with_few_enough_is_found(allowed: float, threshold: float) -> None:
    search = searched(2, 0, 3, 0, 5)

    assert search.least_threshold(1, most=10, allowed=allowed) == threshold


def test_there_is_no_threshold_beyond_what_a_value_can_be() -> None:
    search = Search([[Segment(0, 5, 1.0, lasts=False)]], ge, Patience(0, 0))

    assert search.least_threshold(0.2, most=1.0, allowed=0) is None
    assert search.least_threshold(0.2, most=2.0, allowed=0) == 2.0
