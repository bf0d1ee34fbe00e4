from dataclasses import replace

from surge_exporter.scaling.performance import Performance
from surge_exporter.scaling.preflight import RETRY_SECONDS, Operation, Preflight, answer
from surge_exporter.scaling.resources import Sample
from surge_exporter.scaling.scaler import Inputs
from tests.resources import Life, gpu, sample


def _ask(life: Life, found: Sample, model: str | None = None, **others: object) -> Preflight:
    inputs = Inputs(now=found.at, sample=found, **others)  # type: ignore[arg-type]
    return answer(inputs, life.state, life.settings, model=model)


def _serving(name: str, *, available: float = 10.0) -> Life:
    life = Life()
    life.step(sample(available=available), serving=name)
    return life


def test_before_the_first_sample_was_judged_the_largest_that_fits_is_allowed() -> None:
    given = _ask(Life(), sample(available=20.0))
    assert (given.allowed, given.model, given.tier) == (True, "medium", "medium")
    assert given.recommended_model == "medium"
    assert given.retry_after_seconds is None


def test_before_anything_serves_the_smallest_is_allowed_under_any_pressure() -> None:
    full = sample(available=3.0)
    assert _ask(Life(), full).model == "small"
    assert _ask(Life(), full).allowed


def test_one_look_at_the_cpu_denies_nothing() -> None:
    assert _ask(Life(), sample(cpu=1.0), "large").allowed


def test_an_idle_host_goes_on_with_what_serves() -> None:
    given = _ask(_serving("large"), sample(2.0), serving="large")
    assert (given.allowed, given.model) == (True, "large")
    assert given.reason == "large may serve (CPU 10 %, memory 6.2 %)"


def test_a_model_that_nobody_knows_is_denied_and_need_not_be_asked_for_again() -> None:
    given = _ask(_serving("small"), sample(2.0), "gpt", serving="small")
    assert not given.allowed
    assert given.reason == "gpt is not one of the 3 models configured"
    assert (given.recommended_model, given.retry_after_seconds) == ("small", None)


def test_what_this_machine_can_never_hold_need_not_be_asked_for_again() -> None:
    given = _ask(Life(), sample(available=7.0, total=8.0), "large")
    assert (given.allowed, given.retry_after_seconds) == (False, None)
    assert given.recommended_model == "small"


def test_what_does_not_fit_now_may_be_asked_for_again() -> None:
    given = _ask(Life(), sample(available=15.0), "large")
    assert (given.allowed, given.retry_after_seconds) == (False, RETRY_SECONDS)


def test_under_pressure_a_smaller_model_is_recommended_in_place_of_what_serves() -> None:
    given = _ask(_serving("large"), sample(2.0, available=2.9), serving="large")
    assert (given.allowed, given.recommended_model) == (False, "medium")
    assert given.reason == "memory is 90.9 % used, 90 % or more"


def test_the_smallest_model_serves_under_any_pressure() -> None:
    found = sample(2.0, cpu=1.0, available=0.1)
    assert _ask(_serving("small"), found, serving="small").allowed


def test_a_smaller_model_may_be_loaded_under_pressure() -> None:
    assert _ask(_serving("large"), sample(2.0, available=2.9), "small", serving="large").allowed


def test_a_larger_model_waits_for_stabilisation() -> None:
    life = _serving("small")
    given = _ask(life, sample(100.0), "medium", serving="small")
    assert (given.allowed, given.retry_after_seconds) == (False, 200.0)
    assert given.reason == "medium is larger than small: upgrades wait 200 s more"
    assert _ask(life, sample(300.0), "medium", serving="small").allowed


def test_a_larger_model_is_denied_while_a_surge_is_predicted() -> None:
    life = _serving("small")
    given = _ask(life, sample(300.0), "medium", serving="small", surge_predicted=True)
    assert not given.allowed


def test_a_model_that_fails_is_denied_while_there_is_a_smaller_one() -> None:
    failing = {"large": Performance(model="large", requests=5, failures=5)}
    given = _ask(_serving("large"), sample(2.0), serving="large", performance=failing)
    assert (given.allowed, given.recommended_model) == (False, "medium")


