"""`models`, as from a shell, on a fake Ollama."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from surge_exporter.commands import models
from surge_exporter.model import UnixSeconds
from surge_exporter.scaling.decisions import Inputs
from surge_exporter.scaling.preflight import Preflight, answer
from surge_exporter.scaling.resources import Sample
from tests.commandline import run, sentence
from tests.fakes import NOW
from tests.ollama import GIB, FakeOllama, ollama
from tests.servers import free_port

Configure = Callable[..., str]

CATALOGUE = [
    {"name": "tiny:1b", "tier": "small", "memory_gib": 2},
    {"name": "middle", "tier": "medium", "memory_gib": 8},
    {"name": "huge:70b", "tier": "large", "memory_gib": 40},
]


@pytest.fixture(autouse=True)
def host(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the host have 32 GiB, of which 24 are free."""
    sample = Sample(
        at=UnixSeconds(NOW),
        cpu_ratio=0.1,
        memory_total_bytes=32 * GIB,
        memory_available_bytes=24 * GIB,
    )
    monkeypatch.setattr(models, "look", lambda _: sample)


@pytest.fixture
def server() -> Iterator[FakeOllama]:
    with ollama({"tiny:1b": 2 * GIB, "middle:latest": 8 * GIB, "other:1b": GIB}) as found:
        yield found


@pytest.fixture
def configure(tmp_path: Path) -> Configure:
    """Return what writes a configuration and returns the flag that names it."""

    def write(kind: str = "dry_run", url: str | None = None) -> str:
        path = tmp_path / "config.yml"
        server = {"kind": kind} | ({"url": url} if url else {})
        path.write_text(json.dumps({"scaling": {"models": CATALOGUE, "server": server}}))
        return f"--config.file={path}"

    return write


def test_status_shows_what_the_server_has_and_what_the_host_can_afford(
    server: FakeOllama, configure: Configure
) -> None:
    server.acquire("middle:latest")
    result = run("models", "status", configure("ollama", server.url))
    assert result.exit_code == 0
    first, _, header, *rows = result.stdout.splitlines()
    assert first == f"ollama at {server.url}: middle serves"
    assert header.split()[:4] == ["MODEL", "TIER", "MEMORY", "AVAILABLE"]
    assert [row.split()[:7] for row in rows] == [
        ["tiny:1b", "small", "2.0", "GiB", "yes", "no", "yes"],
        ["middle", "medium", "8.0", "GiB", "yes", "yes", "yes"],
        ["huge:70b", "large", "40.0", "GiB", "no", "no", "no"],
    ]


@pytest.mark.parametrize(
    ("kind", "loaded"),
    [("ollama", ("middle", "tiny:1b")), ("dry_run", ()), ("openai", None)],
)
def test_the_check_goes_by_what_the_server_has_in_memory(
    server: FakeOllama,
    configure: Configure,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    loaded: tuple[str, ...] | None,
) -> None:
    seen: list[Inputs] = []

    def remember(inputs: Inputs, *rest: Any, **named: Any) -> Preflight:
        seen.append(inputs)
        return answer(inputs, *rest, **named)

    monkeypatch.setattr(models, "answer", remember)
    for name in ("middle:latest", "tiny:1b", "other:1b"):
        server.acquire(name)
    run("models", "select", configure(kind, None if kind == "dry_run" else server.url))
    assert {inputs.loaded for inputs in seen} == {loaded}


def test_status_as_json(server: FakeOllama, configure: Configure) -> None:
    result = run("models", "status", "--json", configure("ollama", server.url))
    found = json.loads(result.stdout)
    assert (found["server"], found["serving"]) == (f"ollama at {server.url}", None)
    assert [row["allowed"] for row in found["models"]] == [True, True, False]
    assert found["models"][2]["reason"]


def test_select_says_which_model_is_best_and_switches_nothing(
    server: FakeOllama, configure: Configure
) -> None:
    flag = configure("ollama", server.url)
    assert run("models", "select", flag).stdout.startswith("middle (medium): ")
    assert json.loads(run("models", "select", "--json", flag).stdout)["model"] == "middle"
    assert server.log == []


def test_select_fails_if_no_model_fits(
    configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = Sample(
        at=UnixSeconds(NOW),
        cpu_ratio=0.1,
        memory_total_bytes=GIB,
        memory_available_bytes=GIB // 2,
    )
    monkeypatch.setattr(models, "look", lambda _: full)
    result = run("models", "select", configure())
    assert result.exit_code == 1
    assert sentence(result).startswith("no model may be loaded now: ")


def test_switch_unloads_what_serves_and_loads_another(
    server: FakeOllama, configure: Configure
) -> None:
    flag = configure("ollama", server.url)
    assert run("models", "switch", "middle", flag).exit_code == 0
    result = run("models", "switch", "tiny:1b", flag)
    assert result.stdout == f"tiny:1b serves now (ollama at {server.url}; was middle)\n"
    assert server.in_memory == {"tiny:1b"}
    assert server.log == ["load middle:latest", "unload middle:latest", "load tiny:1b"]


def test_switch_goes_by_the_pre_flight_check_unless_forced(configure: Configure) -> None:
    flag = configure()
    result = run("models", "switch", "huge:70b", flag)
    assert result.exit_code == 1
    assert sentence(result).startswith("denied: ")
    forced = run("models", "switch", "huge:70b", "--force", flag)
    assert forced.stdout == "huge:70b would serve (dry run; none was known to)\n"


def test_switch_says_who_serves_if_the_model_cannot_be_loaded(
    server: FakeOllama, configure: Configure
) -> None:
    server.broken_loads = {"middle:latest"}
    result = run("models", "switch", "middle", "--json", configure("ollama", server.url))
    assert result.exit_code == 1
    assert json.loads(result.stdout)["serving"] == "tiny:1b"
    assert "middle can't be loaded: status 500" in result.stderr


def test_a_model_that_is_not_configured_is_wrong_usage(configure: Configure) -> None:
    result = run("models", "switch", "unknown", configure())
    assert result.exit_code == 2
    assert sentence(result) == (
        "expected one of the models tiny:1b, middle, huge:70b, got 'unknown'"
    )


@pytest.mark.parametrize("arguments", [["status"], ["select"], ["switch", "tiny:1b"]])
def test_a_server_that_is_not_there_is_one_sentence(
    configure: Configure, arguments: list[str]
) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    result = run("models", *arguments, configure("ollama", url))
    assert result.exit_code == 1
    assert sentence(result) == f"ollama at {url}: GET /api/ps: Connection refused"


def test_a_url_with_a_password_is_refused(configure: Configure) -> None:
    result = run("models", "status", configure("openai", "http://user:secret@h"))
    assert result.exit_code == 2
    assert sentence(result) == "scaling.server.url: expected a URL without user and password"


def test_without_a_configuration_it_is_a_dry_run_of_three_models() -> None:
    assert run("models", "status").stdout.startswith("dry run: no model of these serves\n")
    found = json.loads(run("models", "switch", "small", "--json").stdout)
    assert found == {"server": "dry run", "was": None, "serving": "small", "dry_run": True}
