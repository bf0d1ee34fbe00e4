"""The sockets around the routes, on loopback: nobody who connects can keep a scrape waiting."""

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
from prometheus_client import CollectorRegistry

from surge_exporter.snapshot import Snapshot
from surge_exporter.web import server as web
from surge_exporter.web.app import Scrape, Service
from surge_exporter.web.server import WebServer, parse_address
from tests.servers import free_port, wait_for
from tests.snapshots import snapshot

LOOPBACK = "127.0.0.1:0"
HEALTHY = b"Healthy.\n"
SECONDS = 10.0
"""How long a client here waits for what should come at once."""


def service(found: Callable[[], Snapshot] = snapshot) -> Service:
    """Return what the routes need."""
    return Service(
        snapshot=found,
        ready=lambda: True,
        reload=lambda: None,
        report=lambda _: "{}",
        scrape=lambda *_: Scrape(CollectorRegistry()),
        lifecycle_enabled=lambda: True,
        runbooks=dict,
    )


@contextmanager
def serving(*addresses: str, of: Service | None = None) -> Iterator[WebServer]:
    """Serve on loopback while the block runs."""
    server = WebServer(addresses or (LOOPBACK,), of or service())
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def shared() -> Iterator[WebServer]:
    """Serve for all tests that leave the server as it was."""
    with serving() as server:
        yield server


def endpoint(server: WebServer) -> tuple[str, int]:
    """Return host and port of the first address."""
    found = urlsplit(server.urls[0])
    return str(found.hostname), int(found.port or 0)


@contextmanager
def connected(server: WebServer) -> Iterator[HTTPConnection]:
    """Keep one connection while the block runs."""
    connection = HTTPConnection(*endpoint(server), timeout=SECONDS)
    connection.connect()
    try:
        yield connection
    finally:
        connection.close()


def ask(
    connection: HTTPConnection, method: str, path: str, body: bytes | None = None
) -> tuple[int, bytes]:
    """Return status and body of one answer."""
    connection.request(method, path, body)
    response = connection.getresponse()
    return response.status, response.read()


def get(url: str) -> bytes:
    """Return what a new connection is answered to a health check; empty if it is refused."""
    found = urlsplit(url)
    connection = HTTPConnection(str(found.hostname), found.port, timeout=SECONDS)
    try:
        return ask(connection, "GET", "/-/healthy")[1]
    except ConnectionError:
        return b""
    finally:
        connection.close()


def say(server: WebServer, data: bytes) -> bytes:
    """Send bytes, end, and return all that comes back until the server closes."""
    with socket.create_connection(endpoint(server), timeout=SECONDS) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(4096), b""))


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [
        ("127.0.0.1:10074", "127.0.0.1", 10074),
        ("localhost:0", "localhost", 0),
        (":10074", "", 10074),
        ("[::1]:10074", "::1", 10074),
        ("[::]:65535", "::", 65535),
        ("[fe80::1%eth0]:1", "fe80::1%eth0", 1),
        ("[]:1", "", 1),
    ],
)
def test_a_listen_address_is_host_and_port(address: str, host: str, port: int) -> None:
    assert parse_address(address) == (host, port)


@pytest.mark.parametrize(
    "address",
    [
        *("", "10074", "localhost", "localhost:", "localhost:http", "localhost:-1"),
        *("localhost:65536", "localhost:1 ", "localhost:²"),
        *("::1", "::1:10074", "[::1]", "[::1:10074", "::1]:10074"),
    ],
)
def test_anything_else_is_no_listen_address(address: str) -> None:
    with pytest.raises(ValueError, match="expected a") as raised:
        parse_address(address)

    assert repr(address) in str(raised.value)


def test_a_connection_is_kept_for_the_next_scrape(shared: WebServer) -> None:
    with connected(shared) as connection:
        first = ask(connection, "GET", "/-/healthy")
        kept = connection.sock
        second = ask(connection, "GET", "/-/healthy")

        assert first == second == (200, HEALTHY)
        assert connection.sock is kept is not None


