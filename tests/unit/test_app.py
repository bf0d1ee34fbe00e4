"""The routes, without sockets: what is asked decides what is answered."""

import gzip
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from surge_exporter.render.report import to_json
from surge_exporter.scaling.preflight import Operation, Preflight
from surge_exporter.snapshot import Answered, Snapshot
from surge_exporter.web.app import ROUTES, Scrape, Service, WebRequest, WebResponse, handle
from surge_exporter.web.exposition import SnapshotCollector
from tests.snapshots import NOW, snapshot

OPENMETRICS = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8"
PROMETHEUS = f"{OPENMETRICS};q=0.6,text/plain;version=1.0.0;q=0.4,text/plain;version=0.0.4;q=0.3"
RUNBOOKS = {
    "README": "# Runbooks\n\n| alert |\n|---|\n| [SurgeX](SurgeX.md) |\n",
    "SurgeX": (
        "# SurgeX\n\n<script>alert(1)</script> [bad](javascript:alert(1))\n\n"
        "See [SurgeY](SurgeY.md), [all](README.md), [Gitea](http://gitea/docs.md).\n\n"
        "```sh\nsurge-exporter report | head && echo <x>\n```\n"
    ),
}
CONTRACT = {
    "resource_mode": str,
    "dispatch_posture": str,
    "horizon_hours": (int, float),
    "recent_request_rate": (int, float),
    "baseline_request_rate": (int, float),
    "predicted_request_rate": (int, float),
    "surge_factor": (int, float),
    "demand_level": str,
    "gitea_outages": int,
    "inference_failures": int,
    "top_callers": list,
    "recommended_actions": list,
}


def service(
    found: Callable[[], Snapshot] = snapshot,
    *,
    ready: bool = True,
    fault: str | None = None,
    enable_lifecycle: bool = False,
    answered: Answered | None = None,
) -> Service:
    """Return what the routes need, of an exporter that is well but for what is given."""
    return Service(
        snapshot=found,
        ready=lambda: ready,
        reload=lambda: fault,
        report=_report,
        scrape=lambda *_: scrape_of(found),
        lifecycle_enabled=lambda: enable_lifecycle,
        runbooks=lambda: RUNBOOKS,
        preflight=lambda *_: answered,
    )


