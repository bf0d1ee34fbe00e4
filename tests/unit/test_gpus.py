"""The GPUs: there when the driver is, gone when it goes, one log line each time."""

import logging

import pytest

from surge_exporter.runtime.gpus import RETRY_SECONDS, Gpus, Nvml
from surge_exporter.scaling.resources import GIB
from tests.fakes import FakeClock
from tests.hosts import FakeNvml, FakeNvmlError


class Rig:
    def __init__(self, nvml: FakeNvml | Exception) -> None:
        self.clock = FakeClock()
        self.nvml = nvml
        self.loads = 0
        self.gpus = Gpus(self.clock, load=self._load)

    def _load(self) -> Nvml:
        self.loads += 1
        if isinstance(self.nvml, Exception):
            raise self.nvml
        return self.nvml


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "fault=" in record.getMessage()]


def test_each_gpu_is_read_with_memory_and_utilisation() -> None:
    rig = Rig(FakeNvml(gpus=2))

    first, second = rig.gpus.read()

    assert (first.index, second.index) == (0, 1)
    assert (first.memory_total_bytes, first.memory_used_bytes) == (24 * GIB, GIB)
    assert first.utilization_ratio == 0.4


def test_a_gpu_in_instances_has_memory_but_no_utilisation() -> None:
    nvml = FakeNvml()
    nvml.utilization = [None]

    (gpu,) = Rig(nvml).gpus.read()

    assert (gpu.memory_used_bytes, gpu.utilization_ratio) == (GIB, None)


def test_without_the_library_there_is_no_gpu_one_line_and_no_second_try(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    rig = Rig(ModuleNotFoundError("No module named 'pynvml'"))

    for _ in range(3):
        assert rig.gpus.read() == ()
        rig.clock.advance(10 * RETRY_SECONDS)

    assert rig.loads == 1
    assert said(caplog) == ["no gpu is read fault=the extra gpu is not installed"]


def test_without_a_driver_it_is_looked_for_seldom_and_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    nvml = FakeNvml()
    nvml.fault = FakeNvmlError("Driver Not Loaded")
    rig = Rig(nvml)

    for _ in range(90):
        assert rig.gpus.read() == ()
        rig.clock.advance(2.0)

    assert rig.loads == 3
    assert said(caplog) == ["no gpu is read fault=Driver Not Loaded"]


def test_a_driver_that_vanishes_takes_its_gpus_along_and_brings_them_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    nvml = FakeNvml()
    rig = Rig(nvml)
    assert rig.gpus.read()

    nvml.fault = FakeNvmlError("Unknown Error")
    assert rig.gpus.read() == rig.gpus.read() == ()
    assert nvml.calls.count("shutdown") == 1
    nvml.fault = None
    assert rig.gpus.read() == ()
    rig.clock.advance(RETRY_SECONDS)

    assert rig.gpus.read()
    assert said(caplog) == ["no gpu is read fault=Unknown Error"]


def test_a_driver_that_fails_once_is_asked_once_more(caplog: pytest.LogCaptureFixture) -> None:
    nvml = FakeNvml()
    rig = Rig(nvml)
    assert rig.gpus.read()

    nvml.faults_left, nvml.fault = 1, FakeNvmlError("Unknown Error")

    assert rig.gpus.read()
    assert said(caplog) == []


def test_a_lost_gpu_does_not_hide_the_others(caplog: pytest.LogCaptureFixture) -> None:
    nvml = FakeNvml(gpus=3)
    rig = Rig(nvml)
    nvml.lost = {1}

    found = [gpu.index for _ in range(3) for gpu in rig.gpus.read()]

    assert found == [0, 2, 0, 2, 0, 2]
    assert len(said(caplog)) == 1


def test_a_library_that_raises_what_it_likes_is_a_broken_driver() -> None:
    nvml = FakeNvml()
    nvml.fault = TypeError("NoneType")

    assert Rig(nvml).gpus.read() == ()


def test_the_driver_is_let_go_of() -> None:
    nvml = FakeNvml()
    rig = Rig(nvml)
    rig.gpus.read()

    rig.gpus.close()

    assert nvml.calls[-1] == "shutdown"
