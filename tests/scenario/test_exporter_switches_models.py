"""An exporter in this process, on a host and a clock of the test's, beside a fake Ollama."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from surge_exporter.commands import exporter as wiring
from surge_exporter.commands.exporter import Exporter
from surge_exporter.config import Config, TelemetryConfig, WebConfig
from surge_exporter.config_scaling import ScalingConfig, ThresholdsConfig
from surge_exporter.core.cycle import Cycle
from surge_exporter.model import Source
from surge_exporter.runtime.clock import SystemClock
from surge_exporter.runtime.logs import CountingHandler
from surge_exporter.runtime.sampler import Serving
from surge_exporter.runtime.state import StateFile
from surge_exporter.scaling.decisions import Decision
from tests.fakes import NOW, FakeClock
from tests.hosts import FakeMachine
from tests.model_server import LARGE, SMALL
from tests.ollama import FakeOllama, ollama
from tests.scenario.test_serve_switches_models import section
from tests.servers import wait_for
from tests.telemetry import request_line

SIZES = {SMALL: 2, LARGE: 20}


class Running:
    """An exporter of which the test is all threads but the follower's and the web's."""

    def __init__(self, folder: Path, scaling: ScalingConfig) -> None:
        self.clock = FakeClock()
        self.state_file = StateFile(folder / "state")
        self.config = Config(
            scaling=scaling,
            telemetry=TelemetryConfig(directory=str(folder)),
            web=WebConfig(listen_addresses=("127.0.0.1:0",)),
        )
        self.exporter = Exporter(
            lambda: self.config,
            SystemClock(),
            CountingHandler(),
            with_process_metrics=False,
            poll_only=True,
            state_file=self.state_file,
            host_clock=self.clock,
        )
        self.switching = self.exporter.switching

    def decide(self) -> Decision:
        """Return what the next sample says, 2 s later."""
        while True:
            self.clock.advance(2.0)
            self.exporter.sampler.turn()
            status = self.exporter.sampler.status()
            if status is not None and status.decision is not None:
                return status.decision

    def decides(self, model: str, *, within_seconds: float) -> bool:
        """Let time pass until a model is recommended; say whether it was, within so long."""
        return any(self.decide().model == model for _ in range(int(within_seconds / 2.0)))

    def reload(self) -> None:
        """Have the configuration read anew."""
        self.exporter.loop.request_reload()
        self.exporter.loop.turn()

    def close(self) -> None:
        """End the threads."""
        self.switching.stop()
        self.exporter.web.stop()


@pytest.fixture
def server() -> Iterator[FakeOllama]:
    """An Ollama in which somebody has loaded the small model."""
    with ollama(SIZES) as found:
        found.acquire(SMALL)
        found.release(SMALL, leave=False)
        yield found


@pytest.fixture
def running(
    server: FakeOllama, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Running]:
    """An exporter that has found what the server has loaded."""
    known = section(server, switch=True)
    models = tuple(model for model in known.models if model.name in SIZES)
    monkeypatch.setattr(wiring, "Resources", lambda clock, **_: FakeMachine(clock))
    found = Running(tmp_path, msgspec.structs.replace(known, models=models))
    wait_for(lambda: found.switching.serving() == Serving(SMALL, 0, (SMALL,)), "the first look")
    yield found
    found.close()


def test_a_larger_model_that_can_t_be_loaded_is_not_tried_again_and_again(
    server: FakeOllama, running: Running
) -> None:
    server.broken_loads = {LARGE}
    assert running.decides(LARGE, within_seconds=400.0)
    wait_for(lambda: LARGE in running.switching.performance(), "the load to fail")
    wait_for(lambda: running.switching.serving().loaded == (SMALL,), "what served to serve again")
    assert server.in_memory == {SMALL}
    reasons = [running.decide().reason for _ in range(400)]
    assert server.log.count(f"load {LARGE}") == 1
    assert f"{LARGE} could not be loaded 1 time lately" in reasons[-1]
    server.broken_loads.clear()
    assert running.decides(LARGE, within_seconds=3000.0)
    wait_for(lambda: running.decide().model and running.switching.serving().model == LARGE, "it")
    assert server.in_memory == {LARGE}


def test_a_reload_that_fails_late_leaves_switching_as_it_was(
    server: FakeOllama,
    running: Running,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    asked = len(server.asked)

    def fail() -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(running.state_file, "load_history", fail)
    before = running.config
    running.config = msgspec.structs.replace(
        before,
        telemetry=msgspec.structs.replace(before.telemetry, directory="/elsewhere"),
        scaling=msgspec.structs.replace(
            before.scaling, switch=False, thresholds=ThresholdsConfig(drain_seconds=1.0)
        ),
    )
    running.reload()
    assert "reload failed, old configuration kept error=the disk is gone" in caplog.text
    assert running.switching.serving() == Serving(SMALL, 0, (SMALL,))
    assert len(server.asked) == asked
    running.config = msgspec.structs.replace(running.config, telemetry=before.telemetry)
    running.reload()
    wait_for(lambda: running.switching.serving() == Serving(loaded=(SMALL,)), "the new one")


def test_what_a_reload_built_and_never_adopted_is_no_measure_of_what_is_read(
    running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere" / "metrics" / "local_1.jsonl"
    elsewhere.parent.mkdir(parents=True)
    elsewhere.write_bytes(request_line(NOW) + b"\n")
    telemetry = msgspec.structs.replace(
        running.config.telemetry, directory=f"{tmp_path}/elsewhere"
    )
    running.exporter.loop.turn()
    running.config = msgspec.structs.replace(running.config, telemetry=telemetry)

    with monkeypatch.context() as broken:
        broken.setattr(Cycle, "take_over", _fail)
        with pytest.raises(OSError, match="the disk is gone"):
            running.reload()
    running.exporter.loop.turn()
    running.exporter.loop.refresh()
    running.exporter.loop.turn()

    requests = running.exporter.loop.newest().sources[0]
    assert requests.source is Source.REQUESTS
    assert requests.patterns == (f"{elsewhere.parent}/local_*.jsonl",)
    assert requests.files == 1


def _fail(*_: object) -> None:
    raise OSError("the disk is gone")