def scrape_of(found: Callable[[], Snapshot]) -> Scrape:
    """Return a scrape that shows a snapshot."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(SnapshotCollector(found))
    return Scrape(registry)


def _report(found: Snapshot) -> str:
    assert found.observation
    assert found.verdict
    return to_json(found.observation, found.verdict, found.sources_with_history)


def loading() -> Snapshot:
    """Return the snapshot of an exporter that still reads history."""
    return snapshot(observation=None)


def broken() -> Snapshot:
    """Fail as a bug would."""
    raise LookupError("the secret of the bug")


def get(target: str, of: Service | None = None, **headers: str) -> WebResponse:
    """Return what a GET is answered; header names with underscores."""
    return ask("GET", target, of, {k.replace("_", "-"): v for k, v in headers.items()})


def ask(
    method: str,
    target: str,
    of: Service | None = None,
    headers: Mapping[str, str] | None = None,
) -> WebResponse:
    """Return what any request is answered."""
    return handle(of or service(), WebRequest(method, target, headers or {}))


@pytest.mark.parametrize(
    ("path", "content_type", "says"),
    [
        ("/", "text/html; charset=utf-8", "<!doctype html>"),
        ("/metrics", "text/plain; version=0.0.4; charset=utf-8", "# TYPE surge_factor gauge"),
        ("/api/v1/report", "application/json", '"resource_mode": "surge"'),
        ("/runbooks/", "text/html; charset=utf-8", "<h1>Runbooks</h1>"),
        ("/runbooks/SurgeX", "text/html; charset=utf-8", "<h1>SurgeX</h1>"),
        ("/runbooks/SurgeX.md", "text/markdown; charset=utf-8", "# SurgeX"),
        ("/runbooks/README.md", "text/markdown; charset=utf-8", "# Runbooks"),
        ("/-/healthy", "text/plain; charset=utf-8", "Healthy."),
        ("/-/ready", "text/plain; charset=utf-8", "Ready."),
    ],
)
def test_each_route_answers(path: str, content_type: str, says: str) -> None:
    response = get(path)

    assert (response.status, response.content_type) == (200, content_type)
    assert says in response.body.decode()


@pytest.mark.parametrize(
    "target", ["/nowhere", "/metrics/", "/-/", "*", "", "//metrics", "/METRICS"]
)
def test_an_unknown_path_is_answered_with_the_known_ones(target: str) -> None:
    response = get(target)

    assert response.status == 404
    assert all(path in response.body.decode() for path in ROUTES)


@pytest.mark.parametrize(
    "target", ["/runbooks/SurgeZ", "/runbooks/SurgeX/", "/runbooks/surgex", "/runbooks/../SurgeX"]
)
def test_an_unknown_runbook_is_answered_with_the_known_ones(target: str) -> None:
    response = get(target)

    assert response.status == 404
    assert f"expected /runbooks/ and one of SurgeX, got {target!r}" in response.body.decode()


def test_a_link_between_runbooks_leads_from_page_to_page() -> None:
    index, page = get("/runbooks/").body.decode(), get("/runbooks/SurgeX").body.decode()

    assert '<a href="SurgeX">SurgeX</a>' in index
    assert '<a href="SurgeY">SurgeY</a>, <a href="./">all</a>' in page
    assert '<a href="http://gitea/docs.md">Gitea</a>' in page


def test_nothing_in_a_runbook_is_markup_but_its_markdown() -> None:
    page = get("/runbooks/SurgeX").body.decode()

    assert "<script" not in page
    assert 'href="javascript' not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "report | head &amp;&amp; echo &lt;x&gt;" in page


def test_a_runbook_needs_nothing_of_what_a_scrape_does() -> None:
    assert get("/runbooks/SurgeX", service(broken)).status == 200


def test_a_proxy_may_ask_with_the_whole_address() -> None:
    assert get("http://somewhere:10074/-/healthy").status == 200


def test_a_target_that_is_no_address_is_a_bad_request() -> None:
    response = get("http://[/metrics")

    assert response.status == 400
    assert "expected a path, got 'http://[/metrics'" in response.body.decode()


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/metrics", "GET, HEAD"),
        ("DELETE", "/", "GET, HEAD"),
        ("OPTIONS", "/api/v1/report", "GET, HEAD"),
        ("POST", "/runbooks/SurgeX", "GET, HEAD"),
        ("GET", "/-/reload", "POST"),
        ("HEAD", "/-/reload", "POST"),
        ("PUT", "/-/reload", "POST"),
    ],
)
def test_a_wrong_method_is_answered_with_the_right_ones(
    method: str, path: str, allowed: str
) -> None:
    response = ask(method, path)

    assert (response.status, response.headers["Allow"]) == (405, allowed)


@pytest.mark.parametrize(
    "path", ["/", "/api/v1/report", "/runbooks/SurgeX", "/-/healthy", "/-/ready"]
)
def test_head_is_answered_like_get(path: str) -> None:
    assert ask("HEAD", path) == ask("GET", path)


def test_an_exporter_that_reads_history_is_healthy_and_not_ready() -> None:
    reading = service(loading, ready=False)

    assert get("/-/healthy", reading).status == 200
    assert get("/-/ready", reading).status == 503


@pytest.mark.parametrize("path", ["/", "/metrics"])
def test_an_exporter_that_reads_history_already_shows_itself(path: str) -> None:
    assert get(path, service(loading, ready=False)).status == 200


def test_there_is_no_report_before_history_is_read() -> None:
    response = get("/api/v1/report", service(loading, ready=False))

    assert (response.status, response.content_type) == (503, "application/json")
    assert response.headers["Retry-After"] == "1"
    assert json.loads(response.body)["error"] == "history is still being read"


@pytest.mark.parametrize(("key", "kind"), CONTRACT.items())
def test_the_report_keeps_its_contract(key: str, kind: Any) -> None:
    report = json.loads(get("/api/v1/report").body)

    assert isinstance(report[key], kind)


def test_reloading_over_http_is_off_unless_it_was_turned_on() -> None:
    def reload() -> str | None:
        raise AssertionError("it was reloaded")

    response = ask("POST", "/-/reload", replace(service(), reload=reload))

    assert response.status == 403
    assert "--web.enable-lifecycle" in response.body.decode()


def test_a_reload_that_succeeds_says_so() -> None:
    assert ask("POST", "/-/reload", service(enable_lifecycle=True)).status == 200


def test_a_reload_that_fails_says_what_is_wrong() -> None:
    fault = "b.yml: window.horizon_hours: Expected float, got str"

    response = ask("POST", "/-/reload", service(enable_lifecycle=True, fault=fault))

    assert (response.status, response.body.decode()) == (500, f"{fault}\n")


@pytest.mark.parametrize(
    "accept",
    [
        "text/plain;version=abc",
        "application/openmetrics-text;version=abc",
        "application/openmetrics-text;version=1.x",
        "text/plain;version=",
        "text/plain;;;=,,",
        "\x00\udcff",
        "",
        "image/webp,*/*;q=0.8",
    ],
)
def test_an_accept_header_that_makes_no_sense_gets_plain_text(accept: str) -> None:
    response = get("/metrics", accept=accept)

    assert response.status == 200
    assert response.content_type.startswith("text/plain; version=0.0.4")


def test_openmetrics_is_given_to_whoever_asks_for_it() -> None:
    response = get("/metrics", accept=PROMETHEUS)

    assert response.content_type.startswith("application/openmetrics-text; version=1.0.0")
    assert response.body.endswith(b"# EOF\n")


@pytest.mark.parametrize(
    ("accept_encoding", "compressed"),
    [
        ("gzip", True),
        ("GZip", True),
        ("deflate, gzip;q=1.0, *;q=0.5", True),
        (" gzip ; q=0.5", True),
        ("gzip;q=0.001", True),
        ("gzip;q=0", False),
        ("gzip; q=0.0", False),
        ("gzip;Q=0", False),
        ("identity", False),
        ("xgzip", False),
        ("*", False),
        ("", False),
        (",;,", False),
    ],
)
def test_a_scrape_is_compressed_for_who_can_read_that(
    accept_encoding: str, *, compressed: bool
) -> None:
    response = get("/metrics", accept_encoding=accept_encoding)

    assert (response.headers.get("Content-Encoding") == "gzip") is compressed


def test_a_compressed_scrape_says_the_same() -> None:
    name = "?name[]=surge_signal_threshold&name[]=surge_caller_requests"

    plain = get(f"/metrics{name}").body
    packed = get(f"/metrics{name}", accept_encoding="gzip").body

    assert gzip.decompress(packed) == plain
    assert len(packed) < len(plain)


def test_a_small_scrape_is_not_worth_compressing() -> None:
    response = get("/metrics?name[]=surge_factor", accept_encoding="gzip")

    assert "Content-Encoding" not in response.headers


def test_a_scrape_can_ask_for_some_names_only() -> None:
    body = get("/metrics?name[]=surge_factor&name[]=surge_source_up").body.decode()

    assert {line.split(" ")[2] for line in body.splitlines() if line.startswith("# TYPE")} == {
        "surge_factor",
        "surge_source_up",
    }


def test_a_scrape_that_asks_for_unknown_names_is_empty() -> None:
    response = get("/metrics?name[]=no_such_metric")

    assert (response.status, response.body) == (200, b"")


@pytest.mark.parametrize("path", ["/", "/metrics", "/api/v1/report"])
def test_a_bug_in_a_route_is_logged_and_not_shown(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    response = get(path, service(broken))

    assert response.status == 500
    assert "its log says why" in response.body.decode()
    assert b"secret" not in response.body
    assert "the secret of the bug" in caplog.text


@pytest.mark.parametrize("path", ["/-/healthy", "/-/ready"])
def test_health_does_not_depend_on_what_a_scrape_does(path: str) -> None:
    assert get(path, service(broken)).status == 200


def answered(**changes: Any) -> Answered:
    """Return a check's answer: allowed, but for what is given."""
    whole = Preflight(
        allowed=True,
        reason="medium may serve (CPU 34 %, memory 71.8 %)",
        operation=Operation.GENERATE,
        model="medium",
        tier="medium",
        recommended_model="medium",
    )
    return Answered(preflight=replace(whole, **changes), sampled_at=NOW)


