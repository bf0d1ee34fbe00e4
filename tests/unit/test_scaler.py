from collections.abc import Iterator

import pytest

from surge_exporter.scaling.performance import Limits, Performance
from surge_exporter.scaling.resources import GIB, Sample
from surge_exporter.scaling.scaler import Decision, Kind, Settings, Thresholds
from surge_exporter.scaling.tiers import ModelSpec
from tests.resources import Life, catalogue, gpu, sample, spec

_EVERY = 50.0


def _on_medium(**thresholds: float) -> Life:
    """A life whose start is over: medium is recommended, large was not possible so far."""
    life = Life(Settings(thresholds=Thresholds(**thresholds)))  # type: ignore[arg-type]
    life.step(sample(available=20.0))
    assert life.state.tier == "medium"
    return life


def _stabilised(**resources: float) -> Life:
    life = _on_medium()
    life.steps(sample(at * _EVERY, **resources) for at in range(1, 6))  # type: ignore[arg-type]
    return life


def _serving(name: str, settings: Settings | None = None) -> Life:
    life = Life(settings)
    life.step(sample(), serving=name)
    return life


def _only(decisions: list[Decision], kind: Kind) -> list[float]:
    return [decision.at for decision in decisions if decision.kind is kind]


def test_without_any_configuration_the_largest_tier_that_fits_is_recommended_at_once() -> None:
    assert Life().step(sample(available=30.0)).recommended == "large"
    assert Life().step(sample(available=20.0)).recommended == "medium"
    assert Life().step(sample(available=6.0, total=8.0)).recommended == "small"


def test_without_any_configuration_a_gpu_counts_where_there_is_one() -> None:
    life = Life()
    there = sample(gpus=[gpu(1.0)], available=6.0, total=8.0)
    assert life.step(there).recommended == "large"
    gone = sample(2.0, available=6.0, total=8.0)
    assert life.step(gone).recommended == "small"


def test_one_busy_moment_makes_no_host_begin_with_less() -> None:
    assert Life().step(sample(cpu=1.0)).recommended == "large"


def test_where_no_tier_fits_none_is_recommended_and_the_reason_says_what_is_missing() -> None:
    decision = Life().step(sample(available=1.5, total=8.0))
    assert decision.recommended is None
    assert decision.reason == (
        "no tier fits: small needs 2.2 GiB of memory with a margin of 10 %,"
        " 1.5 GiB are free for it"
    )


def test_what_fits_again_is_recommended_after_stabilisation() -> None:
    life = Life()
    life.step(sample(available=1.5, total=8.0))
    decisions = life.steps(sample(at * _EVERY, available=3.0, total=8.0) for at in range(1, 8))
    assert _only(decisions, Kind.UPGRADE) == [300.0]
    assert life.state.tier == "small"


def test_what_serves_is_taken_for_the_current_tier() -> None:
    decision = Life().step(sample(), serving="small")
    assert (decision.current, decision.recommended) == ("small", "small")


@pytest.mark.parametrize(
    ("pressure", "demands"),
    [
        ({"available": 3.3, "total": 32.0}, False),
        ({"available": 3.2, "total": 32.0}, True),
    ],
)
def test_a_smaller_model_is_needed_from_90_percent_on_or_with_less_than_one_gib(
    pressure: dict[str, float],
    demands: bool,  # noqa: FBT001 - pytest gives it by name
) -> None:
    life = _on_medium()
    decision = life.step(sample(2.0, **pressure))  # type: ignore[arg-type]
    assert (decision.kind is Kind.DOWNGRADE) == demands


@pytest.mark.parametrize(("available", "demands"), [(1.0, False), (1023 / 1024, True)])
def test_an_eighth_of_a_small_host_is_less_than_a_gib_but_not_full(
    available: float,
    demands: bool,  # noqa: FBT001 - pytest gives it by name
) -> None:
    life = Life(Settings(catalogue=catalogue(spec("small", 0.5), spec("medium", 4.0))))
    life.step(sample(available=6.0, total=8.0), serving="medium")
    decision = life.step(sample(2.0, available=available, total=8.0), serving="medium")
    assert (decision.kind is Kind.DOWNGRADE) == demands
    assert decision.reason.startswith("1023 MiB of memory are available, under 1.0") == demands