def test_a_body_nobody_asked_for_does_not_spoil_the_next_request(shared: WebServer) -> None:
    with connected(shared) as connection:
        posted = ask(connection, "POST", "/-/reload", b"GET /nowhere HTTP/1.1\r\n\r\n" * 100)

        assert posted == (200, b"Reloaded.\n")
        assert ask(connection, "GET", "/-/healthy") == (200, HEALTHY)


def test_head_has_no_body_and_does_not_spoil_the_next_request(shared: WebServer) -> None:
    with connected(shared) as connection:
        connection.request("HEAD", "/-/healthy")
        response = connection.getresponse()

        assert (response.headers["Content-Length"], response.read()) == (str(len(HEALTHY)), b"")
        assert ask(connection, "GET", "/-/healthy") == (200, HEALTHY)


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 65537",
        b"Content-Length: " + b"9" * 5000,
        b"Content-Length: -1",
        b"Transfer-Encoding: chunked",
    ],
    ids=lambda framing: framing[:25].decode(),
)
def test_a_body_that_cannot_be_skipped_ends_the_connection(
    shared: WebServer, framing: bytes
) -> None:
    said = say(shared, b"POST /-/reload HTTP/1.1\r\n" + framing + b"\r\n\r\n")

    assert said.startswith(b"HTTP/1.1 413 ")
    assert b"\r\nConnection: close\r\n" in said


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"garbage\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", 400),
        (b"GET / HTTP/one\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\n\r\n", 505),
        (b"BREW / HTTP/1.1\r\n\r\n", 501),
        (b"GET /" + b"x" * 65536 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 101 + b"\r\n", 431),
        (b"GET http://[/ HTTP/1.1\r\nConnection: close\r\n\r\n", 400),
        (b"GET //../etc/passwd HTTP/1.1\r\nConnection: close\r\n\r\n", 404),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_a_request_that_is_none_is_answered_as_such(
    shared: WebServer, data: bytes, status: int
) -> None:
    assert say(shared, data).startswith(b"HTTP/1.1 %d " % status)


def test_a_folded_header_puts_no_line_into_the_answer(shared: WebServer) -> None:
    accept = b"Accept: application/openmetrics-text;version=2.0.0\r\n X-Injected: yes\r\n"

    said = say(shared, b"GET /metrics HTTP/1.1\r\nConnection: close\r\n" + accept + b"\r\n")

    assert said.startswith(b"HTTP/1.1 200 ")
    assert b"\r\n X-Injected" not in said


def test_a_client_that_goes_in_the_middle_of_a_request_does_no_harm(
    shared: WebServer, caplog: pytest.LogCaptureFixture
) -> None:
    say(shared, b"POST /-/reload HTTP/1.1\r\nContent-Length: 100\r\n\r\nshort")

    assert get(shared.urls[0]) == HEALTHY
    assert caplog.records == []


def test_a_bug_ends_one_connection_and_is_logged(
    shared: WebServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise LookupError("a bug")

    with monkeypatch.context() as patched:
        patched.setattr(web, "handle", fail)
        assert get(shared.urls[0]) == b""

    assert get(shared.urls[0]) == HEALTHY
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_answers_are_neither_sniffed_nor_cached(shared: WebServer) -> None:
    with connected(shared) as connection:
        connection.request("GET", "/")
        headers = connection.getresponse().headers

    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Server"].startswith("surge-exporter/")


def test_idle_clients_do_not_block_a_scrape(shared: WebServer) -> None:
    with connected(shared), connected(shared), connected(shared):
        assert get(shared.urls[0]) == HEALTHY


def test_slow_clients_do_not_block_a_scrape(shared: WebServer) -> None:
    with socket.create_connection(endpoint(shared), timeout=SECONDS) as slow:
        slow.sendall(b"GET /metr")

        assert get(shared.urls[0]) == HEALTHY


def test_a_client_that_says_nothing_for_long_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web._Handler, "timeout", 0.05)  # noqa: SLF001 - 30 s would be long

    with serving() as server, socket.create_connection(endpoint(server), timeout=SECONDS) as idle:
        assert idle.recv(1) == b""


