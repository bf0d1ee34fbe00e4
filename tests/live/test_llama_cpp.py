"""The manager and a real model server: llama.cpp's, through llama-cpp-python, on tiny models.

`make models-live` builds it (minutes, without a compiler cache) and runs this.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from surge_exporter.model import Seconds
from surge_exporter.modelling.manager import ModelManager
from surge_exporter.modelling.values import Phase, ScalingEvent
from surge_exporter.runtime.model_servers.openai import OpenAI
from surge_exporter.runtime.model_servers.protocol import (
    Fault,
    GenerateOptions,
    ModelServerError,
    Timeouts,
)
from surge_exporter.scaling.decisions import Kind
from surge_exporter.scaling.resources import GIB
from surge_exporter.scaling.tiers import Catalogue, ModelSpec
from tests.live import tiny_models
from tests.model_server import FakePreflight
from tests.servers import child, free_port, get, wait_for

PYTHON = os.environ.get("SURGE_LLAMA_PYTHON", "")
pytestmark = pytest.mark.skipif(not PYTHON, reason="make models-live runs this")

CATALOGUE = Catalogue.of(
    ModelSpec(name=name, tier=name, memory_bytes=size * GIB)
    for size, name in enumerate(tiny_models.SHAPES, 1)
)
TIMEOUTS = Timeouts(Seconds(5.0), Seconds(30.0), Seconds(60.0))
LONG = GenerateOptions(max_tokens=1500, temperature=0.0)
SHORT = GenerateOptions(max_tokens=20, temperature=0.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where the models are."""
    found = tmp_path_factory.mktemp("models")
    subprocess.run([PYTHON, tiny_models.__file__, str(found)], check=True)
    return found


@contextmanager
def llama_cpp(folder: Path, *, interrupts: bool) -> Iterator[OpenAI]:
    """Run the server; one model is in memory at a time, the one that was asked last."""
    port = free_port()
    models = [
        {
            "model": str(folder / f"{name}.gguf"),
            "model_alias": name,
            "n_ctx": tiny_models.CONTEXT,
            "n_threads": 1,
            "chat_format": "chatml",
        }
        for name in tiny_models.SHAPES
    ]
    config = folder / f"server-{port}.json"
    where = {"host": "127.0.0.1", "port": port, "interrupt_requests": interrupts}
    config.write_text(json.dumps({**where, "models": models}))
    command = [PYTHON, "-m", "llama_cpp.server", "--config_file", str(config)]
    with child(command, folder / f"server-{port}.log"):
        url = f"http://127.0.0.1:{port}"
        wait_for(lambda: get(f"{url}/v1/models"), "llama.cpp to be ready")
        yield OpenAI(url, timeouts=TIMEOUTS)


def test_a_degradation_loses_no_request_and_ends_no_answer_early(folder: Path) -> None:
    with llama_cpp(folder, interrupts=False) as server:
        assert server.models() == ("small", "medium", "large")
        manager = ModelManager(CATALOGUE, server, FakePreflight(recommended="large"))
        events: list[ScalingEvent] = []
        manager.subscribe(events.append)
        with ThreadPoolExecutor(9) as pool, manager.stream("Why?", LONG) as stream:
            assert stream.model == "large"
            switch = pool.submit(manager.switch, "medium", "memory is at 93 %")
            wait_for(lambda: manager.status().switching_to, "the switch to begin")
            later = [pool.submit(manager.generate, f"Why {n}?", SHORT) for n in range(8)]
            wait_for(lambda: manager.status().waiting == 8, "the requests to wait")
            assert not switch.done()
            streamed = "".join(stream)
            assert switch.result()
            answers = [request.result() for request in later]
        assert len(streamed) == 1500
        assert streamed.isalpha()
        assert [(answer.model, len(answer.text)) for answer in answers] == [("medium", 20)] * 8
        manager.switch("small")
        assert manager.generate("Why?", SHORT).model == "small"
    done = [event for event in events if event.phase is Phase.DONE]
    assert [(event.kind, event.model, event.cut) for event in done] == [
        (Kind.UPGRADE, "large", 0),
        (Kind.DOWNGRADE, "medium", 0),
        (Kind.DOWNGRADE, "small", 0),
    ]


def test_an_answer_that_another_request_cuts_short_is_not_taken_for_whole(folder: Path) -> None:
    with llama_cpp(folder, interrupts=True) as server:
        answer = server.generate("large", "Why?", LONG)
        assert next(answer, None) is not None
        assert len("".join(server.generate("small", "Why?", SHORT))) == 20
        with pytest.raises(ModelServerError, match="ended before it was done") as raised:
            list(answer)
        assert raised.value.fault is Fault.FAILED


def test_a_model_that_the_server_has_not_is_missing_though_the_server_answers(
    folder: Path,
) -> None:
    with llama_cpp(folder, interrupts=False) as server:
        assert len("".join(server.generate("unknown", "Why?", SHORT))) == 20  # its first model's
        with pytest.raises(ModelServerError, match="small, medium, large") as raised:
            server.load("unknown")
        assert raised.value.fault is Fault.MISSING