@pytest.mark.parametrize(("cpu", "upgrades"), [(0.7999, True), (0.8, False), (0.85, False)])
def test_cpu_must_be_under_80_percent_for_an_upgrade(
    cpu: float,
    upgrades: bool,  # noqa: FBT001 - pytest gives it by name
) -> None:
    decision = _stabilised(cpu=cpu).step(sample(300.0, cpu=cpu))
    assert (decision.kind is Kind.UPGRADE) == upgrades


@pytest.mark.parametrize(
    ("available", "upgrades"),
    # large needs 22 GiB with its margin, medium gives up 8 GiB of 32: 6.4 GiB are a fifth
    [(22.0 + 6.4 - 8.0 + 0.01, True), (22.0 + 6.4 - 8.0, False), (14.01, False)],
)
def test_memory_must_be_under_80_percent_once_the_larger_model_is_loaded(
    available: float,
    upgrades: bool,  # noqa: FBT001 - pytest gives it by name
) -> None:
    decision = _stabilised().step(sample(300.0, available=available))
    assert (decision.kind is Kind.UPGRADE) == upgrades


@pytest.mark.parametrize(("at", "upgrades"), [(299.99, False), (300.0, True)])
def test_an_upgrade_waits_for_exactly_five_minutes_after_a_change(
    at: float,
    upgrades: bool,  # noqa: FBT001 - pytest gives it by name
) -> None:
    decision = _stabilised().step(sample(at))
    assert (decision.kind is Kind.UPGRADE) == upgrades


def test_one_sample_that_advises_against_it_makes_an_upgrade_wait_for_a_whole_window() -> None:
    life = _on_medium()
    life.steps(sample(at, available=5.0 if at == 100.0 else 30.0) for at in (50.0, 100.0, 150.0))
    decisions = life.steps(sample(at) for at in (200.0, 250.0, 300.0, 350.0, 399.0, 400.0))
    assert _only(decisions, Kind.UPGRADE) == [400.0]


def test_between_the_thresholds_nothing_moves() -> None:
    life = _on_medium()
    decisions = life.steps(sample(at * _EVERY, cpu=0.85) for at in range(1, 100))
    assert {decision.kind for decision in decisions} == {Kind.HOLD}


def test_an_upgrade_goes_one_tier_at_a_time() -> None:
    life = _serving("small")
    decisions = life.steps((sample(at * _EVERY) for at in range(1, 8)), serving="small")
    upgrade = next(decision for decision in decisions if decision.kind is Kind.UPGRADE)
    assert upgrade.recommended == "medium"


def test_a_downgrade_waits_for_no_stabilisation() -> None:
    life = Life()
    life.step(sample())
    assert life.step(sample(0.1, available=2.9)).kind is Kind.DOWNGRADE


def test_a_further_step_needs_two_samples_since_the_last_one() -> None:
    life = Life()
    failing = {
        name: Performance(model=name, requests=9, failures=9) for name in ("large", "medium")
    }
    life.step(sample())
    decisions = [life.step(sample(at * 2.0), performance=failing) for at in range(1, 5)]
    assert [d.kind for d in decisions] == ["downgrade", "hold", "cascade", "hold"]
    assert decisions[1].reason.endswith("1 of 2 samples since the last step say so")
    assert decisions[2].recommended == "small"


def test_what_free_memory_lost_may_be_a_larger_model_and_is_waited_for() -> None:
    life = Life()
    full = [sample(at * 2.0, available=2.9 if at else 30.0) for at in range(170)]
    decisions = life.steps(full)
    steps = [(d.at, d.kind) for d in decisions if d.kind is not Kind.HOLD]
    assert steps == [(2.0, Kind.DOWNGRADE), (302.0, Kind.CASCADE)]
    assert decisions[5].reason.endswith(
        "a larger model may still be loaded, medium was recommended"
    )


