"""Sockets around the routes: threads with a limit and a timeout, on any number of addresses."""

import logging
import socket
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import TCPServer
from typing import Any

from surge_exporter import __version__
from surge_exporter.web.app import Service, WebRequest, WebResponse, handle

_IDLE_SECONDS = 30.0  # longer than Prometheus' usual interval keeps its connection
_MOST_CONNECTIONS = 100
_LONGEST_BODY_BYTES = 64 * 1024
_LONGEST_LENGTH = 20  # digits; Python refuses to read thousands
_FAREWELL_SECONDS = 1.0  # for connections that are still being answered, on stopping

_log = logging.getLogger(__name__)


class _Handler(BaseHTTPRequestHandler):
    """One connection: parses requests, writes responses."""

    protocol_version = "HTTP/1.1"
    default_request_version = "HTTP/1.0"  # garbage gets a whole response, not 0.9's bare body
    server_version = f"surge-exporter/{__version__}"
    sys_version = ""
    timeout = _IDLE_SECONDS
    server: "_Server"

    def do_GET(self) -> None:
        self._answer()

    do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_GET  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Log requests for debugging only: a scrape every few seconds is not news."""
        _log.debug("%s %s", self.address_string(), format % args)

    def _answer(self) -> None:
        if not self._drop_body():
            close = {"Connection": "close"}
            self._write(WebResponse(413, b"expected no or a short body\n", headers=close))
            return
        # A folded header would carry its line break into whatever quotes it.
        headers = {name.lower(): " ".join(value.split()) for name, value in self.headers.items()}
        request = WebRequest(self.command, self.path, headers)
        response = handle(self.server.service, request)
        with response.sending:
            self._write(response)

    def _drop_body(self) -> bool:
        """Read a body nobody asked for, so that the next request begins where it should."""
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdecimal():
            return False
        if len(length) > _LONGEST_LENGTH or int(length) > _LONGEST_BODY_BYTES:
            return False
        self.rfile.read(int(length))
        return True

    def _write(self, response: WebResponse) -> None:
        self.send_response(response.status, HTTPStatus(response.status).phrase)
        self.send_header("Content-Type", response.content_type)
        self.send_header("Content-Length", str(len(response.body)))
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-store")
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)


class _Server(HTTPServer):
    """Accepts connections, each in a thread of its own, so many at most.

    `_connections` is only added to by the accept thread, and each entry only removed by its own.
    """

    allow_reuse_port = False  # where it is on, a second exporter would take half the scrapes
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], family: int, service: Service) -> None:
        self.address_family = family
        self.service = service
        self._connections: dict[threading.Thread, socket.socket] = {}
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind as any TCP server does: the base class also asks DNS for a name, for seconds."""
        TCPServer.server_bind(self)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Take a connection if there is room for it; the accept thread never waits."""
        if len(self._connections) >= _MOST_CONNECTIONS:
            _log.warning("connection refused open=%d", len(self._connections))
            self.shutdown_request(request)
            return
        # A daemon: one that hangs must not keep the process.
        thread = threading.Thread(
            target=self._serve, args=(request, client_address), name="connection", daemon=True
        )
        self._connections[thread] = request
        try:
            thread.start()
        except RuntimeError:
            del self._connections[thread]
            raise

    def end_connections(self) -> None:
        """Let each connection answer what it was asked, and no more; wait for them to end."""
        threads = dict(self._connections)
        for connection in threads.values():
            with suppress(OSError):  # it ended by itself
                connection.shutdown(socket.SHUT_RD)
        for thread in threads:
            thread.join(_FAREWELL_SECONDS / len(threads))

    def _serve(self, request: Any, client_address: Any) -> None:
        try:
            self.finish_request(request, client_address)
        except Exception:  # noqa: BLE001 - it ends this connection and nothing else
            self.handle_error(request, client_address)
        finally:
            self.shutdown_request(request)
            del self._connections[threading.current_thread()]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log why a connection ended; clients may go whenever they like, bugs may not."""
        del request
        level = logging.DEBUG if isinstance(sys.exception(), OSError) else logging.ERROR
        _log.log(level, "connection broke client=%s", client_address, exc_info=True)


class WebServer:
    """Serves on every listen address, from construction until `stop`."""

    def __init__(self, addresses: Sequence[str], service: Service) -> None:
        """Bind and begin to serve.

        Raises:
            OSError: an address cannot be bound; the message names it.
            ValueError: an address is not host:port.
        """
        self._servers: list[_Server] = []
        self._threads: list[threading.Thread] = []
        try:
            for address in addresses:
                self._servers.append(_bind(address, service))
        except BaseException:
            self.stop()
            raise
        self._threads = [
            threading.Thread(target=server.serve_forever, name="web", daemon=True)
            for server in self._servers
        ]
        for thread in self._threads:
            thread.start()

    @property
    def urls(self) -> list[str]:
        """Where to reach it; an unspecified address is shown as this machine."""
        urls = []
        for server in self._servers:
            host, port = server.server_address[:2]
            name = "localhost" if host in {"0.0.0.0", "::"} else str(host)  # noqa: S104 - shown, not bound
            urls.append(f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}")
        return urls

    def stop(self) -> None:
        """Stop accepting, close the sockets and end the connections."""
        for server in self._servers:
            if self._threads:
                server.shutdown()
            server.server_close()
            server.end_connections()
        for thread in self._threads:
            thread.join()


def parse_address(address: str) -> tuple[str, int]:
    """Return host and port of "host:port", "[::1]:port" or ":port" (every address).

    Raises:
        ValueError: it is none of these.

    >>> parse_address("[::1]:10074")
    ('::1', 10074)
    """
    host, separator, port = address.rpartition(":")
    if not separator or not port.isdecimal() or int(port) > 65535:  # noqa: PLR2004
        raise ValueError(f"expected a listen address like 127.0.0.1:10074, got {address!r}")
    bracketed = host.startswith("[") and host.endswith("]")
    if ":" in host and not bracketed:
        raise ValueError(f"expected an IPv6 address in brackets, got {address!r}")
    return host[1:-1] if bracketed else host, int(port)


def _bind(address: str, service: Service) -> _Server:
    host, port = parse_address(address)
    if not host:
        host = "::" if socket.has_dualstack_ipv6() else "0.0.0.0"  # noqa: S104 - was asked for
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, _, _, _, where = found[0]
        return _Server((str(where[0]), int(where[1])), family, service)
    except OSError as error:
        raise OSError(f"cannot listen on {address}: {error.strerror or error}") from error
