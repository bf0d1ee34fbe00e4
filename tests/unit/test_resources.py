"""One look at the host: what it uses, within what its control group allows."""

from pathlib import Path

import pytest

from surge_exporter.runtime.cgroup import Cgroup
from surge_exporter.runtime.gpus import Gpus
from surge_exporter.runtime.resources import Resources, read_host_now
from surge_exporter.scaling.resources import GIB, Sample
from tests.fakes import NOW, FakeClock
from tests.hosts import OWN_GROUP, FakeCgroups, FakeHost, FakeNvml


class Rig:
    def __init__(self, cgroup: Cgroup | None = None, host: FakeHost | None = None) -> None:
        self.clock = FakeClock()
        self.host = host or FakeHost()
        self.resources = Resources(
            self.clock,
            cgroup=cgroup or Cgroup("host"),
            gpus=Gpus(self.clock, load=FakeNvml),
            read_host=self.host,
        )

    def after(self, seconds: float, cpu: float = 0.25) -> Sample:
        """Return the sample after so many seconds with so much of the CPUs used."""
        cpus = self.host.reading.cpus
        self.clock.advance(seconds)
        self.host.use_cpu(cpu * seconds * cpus, seconds * cpus)
        return self.resources.sample()


def test_a_sample_says_what_the_host_has_and_uses() -> None:
    found = Rig(host=FakeHost(load=6.0)).after(2.0, cpu=0.75)

    assert found.at == NOW + 2.0
    assert found.cpu_ratio == pytest.approx(0.75)
    assert found.memory_ratio == 0.25
    assert (found.load_per_cpu, found.cpus, len(found.gpus)) == (1.5, 4.0, 1)


def test_cpu_counts_since_the_sample_before() -> None:
    rig = Rig()

    ratios = [rig.after(2.0, cpu=cpu).cpu_ratio for cpu in (0.1, 0.9, 0.1)]

    assert ratios == [pytest.approx(0.1), pytest.approx(0.9), pytest.approx(0.1)]


def test_who_asks_often_sees_no_spikes() -> None:
    rig = Rig()
    rig.after(2.0, cpu=0.2)

    spiky = [rig.after(0.1, cpu=cpu).cpu_ratio for cpu in [1.0, 0.0] * 10]

    assert max(spiky) < 0.65
    assert spiky[-1] == pytest.approx(0.5)


def test_within_one_tick_of_the_kernel_the_last_ratio_stands() -> None:
    rig = Rig()
    rig.after(2.0, cpu=0.6)

    again = rig.resources.sample()

    assert again.cpu_ratio == pytest.approx(0.6)


@pytest.mark.parametrize("group", [OWN_GROUP, "/kubepods/pod1", "/"])
def test_a_memory_limit_of_the_group_or_around_it_counts(tmp_path: Path, group: str) -> None:
    groups = FakeCgroups(tmp_path)
    groups.limit_memory(group, limit=8 * GIB, used=7 * GIB, cache=GIB)

    found = Rig(groups.cgroup()).after(2.0)

    assert (found.memory_total_bytes, found.memory_available_bytes) == (8 * GIB, 2 * GIB)


def test_a_group_can_have_no_more_than_the_host_has_left(tmp_path: Path) -> None:
    groups = FakeCgroups(tmp_path)
    groups.limit_memory(OWN_GROUP, limit=8 * GIB, used=GIB)

    found = Rig(groups.cgroup(), FakeHost(memory_available_bytes=GIB)).after(2.0)

    assert (found.memory_total_bytes, found.memory_available_bytes) == (8 * GIB, GIB)


@pytest.mark.parametrize("limit", ["max\n", f"{64 * GIB}\n", "", "lots\n", "\xff"])
def test_a_limit_that_is_none_limits_nothing(tmp_path: Path, limit: str) -> None:
    groups = FakeCgroups(tmp_path)
    groups.write(OWN_GROUP, {"memory.max": limit, "memory.current": "1\n", "cpu.max": limit})

    found = Rig(groups.cgroup()).after(2.0)

    assert (found.memory_total_bytes, found.memory_ratio) == (32 * GIB, 0.25)
    assert found.cpu_ratio == pytest.approx(0.25)
    assert found.cpus == 4.0


def test_a_quota_counts_where_more_of_it_is_used_than_of_the_host(tmp_path: Path) -> None:
    groups = FakeCgroups(tmp_path)
    groups.limit_cpu(OWN_GROUP, cpus=0.5, used_seconds=100.0)
    rig = Rig(groups.cgroup())

    groups.limit_cpu(OWN_GROUP, cpus=0.5, used_seconds=100.9)
    found = rig.after(2.0)

    assert found.cpu_ratio == pytest.approx(0.9)
    assert found.cpus == 0.5


def test_the_groups_of_another_service_can_count_instead(tmp_path: Path) -> None:
    groups = FakeCgroups(tmp_path)
    groups.limit_memory(OWN_GROUP, limit=GIB // 8, used=GIB // 16)
    groups.limit_memory("/system.slice/ollama.service", limit=16 * GIB, used=4 * GIB)

    found = Rig(groups.cgroup("/system.slice/ollama.service")).after(2.0)
    ignored = Rig(groups.cgroup("host")).after(2.0)

    assert (found.memory_total_bytes, found.memory_ratio) == (16 * GIB, 0.25)
    assert ignored.memory_total_bytes == 32 * GIB


def test_a_container_that_shows_the_hosts_path_has_its_limits_at_the_root(tmp_path: Path) -> None:
    groups = FakeCgroups(tmp_path)
    groups.own.write_text("12:cpu:/docker/1\n0::/docker/0a1b\n")
    groups.limit_memory("/", limit=4 * GIB, used=GIB)

    assert Rig(groups.cgroup()).after(2.0).memory_total_bytes == 4 * GIB


def test_without_version_2_nothing_is_limited(tmp_path: Path) -> None:
    groups = FakeCgroups(tmp_path)
    groups.limit_memory("/", limit=4 * GIB, used=GIB)
    (groups.root / "cgroup.controllers").unlink()

    assert Rig(groups.cgroup()).after(2.0).memory_total_bytes == 32 * GIB


def test_this_machine_can_be_read() -> None:
    reading = read_host_now()

    assert 0 < reading.memory_available_bytes <= reading.memory_total_bytes
    assert 0 < reading.cpu_busy_seconds <= reading.cpu_seconds
    assert reading.cpus >= 1
