"""The adapters against servers on loopback that answer, fail, hang and end in the middle."""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from surge_exporter.config_scaling import ServerKind
from surge_exporter.model import Seconds
from surge_exporter.modelling.connect import connect
from surge_exporter.runtime.model_servers.dry_run import DryRun
from surge_exporter.runtime.model_servers.ollama import Ollama
from surge_exporter.runtime.model_servers.openai import OpenAI
from surge_exporter.runtime.model_servers.protocol import (
    Fault,
    GenerateOptions,
    ModelServer,
    ModelServerError,
    Running,
    Timeouts,
)
from tests.ollama import GIB, FakeOllama, Mishap, ollama
from tests.servers import free_port

IMPATIENT = Timeouts(Seconds(1.0), Seconds(0.2), Seconds(0.4))
OPTIONS = GenerateOptions(max_tokens=8, temperature=0.0)
ANSWER = "The sky is blue."


def said(server: ModelServer, model: str = "small") -> str:
    return "".join(server.generate(model, "Why is the sky blue?", OPTIONS))


@pytest.fixture
def fake() -> Iterator[FakeOllama]:
    with ollama({"small": 2 * GIB, "medium": 5 * GIB, "large": 9 * GIB}, 10 * GIB) as found:
        yield found


def test_ollama_lists_what_it_has_and_what_is_in_its_memory(fake: FakeOllama) -> None:
    server = Ollama(fake.url)
    assert server.models() == ("small:latest", "medium:latest", "large:latest")
    assert server.running() == ()
    server.load("medium")
    assert server.running() == (Running("medium:latest", 5 * GIB, 0),)
    server.unload("medium")
    assert server.running() == ()


def test_ollama_answers_piece_by_piece(fake: FakeOllama) -> None:
    assert list(Ollama(fake.url).generate("small", "Why?", OPTIONS)) == list(fake.pieces)


def test_ollama_makes_room_for_a_model_but_refuses_one_that_fits_nowhere(
    fake: FakeOllama,
) -> None:
    server = Ollama(fake.url)
    server.load("small")
    server.load("large")
    assert fake.in_memory == {"large:latest"}
    fake.memory_bytes = 8 * GIB
    server.unload("large")
    with pytest.raises(ModelServerError, match="requires more system memory") as raised:
        server.load("large")
    assert raised.value.fault is Fault.FAILED


def test_a_model_that_ollama_has_not_is_missing(fake: FakeOllama) -> None:
    with pytest.raises(ModelServerError, match="model 'huge' not found") as raised:
        Ollama(fake.url).load("huge")
    assert raised.value.fault is Fault.MISSING


@pytest.mark.parametrize(
    ("mishap", "fault", "words"),
    [
        (Mishap.ERROR, Fault.FAILED, "status 500: llama runner process no longer running"),
        (Mishap.BUSY, Fault.BUSY, "status 503: server busy"),
        (Mishap.HANG, Fault.SILENT, "silence for 0.4 s"),
        (Mishap.HANG_MIDWAY, Fault.SILENT, "silence for 0.2 s"),
        (Mishap.HALF, Fault.FAILED, "the answer ended in the middle"),
        (Mishap.NEVER_DONE, Fault.FAILED, "the answer ended before it was done"),
        (Mishap.ERROR_MIDWAY, Fault.FAILED, "an error was encountered"),
        (Mishap.GARBAGE, Fault.FAILED, "expected JSON, got b'<html>'"),
    ],
)
def test_an_answer_that_goes_wrong_is_never_taken_for_a_whole_one(
    fake: FakeOllama, mishap: Mishap, fault: Fault, words: str
) -> None:
    fake.goes_wrong("small", mishap)
    server = Ollama(fake.url, timeouts=IMPATIENT)
    with pytest.raises(ModelServerError, match=words) as raised:
        said(server)
    assert raised.value.fault is fault
    assert raised.value.server == f"ollama at {fake.url}"
    assert raised.value.asked.startswith("POST /api/generate")
    assert said(server) == ANSWER


def test_a_slow_load_is_waited_for_longer_than_a_piece(fake: FakeOllama) -> None:
    fake.may_load.clear()
    threading.Timer(0.3, fake.may_load.set).start()
    Ollama(fake.url, timeouts=IMPATIENT).load("small")
    assert fake.in_memory == {"small:latest"}


def test_a_server_that_is_not_there_is_unreachable() -> None:
    with pytest.raises(ModelServerError, match="Connection refused") as raised:
        Ollama(f"http://127.0.0.1:{free_port()}").models()
    assert raised.value.fault is Fault.UNREACHABLE


def test_an_answer_that_nobody_wants_any_more_is_given_up(fake: FakeOllama) -> None:
    answer = Ollama(fake.url).generate("small", "Why?", OPTIONS)
    assert next(answer) == "The "
    answer.close()
    assert said(Ollama(fake.url)) == ANSWER


@contextmanager
def openai(
    status: int, body: bytes, listed: bytes | None = None
) -> Iterator[tuple[str, list[Any]]]:
    """Answer every request, but for the list of models, likewise; remember what was asked."""
    asked: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            found = json.loads(self.rfile.read(length)) if length else None
            asked.append((self.path, self.headers.get("Authorization"), found))
            self.send_response(status)
            self.end_headers()
            lists = listed is not None and self.path == "/v1/models"
            self.wfile.write(listed if lists and listed else body)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1", asked
        finally:
            server.shutdown()
            thread.join()