def test_the_same_sample_twice_is_one_sample() -> None:
    life = Life()
    life.step(sample())
    pressed = [sample(at, available=2.9) for at in (2.0, 4.0, 4.0, 4.0)]
    assert [d.kind for d in life.steps(pressed)] == ["downgrade", "hold", "hold", "hold"]


def test_no_further_step_is_made_if_the_pressure_is_gone() -> None:
    life = Life()
    life.steps(
        [
            sample(),
            sample(2.0, available=2.9),
            sample(4.0, available=2.9),
            sample(6.0, available=16.0),
        ]
    )
    assert life.state.tier == "medium"
    assert life.step(sample(8.0, available=2.9)).kind is Kind.DOWNGRADE


def test_the_smallest_tier_stays_however_hard_pressed() -> None:
    life = _serving("small")
    decision = life.step(sample(2.0, available=2.88), serving="small")
    assert (decision.kind, decision.recommended) == (Kind.HOLD, "small")
    assert decision.reason == "memory is 91 % used, 90 % or more, but nothing smaller fits"


def test_reasons_are_words_and_numbers() -> None:
    life = _serving("large")
    decision = life.step(sample(2.0, available=2.88), serving="large")
    assert decision.reason == ("memory is 91 % used, 90 % or more: step down from large to medium")
    assert _stabilised().step(sample(300.0)).reason == (
        "large was advised for 300 s (CPU 10 %, memory 6.2 %): step up from medium to large"
    )


def test_a_switch_waits_until_what_runs_has_finished() -> None:
    life = _serving("large")
    decided = life.step(sample(2.0, available=2.9), serving="large", in_flight=2)
    assert (decided.kind, decided.model, decided.ready) == (Kind.DOWNGRADE, "medium", False)
    waiting = life.step(sample(4.0, available=2.9), serving="large", in_flight=1)
    assert (waiting.kind, waiting.recommended, waiting.ready) == (Kind.HOLD, "medium", False)
    assert waiting.reason == "medium waits for 1 request on large, 28 s at most"
    assert life.step(sample(6.0, available=2.9), serving="large", in_flight=0).ready


@pytest.mark.parametrize(("at", "ready"), [(31.99, False), (32.0, True)])
def test_a_switch_waits_no_longer_than_its_deadline(
    at: float,
    ready: bool,  # noqa: FBT001 - pytest gives it by name
) -> None:
    life = _serving("large")
    life.step(sample(2.0, available=2.9), serving="large", in_flight=2)
    assert life.step(sample(at, available=2.9), serving="large", in_flight=2).ready is ready


def test_the_next_step_is_decided_only_after_the_switch_was_made() -> None:
    life = _serving("large")
    during = life.steps(
        (sample(at, available=2.9) for at in (2.0, 4.0, 6.0, 8.0)), serving="large", in_flight=1
    )
    after = life.steps((sample(at, available=2.9) for at in (10.0, 12.0, 14.0)), serving="medium")
    assert [d.kind for d in during] == ["downgrade", "hold", "hold", "hold"]
    assert [d.kind for d in after] == ["hold", "hold", "cascade"]


def test_stabilisation_counts_from_when_a_switch_was_made() -> None:
    life = _serving("large")
    life.step(sample(2.0, available=2.9), serving="large", in_flight=1)
    assert life.step(sample(20.0), serving="medium").stabilization_until == 320.0


def test_an_upgrade_under_way_is_called_off_when_pressure_comes() -> None:
    life = _serving("medium")
    decisions = life.steps((sample(at * _EVERY) for at in range(1, 7)), serving="medium")
    assert decisions[-1].kind is Kind.UPGRADE
    decision = life.step(sample(302.0, available=2.5), serving="medium")
    assert (decision.kind, decision.recommended) == (Kind.DOWNGRADE, "medium")
    assert life.state.switch is None


