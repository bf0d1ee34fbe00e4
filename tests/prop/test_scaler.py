"""For any samples: what the scaler never does."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from surge_exporter.model import UnixSeconds
from surge_exporter.scaling.holding import Watched, watch
from surge_exporter.scaling.performance import Performance
from surge_exporter.scaling.preflight import answer
from surge_exporter.scaling.resources import GIB, Gpu, Sample
from surge_exporter.scaling.scaler import Advice, Decision, Inputs, Kind, Settings, State, step
from surge_exporter.scaling.stabilize import advise, smallest
from surge_exporter.scaling.tiers import Catalogue, ModelSpec, is_eligible
from surge_exporter.scaling.view import View

_TOTAL = 32 * GIB
_FULL = _TOTAL // 11
_STABILIZATION = 300.0


Happening = tuple[float, Sample, int, str, int, bool, int, int | None]


patient = settings(deadline=None)  # a life is some hundred steps


class _Moment(NamedTuple):
    before: State
    inputs: Inputs
    decision: Decision
    after: State


# What happens in a step: how long after the last one, on what resources, and who serves.
ratios = st.one_of(st.floats(0.0, 1.0), st.sampled_from([0.8, 0.9, 0.79, 0.89, 0.1, 0.95]))
gpus = st.one_of(
    st.just(()),
    st.builds(
        lambda used: (
            Gpu(index=0, memory_total_bytes=24 * GIB, memory_used_bytes=int(used * 24 * GIB)),
        ),
        ratios,
    ),
)
samples = st.builds(
    lambda cpu, memory, found: Sample(
        at=UnixSeconds(0.0),
        cpu_ratio=cpu,
        memory_total_bytes=_TOTAL,
        memory_available_bytes=int(_TOTAL * (1.0 - memory)),
        gpus=found,
    ),
    ratios,
    ratios,
    gpus,
)
happenings = st.tuples(
    st.sampled_from([2.0, 2.0, 2.0, 30.0, 59.0, 60.0, 61.0, 300.0]),
    samples,
    st.integers(0, 3),  # requests in flight
    st.sampled_from(["follow", "follow", "stay", "silent", "elsewhere"]),
    st.sampled_from([0, 0, 0, 5]),  # failures of the model recommended
    st.booleans() | st.just(False),  # noqa: FBT003 - is a surge predicted
    st.integers(1, 12),  # how often the same again
    st.none() | st.integers(0, 15),  # what a server has loaded, a bit for each model
)


def _catalogue(sizes: list[int], kinds: list[bool]) -> Catalogue:
    return Catalogue.of(
        ModelSpec(
            name=f"m{size}",
            tier=f"t{size}",
            memory_bytes=size * GIB,
            needs_gpu=kinds[i % len(kinds)],
        )
        for i, size in enumerate(sizes)
    )


sizes = st.lists(st.integers(1, 12), min_size=1, max_size=4, unique=True)
catalogues = st.builds(_catalogue, sizes, st.lists(st.booleans(), min_size=1, max_size=4))
of_one_kind = st.builds(_catalogue, sizes, st.just([False]))
lives = st.lists(happenings, max_size=20)


def _live(catalogue: Catalogue, life: Iterable[Happening]) -> Iterator[_Moment]:
    chosen = Settings(catalogue=catalogue)
    state, now, history = State(), 0.0, list[Sample]()
    serving: str | None = None
    wanted: Decision | None = None
    for pause, bare, in_flight, mood, failures, surge, times, bits in life:
        for _ in range(times):
            now += pause
            sample = replace(bare, at=UnixSeconds(now))
            if mood == "silent":
                serving = None
            elif mood == "elsewhere":
                serving = catalogue.models[0].name
            elif mood == "follow" and wanted is not None and (wanted.ready or serving is None):
                serving = wanted.model
            loaded = None
            if bits is not None:
                names = [model.name for model in catalogue.models]
                loaded = tuple(name for i, name in enumerate(names) if bits >> i & 1)
            failing = Performance(model=state.model or "", requests=6, failures=failures)
            inputs = Inputs(
                now=UnixSeconds(now),
                sample=sample,
                history=tuple(history[-40:]),
                performance={failing.model: failing},
                surge_predicted=surge,
                serving=serving,
                in_flight=in_flight,
                loaded=loaded,
                look=int(now),
            )
            wanted, after = step(state, inputs, chosen)
            yield _Moment(state, inputs, wanted, after)
            state = after
            history.append(sample)


def _fits(spec: ModelSpec, before: State, inputs: Inputs, catalogue: Catalogue) -> bool:
    """Say whether a model fits beside what is loaded; how much that holds is tested elsewhere."""
    view = View.of(before, inputs, Settings(catalogue=catalogue))
    is_there = spec.name in (inputs.loaded or ()) and (inputs.sample.gpus or not spec.needs_gpu)
    held = view.watched.held
    return bool(is_there) or is_eligible(spec, inputs.sample, held=held, margin_ratio=0.1).ok


def _rank(catalogue: Catalogue, tier: str | None) -> int:
    return catalogue.rank(tier)


@patient
@given(catalogues, lives)
def test_it_never_flaps(catalogue: Catalogue, life: list[Happening]) -> None:
    changed: float | None = None
    recommended: str | None = None
    for moment in _live(catalogue, life):
        decision = moment.decision
        if decision.kind is Kind.UPGRADE:
            assert changed is None or decision.at - changed >= _STABILIZATION
        if decision.kind is not Kind.HOLD or decision.recommended != recommended:
            changed, recommended = decision.at, decision.recommended


@patient
@given(catalogues, lives)
def test_it_recommends_more_only_as_an_upgrade_or_as_what_serves_or_at_the_start(
    catalogue: Catalogue, life: list[Happening]
) -> None:
    for before, inputs, decision, _ in _live(catalogue, life):
        rank, old = _rank(catalogue, decision.recommended), _rank(catalogue, before.tier)
        if before.at is not None and rank > old:
            assert (
                decision.kind is Kind.UPGRADE
                or inputs.serving != before.serving
                or (before.switch is not None)
            )


@patient
@given(catalogues, lives)
def test_it_never_recommends_a_tier_that_does_not_fit(
    catalogue: Catalogue, life: list[Happening]
) -> None:
    for before, inputs, decision, _ in _live(catalogue, life):
        spec = catalogue.find(decision.model)
        assert (spec is None) == (decision.recommended is None)
        if spec is not None:
            assert spec.tier == decision.recommended
            assert _fits(spec, before, inputs, catalogue)


@patient
@given(of_one_kind, st.integers(0, 300), lives)
def test_degradation_is_never_delayed_by_stabilisation(
    catalogue: Catalogue, since: int, life: list[Happening]
) -> None:
    chosen = Settings(catalogue=catalogue)
    for moment in _live(catalogue, life):
        state = moment.after
        if state.switch is None and _rank(catalogue, state.tier) > 0:
            now = UnixSeconds(moment.inputs.now + since)
            sample = moment.inputs.sample
            full = replace(
                sample, at=now, memory_available_bytes=min(sample.memory_available_bytes, _FULL)
            )
            rested = replace(state, steps_down=0, demands=0)
            inputs = replace(moment.inputs, now=now, sample=full)
            decision, _ = step(rested, inputs, chosen)
            assert decision.kind is Kind.DOWNGRADE
            assert _rank(catalogue, decision.recommended) < _rank(catalogue, state.tier)


@patient
@given(of_one_kind, lives, st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_more_pressure_never_gives_a_larger_tier_unless_a_model_seems_to_come(
    catalogue: Catalogue, life: list[Happening], more_cpu: float, less_memory: float
) -> None:
    chosen = Settings(catalogue=catalogue)
    for before, inputs, decision, _ in _live(catalogue, life):
        sample = inputs.sample
        worse = replace(
            sample,
            cpu_ratio=sample.cpu_ratio + more_cpu * (1.0 - sample.cpu_ratio),
            memory_available_bytes=int(sample.memory_available_bytes * (1.0 - less_memory)),
        )
        pressed_inputs = replace(inputs, sample=worse)
        pressed, _ = step(before, pressed_inputs, chosen)
        if _seems_to_come(before, pressed_inputs, chosen):
            continue  # what a server does not hold yet: its own memory is no pressure
        assert _rank(catalogue, pressed.recommended) <= _rank(catalogue, decision.recommended)


def _seems_to_come(before: State, inputs: Inputs, chosen: Settings) -> bool:
    """Say whether memory went that may be the recommended model's, which no look has shown."""
    view = View.of(before, inputs, chosen)
    is_named = view.current is not None and view.current.name in (inputs.loaded or ())
    return inputs.loaded is not None and not is_named and view.watched.held_bytes > 0


