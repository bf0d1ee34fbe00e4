"""What the scaler decides over a trace of samples, recorded or made."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from csv import DictReader
from dataclasses import replace
from typing import NamedTuple

from surge_exporter.model import UnixSeconds
from surge_exporter.scaling.decisions import Decision, Inputs, Settings, State
from surge_exporter.scaling.performance import Performance
from surge_exporter.scaling.resources import Sample
from surge_exporter.scaling.scaler import step
from surge_exporter.scaling.tiers import ModelSpec


class Moment(NamedTuple):
    """One sample, and what was decided on it."""

    sample: Sample
    decision: Decision
    state: State


def _never(_: UnixSeconds) -> bool:
    return False


def _idle(_: UnixSeconds) -> int:
    return 0


def run(
    samples: Iterable[Sample],
    settings: Settings,
    *,
    surge_predicted: Callable[[UnixSeconds], bool] = _never,
    performance: Mapping[str, Performance] | None = None,
) -> Iterator[Moment]:
    """Yield the decisions on samples that do not heed them: recorded ones, say."""
    state, history = State(), deque[Sample]()
    for sample in samples:
        inputs = Inputs(
            now=sample.at,
            sample=sample,
            history=history,
            performance=performance or {},
            surge_predicted=surge_predicted(sample.at),
        )
        decision, state = step(state, inputs, settings)
        yield Moment(sample, decision, state)
        _remember(history, sample, settings)


def follow(
    samples: Iterable[Sample],
    settings: Settings,
    *,
    load_seconds: float = 10.0,
    in_flight: Callable[[UnixSeconds], int] = _idle,
) -> Iterator[Moment]:
    """Yield the decisions on a host that follows them, given its samples without any model.

    The model that serves is added to what is used. A switch is made as soon as the decision is
    ready; until the successor is loaded, both are taken to hold their memory in turn, not at
    once, and the old one to serve.
    """
    state, history = State(), deque[Sample]()
    serving: ModelSpec | None = None
    loading: tuple[ModelSpec, UnixSeconds] | None = None
    for bare in samples:
        if loading is not None and bare.at >= loading[1]:
            serving, loading = loading[0], None
        sample = with_model(bare, serving)
        inputs = Inputs(
            now=bare.at,
            sample=sample,
            history=history,
            serving=serving.name if serving else None,
            in_flight=in_flight(bare.at),
        )
        decision, state = step(state, inputs, settings)
        yield Moment(sample, decision, state)
        _remember(history, sample, settings)
        target = settings.on(bare).catalogue.find(decision.model)
        if serving is None:
            serving = target
        elif target is not None and decision.ready and loading is None:
            loading = target, UnixSeconds(bare.at + load_seconds)


def with_model(sample: Sample, spec: ModelSpec | None) -> Sample:
    """Return a sample as it would be with a model loaded: on the emptiest GPU, if it needs one."""
    if spec is None:
        return sample
    if not spec.needs_gpu:
        left = max(0, sample.memory_available_bytes - spec.memory_bytes)
        return replace(sample, memory_available_bytes=left)
    emptiest = max(sample.gpus, key=lambda gpu: gpu.memory_available_bytes, default=None)
    return replace(
        sample,
        gpus=tuple(
            replace(
                gpu,
                memory_used_bytes=min(
                    gpu.memory_total_bytes, gpu.memory_used_bytes + spec.memory_bytes
                ),
            )
            if gpu is emptiest
            else gpu
            for gpu in sample.gpus
        ),
    )


def recorded(lines: Iterable[str]) -> Iterator[Sample]:
    """Yield the samples of a CSV whose header names the fields of a sample, GPUs apart.

    Raises:
        KeyError: a column is missing.
        ValueError: a field is no number.
    """
    for row in DictReader(lines):
        yield Sample(
            at=UnixSeconds(float(row["at"])),
            cpu_ratio=float(row["cpu_ratio"]),
            memory_total_bytes=int(row["memory_total_bytes"]),
            memory_available_bytes=int(row["memory_available_bytes"]),
            swap_total_bytes=int(row["swap_total_bytes"]),
            swap_used_bytes=int(row["swap_used_bytes"]),
            load_per_cpu=float(row["load_per_cpu"]),
            cpus=float(row["cpus"]),
        )


def _remember(history: deque[Sample], sample: Sample, settings: Settings) -> None:
    history.append(sample)
    while history[0].at < sample.at - settings.thresholds.history_seconds:
        history.popleft()