def test_an_upgrade_under_way_is_called_off_when_the_model_cannot_be_loaded() -> None:
    life = _serving("medium")
    life.steps((sample(at * _EVERY) for at in range(1, 7)), serving="medium")
    failed = {"large": Performance(model="large", load_failures=1)}
    decision = life.step(sample(302.0), serving="medium", performance=failed)
    assert (decision.kind, decision.recommended) == (Kind.DOWNGRADE, "medium")
    assert decision.reason == (
        "large could not be loaded 1 time lately: step down from large to medium"
    )
    assert decision.stabilization_until == 902.0


def test_a_step_down_to_what_cannot_be_loaded_is_given_up_and_not_decided_again() -> None:
    two = Settings(catalogue=catalogue(spec("typo", 8.0), spec("large", 20.0)))
    life = _serving("large", two)
    assert life.step(sample(2.0, available=2.9), serving="large").recommended == "typo"
    failed = {"typo": Performance(model="typo", load_failures=1)}
    decisions = life.steps(
        (sample(at * 2.0, available=2.9) for at in range(2, 400)),
        serving="large",
        performance=failed,
    )
    assert {(d.kind, d.recommended) for d in decisions} == {(Kind.HOLD, "large")}
    assert decisions[0].reason == "large stays: typo could not be loaded 1 time lately"
    assert decisions[-1].reason.endswith("but nothing smaller fits")


def test_a_switch_that_is_never_made_is_given_up() -> None:
    life = _serving("large")
    life.step(sample(2.0, available=2.9), serving="large")
    life.steps((sample(2.0 + at * _EVERY) for at in range(1, 7)), serving="large")
    assert life.state.tier == "medium"
    life.step(sample(332.0), serving="large")
    assert life.state.tier == "large"


def test_a_switch_by_somebody_else_is_taken_over_and_counts_as_a_change() -> None:
    life = _serving("small")
    decision = life.step(sample(40.0), serving="large")
    assert (decision.recommended, decision.stabilization_until) == ("large", 340.0)


def test_after_a_long_gap_stabilisation_begins_anew() -> None:
    life = _stabilised()
    decision = life.step(sample(1000.0))
    assert (decision.kind, decision.stabilization_until) == (Kind.HOLD, 1300.0)


def test_a_clock_that_goes_back_begins_stabilisation_anew() -> None:
    decision = _stabilised().step(sample(10.0))
    assert (decision.kind, decision.stabilization_until) == (Kind.HOLD, 310.0)


def test_a_predicted_surge_blocks_upgrades_and_nothing_else() -> None:
    life = _stabilised()
    decision = life.step(sample(300.0), surge_predicted=True)
    assert decision.kind is Kind.HOLD
    assert decision.reason.startswith("medium stays: a surge is predicted, and large is slower")
    assert life.step(sample(302.0, available=3.2), surge_predicted=True).kind is Kind.DOWNGRADE


def test_a_model_that_fails_is_stepped_down_from_though_the_host_is_idle() -> None:
    life = _serving("large")
    failing = {"large": Performance(model="large", requests=10, failures=2)}
    decision = life.step(sample(2.0), serving="large", performance=failing)
    assert decision.reason == (
        "2 of 10 requests to large failed, 20 % or more: step down from large to medium"
    )


def test_a_slow_model_is_stepped_down_from_if_a_limit_is_set() -> None:
    slow = {"large": Performance(model="large", requests=10, p95_seconds=31.0)}  # type: ignore[arg-type]
    assert _serving("large").step(sample(2.0), performance=slow).kind is Kind.HOLD
    life = _serving("large", Settings(limits=Limits(p95_seconds=30.0)))  # type: ignore[arg-type]
    assert life.step(sample(2.0), serving="large", performance=slow).kind is Kind.DOWNGRADE


