"""What the scaler decides over whole traces, recorded and made."""

from datetime import UTC
from pathlib import Path

import pytest

from surge_exporter.render.plots import check_plot
from surge_exporter.render.scaling_plot import draw_scaling
from surge_exporter.scaling import synthetic
from surge_exporter.scaling.resources import GIB, Sample
from surge_exporter.scaling.scaler import Kind, Settings
from surge_exporter.scaling.trace import Moment, follow, recorded, run, with_model
from tests.resources import catalogue, gpu, sample, spec
from tests.scaling_picture import afternoon

_RECORDED = Path(__file__).parent.parent / "testdata" / "host.csv"
_SETTINGS = Settings()
_BELOW = Settings(catalogue=catalogue(spec("one", 1.0), spec("two", 2.0)))


def _changes(moments: list[Moment]) -> list[tuple[float, str, str | None]]:
    decisions = [moment.decision for moment in moments]
    return [(d.at, str(d.kind), d.recommended) for d in decisions if d.kind is not Kind.HOLD]


def _open(samples: list[Sample]) -> list[tuple[float, str, str | None]]:
    return _changes(list(run(samples, _SETTINGS)))


def test_a_recorded_host_that_tests_keep_busy_is_judged_as_its_samples_say() -> None:
    samples = list(recorded(_RECORDED.read_text(encoding="utf-8").splitlines()))
    moments = list(run(samples, _SETTINGS))
    assert len(moments) > 150
    for moment in moments:
        if moment.decision.kind in {Kind.DOWNGRADE, Kind.CASCADE}:
            assert moment.sample.cpu_ratio >= 0.9 or "rises by" in moment.decision.reason
        if moment.decision.kind is Kind.UPGRADE:
            assert max(moment.sample.pressure.values()) < 0.8


def test_a_ramp_is_answered_before_it_reaches_the_threshold() -> None:
    memory = synthetic.noisy(synthetic.ramp(0.2, 0.95, 600.0), 0.01)
    moments = list(run(synthetic.trace(700.0, memory=memory), _SETTINGS))
    first = next(moment for moment in moments if moment.decision.kind is Kind.DOWNGRADE)
    assert first.sample.memory_ratio < 0.9
    assert "rises by" in first.decision.reason


def test_a_rise_after_a_flat_while_is_not_hidden_by_it() -> None:
    rise = synthetic.ramp(0.7, 0.95, 420.0)
    memory = synthetic.noisy(lambda t: rise(max(0.0, t - 590.0)), 0.01)
    moments = list(run(synthetic.trace(1100.0, memory=memory, memory_gib=48.0), _BELOW))
    first = next(moment for moment in moments if moment.decision.kind is Kind.DOWNGRADE)
    assert first.sample.memory_ratio < 0.86


def test_a_slow_leak_is_answered_at_most_two_minutes_early() -> None:
    leak = synthetic.noisy(synthetic.ramp(0.3, 0.97, 7200.0), 0.005)
    first = next(c for c in _open(synthetic.trace(7200.0, memory=leak)) if c[1] == "downgrade")
    reached = 7200.0 * (0.9 - 0.3) / (0.97 - 0.3)
    assert reached - 240.0 < first[0] <= reached


def test_a_spike_of_memory_of_twenty_seconds_costs_a_step_and_five_minutes() -> None:
    memory = synthetic.spike(0.05, 0.95, 300.0, 20.0)
    assert _open(synthetic.trace(1800.0, memory=memory)) == [
        (300.0, "downgrade", "medium"),
        (618.0, "upgrade", "large"),
    ]


@pytest.mark.parametrize(("seconds", "steps"), [(90.0, 0), (130.0, 1), (260.0, 2)])
def test_a_spike_of_cpu_costs_a_step_for_every_two_minutes(seconds: float, steps: int) -> None:
    cpu = synthetic.spike(0.2, 0.98, 300.0, seconds)
    changes = _open(synthetic.trace(600.0, cpu=cpu))
    assert [change[1] for change in changes] == ["downgrade"] * steps


