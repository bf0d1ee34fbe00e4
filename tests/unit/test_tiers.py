import pytest

from surge_exporter.scaling.resources import GIB
from surge_exporter.scaling.tiers import (
    DEFAULT_CATALOGUE,
    Catalogue,
    HardwareTier,
    Held,
    ModelSpec,
    free_bytes,
    hardware_tier,
    is_eligible,
    on_host,
)
from tests.resources import catalogue, gpu, sample, spec


def _fits(
    one: ModelSpec, *, available: float = 0.0, loaded: ModelSpec | None = None, **others: object
) -> bool:
    found = sample(available=available, **others)  # type: ignore[arg-type]
    return is_eligible(one, found, held=Held.by(loaded), margin_ratio=0.1).ok


def test_there_are_three_tiers_by_default() -> None:
    assert DEFAULT_CATALOGUE.tiers == ("small", "medium", "large")
    assert [m.memory_bytes // GIB for m in DEFAULT_CATALOGUE.models] == [2, 8, 20]


def test_tiers_are_ordered_by_the_least_memory_they_need() -> None:
    models = [spec("b", 8.0), spec("a", 2.0)]
    assert Catalogue.of([*models, ModelSpec(name="b2", tier="b", memory_bytes=1)]).tiers == (
        "b",
        "a",
    )


def test_the_same_name_twice_is_an_error() -> None:
    with pytest.raises(ValueError, match="expected each model once, got a, a"):
        Catalogue.of([spec("a", 1.0), spec("a", 2.0)])


def test_a_tier_without_models_is_an_error() -> None:
    with pytest.raises(ValueError, match="expected each of the models' tiers"):
        Catalogue(models=(spec("a", 1.0),), tiers=("a", "b"))


@pytest.mark.parametrize(
    ("total", "gpu_total", "expected"),
    [
        (7.7, 0.0, HardwareTier.LOW_END),
        (15.5, 0.0, HardwareTier.MID_RANGE),
        (62.0, 0.0, HardwareTier.HIGH_END),
        (7.7, 7.9, HardwareTier.MID_RANGE),
        (7.7, 23.99, HardwareTier.HIGH_END),
    ],
)
def test_what_a_machine_has_makes_its_class(
    total: float, gpu_total: float, expected: HardwareTier
) -> None:
    gpus = [gpu(total=gpu_total)] if gpu_total else []
    assert hardware_tier(sample(total=total, gpus=gpus)) is expected


@pytest.mark.parametrize(("available", "fits"), [(11.0, True), (10.999, False)])
def test_a_model_fits_with_exactly_its_margin(
    available: float,
    fits: bool,  # noqa: FBT001 - pytest gives it by name
) -> None:
    assert _fits(spec("ten", 10.0), available=available) is fits


def test_what_is_loaded_is_free_for_its_successor() -> None:
    assert not _fits(spec("ten", 10.0), available=3.0)
    assert _fits(spec("ten", 10.0), available=3.0, loaded=spec("eight", 8.0))


def test_what_is_loaded_and_what_is_smaller_need_no_margin() -> None:
    eight = spec("eight", 8.0)
    assert _fits(eight, loaded=eight)
    assert _fits(spec("seven", 7.9), loaded=eight)
    assert not _fits(spec("nine", 8.1), loaded=eight)


def test_more_than_there_is_never_fits_even_if_it_is_said_to_be_loaded() -> None:
    huge = spec("huge", 40.0)
    assert not _fits(huge, loaded=huge)


def test_memory_of_the_host_is_none_of_a_gpu() -> None:
    on_gpu = spec("g", 8.0, gpu=True)
    assert not _fits(on_gpu, available=30.0)
    assert not _fits(on_gpu, available=30.0, loaded=spec("eight", 8.0), gpus=[gpu(20.0)])
    assert _fits(on_gpu, gpus=[gpu(10.0)])


def test_a_model_is_held_by_one_gpu() -> None:
    two = [gpu(12.0, index=0), gpu(12.0, index=1)]
    assert not _fits(spec("g", 20.0, gpu=True), gpus=two)


def test_of_several_gpus_the_least_helpful_is_taken_to_hold_what_is_loaded() -> None:
    found = sample(gpus=[gpu(23.0, total=24.0, index=0), gpu(10.0, total=12.0, index=1)])
    assert free_bytes(found, on_gpu=True, held=10 * GIB) == 11 * GIB


def test_reasons_say_what_is_needed_and_what_is_there() -> None:
    said = is_eligible(spec("ten", 10.0), sample(available=3.0), held=Held(), margin_ratio=0.1)
    assert said.reason == (
        "ten needs 11.0 GiB of memory with a margin of 10 %, 3.0 GiB are free for it"
    )


def test_what_is_in_no_catalogue_is_no_tier() -> None:
    assert catalogue(spec("a", 1.0)).rank("b") == -1


@pytest.mark.parametrize(("total", "on_gpu"), [(24.0, True), (6.0, True), (4.0, False)])
def test_the_default_tiers_are_those_of_a_gpu_that_is_worth_it(
    total: float,
    on_gpu: bool,  # noqa: FBT001 - pytest gives it by name
) -> None:
    found = on_host(DEFAULT_CATALOGUE, sample(gpus=[gpu(total=total)]))
    assert {model.needs_gpu for model in found.models} == {on_gpu}
    assert found.tiers == DEFAULT_CATALOGUE.tiers


def test_configured_models_are_what_they_are() -> None:
    mine = catalogue(spec("mine", 2.0))
    assert on_host(mine, sample(gpus=[gpu()])) is mine