def test_what_failed_before_is_not_upgraded_to() -> None:
    failing = {"large": Performance(model="large", requests=10, failures=9)}
    assert _stabilised().step(sample(300.0), performance=failing).kind is Kind.HOLD


_ON_GPU = Settings(
    catalogue=catalogue(
        spec("cpu", 2.0), spec("half", 8.0, gpu=True), spec("full", 18.0, gpu=True)
    )
)


def test_when_the_gpu_vanishes_what_fits_the_host_is_recommended_at_once() -> None:
    life = Life(_ON_GPU)
    assert life.step(sample(gpus=[gpu(18.5)]), serving="full").recommended == "full"
    decision = life.step(sample(2.0), serving="full")
    assert (decision.kind, decision.recommended) == (Kind.DOWNGRADE, "cpu")
    assert decision.reason == "full needs a GPU, 0 are there: step down from full to cpu"


def test_pressure_on_the_host_moves_no_model_from_a_gpu_into_it() -> None:
    life = Life(_ON_GPU)
    life.step(sample(gpus=[gpu(8.5)]), serving="half")
    decision = life.step(sample(2.0, available=2.9, gpus=[gpu(8.5)]), serving="half")
    assert (decision.kind, decision.recommended) == (Kind.HOLD, "half")


@pytest.mark.parametrize(("used", "kind"), [(23.2, Kind.HOLD), (23.29, Kind.DOWNGRADE)])
def test_gpu_memory_has_a_threshold_of_its_own(used: float, kind: Kind) -> None:
    life = Life(_ON_GPU)
    life.step(sample(gpus=[gpu(18.5)]), serving="full")
    assert life.step(sample(2.0, gpus=[gpu(used)]), serving="full").kind is kind


def test_of_a_tier_the_model_that_does_badly_is_recommended_last() -> None:
    two = catalogue(spec("small", 2.0), spec("large", 20.0))
    both = (two.models[0], spec("other", 2.0), two.models[1])
    life = Life(
        Settings(
            catalogue=type(two)(
                models=(
                    both[0],
                    type(both[1])(name="other", tier="small", memory_bytes=2 * GIB),
                    both[2],
                ),
                tiers=two.tiers,
            )
        )
    )
    failing = {"small": Performance(model="small", requests=10, failures=9)}
    life.step(sample(), serving="large")
    assert (
        life.step(sample(2.0, available=2.9), serving="large", performance=failing).model
        == "other"
    )


def test_a_tier_that_is_gone_after_a_reload_is_forgotten() -> None:
    life = _on_medium()
    life.settings = Settings(catalogue=catalogue(spec("tiny", 1.0)))
    assert life.step(sample(2.0)).recommended is None


def test_what_no_longer_fits_is_left_at_once_also_in_a_cascade() -> None:
    life = Life(_ON_GPU)
    life.step(sample(gpus=[gpu(18.5)]), serving="full")
    life.step(sample(2.0, total=400.0, available=20.0, gpus=[gpu(18.5)]), serving="full")
    life.step(sample(4.0, total=400.0, available=20.0, gpus=[gpu(8.5)]), serving="half")
    decision = life.step(sample(6.0, total=400.0, available=20.0), serving="half")
    assert (decision.kind, decision.recommended) == (Kind.CASCADE, "cpu")


def test_a_busy_cpu_unloads_no_model_from_a_gpu() -> None:
    life = Life(_ON_GPU)
    busy = [sample(at * 2.0, cpu=1.0, gpus=[gpu(18.5)]) for at in range(40)]
    decisions = life.steps(busy, serving="full")
    assert {(decision.kind, decision.recommended) for decision in decisions} == {
        (Kind.HOLD, "full")
    }


def _margin_free(*specs: ModelSpec) -> Life:
    return Life(Settings(catalogue=catalogue(*specs), thresholds=Thresholds(margin_ratio=0.0)))