def test_answers_on_the_cpu_that_come_and_go_move_nothing() -> None:
    answers = synthetic.noisy(lambda t: 1.0 if t % 120.0 >= 60.0 else 0.15, 0.02)
    assert _open(synthetic.trace(7200.0, cpu=answers)) == []


@pytest.mark.parametrize("period", [100.0, 250.0, 400.0, 550.0])
def test_a_sawtooth_ends_at_the_bottom_and_stays_there(period: float) -> None:
    teeth = synthetic.trace(2000.0, memory=synthetic.sawtooth(0.5, 0.93, period))
    assert {change[1] for change in _open(teeth)} <= {"downgrade", "cascade"}


@pytest.mark.parametrize("level", [0.80, 0.85, 0.90])
@pytest.mark.parametrize("seed", range(3))
def test_a_noisy_plateau_near_a_threshold_moves_it_down_once_at_most(
    level: float, seed: int
) -> None:
    cpu = synthetic.noisy(
        lambda t: 0.1 if t < 20.0 else level, 0.03, seed=seed
    )  # a large model to begin with
    changes = _open(synthetic.trace(1200.0, cpu=cpu))
    assert {change[1] for change in changes} <= {"downgrade", "cascade"}
    assert len(changes) <= 2


def test_a_vanishing_gpu_is_answered_at_once_and_its_return_after_stabilisation() -> None:
    settings = Settings(catalogue=catalogue(spec("cpu", 2.0), spec("gpu", 18.0, gpu=True)))
    there = synthetic.gpu_until(1e9)
    samples = synthetic.trace(1800.0, gpus=lambda t: () if 600.0 <= t < 1000.0 else there(t))
    changes = _changes(list(follow(samples, settings)))
    assert [change[1:] for change in changes] == [("downgrade", "cpu"), ("upgrade", "gpu")]
    assert changes[0][0] == 600.0
    assert 1298.0 <= changes[1][0] <= 1302.0


def test_on_a_host_that_follows_no_step_is_made_that_the_one_before_made_needless() -> None:
    memory = synthetic.noisy(synthetic.ramp(0.1, 0.6, 600.0), 0.01)
    moments = list(follow(synthetic.trace(900.0, memory=memory), _SETTINGS))
    assert [change[1] for change in _changes(moments)] == ["downgrade", "downgrade"]
    assert max(moment.sample.memory_ratio for moment in moments) < 0.92


def test_a_following_host_loads_a_model_where_it_belongs() -> None:
    bare = sample(gpus=[gpu(4.0, index=0), gpu(2.0, index=1)])
    assert with_model(bare, spec("m", 8.0)).memory_available_bytes == 22 * GIB
    on_gpu = with_model(bare, spec("m", 8.0, gpu=True))
    assert [one.memory_used_bytes // GIB for one in on_gpu.gpus] == [4, 10]
    assert with_model(bare, None) is bare


def test_a_predicted_surge_holds_upgrades_back_for_as_long_as_it_is_predicted() -> None:
    memory = synthetic.spike(0.05, 0.95, 10.0, 2.0)
    samples = synthetic.trace(1200.0, memory=memory)
    moments = list(
        run(samples, _SETTINGS, surge_predicted=lambda at: 4.0 < at < 600.0)
    )  # at 598 last
    assert _changes(moments) == [(10.0, "downgrade", "medium"), (898.0, "upgrade", "large")]


def test_the_picture_is_drawn_and_its_file_is_checked_like_the_others() -> None:
    form = check_plot("scaling.svg")
    picture = draw_scaling(afternoon(_SETTINGS)[:400], _SETTINGS, form, UTC)
    for words in (b"recommended", b"upgrades wait", b"a smaller model is needed", b"medium"):
        assert words in picture


def test_the_picture_says_where_no_tier_fits() -> None:
    moments = list(run(synthetic.trace(60.0, memory_gib=1.0), _SETTINGS))
    assert b"none fits" in draw_scaling(moments, _SETTINGS, "svg", UTC)
