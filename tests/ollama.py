"""A fake Ollama on loopback: the documented API, its accounts of memory, and its ways to fail.

What it answers follows docs/api.md of Ollama; what it does about memory, its scheduler: a model
that fits beside the loaded ones is loaded, else idle ones are evicted, the longest unused first,
else it waits for busy ones; one that fits into no memory is refused with status 500.
"""

import json
import socket
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

GIB = 2**30
PATIENCE_SECONDS = 20.0
CREATED = "2026-03-29T21:04:11.500000Z"


class Mishap(Enum):
    """What goes wrong with a generation."""

    ERROR = auto()
    """Status 500, as when a runner has crashed."""
    BUSY = auto()
    """Status 503: too many requests wait."""
    HANG = auto()
    """Not a byte."""
    HANG_MIDWAY = auto()
    """A piece, and then not a byte."""
    HALF = auto()
    """The connection breaks after a piece."""
    NEVER_DONE = auto()
    """The stream ends properly after a piece, but nothing said `done`."""
    ERROR_MIDWAY = auto()
    """A piece, and then a line with an error."""
    GARBAGE = auto()
    """A line that is no JSON."""


@dataclass
class _Loaded:
    """A model in memory: how many answers it is giving, and whether it is to go after them."""

    bytes: int
    busy: int = 0
    leaves: bool = False


@dataclass
class FakeOllama:
    """What the server has and does; the test sets what goes wrong and when things go on."""

    sizes: Mapping[str, int]
    memory_bytes: int
    url: str = ""
    pieces: tuple[str, ...] = ("The ", "sky ", "is ", "blue.")
    mishaps: dict[str, deque[Mishap]] = field(default_factory=dict)
    broken_loads: set[str] = field(default_factory=set)
    log: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    """Every request, those that change nothing too."""
    may_load: threading.Event = field(default_factory=threading.Event)
    may_tell: threading.Event = field(default_factory=threading.Event)
    may_unload: threading.Event = field(default_factory=threading.Event)
    may_answer: threading.Event = field(default_factory=threading.Event)
    may_end_hanging: threading.Event = field(default_factory=threading.Event)
    began: threading.Event = field(default_factory=threading.Event)
    most_bytes_used: int = 0
    _loaded: dict[str, _Loaded] = field(default_factory=dict)
    _turn: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        self.may_load.set()
        self.may_unload.set()
        self.may_tell.set()
        self.may_answer.set()

    def goes_wrong(self, model: str, *mishaps: Mishap) -> None:
        """Let the next generations of a model go wrong, in this order."""
        self.mishaps.setdefault(_full(model), deque()).extend(mishaps)

    def next_mishap(self, name: str) -> Mishap | None:
        """Return what goes wrong with the generation that begins now."""
        queue = self.mishaps.get(name)
        return queue.popleft() if queue else None

    @property
    def in_memory(self) -> set[str]:
        """What is loaded, by full name."""
        with self._turn:
            return set(self._loaded)

    def held_bytes(self) -> dict[str, int]:
        """Return the memory of each loaded model, by full name."""
        with self._turn:
            return {name: found.bytes for name, found in self._loaded.items()}

    @property
    def used_bytes(self) -> int:
        """The memory that loaded models hold."""
        return sum(loaded.bytes for loaded in self._loaded.values())

    def find(self, model: str) -> str | None:
        """Return the full name of a model that it has."""
        names = {_full(name) for name in self.sizes}
        return _full(model) if _full(model) in names else None

    def acquire(self, name: str) -> str | None:
        """Load a model and keep it busy; return the error if it can't be."""
        size = next(size for known, size in self.sizes.items() if _full(known) == name)
        with self._turn:
            if name not in self._loaded:
                if size > self.memory_bytes:
                    return (
                        f"model requires more system memory ({size / GIB:.1f} GiB)"
                        f" than is available ({self.memory_bytes / GIB:.1f} GiB)"
                    )
                if not self._turn.wait_for(lambda: self._make_room(size), PATIENCE_SECONDS):
                    return "server busy, please try again.  maximum pending requests exceeded"
                self.log.append(f"load {name}")
                self._loaded[name] = _Loaded(size)
                self.most_bytes_used = max(self.most_bytes_used, self.used_bytes)
            self._loaded[name].busy += 1
            self._loaded[name].leaves = False
        self.may_load.wait(PATIENCE_SECONDS)
        if name in self.broken_loads:
            self.release(name, leave=True)
            return "llama runner process has terminated: exit status 2"
        return None

    def release(self, name: str, *, leave: bool) -> None:
        """End one answer; the last one of a model that is to leave takes it out of memory."""
        with self._turn:
            loaded = self._loaded[name]
            loaded.busy -= 1
            loaded.leaves |= leave
            self._loaded[name] = self._loaded.pop(name)  # the longest unused stands first
            self._leave(name)
            self._turn.notify_all()

    def unload(self, name: str) -> None:
        """Take a model out of memory, at once or after its last answer."""
        self.may_unload.wait(PATIENCE_SECONDS)
        with self._turn:
            if name in self._loaded:
                self._loaded[name].leaves = True
                self._leave(name)
            self._turn.notify_all()

    def _leave(self, name: str) -> None:
        if self._loaded[name].leaves and not self._loaded[name].busy:
            self.log.append(f"unload {name}")
            del self._loaded[name]

    def _make_room(self, size: int) -> bool:
        for name in [name for name, loaded in self._loaded.items() if not loaded.busy]:
            if self.used_bytes + size <= self.memory_bytes:
                break
            self.log.append(f"evict {name}")
            del self._loaded[name]
        return self.used_bytes + size <= self.memory_bytes