def test_exactly_80_percent_once_loaded_is_too_much() -> None:
    life = _margin_free(spec("medium", 8.0), spec("large", 20.0))
    said = life.step(sample(available=20.0, total=40.0), serving="medium").reason
    assert said == "medium stays: with large memory would be 80 % used, not under 80 %"


def test_a_gib_must_be_left_once_a_model_is_loaded() -> None:
    life = _margin_free(spec("small", 1.0), spec("medium", 2.1))
    said = life.step(sample(available=2.05, total=4.0), serving="small").reason
    assert said == "small stays: with medium 973 MiB of memory would be left, under 1.0 GiB"


def test_a_tier_that_this_machine_could_hold_is_not_passed_over_for_a_larger_one() -> None:
    life = _margin_free(spec("a", 1.0), spec("b", 20.0, gpu=True), spec("c", 4.0))
    full = [gpu(20.0)]
    decisions = life.steps((sample(at * _EVERY, gpus=full) for at in range(10)), serving="a")
    assert {decision.recommended for decision in decisions} == {"a"}
    without = Life(life.settings)
    without.steps((sample(at * _EVERY) for at in range(7)), serving="a")
    assert without.state.tier == "c"


def test_an_upgrade_under_way_is_not_called_off_towards_what_no_longer_fits() -> None:
    life = Life(Settings(catalogue=catalogue(spec("gpu", 2.0, gpu=True), spec("host", 8.0))))
    there = [gpu(2.5)]
    life.steps((sample(at * _EVERY, gpus=there) for at in range(7)), serving="gpu")
    assert life.state.tier == "host"
    assert life.step(sample(302.0), serving="gpu", in_flight=1).recommended == "host"


def _busy(seconds: float, *, cpu: float = 1.0, begin: float = 2.0) -> list[Sample]:
    return [sample(begin + at, cpu=cpu) for at in range(0, int(seconds), 2)]


def test_an_answer_that_uses_all_of_the_cpu_for_a_minute_is_no_pressure() -> None:
    life = Life()
    quiet = life.steps(_busy(120.0, cpu=0.1, begin=0.0))
    spikes = life.steps(_busy(60.0, begin=120.0))
    after = life.steps(_busy(600.0, cpu=0.3, begin=180.0))
    assert {decision.kind for decision in (*quiet, *spikes, *after)} == {Kind.HOLD}


def test_a_cpu_that_was_busy_for_two_minutes_demands_a_smaller_model() -> None:
    life = Life()
    life.steps(_busy(120.0, cpu=0.1, begin=0.0))
    decisions = life.steps(_busy(150.0, begin=120.0))
    assert _only(decisions, Kind.DOWNGRADE) == [226.0]
    decided = next(decision for decision in decisions if decision.kind is Kind.DOWNGRADE)
    assert decided.reason == (
        "CPU is 91 % used, 90 % or more (mean of 60 samples): step down from large to medium"
    )


def test_what_was_before_a_change_and_while_the_model_is_loaded_counts_for_no_further_step() -> (
    None
):
    life = Life()
    life.step(sample())
    decisions = life.steps(_busy(400.0))
    steps = [decision.at for decision in decisions if decision.kind is not Kind.HOLD]
    assert steps == [120.0, 240.0]


@pytest.mark.parametrize("cpu", [0.9, 1.0])
def test_where_cpu_decides_nothing_all_of_it_may_be_used(cpu: float) -> None:
    life = Life(Settings(thresholds=Thresholds(cpu_degrade_from=None)))
    life.step(sample(cpu=cpu, available=20.0))
    assert life.state.tier == "medium"
    decisions = life.steps(_busy(400.0, cpu=cpu))
    assert _only(decisions, Kind.UPGRADE) == [300.0]
    assert life.state.tier == "large"


def _too_much_for_large(life: Life, seconds: float) -> list[Decision]:
    """Return what is decided while only the large model has the CPU to its end."""
    decisions = []
    for at in range(0, int(seconds), 2):
        cpu = 0.97 if life.state.tier == "large" else 0.5
        decisions.append(life.step(sample(float(at), cpu=cpu)))
    return decisions