def chunk(text: str | None, finish_reason: str | None = None) -> bytes:
    choice: Mapping[str, Any] = {"delta": {"content": text}, "finish_reason": finish_reason}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\r\n\r\n"


def test_openai_lists_models_and_sends_the_key() -> None:
    with openai(200, b'{"object": "list", "data": [{"id": "a"}, {"id": "b"}]}') as (url, asked):
        assert OpenAI(url, api_key="secret").models() == ("a", "b")
    assert asked == [("/v1/models", "Bearer secret", None)]


def test_the_key_may_come_from_a_file_that_ends_with_a_line_s_end() -> None:
    with openai(200, b'{"object": "list", "data": [{"id": "a"}]}') as (url, asked):
        assert connect(ServerKind.OPENAI, url, api_key="secret\n").models() == ("a",)
    assert asked == [("/v1/models", "Bearer secret", None)]


def test_openai_answers_by_events() -> None:
    events = b": ping\r\n\r\nevent: x\r\n" + chunk(None) + chunk("The ") + chunk("sky")
    events += chunk(None, "stop") + b'data: {"choices": []}\r\n\r\ndata: [DONE]\r\n\r\n'
    with openai(200, events) as (url, asked):
        assert said(OpenAI(url)) == "The sky"
    ((path, key, body),) = asked
    assert (path, key) == ("/v1/chat/completions", None)
    assert body["messages"] == [{"role": "user", "content": "Why is the sky blue?"}]
    assert (body["max_tokens"], body["stream"]) == (8, True)


def test_openai_completes_plain_text_where_asked_to() -> None:
    with openai(200, b'data: {"choices": [{"text": "x", "finish_reason": "length"}]}\n\n') as (
        url,
        asked,
    ):
        assert said(OpenAI(url, chat=False)) == "x"
    assert asked[0][0] == "/v1/completions"


@pytest.mark.parametrize(
    ("status", "body", "fault", "words"),
    [
        (200, chunk("a") + b"data: [DONE]\n\n", Fault.FAILED, "ended before it was done"),
        (200, chunk("a"), Fault.FAILED, "ended before it was done"),
        (200, b'data: {"error": {"message": "oom"}}\n\n', Fault.FAILED, "oom"),
        (200, b'data: {"choices": 1}\n\n', Fault.FAILED, "expected choices"),
        (200, b"data: nonsense\n\n", Fault.FAILED, "expected JSON"),
        (400, b'{"error": {"message": "context too long"}}', Fault.REFUSED, "context too long"),
        (401, b"who\nare you", Fault.REFUSED, "status 401: who are you"),
        (302, b"", Fault.REFUSED, "status 302"),
        (429, b"[1]", Fault.BUSY, "status 429"),
    ],
)
def test_openai_tells_what_came_instead(
    status: int, body: bytes, fault: Fault, words: str
) -> None:
    with openai(status, body) as (url, _), pytest.raises(ModelServerError, match=words) as raised:
        said(OpenAI(url))
    assert raised.value.fault is fault


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"data": [1]}', b'{"data": {}}'])
def test_a_list_of_models_that_is_none_is_a_fault(body: bytes) -> None:
    with openai(200, body) as (url, _), pytest.raises(ModelServerError, match="expected"):
        OpenAI(url).models()


def test_openai_loads_by_asking_for_a_token_and_unloads_nothing() -> None:
    listed = b'{"data": [{"id": "big"}]}'
    with openai(200, chunk("a", "length"), listed) as (url, asked):
        server = OpenAI(url)
        server.load("big")
        server.unload("big")
        assert server.running() is None
        with pytest.raises(ModelServerError, match="expected one of big") as raised:
            server.load("bigger")
    assert raised.value.fault is Fault.MISSING
    bodies = [body for path, _, body in asked if path == "/v1/chat/completions"]
    assert [(body["model"], body["max_tokens"]) for body in bodies] == [("big", 1)]


def test_a_dry_run_remembers_what_it_would_have_done() -> None:
    server = DryRun(("small", "large"))
    server.load("large")
    assert server.running() == (Running("large"),)
    assert "large" in said(server, "large")
    server.unload("large")
    assert server.running() == ()
    assert server.done == ("load large", "generate large", "unload large")
    assert server.models() == ("small", "large")


def test_a_kind_and_a_url_make_a_server() -> None:
    assert connect(ServerKind.DRY_RUN, models=("a",)).models() == ("a",)
    assert connect(ServerKind.OLLAMA).name == "ollama at http://127.0.0.1:11434"
    assert connect(ServerKind.OPENAI, "http://h:1/v1/").name == "openai at http://h:1"


@pytest.mark.parametrize("url", [None, "", "h:1", "file:///etc/passwd", "http://u:p@h"])
def test_a_url_that_is_none_is_refused(url: str | None) -> None:
    with pytest.raises(ValueError, match="expected"):
        connect(ServerKind.OPENAI, url)


def test_who_has_no_model_server_does_not_pay_for_one() -> None:
    """The HTTP library is imported with the first server."""
    code = "import sys, surge_exporter.cli; print('urllib3' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert found.stdout == b"False\n"


def test_a_connection_that_the_server_gave_up_meanwhile_is_no_fault() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Ollama(f"http://127.0.0.1:{listener.getsockname()[1]}")

        def serve() -> None:
            listener.accept()[0].close()
            connection, _ = listener.accept()
            connection.recv(65536)
            connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{"models": []}')
            connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        assert server.models() == ()
        thread.join()