def test_a_model_that_is_being_replaced_is_denied_until_the_switch_is_made() -> None:
    life = _serving("large")
    life.step(sample(2.0, available=2.9), serving="large", in_flight=1)
    given = _ask(life, sample(12.0), "large", serving="large", in_flight=1)
    assert (given.allowed, given.recommended_model) == (False, "medium")
    assert given.retry_after_seconds == 20.0


def test_where_nothing_fits_the_answer_says_so() -> None:
    given = _ask(Life(), sample(available=0.5, total=1.0))
    assert (given.allowed, given.model, given.recommended_model) == (False, None, None)
    assert given.reason == "none of the 3 models fits"


def _load(life: Life, found: Sample, model: str, **others: object) -> Preflight:
    inputs = Inputs(now=found.at, sample=found, **others)  # type: ignore[arg-type]
    return answer(inputs, life.state, life.settings, model=model, operation=Operation.LOAD)


def test_what_is_recommended_may_generate_where_it_may_not_be_loaded_any_more() -> None:
    life = Life()
    life.step(sample())
    short = sample(2.0, available=12.0)  # 18 GiB went: to the model, or to somebody else
    assert _ask(life, short, "large").allowed
    denied = _load(life, short, "large")
    assert (denied.allowed, denied.operation) == (False, Operation.LOAD)
    assert denied.reason.startswith("large needs 22.0 GiB of memory")
    assert denied.recommended_model == "medium"


def test_what_a_server_has_loaded_need_not_be_loaded() -> None:
    life = Life()
    life.step(sample(), loaded=("large",))
    assert _load(life, sample(2.0, available=12.0), "large", loaded=("large",)).allowed


def test_a_model_that_was_not_loaded_when_it_was_tried_is_denied() -> None:
    failed = {"large": Performance(model="large", load_failures=1)}
    denied = _load(Life(), sample(), "large", performance=failed)
    assert denied.reason == "large could not be loaded 1 time lately"


def test_without_configured_models_a_gpu_is_what_counts() -> None:
    given = _ask(Life(), sample(available=7.0, total=8.0, gpus=[gpu()]), "large")
    assert given.allowed


def test_where_nothing_serves_yet_no_model_waits_for_stabilisation() -> None:
    life = Life()
    life.step(sample(available=1.0, total=32.0))
    assert life.state.tier is None
    assert _ask(life, sample(2.0), "small").allowed


def test_what_was_just_recommended_need_not_wait_for_stabilisation() -> None:
    life = Life()
    life.steps((sample(at * 50.0) for at in range(3)), loaded=("small",))
    life.state = replace(life.state, tier="small", model="small")
    life.steps((sample(at * 50.0) for at in range(3, 12)), loaded=("small",))
    changed = life.state.last_change
    assert changed is not None
    assert changed.model == "medium"
    assert _ask(life, sample(changed.at), "medium", loaded=("small",)).allowed
    assert _ask(life, sample(changed.at), loaded=("small",)).model == "medium"


def test_a_predicted_surge_denies_nobody_what_is_recommended() -> None:
    life = Life()
    life.step(sample(), loaded=("large",))
    assert _ask(life, sample(2.0), "large", loaded=(), look=1, surge_predicted=True).allowed


def test_what_is_recommended_is_denied_if_it_would_fill_memory_by_now() -> None:
    life = Life()
    life.step(sample(), loaded=())
    denied = _ask(life, sample(2.0, available=24.5), "large", loaded=(), look=1)
    assert denied.reason == "with large memory would be 92.1 % used, not under 90 %"


def test_while_a_switch_is_late_what_serves_is_allowed() -> None:
    life = _serving("large")
    life.step(sample(2.0, available=2.9), serving="large", in_flight=1)
    within = _ask(life, sample(20.0), "large", serving="large", in_flight=1)
    late = _ask(life, sample(40.0), "large", serving="large", in_flight=1)
    assert (within.allowed, late.allowed) == (False, True)


def test_a_smaller_model_that_could_not_be_loaded_is_denied_as_well() -> None:
    failed = {"medium": Performance(model="medium", load_failures=2)}
    denied = _ask(_serving("large"), sample(2.0), "medium", serving="large", performance=failed)
    assert denied.reason == "medium could not be loaded 2 times lately"
    assert denied.recommended_model == "large"
