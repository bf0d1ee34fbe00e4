"""Traces of hosts that never were: one for each way in which resources run out."""

from collections.abc import Callable
from random import Random

from surge_exporter.model import UnixSeconds
from surge_exporter.scaling.resources import GIB, Gpu, Sample

_STEP_SECONDS = 2.0

Shape = Callable[[float], float]
"""A ratio by seconds since the trace began."""
GpuShape = Callable[[float], tuple[Gpu, ...]]


def constant(level: float) -> Shape:
    """Return a shape that stays where it is."""
    return lambda _: level


def ramp(start: float, end: float, seconds: float) -> Shape:
    """Return a shape that goes from one level to another and stays there; a leak, if slow."""
    return lambda t: start + (end - start) * min(1.0, t / seconds)


def spike(level: float, height: float, at: float, seconds: float) -> Shape:
    """Return a shape that is high for a while."""
    return lambda t: height if at <= t < at + seconds else level


def sawtooth(low: float, high: float, period: float) -> Shape:
    """Return a shape that rises steadily and falls at once, as caches and collectors do."""
    return lambda t: low + (high - low) * (t % period) / period


def noisy(shape: Shape, amplitude: float, seed: int = 1) -> Shape:
    """Return a shape with noise between -amplitude and +amplitude, the same at each call."""
    return lambda t: shape(t) + Random(f"{seed} {t}").uniform(-amplitude, amplitude)  # noqa: S311


def gpu_until(at: float, *, memory_gib: float = 24.0, used: float = 0.1) -> GpuShape:
    """Return the GPUs of a host whose driver vanishes, by seconds since the trace began."""
    total = int(memory_gib * GIB)
    gpu = Gpu(index=0, memory_total_bytes=total, memory_used_bytes=int(used * total))
    return lambda t: (gpu,) if t < at else ()


def no_gpus(_: float) -> tuple[Gpu, ...]:
    """Return the GPUs of a host without any."""
    return ()


_QUIET = constant(0.1)


def trace(
    seconds: float,
    *,
    cpu: Shape = _QUIET,
    memory: Shape = _QUIET,
    gpus: GpuShape = no_gpus,
    memory_gib: float = 32.0,
    start: float = 0.0,
) -> list[Sample]:
    """Return a sample every two seconds; ratios are cut off at 0 and 1."""
    total = int(memory_gib * GIB)
    times = [i * _STEP_SECONDS for i in range(int(seconds / _STEP_SECONDS) + 1)]
    return [
        Sample(
            at=UnixSeconds(start + t),
            cpu_ratio=_ratio(cpu(t)),
            memory_total_bytes=total,
            memory_available_bytes=int(total * (1.0 - _ratio(memory(t)))),
            gpus=gpus(t),
        )
        for t in times
    ]


def _ratio(value: float) -> float:
    return min(1.0, max(0.0, value))