@patient
@given(of_one_kind, lives)
def test_it_goes_one_step_at_a_time_past_what_does_not_fit(
    catalogue: Catalogue, life: list[Happening]
) -> None:
    for before, inputs, decision, _ in _live(catalogue, life):
        if decision.kind is not Kind.HOLD and inputs.serving == before.serving:
            old, new = _rank(catalogue, before.tier), _rank(catalogue, decision.recommended)
            passed = catalogue.tiers[new + 1 : old] if -1 < new < old else ()
            passed_over = [model for tier in passed for model in catalogue.of_tier(tier)]
            assert new == -1 or old == -1 or new - old <= 1
            assert not any(_fits(model, before, inputs, catalogue) for model in passed_over)


@patient
@given(catalogues, lives, st.integers(0, 3))
def test_preflight_allows_and_recommends_only_what_fits(
    catalogue: Catalogue, life: list[Happening], asked: int
) -> None:
    model = catalogue.models[asked].name if asked < len(catalogue.models) else None
    for _, inputs, _, state in _live(catalogue, life):
        given_answer = answer(inputs, state, Settings(catalogue=catalogue), model=model)
        assert given_answer.reason
        for name in {
            given_answer.recommended_model,
            given_answer.model if given_answer.allowed else None,
        } - {None}:
            spec = catalogue.find(name)
            assert spec is not None
            assert _fits(spec, state, inputs, catalogue)