def test_connections_beyond_the_limit_are_refused_and_said_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(web, "_MOST_CONNECTIONS", 2)

    with serving() as server, connected(server), connected(server):
        refused = get(server.urls[0])

    assert refused == b""
    assert "connection refused open=2" in caplog.text


def test_there_is_room_again_once_a_connection_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "_MOST_CONNECTIONS", 2)

    with serving() as server, connected(server):
        with connected(server):
            assert get(server.urls[0]) == b""

        assert wait_for(lambda: get(server.urls[0]) or None, "room") == HEALTHY


def test_a_connection_that_gets_no_thread_takes_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(web, "_MOST_CONNECTIONS", 1)

    with serving() as server:
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", fail)
            assert get(server.urls[0]) == b""

        assert get(server.urls[0]) == HEALTHY


def test_it_listens_on_every_address() -> None:
    with serving(LOOPBACK, LOOPBACK) as server:
        first, second = server.urls

        assert first != second
        assert get(first) == get(second) == HEALTHY


def test_it_listens_on_ipv6() -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")

    with serving("[::1]:0") as server:
        assert server.urls[0].startswith("http://[::1]:")
        assert get(server.urls[0]) == HEALTHY


def test_a_port_alone_is_every_address_of_both_families() -> None:
    hosts = ["127.0.0.1", "[::1]"] if socket.has_dualstack_ipv6() else ["127.0.0.1"]

    with serving(":0") as server:
        port = urlsplit(server.urls[0]).port

        assert server.urls == [f"http://localhost:{port}"]
        assert [get(f"http://{host}:{port}") for host in hosts] == [HEALTHY] * len(hosts)


def test_an_address_in_use_is_named() -> None:
    with serving() as server:
        taken = server.urls[0].removeprefix("http://")

        with pytest.raises(OSError, match=f"cannot listen on {taken}: Address already in use"):
            WebServer((taken,), service())


def test_an_address_of_another_machine_is_named() -> None:
    documented = "192.0.2.1:0"  # RFC 5737: nobody has it

    with pytest.raises(OSError, match=f"cannot listen on {documented}: "):
        WebServer((documented,), service())


def test_when_one_address_cannot_be_bound_the_others_are_given_back() -> None:
    with serving() as other:
        taken, free = other.urls[0].removeprefix("http://"), f"127.0.0.1:{free_port()}"

        with pytest.raises(OSError, match=taken):
            WebServer((free, taken), service())

        with serving(free) as server:
            assert get(server.urls[0]) == HEALTHY


def test_stopping_ends_every_thread_and_connection() -> None:
    before = set(threading.enumerate())
    server = WebServer((LOOPBACK, LOOPBACK), service())
    with connected(server) as connection:
        ask(connection, "GET", "/-/healthy")
        server.stop()

        assert set(threading.enumerate()) == before
        assert connection.sock.recv(1) == b""
        assert get(server.urls[0]) == b""


def test_who_is_being_answered_when_it_stops_gets_the_answer() -> None:
    asked, released = threading.Event(), threading.Event()

    def slowly() -> Snapshot:
        asked.set()
        released.wait(SECONDS)
        return replace(snapshot(), observation=None)

    server = WebServer((LOOPBACK,), service(slowly))
    with ThreadPoolExecutor() as pool, connected(server) as connection:
        answer = pool.submit(ask, connection, "GET", "/api/v1/report")
        asked.wait(SECONDS)
        stopped = pool.submit(server.stop)
        wait_for(lambda: get(server.urls[0]) == b"", "the port to be closed")
        released.set()

        assert answer.result(SECONDS)[0] == 503
        assert stopped.result(SECONDS) is None
