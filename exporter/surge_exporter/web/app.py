"""The routes: a request in, a response out. Knows nothing of sockets."""

import gzip
import json
import logging
import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from enum import Enum
from urllib.parse import parse_qs, urlsplit

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from surge_exporter.scaling.preflight import Operation
from surge_exporter.snapshot import Answered, Snapshot
from surge_exporter.web.runbooks import render_runbook
from surge_exporter.web.status import render_status

_TEXT = "text/plain; charset=utf-8"
_HTML = "text/html; charset=utf-8"
_JSON = "application/json"
_MARKDOWN = "text/markdown; charset=utf-8"
_RUNBOOKS = "/runbooks/"
_RUNBOOK_INDEX = "README"
_MARKDOWN_ENDING = ".md"
_COMPRESS_FROM_BYTES = 1024
_PLAIN_ACCEPT = "text/plain"
_SCRAPE_HEADER = "x-prometheus-scrape-timeout-seconds"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WebRequest:
    """What a client asks; header names are lower case."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """The path without its query."""
        return urlsplit(self.target).path

    @property
    def query(self) -> Mapping[str, list[str]]:
        """The query's parameters."""
        return parse_qs(urlsplit(self.target).query)


@dataclass(frozen=True, slots=True)
class WebResponse:
    """What it gets."""

    status: int
    body: bytes
    content_type: str = _TEXT
    headers: Mapping[str, str] = field(default_factory=dict)
    sending: AbstractContextManager[None] = field(default_factory=nullcontext, compare=False)
    """What is to happen around the sending; it is told if that fails."""


@dataclass(frozen=True, slots=True)
class Scrape:
    """What one scrape shows."""

    registry: CollectorRegistry
    sending: AbstractContextManager[None] = field(default_factory=nullcontext)


class Visitor(Enum):
    """Who reads `/metrics`."""

    SCRAPER = "scraper"
    """A server that says so, as Prometheus and all that scrape like it do."""
    UNKNOWN = "unknown"
    """A scraper that does not say so, or a person."""
    PASSER_BY = "passer-by"
    """Somebody who gets only a part, or only the headers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What the routes need of the rest of the exporter; all callable from any thread."""

    snapshot: Callable[[], Snapshot]
    ready: Callable[[], bool]
    reload: Callable[[], str | None]
    """Reload the configuration; return what is wrong with it."""
    report: Callable[[Snapshot], str]
    """The JSON contract of a loaded snapshot."""
    scrape: Callable[[Visitor, float], Scrape]
    """Takes who asks, and for how many seconds they are going to wait."""
    lifecycle_enabled: Callable[[], bool]
    """Whether reloading over HTTP is allowed now; a reload may change it."""
    runbooks: Callable[[], Mapping[str, str]]
    """The runbooks by alert, and their index as README, in Markdown."""
    preflight: Callable[[str | None, Operation], Answered | None] = lambda *_: None
    """Whether an operation may start now with a model; None where no host is watched."""


Route = Callable[[Service, WebRequest], WebResponse]


def handle(service: Service, request: WebRequest) -> WebResponse:
    """Answer one request; a bug in a route is a 500 and a log line, never a dead thread."""
    try:
        path = request.path
    except ValueError:  # brackets around what is no address
        return _text(400, f"expected a path, got {request.target!r}\n")
    routes = ROUTES.get(_RUNBOOKS if path.startswith(_RUNBOOKS) else path)
    if routes is None:
        return _text(404, f"expected one of {', '.join(ROUTES)}, got {path!r}\n")
    method = "GET" if request.method == "HEAD" else request.method
    route = routes.get(method)
    if route is None:
        allowed = ", ".join((*routes, "HEAD") if "GET" in routes else routes)
        return _text(405, f"expected {allowed}, got {request.method}\n", {"Allow": allowed})
    try:
        return route(service, request)
    except Exception:  # noqa: BLE001 - a bug in one route must not end a thread
        _log.exception("request failed path=%s", path)
        return _text(500, "the exporter failed to answer; its log says why\n")


def _metrics(service: Service, request: WebRequest) -> WebResponse:
    names = request.query.get("name[]")
    scrape = service.scrape(_visitor(request), _patience_seconds(request))
    registry = scrape.registry
    if names:
        registry = registry.restricted_registry(names)  # type: ignore[assignment]
    accept = request.headers.get("accept", _PLAIN_ACCEPT)
    try:
        encode, content_type = choose_encoder(accept)
    except (TypeError, ValueError):  # an Accept header whose version is none
        encode, content_type = choose_encoder(_PLAIN_ACCEPT)
    body = encode(registry)
    if _accepts_gzip(request.headers) and len(body) >= _COMPRESS_FROM_BYTES:
        compressed = gzip.compress(body, compresslevel=1)
        coding = {"Content-Encoding": "gzip"}
        return WebResponse(200, compressed, content_type, coding, scrape.sending)
    return WebResponse(200, body, content_type, sending=scrape.sending)