@patient
@given(catalogues, lives)
def test_every_decision_says_why_with_a_number(
    catalogue: Catalogue, life: list[Happening]
) -> None:
    for moment in _live(catalogue, life):
        assert any(letter.isdigit() for letter in moment.decision.reason)
        assert len(moment.decision.reason) < 600


@patient
@given(catalogues, lives)
def test_the_state_stays_as_small_as_it_is(catalogue: Catalogue, life: list[Happening]) -> None:
    for moment in _live(catalogue, life):
        assert len(moment.after.advised) <= len(catalogue.tiers) + 1
        ranks = [advice.rank for advice in moment.after.advised]
        assert ranks == sorted(set(ranks))


@patient
@given(catalogues, lives)
def test_the_same_goes_in_and_the_same_comes_out(
    catalogue: Catalogue, life: list[Happening]
) -> None:
    chosen = Settings(catalogue=catalogue)
    for before, inputs, decision, after in _live(catalogue, life):
        assert step(before, inputs, chosen) == (decision, after)


@patient
@given(
    of_one_kind,
    st.sampled_from([0.8, 0.85, 0.9]),
    st.floats(0.0, 0.049),
    st.lists(st.floats(-1.0, 1.0), min_size=10, max_size=400),
)
def test_noise_around_any_threshold_changes_little(
    catalogue: Catalogue, threshold: float, amplitude: float, noise: list[float]
) -> None:
    quiet = Sample(
        at=UnixSeconds(0.0),
        cpu_ratio=0.1,
        memory_total_bytes=_TOTAL,
        memory_available_bytes=_TOTAL,
    )
    life: list[Happening] = [(2.0, quiet, 0, "silent", 0, False, 1, None)]
    life += [
        (
            2.0,
            replace(quiet, cpu_ratio=threshold + amplitude * one),
            0,
            "silent",
            0,
            False,
            1,
            None,
        )
        for one in noise
    ]
    changes = [
        moment.decision.kind
        for moment in _live(catalogue, life)
        if moment.decision.kind is not Kind.HOLD
    ]
    assert len(changes) <= len(catalogue.tiers) - 1 + 2 * int(2 * len(noise) / _STABILIZATION)


@patient
@given(
    st.lists(st.tuples(st.floats(0.0, 400.0), st.integers(-1, 5)), min_size=1, max_size=60),
    st.floats(1.0, 600.0),
)
def test_a_queue_of_rising_advice_knows_the_smallest_of_the_window(
    steps: list[tuple[float, int]], window: float
) -> None:
    now, queue, everything = 0.0, tuple[Advice, ...](), list[Advice]()
    for pause, rank in steps:
        now += pause
        new = Advice(UnixSeconds(now), rank)
        queue = advise(queue, new, window_seconds=window)
        everything.append(new)
        in_window = [a.rank for a in everything if a.at > now - window]
        assert smallest(queue) == min(in_window)


@patient
@given(
    of_one_kind,
    st.lists(st.tuples(st.integers(0, 3), st.floats(0.0, 1.0)), min_size=1, max_size=30),
    st.floats(0.0, 1.0),
    st.floats(0.0, 1.0),
)
def test_with_less_free_there_is_never_more_for_a_successor(
    catalogue: Catalogue, life: list[tuple[int, float]], one: float, other: float
) -> None:
    watched: Watched | None = None
    for index, part in life:
        spec = catalogue.models[index % len(catalogue.models)]
        watched = watch(watched, spec, _with_free(part))
        assert 0 <= watched.held_bytes <= _TOTAL - watched.free_bytes
        less, more = sorted([one, other])
        short, roomy = (watch(watched, spec, _with_free(part)) for part in (less, more))
        assert short.free_bytes + short.held_bytes <= roomy.free_bytes + roomy.held_bytes


def _with_free(part: float) -> Sample:
    return Sample(
        at=UnixSeconds(0.0),
        cpu_ratio=0.1,
        memory_total_bytes=_TOTAL,
        memory_available_bytes=int(part * _TOTAL),
    )
