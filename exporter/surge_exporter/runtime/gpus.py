"""The GPUs as NVIDIA's driver tells of them; none without a driver, or without its library."""

import importlib
import logging
import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from surge_exporter.runtime.clock import Clock
from surge_exporter.scaling.resources import Gpu

RETRY_SECONDS = 60.0
"""A driver that is not there is looked for this often: it may be loaded, or updated, any time."""

_log = logging.getLogger(__name__)


class Nvml(Protocol):
    """What is used of `pynvml`; names are the library's."""

    @property
    def NVMLError(self) -> type[Exception]:  # noqa: N802
        """What all of these raise."""
        ...

    def nvmlInit(self) -> None:  # noqa: N802
        """Connect to the driver."""
        ...

    def nvmlShutdown(self) -> None:  # noqa: N802
        """Let go of it."""
        ...

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        """Return how many GPUs there are."""
        ...

    def nvmlDeviceGetHandleByIndex(self, index: int, /) -> Any:  # noqa: N802
        """Return what the other functions know a GPU by."""
        ...

    def nvmlDeviceGetMemoryInfo(self, handle: Any, /) -> Any:  # noqa: N802
        """Return `total` and `used`, in bytes."""
        ...

    def nvmlDeviceGetUtilizationRates(self, handle: Any, /) -> Any:  # noqa: N802
        """Return `gpu`, in percent."""
        ...


class Gpus:
    """Reads all GPUs. One owner; what goes wrong is a log line, once, and no GPU.

    It may be closed and read again: what it said is not said anew when sampling begins anew.
    """

    def __init__(self, clock: Clock, *, load: Callable[[], Nvml] | None = None) -> None:
        """Take the clock, and in tests what stands in for the library."""
        self._clock = clock
        self._load = load or load_nvml
        self._nvml: Nvml | None = None
        self._handles: Sequence[Any] = ()
        self._try_again_at = -math.inf
        self._said: str | None = None
        self._was_there = False

    def read(self) -> tuple[Gpu, ...]:
        """Return every GPU whose memory can be read; never raises."""
        if self._nvml is None and self._clock.monotonic() < self._try_again_at:
            return ()
        try:
            return self._read_or_reconnect()
        except ImportError:
            self._try_again_at = math.inf  # what is installed does not change under a process
            self._say("the extra gpu is not installed", logging.INFO)
        except Exception as error:  # noqa: BLE001 - a broken driver may raise whatever it likes
            self._let_go(error)
        return ()

    def _read_or_reconnect(self) -> tuple[Gpu, ...]:
        """Return the GPUs; if they were there a moment ago, one fault is not the end of them.

        Raises:
            Exception: the driver's, also on a new connection.
        """
        if self._nvml is None:
            return self._read(self._connect())
        try:
            return self._read(self._nvml)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is met again if it lasts
            _log.debug("driver is asked once more error=%s", error)
        self.close()
        self._was_there = True
        return self._read(self._connect())

    def close(self) -> None:
        """Let go of the driver, until the next `read`."""
        if self._nvml is not None:
            nvml, self._nvml, self._handles = self._nvml, None, ()
            try:
                nvml.nvmlShutdown()
            except Exception as error:  # noqa: BLE001 - it is gone already
                _log.debug("driver not shut down error=%s", error)

    def _connect(self) -> Nvml:
        nvml = self._load()
        nvml.nvmlInit()
        self._nvml = nvml
        count = nvml.nvmlDeviceGetCount()
        self._handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(count)]
        self._said = None
        _log.info("reading gpus count=%d", count)
        return nvml

    def _read(self, nvml: Nvml) -> tuple[Gpu, ...]:
        """Return the GPUs that answer; one that fell off its bus does not hide the others.

        Raises:
            Exception: none answers.
        """
        found: list[Gpu] = []
        fault: Exception | None = None
        for index, handle in enumerate(self._handles):
            try:
                found.append(_gpu(nvml, index, handle))
            except nvml.NVMLError as error:
                fault = error
        if fault is not None and not found:
            raise fault
        if fault is not None:
            self._say(f"a gpu does not answer: {fault}", logging.WARNING)
        return tuple(found)

    def _let_go(self, error: Exception) -> None:
        was_there, self._was_there = self._was_there or self._nvml is not None, False
        self.close()
        self._try_again_at = self._clock.monotonic() + RETRY_SECONDS
        self._say(str(error), logging.WARNING if was_there else logging.INFO)

    def _say(self, fault: str, level: int) -> None:
        if fault != self._said:
            self._said = fault
            _log.log(level, "no gpu is read fault=%s", fault)


def _gpu(nvml: Nvml, index: int, handle: Any) -> Gpu:
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    try:
        utilization = nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100
    except nvml.NVMLError:  # one that is split in instances has no utilisation of its own
        utilization = None
    return Gpu(
        index=index,
        memory_total_bytes=int(memory.total),
        memory_used_bytes=int(memory.used),
        utilization_ratio=utilization,
    )


def load_nvml() -> Nvml:
    """Return the library.

    Raises:
        ImportError: it is not installed.
    """
    library: Any = importlib.import_module("pynvml")
    found: Nvml = library
    return found
