"""`serve` loads what it recommends where it is told to, and touches no model where it is not."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from surge_exporter.commands.switching import Switching
from surge_exporter.config_scaling import (
    ModelConfig,
    ScalingConfig,
    ServerConfig,
    ServerKind,
    ThresholdsConfig,
)
from surge_exporter.modelling import follower
from surge_exporter.runtime.sampler import Serving
from surge_exporter.scaling.decisions import Decision, Kind, State
from surge_exporter.scaling.preflight import Operation
from surge_exporter.scaling.tiers import HardwareTier
from surge_exporter.snapshot import Answered, HostStatus, SwitchOutcome
from tests.fakes import FakeClock
from tests.hosts import sample
from tests.model_server import LARGE, MEDIUM, SMALL, FakePreflight
from tests.ollama import FakeOllama, ollama
from tests.servers import exporter, get, wait_for
from tests.unit.test_model_manager import decision

SIZES = {SMALL: 2, MEDIUM: 8, LARGE: 20}
UP, HALF_UP = decision(Kind.UPGRADE, LARGE, SMALL), decision(Kind.UPGRADE, MEDIUM, SMALL)
AS_EVER = [  # the start, the look before a switch, the switch, the look after it
    *("GET /api/ps", "GET /api/tags", "GET /api/ps", "GET /api/tags"),
    f"POST /api/generate {MEDIUM}",
    "GET /api/ps",
]


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


@pytest.fixture
def switching() -> Iterator[Switching]:
    """What the loop configures; it ends with the test, and its thread with it."""
    made = Switching(check, FakeClock())
    yield made
    made.stop()


def configure(switching: Switching, section: ScalingConfig) -> None:
    switching.prepare(section)()


def serves(switching: Switching, model: str, decided: Decision) -> bool:
    """Decide once more, as the sampler does every 2 s; say whether that model serves."""
    switching.hear(status(decided))
    return switching.serving().model == model


def test_without_a_server_in_the_configuration_nothing_is_asked(
    server: FakeOllama, switching: Switching
) -> None:
    silent = msgspec.structs.replace(section(server, switch=False), server=ServerConfig())
    configure(switching, silent)
    switching.hear(status(decision(Kind.UPGRADE, LARGE, SMALL)))
    assert switching.serving() == Serving()
    assert switching.performance() == {}
    assert (server.asked, server.log) == ([], [])


def test_a_host_that_is_not_watched_asks_no_server(
    server: FakeOllama, switching: Switching
) -> None:
    off = msgspec.structs.replace(section(server, switch=True), enabled=False)
    configure(switching, off)
    assert switching.serving() == Serving()
    assert server.asked == []


def test_a_server_that_is_not_to_switch_is_only_looked_at(
    server: FakeOllama, switching: Switching
) -> None:
    server.acquire(MEDIUM)
    configure(switching, section(server, switch=False))
    found = Serving(model=None, in_flight=0, loaded=(MEDIUM,))
    wait_for(
        lambda: serves(switching, LARGE, UP) or switching.serving() == found,
        "the server to be looked at",
    )
    switching.stop()
    assert set(server.asked) == {"GET /api/ps", "GET /api/tags"}
    assert server.in_memory == {MEDIUM}
    assert server.log == [f"load {MEDIUM}"]


def test_a_server_that_cannot_say_what_is_loaded_is_not_spoken_for(
    server: FakeOllama, switching: Switching
) -> None:
    openai = ServerConfig(kind=ServerKind.OPENAI, url=server.url)
    configure(switching, msgspec.structs.replace(section(server, switch=False), server=openai))
    wait_for(lambda: server.asked, "the server to be asked what it has")
    assert switching.serving() == Serving()
    switching.stop()
    assert server.asked == ["GET /v1/models"]


def test_a_reload_begins_and_ends_switching(server: FakeOllama, switching: Switching) -> None:
    configure(switching, section(server, switch=True))
    wait_for(lambda: serves(switching, MEDIUM, HALF_UP), "the model to be loaded")
    with pytest.raises(ValueError, match=r"^scaling\.server\.url: expected a URL"):
        switching.prepare(
            msgspec.structs.replace(
                section(server, switch=True),
                server=ServerConfig(kind=ServerKind.OLLAMA, url="ftp://h"),
            )
        )
    assert switching.serving().model == MEDIUM
    configure(switching, section(server, switch=False))
    assert switching.serving().model is None
    assert server.in_memory == {MEDIUM}


def test_a_reload_of_something_else_asks_nothing_again(
    server: FakeOllama, switching: Switching
) -> None:
    before = section(server, switch=True)
    configure(switching, before)
    wait_for(lambda: serves(switching, MEDIUM, HALF_UP), "the model to be loaded")
    wait_for(lambda: len(server.asked) == len(AS_EVER), "the look after it")
    thresholds = ThresholdsConfig(degrade_from=0.85, stabilization_seconds=10.0)
    configure(
        switching, msgspec.structs.replace(before, thresholds=thresholds, interval_seconds=9.0)
    )
    assert switching.serving() == Serving(MEDIUM, 0, (MEDIUM,))
    switching.stop()
    assert server.asked == AS_EVER


@pytest.mark.parametrize(
    ("models", "left"),
    [((SMALL, MEDIUM, LARGE), {LARGE}), ((SMALL, MEDIUM), {MEDIUM})],
)
def test_a_reload_during_a_load_leaves_one_model_in_memory(
    server: FakeOllama, switching: Switching, models: tuple[str, ...], left: set[str]
) -> None:
    configure(switching, section(server, switch=True))
    server.may_load.clear()
    wait_for(lambda: serves(switching, LARGE, UP) or server.in_memory == {LARGE}, "the load")
    began = time.monotonic()
    longer = ThresholdsConfig(drain_seconds=31.0)
    known = section(server, switch=True)
    configure(
        switching,
        msgspec.structs.replace(
            known,
            thresholds=longer,
            models=tuple(model for model in known.models if model.name in models),
        ),
    )
    assert time.monotonic() - began < 0.5
    for _ in range(10):
        assert not serves(switching, MEDIUM, HALF_UP)
    server.may_load.set()
    (last,) = left
    decided = UP if last == LARGE else HALF_UP
    wait_for(lambda: serves(switching, last, decided), "the new configuration to be followed")
    switching.stop()
    assert server.in_memory == left
    assert server.most_bytes_used <= max(SIZES.values())


def test_switching_that_is_turned_off_and_on_again_waits_for_the_load_before(
    server: FakeOllama,
    switching: Switching,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(follower, "_LONG_SECONDS", 0.0)
    configure(switching, section(server, switch=True))
    server.may_load.clear()
    wait_for(lambda: serves(switching, LARGE, UP) or server.in_memory == {LARGE}, "the load")
    configure(switching, ScalingConfig(enabled=False))
    configure(switching, section(server, switch=True))
    for _ in range(10):
        assert not serves(switching, MEDIUM, HALF_UP)
    server.may_load.set()
    wait_for(lambda: serves(switching, LARGE, UP), "what was loaded to be found")
    assert "the last switch of the old configuration is still going on" in caplog.text
    switching.stop()
    assert server.in_memory == {LARGE}
    assert server.log == [f"load {LARGE}"]


def test_switching_that_is_turned_off_during_a_load_leaves_the_model(
    server: FakeOllama, switching: Switching
) -> None:
    configure(switching, section(server, switch=True))
    server.may_load.clear()
    wait_for(lambda: serves(switching, LARGE, UP) or server.in_memory == {LARGE}, "the load")
    configure(switching, section(server, switch=False))
    server.may_load.set()
    wait_for(lambda: switching.serving().loaded == (LARGE,), "the server to be looked at")
    switching.stop()
    assert server.log == [f"load {LARGE}"]


def test_another_server_begins_once_the_first_one_is_empty(
    server: FakeOllama, switching: Switching
) -> None:
    with ollama(SIZES) as other:
        configure(switching, section(server, switch=True))
        wait_for(lambda: serves(switching, MEDIUM, HALF_UP), "the model to be loaded")
        configure(switching, section(other, switch=True))
        wait_for(lambda: serves(switching, MEDIUM, HALF_UP), "the other one's to be loaded")
        switching.stop()
        assert (server.in_memory, other.in_memory) == (set(), {MEDIUM})


def test_a_server_that_hangs_holds_up_another_one_no_longer_than_a_minute(
    server: FakeOllama, switching: Switching, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "_LONG_SECONDS", 0.0)
    with ollama(SIZES) as other:
        configure(switching, section(server, switch=True))
        server.may_load.clear()
        wait_for(lambda: serves(switching, LARGE, UP) or server.in_memory == {LARGE}, "the load")
        configure(switching, section(other, switch=True))
        wait_for(lambda: serves(switching, MEDIUM, HALF_UP), "the other one's to be loaded")
        configure(switching, section(server, switch=True))
        assert switching.serving() == Serving(loaded=())
        server.may_load.set()
        wait_for(lambda: not other.in_memory, "the other one to be left")


@pytest.mark.parametrize(("switches", "later"), [(True, ()), (False, None)])
def test_until_a_server_is_known_nothing_counts_as_loaded(
    switching: Switching, later: tuple[str, ...] | None, *, switches: bool
) -> None:
    with ollama(SIZES) as gone:
        known = section(gone, switch=switches)
    built = switching.prepare(known)
    assert switching.serving() == Serving()
    built()
    wait_for(lambda: (report := switching.serving().report) and report.is_up is False, "a look")
    assert switching.serving() == Serving(loaded=later)


def test_while_a_server_is_looked_at_for_the_first_time_nothing_counts_as_loaded(
    server: FakeOllama, switching: Switching
) -> None:
    server.may_tell.clear()
    configure(switching, section(server, switch=False))
    wait_for(lambda: server.asked, "the look to begin")
    found = switching.serving()
    assert found == Serving(loaded=())
    assert found.report is not None
    assert found.report.is_up is None
    server.may_tell.set()
    wait_for(lambda: (report := switching.serving().report) and report.is_up, "its end")


def test_while_the_old_configuration_loads_what_it_knows_is_told(
    server: FakeOllama, switching: Switching
) -> None:
    configure(switching, section(server, switch=True))
    wait_for(lambda: serves(switching, MEDIUM, HALF_UP), "the model to be loaded")
    wait_for(lambda: len(server.asked) == len(AS_EVER), "the look after it")
    server.may_load.clear()
    wait_for(lambda: serves(switching, LARGE, UP) or server.in_memory == {LARGE}, "the load")
    known = section(server, switch=True)
    for seconds in (31.0, 32.0):
        thresholds = ThresholdsConfig(drain_seconds=seconds)
        configure(switching, msgspec.structs.replace(known, thresholds=thresholds))
        found = switching.serving()
        assert found == Serving(MEDIUM, 0, ())
        assert found.report is not None
        assert (found.report.is_up, found.report.switching_to) == (True, LARGE)
    server.may_load.set()
    wait_for(lambda: switching.serving() == Serving(LARGE, 0, (LARGE,)), "it to be found")


def test_switches_are_counted_beyond_a_reload_and_failures_too(
    server: FakeOllama, switching: Switching
) -> None:
    def counts() -> dict[tuple[Kind, SwitchOutcome], int]:
        report = switching.serving().report
        assert report is not None
        return {which: count for which, count in report.switches.items() if count}

    known = section(server, switch=True)
    configure(switching, known)
    assert counts() == {}
    wait_for(lambda: serves(switching, MEDIUM, HALF_UP), "the model to be loaded")
    wait_for(lambda: counts() == {(Kind.UPGRADE, SwitchOutcome.DONE): 1}, "it to be counted")
    server.broken_loads = {LARGE}
    longer = ThresholdsConfig(drain_seconds=31.0)
    configure(switching, msgspec.structs.replace(known, thresholds=longer))
    both = {(Kind.UPGRADE, outcome): 1 for outcome in SwitchOutcome}
    wait_for(lambda: serves(switching, LARGE, UP) or counts() == both, "the failure")


def test_a_dry_run_that_switches_claims_to_serve_and_to_hold_nothing(
    server: FakeOllama, switching: Switching, caplog: pytest.LogCaptureFixture
) -> None:
    dry = msgspec.structs.replace(section(server, switch=True), server=ServerConfig())
    configure(switching, dry)
    with caplog.at_level("INFO"):
        wait_for(
            lambda: serves(switching, LARGE, UP) or f"dry run: load {LARGE}" in caplog.text,
            "it to be told",
        )
        wait_for(lambda: "switch done" in caplog.text, "the end of the switch")
    assert switching.serving() == Serving()
    assert switching.serving().report is None