def test_an_upgrade_that_is_taken_back_doubles_the_time_until_the_next() -> None:
    decisions = _too_much_for_large(Life(), 5 * 3600.0)
    ups = _only(decisions, Kind.UPGRADE)
    downs = _only(decisions, Kind.DOWNGRADE)
    waits = [up - down for down, up in zip(downs, ups, strict=False)]
    assert waits == [300.0, 600.0, 1200.0, 2400.0, 4800.0, 4800.0]
    waiting = [decision for decision in decisions if "had to be taken back" in decision.reason]
    assert waiting[0].reason == (
        "large is possible, 2 s after a change; upgrades wait 600 s,"
        " 1 upgrade had to be taken back"
    )


def test_an_upgrade_that_lasts_makes_the_next_wait_no_longer() -> None:
    life = Life()
    _too_much_for_large(life, 1500.0)
    assert life.state.undone == 2
    now = 1500.0
    life.steps(sample(now + at) for at in range(0, 4000, 2))
    assert life.state.tier == "large"
    now += 4000.0
    down = life.step(sample(now, available=2.9))
    assert (down.kind, down.stabilization_until) == (Kind.DOWNGRADE, now + 300.0)


def test_an_upgrade_that_nobody_makes_counts_as_taken_back() -> None:
    life = _serving("medium")
    life.steps((sample(at * _EVERY) for at in range(1, 80)), serving="medium")
    assert life.state.undone == 1
    assert life.state.tier == "medium"


def test_what_nobody_has_loaded_gives_up_nothing() -> None:
    life = _on_medium()  # with 20 GiB free, of which it takes none
    decision = life.step(sample(300.0, available=20.0))
    assert decision.reason.startswith("medium stays: large needs 22.0 GiB of memory")


def test_what_was_loaded_as_advised_gives_up_what_it_took() -> None:
    life = _on_medium()
    decisions = life.steps(sample(at * _EVERY, available=12.0) for at in range(1, 20))
    assert {decision.recommended for decision in decisions} == {"medium"}
    roomy = life.steps(sample(1000.0 + at * _EVERY, available=21.0) for at in range(8))
    assert not _only(roomy, Kind.UPGRADE)  # 9 GiB came back: medium is taken to be gone
    loaded = _on_medium()
    loaded.step(sample(50.0, available=12.0))
    loaded.steps(sample(at * _EVERY, total=64.0, available=30.0) for at in range(2, 4))
    assert loaded.state.tier == "medium"


def test_a_server_that_has_nothing_loaded_gives_up_nothing() -> None:
    life = _serving("medium")
    free = sample(300.0, available=15.0)
    assert life.step(free, serving="medium", loaded=()).reason.startswith(
        "medium stays: large needs 22.0 GiB"
    )


def test_a_model_that_left_memory_and_does_not_fit_any_more_is_stepped_down_from() -> None:
    life = _serving("large")
    there = life.step(sample(2.0, available=4.0), serving="large", loaded=("large",))
    gone = life.step(sample(4.0, available=10.0), serving="large", loaded=())
    assert there.kind is Kind.HOLD
    assert (gone.kind, gone.recommended) == (Kind.DOWNGRADE, "medium")


def test_what_a_server_has_loaded_beside_fits_as_it_is() -> None:
    life = _serving("large")
    both = ("small", "large")
    decision = life.step(sample(2.0, available=0.5), serving="large", loaded=both)
    assert decision.recommended == "medium"
    decision = life.step(sample(4.0, available=0.1), serving="small", loaded=("small",))
    assert decision.recommended == "small"