def _visitor(request: WebRequest) -> Visitor:
    if request.method == "HEAD" or "name[]" in request.query:
        return Visitor.PASSER_BY
    return Visitor.SCRAPER if _SCRAPE_HEADER in request.headers else Visitor.UNKNOWN


def _patience_seconds(request: WebRequest) -> float:
    try:
        return float(request.headers.get(_SCRAPE_HEADER, math.inf))
    except ValueError:
        return math.inf


def _status_page(service: Service, _: WebRequest) -> WebResponse:
    return WebResponse(200, render_status(service.snapshot()).encode(), _HTML)


def _report(service: Service, _: WebRequest) -> WebResponse:
    snapshot = service.snapshot()
    if snapshot.observation is None:
        return _json(503, {"error": "history is still being read"}, {"Retry-After": "1"})
    return WebResponse(200, service.report(snapshot).encode(), _JSON)


def _preflight(service: Service, request: WebRequest) -> WebResponse:
    """Answer 200 or 503, so that who can't read JSON knows as well."""
    model, operation = (request.query.get(name, [None])[-1] for name in ("model", "operation"))
    try:
        wanted = Operation.GENERATE if operation is None else Operation(operation)
    except ValueError:
        known = ", ".join(Operation)
        return _json(400, {"error": f"expected an operation of {known}, got {operation!r}"})
    found = service.preflight(model, wanted)
    if found is None:
        return _json(404, {"error": "the host is not watched; scaling.enabled turns it on"})
    if found.preflight.allowed:
        return _json(200, preflight_json(found))
    wait = found.preflight.retry_after_seconds
    headers = {} if wait is None else {"Retry-After": str(math.ceil(max(1.0, wait)))}
    return _json(503, preflight_json(found), headers)


def preflight_json(found: Answered) -> dict[str, object]:
    """Return an answer as its JSON has it."""
    preflight = found.preflight
    return {
        "allowed": preflight.allowed,
        "reason": preflight.reason,
        "operation": preflight.operation.value,
        "model": preflight.model,
        "tier": preflight.tier,
        "recommended_model": preflight.recommended_model,
        "retry_after_seconds": preflight.retry_after_seconds,
        "sampled_at": found.sampled_at,
    }


def _healthy(_: Service, __: WebRequest) -> WebResponse:
    return _text(200, "Healthy.\n")


def _ready(service: Service, _: WebRequest) -> WebResponse:
    if service.ready():
        return _text(200, "Ready.\n")
    return _text(503, "Reading history.\n")


def _reload(service: Service, _: WebRequest) -> WebResponse:
    if not service.lifecycle_enabled():
        return _text(403, "reloading over HTTP is off; --web.enable-lifecycle turns it on\n")
    fault = service.reload()
    return _text(200, "Reloaded.\n") if fault is None else _text(500, f"{fault}\n")


def _runbooks(service: Service, request: WebRequest) -> WebResponse:
    """Answer with a page, or with its Markdown to whoever asks for the file."""
    pages = service.runbooks()
    wanted = request.path.removeprefix(_RUNBOOKS)
    name = wanted.removesuffix(_MARKDOWN_ENDING) or _RUNBOOK_INDEX
    if name not in pages:
        known = ", ".join(page for page in pages if page != _RUNBOOK_INDEX)
        return _text(404, f"expected {_RUNBOOKS} and one of {known}, got {request.path!r}\n")
    if wanted.endswith(_MARKDOWN_ENDING):
        return WebResponse(200, pages[name].encode(), _MARKDOWN)
    return WebResponse(200, render_runbook(name, pages[name]).encode(), _HTML)


ROUTES: Mapping[str, Mapping[str, Route]] = {
    "/": {"GET": _status_page},
    "/metrics": {"GET": _metrics},
    "/api/v1/report": {"GET": _report},
    "/api/v1/preflight": {"GET": _preflight},
    _RUNBOOKS: {"GET": _runbooks},
    "/-/healthy": {"GET": _healthy},
    "/-/ready": {"GET": _ready},
    "/-/reload": {"POST": _reload},
}


def _text(status: int, text: str, headers: Mapping[str, str] | None = None) -> WebResponse:
    return WebResponse(status, text.encode(), headers=headers or {})


def _json(
    status: int, found: Mapping[str, object], headers: Mapping[str, str] | None = None
) -> WebResponse:
    return WebResponse(status, f"{json.dumps(found)}\n".encode(), _JSON, headers or {})


def _accepts_gzip(headers: Mapping[str, str]) -> bool:
    """Say whether gzip is listed and not refused (`gzip;q=0`)."""
    for part in headers.get("accept-encoding", "").split(","):
        coding, _, quality = part.strip().partition(";")
        if coding.strip().lower() == "gzip":
            refused = {"q=0", "q=0.0", "q=0.00", "q=0.000"}
            return quality.replace(" ", "").lower() not in refused
    return False
