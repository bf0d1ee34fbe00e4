"""`serve` loads what it recommends where it is told to, and touches no model where it is not."""

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from surge_exporter.commands.switching import Switching
from surge_exporter.config_scaling import ModelConfig, ScalingConfig, ServerConfig, ServerKind
from surge_exporter.runtime.sampler import Serving
from surge_exporter.scaling.decisions import Decision, Kind, State
from surge_exporter.scaling.preflight import Operation
from surge_exporter.scaling.tiers import HardwareTier
from surge_exporter.snapshot import Answered, HostStatus
from tests.fakes import FakeClock
from tests.hosts import sample
from tests.model_server import LARGE, MEDIUM, SMALL, FakePreflight
from tests.ollama import FakeOllama, ollama
from tests.servers import exporter, get, wait_for
from tests.unit.test_model_manager import decision

SIZES = {SMALL: 2, MEDIUM: 8, LARGE: 20}


@pytest.fixture
def server() -> Iterator[FakeOllama]:
    with ollama(SIZES) as found:
        yield found


def section(server: FakeOllama, *, switch: bool) -> ScalingConfig:
    tiers = zip(SIZES.items(), ("small", "medium", "large"), strict=True)
    return ScalingConfig(
        switch=switch,
        server=ServerConfig(kind=ServerKind.OLLAMA, url=server.url),
        models=tuple(
            ModelConfig(name=name, tier=tier, memory_gib=size) for (name, size), tier in tiers
        ),
    )


def check(model: str | None, operation: Operation) -> Answered:
    return Answered(preflight=FakePreflight()(model, operation), sampled_at=None)


def status(decided: Decision) -> HostStatus:
    return HostStatus(
        sample=sample(),
        hardware_tier=HardwareTier.HIGH_END,
        tiers=("small", "medium", "large"),
        serving=None,
        decision=decided,
        state=State(),
        trends={},
        changes=(),
        events={},
    )


def test_serve_loads_the_recommended_model_on_the_server(
    server: FakeOllama, tmp_path: Path
) -> None:
    config = tmp_path / "config.yml"
    model = {"name": SMALL, "tier": "small", "memory_gib": 0.01}
    scaling = {
        "switch": True,
        "interval_seconds": 0.2,
        "models": [model],
        "server": {"kind": "ollama", "url": server.url},
    }
    config.write_text(json.dumps({"scaling": scaling}))
    log = tmp_path / "log"
    with exporter(tmp_path, log, f"--config.file={config}") as url:
        wait_for(lambda: server.in_memory == {SMALL}, "the model to be loaded")
        wait_for(
            lambda: 'surge_model_tier_current{tier="small"} 1.0' in (get(f"{url}/metrics") or ""),
            "the metric to say so",
        )
    assert server.log == [f"load {SMALL}"]
    assert "Traceback" not in log.read_text()


def test_nothing_is_asked_of_a_server_unless_the_configuration_says_so(
    server: FakeOllama,
) -> None:
    switching = Switching(check, FakeClock())
    switching.configure(section(server, switch=False))
    switching.hear(status(decision(Kind.UPGRADE, LARGE, SMALL)))
    assert switching.serving() == Serving()
    assert switching.status() is None
    switching.stop()
    assert server.log == []


def test_a_reload_begins_and_ends_switching(server: FakeOllama) -> None:
    switching = Switching(check, FakeClock())
    switching.configure(section(server, switch=True))
    switching.hear(status(decision(Kind.UPGRADE, MEDIUM, SMALL)))
    wait_for(lambda: switching.serving().model == MEDIUM, "the model to be loaded")
    switching.configure(section(server, switch=True))
    assert switching.serving().model == MEDIUM
    broken = msgspec.structs.replace(
        section(server, switch=True), server=ServerConfig(kind=ServerKind.OLLAMA, url="ftp://h")
    )
    with pytest.raises(ValueError, match="expected a URL"):
        switching.configure(broken)
    assert switching.serving().model == MEDIUM
    switching.configure(section(server, switch=False))
    assert switching.status() is None