def test_a_check_that_is_allowed_says_why_and_by_which_sample() -> None:
    response = get("/api/v1/preflight?model=medium", service(answered=answered()))

    assert (response.status, response.content_type) == (200, "application/json")
    assert json.loads(response.body) == {
        "allowed": True,
        "reason": "medium may serve (CPU 34 %, memory 71.8 %)",
        "operation": "generate",
        "model": "medium",
        "tier": "medium",
        "recommended_model": "medium",
        "retry_after_seconds": None,
        "sampled_at": NOW,
    }


@pytest.mark.parametrize(("wait", "header"), [(29.2, "30"), (0.2, "1"), (None, None)])
def test_a_check_that_is_denied_says_when_to_come_again(
    wait: float | None, header: str | None
) -> None:
    denied = answered(allowed=False, retry_after_seconds=wait)

    response = get("/api/v1/preflight", service(answered=denied))

    assert response.status == 503
    assert response.headers.get("Retry-After") == header
    assert json.loads(response.body)["retry_after_seconds"] == wait


def test_the_check_is_of_what_was_asked() -> None:
    asked = []

    def check(model: str | None, operation: Operation) -> Answered:
        asked.append((model, operation))
        return answered()

    of = replace(service(), preflight=check)
    get("/api/v1/preflight", of)
    get("/api/v1/preflight?model=llama3.2%3A3b&operation=load", of)

    assert asked == [(None, Operation.GENERATE), ("llama3.2:3b", Operation.LOAD)]


def test_an_unknown_operation_is_answered_with_the_known_ones() -> None:
    response = get("/api/v1/preflight?operation=train", service(answered=answered()))

    assert response.status == 400
    assert "expected an operation of generate, load, got 'train'" in response.body.decode()


def test_where_no_host_is_watched_nothing_is_allowed_or_denied() -> None:
    response = get("/api/v1/preflight")

    assert response.status == 404
    assert "scaling.enabled" in response.body.decode()