@contextmanager
def ollama(
    sizes: Mapping[str, int] | Iterable[str], memory_bytes: int = 16 * GIB
) -> Iterator[FakeOllama]:
    """Listen while the block runs; models that come without a size need 1 GiB each."""
    known = sizes if isinstance(sizes, Mapping) else dict.fromkeys(sizes, GIB)
    fake = FakeOllama(known, memory_bytes)

    class Handler(_Handler):
        ollama = fake

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        fake.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield fake
        finally:
            for event in (
                *(fake.may_load, fake.may_unload, fake.may_tell),
                *(fake.may_answer, fake.may_end_hanging),
            ):
                event.set()
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 5.0
    ollama: FakeOllama

    def do_GET(self) -> None:
        self.ollama.asked.append(f"GET {self.path}")
        if self.path == "/api/tags":
            sizes = {_full(name): size for name, size in self.ollama.sizes.items()}
            self._json(200, {"models": [_entry(name, size) for name, size in sizes.items()]})
        elif self.path == "/api/ps":
            self.ollama.may_tell.wait(PATIENCE_SECONDS)
            entries = [_entry(name, size) for name, size in self.ollama.held_bytes().items()]
            times = {"size_vram": 0, "expires_at": CREATED, "context_length": 4096}
            self._json(200, {"models": [entry | times for entry in entries]})
        else:
            self._json(404, {"error": "404 page not found"})

    def do_POST(self) -> None:  # noqa: PLR0911 - an answer each
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.ollama.asked.append(f"POST {self.path} {body.get('model', '')}".rstrip())
        if self.path != "/api/generate":
            return self._json(404, {"error": "404 page not found"})
        if not body.get("model"):
            return self._json(400, {"error": "model is required"})
        name = self.ollama.find(body["model"])
        if name is None:
            return self._json(404, {"error": f"model '{body['model']}' not found"})
        leaves = body.get("keep_alive") == 0
        if not body.get("prompt") and leaves:
            self.ollama.unload(name)
            return self._json(200, _piece(body, "", done=True, done_reason="unload"))
        fault = self.ollama.acquire(name)
        if fault is not None:
            return self._json(503 if "busy" in fault else 500, {"error": fault})
        try:
            if not body.get("prompt"):
                return self._json(200, _piece(body, "", done=True, done_reason="load"))
            self.ollama.log.append(f"generate {name}")
            with suppress(BrokenPipeError, ConnectionResetError):
                self._generate(body, name)
        finally:
            self.ollama.release(name, leave=leaves)
        return None

    def _generate(self, body: Mapping[str, Any], name: str) -> None:
        mishap = self.ollama.next_mishap(name)
        if mishap is Mishap.ERROR:
            return self._json(500, {"error": "llama runner process no longer running: -1"})
        if mishap is Mishap.BUSY:
            busy = "server busy, please try again.  maximum pending requests exceeded"
            return self._json(503, {"error": busy})
        if mishap is Mishap.HANG:
            self._hang()
        if not body.get("stream", True):
            text = "".join(self.ollama.pieces)
            return self._json(200, _piece(body, text, done=True, done_reason="stop"))
        return self._stream(body, mishap)

    def _stream(self, body: Mapping[str, Any], mishap: Mishap | None) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        first, *rest = self.ollama.pieces
        self._line(_piece(body, first))
        self.ollama.began.set()
        if mishap is None:
            self.ollama.may_answer.wait(PATIENCE_SECONDS)
            for text in rest:
                self._line(_piece(body, text))
            counts = {"eval_count": len(rest) + 1, "eval_duration": 4232710000}
            self._line(_piece(body, "", done=True, done_reason="stop", **counts))
        elif mishap is Mishap.HANG_MIDWAY:
            self._hang()
        elif mishap is Mishap.ERROR_MIDWAY:
            self._line({"error": "an error was encountered while running the model"})
        elif mishap is Mishap.GARBAGE:
            self._chunk(b"<html>\n")
        if mishap is Mishap.HALF:
            self.close_connection = True  # without the chunk that ends it
        else:
            self._chunk(b"")

    def _hang(self) -> None:
        """Say nothing until the client has gone, which ends a request, as it does in Ollama."""
        for _ in range(int(PATIENCE_SECONDS / 0.02)):
            if self.ollama.may_end_hanging.wait(0.02) or _is_closed(self.connection):
                break

    def _line(self, found: Mapping[str, Any]) -> None:
        self._chunk(json.dumps(found).encode() + b"\n")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def _json(self, status: int, found: Mapping[str, Any]) -> None:
        data = json.dumps(found).encode()
        with suppress(BrokenPipeError, ConnectionResetError):
            self.send_response(status)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _is_closed(connection: socket.socket) -> bool:
    with suppress(BlockingIOError):
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    return False


def _full(name: str) -> str:
    return name if ":" in name else f"{name}:latest"


def _entry(name: str, size: int) -> dict[str, Any]:
    details = {"parent_model": "", "format": "gguf", "family": "llama"}
    return {"name": name, "model": name, "size": size, "digest": "0" * 64, "details": details}


def _piece(
    body: Mapping[str, Any], text: str, *, done: bool = False, **more: Any
) -> dict[str, Any]:
    return {
        "model": body["model"],
        "created_at": CREATED,
        "response": text,
        "done": done,
        **more,
    }