def test_no_further_step_is_recommended_while_the_last_one_was_not_followed() -> None:
    life = Life()
    life.step(sample(), loaded=("large",))
    full = [sample(at * 2.0, available=2.9) for at in range(1, 10)]
    decisions = life.steps(full, loaded=("large",))
    assert [d.kind for d in decisions[:2]] == ["downgrade", "hold"]
    assert life.state.tier == "medium"
    assert decisions[-1].reason.endswith("large is still loaded, medium was recommended")
    followed = life.steps((sample(20.0 + at * 2.0, available=2.9) for at in range(3)), loaded=())
    assert life.state.tier in {"small", None}
    assert followed[0].kind in {Kind.HOLD, Kind.CASCADE}


def test_an_upgrade_that_fails_only_after_a_while_counts_as_taken_back() -> None:
    life = _on_medium()
    now = 0.0
    for _ in range(3):
        up = next(d for d in _until(life, now, available=30.0) if d.kind is Kind.UPGRADE)
        down = life.step(sample(up.at + 310.0, available=2.9))
        assert down.kind is Kind.DOWNGRADE
        now = down.at
    assert life.state.undone == 3


def _until(life: Life, begin: float, **resources: float) -> Iterator[Decision]:
    for at in range(2, 6000, 2):
        yield life.step(sample(begin + at, **resources))  # type: ignore[arg-type]


def test_a_recommendation_where_there_was_none_waits_no_longer_for_what_was_taken_back() -> None:
    life = Life(Settings(catalogue=catalogue(spec("small", 2.0))))
    life.step(sample(available=2.6, total=4.0), loaded=(), look=0)
    waits = []
    for look in range(1, 4):
        gone = life.step(sample(1000.0 * look, available=2.1, total=4.0), loaded=(), look=look)
        assert gone.recommended is None
        waits.append(gone.stabilization_until - gone.at)
        fits = [sample(1000.0 * look + at, available=2.6, total=4.0) for at in range(50, 450, 50)]
        life.steps(fits, loaded=(), look=look)
        assert life.state.tier == "small"
    assert waits == [300.0, 300.0, 300.0]


def test_without_any_stabilisation_what_is_taken_back_is_waited_for_all_the_same() -> None:
    life = Life(Settings(thresholds=Thresholds(stabilization_seconds=0.0)))
    decisions = []
    for at in range(0, 3600, 2):
        available = 2.9 if life.state.tier == "large" else 26.0
        decisions.append(
            life.step(sample(float(at), available=available), serving=life.state.model)
        )
    assert len([d for d in decisions if d.kind is not Kind.HOLD]) < 30


def test_a_clock_that_is_set_back_delays_no_further_step() -> None:
    life = Life()
    life.step(sample(10_000.0), serving="large")
    set_back = [sample(6000.0 + at * 2.0, available=2.9) for at in range(6)]
    life.step(set_back[0], serving="large")
    decisions = life.steps(set_back[1:], serving="medium")
    assert Kind.CASCADE in {decision.kind for decision in decisions}


def test_a_clock_that_is_set_back_makes_no_switch_wait_for_longer() -> None:
    life = _serving("large")
    life.step(sample(10_000.0, available=2.9), serving="large", in_flight=1)
    decision = life.step(sample(6000.0, available=2.9), serving="large", in_flight=1)
    assert decision.reason == "medium waits for 1 request on large, 30 s at most"


def test_who_says_nothing_for_a_while_and_then_the_same_has_changed_nothing() -> None:
    life = _serving("medium")
    life.steps((sample(at * _EVERY) for at in range(1, 3)), serving="medium")
    life.step(sample(150.0))
    decisions = life.steps((sample(at * _EVERY) for at in range(4, 7)), serving="medium")
    assert _only(decisions, Kind.UPGRADE) == [300.0]


def test_a_switch_that_was_not_made_is_spoken_of() -> None:
    life = _serving("large")
    life.step(sample(2.0, available=2.9), serving="large")
    life.steps((sample(2.0 + at * _EVERY) for at in range(1, 7)), serving="large")
    decision = life.step(sample(332.0), serving="large")
    assert decision.reason.startswith("the switch from large to medium was not made; large is")
