"""A receiver of Alertmanager's webhooks, on loopback, that remembers what it was sent."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.servers import wait_for


@dataclass(frozen=True, slots=True)
class Notification:
    """What came in one POST."""

    path: str
    payload: Mapping[str, Any]

    @property
    def status(self) -> str:
        """`firing` while one of the alerts fires, else `resolved`."""
        return str(self.payload["status"])

    @property
    def alerts(self) -> list[Mapping[str, Any]]:
        """The alerts of the group, each with its own status; none if it is in another format."""
        return list(self.payload.get("alerts", []))

    @property
    def names(self) -> list[str]:
        """The alerts' names."""
        return [alert["labels"]["alertname"] for alert in self.alerts]

    def has(self, **labels: str) -> bool:
        """Say whether it is of alerts that all have these labels."""
        return bool(self.alerts) and all(
            labels.items() <= alert["labels"].items() for alert in self.alerts
        )


class Webhook:
    """What has come so far, by path."""

    def __init__(self, url: str) -> None:
        """Take where it listens."""
        self.url = url
        self._received: list[Notification] = []

    def add(self, notification: Notification) -> None:
        """Remember one."""
        self._received.append(notification)  # which is atomic

    def received(self, path: str | None = None) -> list[Notification]:
        """Return what came on this path, or on any, in order."""
        return [found for found in self._received if path in (None, found.path)]

    def wait(
        self, path: str, accept: Callable[[Notification], bool], what: str = "it"
    ) -> Notification:
        """Return the first that came on this path and is accepted, once there is one."""
        return wait_for(
            lambda: next(filter(accept, self.received(path)), None),
            f"{what} to be sent to {path}",
        )


@contextmanager
def webhook() -> Iterator[Webhook]:
    """Listen while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            hook.add(Notification(self.path, json.loads(body)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hook = Webhook(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield hook
        finally:
            server.shutdown()
            thread.join()
