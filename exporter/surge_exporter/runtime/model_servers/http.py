"""Requests to one model server: timeouts, bounded answers, and every way to fail told apart.

urllib3 is imported with the first server that is connected to: most exporters have none.
"""

import json
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from surge_exporter.model import Seconds
from surge_exporter.runtime.model_servers.protocol import Fault, ModelServerError, Timeouts

if TYPE_CHECKING:
    import urllib3

_MOST_BYTES = 16 * 1024 * 1024
"""No list of models, and no line of a stream, is longer."""
_MOST_ERROR_BYTES = 4096
_MOST_CONNECTIONS = 32  # kept open; more are opened as needed
_FAULTS = {404: Fault.MISSING, 408: Fault.FAILED, 429: Fault.BUSY, 503: Fault.BUSY}


class Http:
    """Asks one server. Any thread may; connections are pooled."""

    def __init__(
        self,
        kind: str,
        url: str,
        timeouts: Timeouts,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Take where it is; nothing is connected to yet.

        Raises:
            ValueError: the URL is not one of HTTP.
        """
        import urllib3  # noqa: PLC0415 - most exporters need none

        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"expected a URL like http://127.0.0.1:11434, got {url!r}")
        if parts.username or parts.password:
            raise ValueError("expected a URL without user and password")
        self.name = f"{kind} at {url.rstrip('/')}"
        self._url = url.rstrip("/")
        self._timeouts = timeouts
        self._pool = urllib3.PoolManager(
            maxsize=_MOST_CONNECTIONS,
            retries=False,  # what to try next is the manager's to say
            headers={"User-Agent": "surge-exporter", **(headers or {})},
        )

    def fault(self, fault: Fault, asked: str, came: str) -> ModelServerError:
        """Return an error of this server."""
        return ModelServerError(fault, asked=asked, server=self.name, came=came)

    def ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, slow: bool = False
    ) -> Mapping[str, Any]:
        """Return the JSON object that a request is answered with; `slow` ones load a model.

        Raises:
            ModelServerError: there is no such answer.
        """
        asked = f"{method} {path}"
        with self._answer(method, path, body, slow=slow) as answer:
            text = answer.read(_MOST_BYTES + 1)
        if len(text) > _MOST_BYTES:
            raise self.fault(Fault.FAILED, asked, f"an answer of more than {_MOST_BYTES} bytes")
        return self.decode(text, asked)

    @contextmanager
    def stream(self, path: str, body: Mapping[str, Any]) -> Generator[Iterator[bytes], None, None]:
        """Give the lines that a POST is answered with, as they come, without their ends.

        Left before the last line, the connection is closed, by which a server knows.

        Raises:
            ModelServerError: no answer, or the lines end in the middle.
        """
        with self._answer("POST", path, body, slow=True) as answer:
            yield self._lines(answer, f"POST {path}")

    def decode(self, text: bytes, asked: str) -> Mapping[str, Any]:
        """Return a JSON object.

        Raises:
            ModelServerError: it is none, or one that tells of an error.
        """
        try:
            found = json.loads(text)
        except (ValueError, RecursionError) as error:
            came = f"expected JSON, got {text[:80]!r}"
            raise self.fault(Fault.FAILED, asked, came) from error
        if not isinstance(found, dict):
            raise self.fault(Fault.FAILED, asked, f"expected an object, got {text[:80]!r}")
        if found.get("error"):
            raise self.fault(Fault.FAILED, asked, _told(found["error"]))
        return found

    @contextmanager
    def _answer(
        self, method: str, path: str, body: Mapping[str, Any] | None, *, slow: bool
    ) -> "Iterator[urllib3.BaseHTTPResponse]":
        """Send a request, give its answer, and turn what goes wrong with either into one error."""
        import urllib3  # noqa: PLC0415 - as above
        from urllib3 import exceptions  # noqa: PLC0415

        asked = f"{method} {path}"
        wait = self._timeouts.load_seconds if slow else self._timeouts.read_seconds
        timeout = urllib3.Timeout(connect=self._timeouts.connect_seconds, read=wait)
        answer = None
        try:
            answer = self._send(method, path, body, timeout)
            self._check(answer, asked)
            if slow:
                self._be_quick(answer)
            yield answer
        except (exceptions.NewConnectionError, exceptions.ConnectTimeoutError) as error:
            raise self.fault(Fault.UNREACHABLE, asked, _reason(error)) from error
        except exceptions.ReadTimeoutError as error:
            silent = self._silence(wait, answered=answer is not None)
            raise self.fault(Fault.SILENT, asked, f"silence for {silent:g} s") from error
        except exceptions.SSLError as error:
            raise self.fault(Fault.UNREACHABLE, asked, _reason(error)) from error
        except (exceptions.HTTPError, OSError) as error:
            came = f"the answer ended in the middle ({_reason(error)})"
            raise self.fault(Fault.FAILED, asked, came) from error
        finally:
            if answer is not None:
                # Of a stream read to its end nothing is left to close: it went back to the pool.
                answer.close()

    def _send(
        self, method: str, path: str, body: Mapping[str, Any] | None, timeout: "urllib3.Timeout"
    ) -> "urllib3.BaseHTTPResponse":
        """Send a request; once more if the connection was one that the server just gave up.

        Servers close idle connections when they like, also while a request is on its way.
        """
        from urllib3.exceptions import ProtocolError  # noqa: PLC0415 - as above

        def send() -> "urllib3.BaseHTTPResponse":
            return self._pool.request(
                method,
                self._url + path,
                json=body,
                timeout=timeout,
                preload_content=False,
                redirect=False,
            )

        try:
            return send()
        except ProtocolError as error:
            if not isinstance(error.args[-1], ConnectionError):
                raise
            return send()

    def _silence(self, wait: Seconds, *, answered: bool) -> Seconds:
        return self._timeouts.read_seconds if answered else wait

    def _be_quick(self, answer: "urllib3.BaseHTTPResponse") -> None:
        """Once a model has begun to answer, wait for its next piece no longer than for any.

        Not where the server closes the connection after the answer: then nobody has the socket.
        """
        sock = getattr(answer.connection, "sock", None)
        if sock is not None:
            sock.settimeout(self._timeouts.read_seconds)

    def _check(self, answer: "urllib3.BaseHTTPResponse", asked: str) -> None:
        status = answer.status
        if status == 200:  # noqa: PLR2004 - OK
            return
        text = answer.read(_MOST_ERROR_BYTES)
        try:
            told = _told(json.loads(text)["error"])
        except (ValueError, KeyError, TypeError, RecursionError):
            told = " ".join(text[:200].decode(errors="replace").split())
        server_fault = Fault.FAILED if status >= 500 else Fault.REFUSED  # noqa: PLR2004
        raise self.fault(_FAULTS.get(status, server_fault), asked, f"status {status}: {told}")

    def _lines(self, answer: "urllib3.BaseHTTPResponse", asked: str) -> Iterator[bytes]:
        rest = b""
        while block := answer.read1(65536):
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                yield line.rstrip(b"\r")
            if len(rest) > _MOST_BYTES:
                raise self.fault(Fault.FAILED, asked, f"a line of more than {_MOST_BYTES} bytes")
        if rest:
            yield rest


def _told(error: Any) -> str:
    """Return an error's own words: Ollama's is text, OpenAI's an object with a message."""
    words = error.get("message", error) if isinstance(error, dict) else error
    return " ".join(str(words).split())[:500]


def _reason(error: Exception) -> str:
    """Return why, without urllib3's objects and addresses in memory.

    >>> _reason(OSError("HTTPConnection(host='x'): Failed to connect: refused"))
    'refused'
    """
    inner = error.args[-1] if error.args else None
    cause = inner if isinstance(inner, Exception) else error.__cause__ or error.__context__
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    words = str(cause if isinstance(inner, Exception) else error).rpartition(": ")[2]
    return " ".join(words.split()) or type(error).__name__
