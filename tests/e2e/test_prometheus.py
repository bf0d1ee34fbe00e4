"""What Prometheus sees of the running exporter is what `report` says of the same files."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from surge_exporter.core.scenario import Episode, EpisodeKind, Scenario
from surge_exporter.core.simulate import Line, telemetry
from surge_exporter.model import HOUR, Source, UnixSeconds
from surge_exporter.runtime.writer import TelemetryWriter
from tests.servers import Prometheus, exporter, prometheus, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

_EDGE_SECONDS = 150.0
"""No record lies so near to a window's edge, which moves while the test runs, and which the
exporter knows to the minute."""

_LIVE_SECONDS = 120.0


def _fleet(now: float) -> Scenario:
    """A fleet that surges, fails and has lost its forge, all in the last six hours."""
    start = UnixSeconds(now - 13 * HOUR)
    return Scenario(
        start=start,
        requests_per_hour=400,
        rhythm=0.1,
        episodes=tuple(
            Episode(kind=kind, start_seconds=9 * HOUR, duration_seconds=5 * HOUR, magnitude=size)
            for kind, size in (
                (EpisodeKind.SURGE, 2.5),
                (EpisodeKind.FAILING_CALLER, 0.7),
                (EpisodeKind.BATCH_JOB, 0.5),
                (EpisodeKind.GITEA_OUTAGE, 0.5),
                (EpisodeKind.INFERENCE_FAILURES, 0.3),
            )
        ),
    )


def _away_from_edges(lines: Iterator[Line], now: float) -> Iterator[Line]:
    edges = (now - 6 * HOUR, now - 12 * HOUR)
    return (line for line in lines if all(abs(line.at - edge) > _EDGE_SECONDS for edge in edges))


@pytest.fixture(scope="module")
def scraped(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Prometheus, Mapping[str, Any], list[Line]]]:
    """A Prometheus that has scraped all there is, the report on it, and the live lines."""
    folder = tmp_path_factory.mktemp("fleet")
    now = time.time()  # noqa: TID251 - real servers live in real time
    lines = list(
        _away_from_edges(
            telemetry(
                _fleet(now), seed=3, start=UnixSeconds(now - 13 * HOUR), stop=UnixSeconds(now)
            ),
            now,
        )
    )
    history = [line for line in lines if line.at < now - _LIVE_SECONDS]
    live = lines[len(history) :]
    with TelemetryWriter(folder) as writer:
        writer.write(history)
        with (
            exporter(folder, folder / "exporter.log") as url,
            prometheus(folder / "prometheus", url) as server,
        ):
            _grow(writer, live, server)
            yield server, _report(folder), live


def _grow(writer: TelemetryWriter, live: list[Line], server: Prometheus) -> None:
    """Write the live lines while Prometheus scrapes, and wait until it has seen them all."""
    wait_for(lambda: server.query("surge_factor"), "a first scrape")
    for begin in range(0, len(live), 5):
        writer.write(live[begin : begin + 5])
        if begin < 3 * 5:
            _wait_for_a_scrape(server)
    expected = sum(line.source is Source.REQUESTS for line in live)
    wait_for(
        lambda: server.value("sum(surge_inference_requests_total)") == expected,
        f"{expected} requests to be counted",
    )


def _wait_for_a_scrape(server: Prometheus) -> None:
    scrapes = "count_over_time(surge_source_up{source='requests'}[1h])"
    before = server.value(scrapes) or 0
    wait_for(lambda: (server.value(scrapes) or 0) > before, "the next scrape")


def _report(folder: Path) -> Mapping[str, Any]:
    moment = datetime.now(UTC).isoformat()  # noqa: TID251 - the same present that was scraped
    done = subprocess.run(
        [sys.executable, "-m", "surge_exporter", "report", "--json", "--now", moment],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    found: Mapping[str, Any] = json.loads(done.stdout)
    return found


Scraped = tuple[Prometheus, Mapping[str, Any], list[Line]]


@pytest.mark.parametrize(
    ("expression", "key"),
    [
        ("surge_recent_requests_per_second * 3600", "recent_request_rate"),
        ("surge_baseline_requests_per_second * 3600", "baseline_request_rate"),
        ('surge_predicted_requests_per_second{horizon="6h"} * 3600', "predicted_request_rate"),
        ("surge_factor", "surge_factor"),
        ('surge_dependency_failed_checks{dependency="gitea"}', "gitea_outages"),
        ('surge_dependency_failed_checks{dependency="inference"}', "inference_failures"),
        ('surge_window_seconds{window="recent"} / 3600', "horizon_hours"),
    ],
)
def test_a_gauge_agrees_with_the_report(scraped: Scraped, expression: str, key: str) -> None:
    server, report, _ = scraped

    assert round(server.value(expression) or 0.0, 2) == report[key]


@pytest.mark.parametrize(
    ("metric", "label", "key"),
    [
        ("surge_demand_level", "level", "demand_level"),
        ("surge_resource_mode", "mode", "resource_mode"),
        ("surge_dispatch_posture", "posture", "dispatch_posture"),
    ],
)
def test_the_state_that_is_1_is_the_one_of_the_report(
    scraped: Scraped, metric: str, label: str, key: str
) -> None:
    server, report, _ = scraped

    assert [labels[label] for labels, _ in server.query(f"{metric} == 1")] == [report[key]]


def test_the_report_is_not_one_of_a_calm_fleet(scraped: Scraped) -> None:
    _, report, _ = scraped

    assert report["resource_mode"] == "surge"
    assert report["dispatch_posture"] == "degraded"
    by_chance = {"gitea_down", "inference_down"}  # whether the last five minutes all failed
    assert {finding["signal"] for finding in report["signals"]} - by_chance == {
        "demand_surge",
        "heavy_batch",
        "caller_failures",
        "inference_failures",
        "gitea_outages",
        "gitea_flapping",
        "inference_flapping",
    }


def test_the_recommended_actions_agree(scraped: Scraped) -> None:
    server, report, _ = scraped
    found = {labels["action"] for labels, _ in server.query("surge_recommended_action == 1")}

    assert found == set(report["recommended_action_slugs"])


def test_the_callers_agree(scraped: Scraped) -> None:
    server, report, _ = scraped
    for caller in report["top_callers"]:
        where = f'{{caller="{caller["caller"]}"}}'

        assert server.value(f"surge_caller_requests{where}") == caller["requests"]
        assert server.value(f"surge_caller_failures{where}") == caller["failures"]
        share = server.value(f"surge_caller_token_share_ratio{where}") or 0.0
        assert round(share, 4) == caller["token_share"]


def test_counters_hold_the_live_lines_and_nothing_of_the_history(scraped: Scraped) -> None:
    server, _, live = scraped
    requests = [json.loads(line.text) for line in live if line.source is Source.REQUESTS]
    failures = sum(not request["success"] for request in requests)
    ticks = sum(line.source is Source.HEARTBEAT for line in live)

    assert server.value("sum(surge_inference_requests_total)") == len(requests)
    assert server.value("sum(surge_inference_request_failures_total)") == failures
    assert server.value("surge_heartbeat_ticks_total") == ticks
    assert server.value("surge_inference_prompt_characters_total") == sum(
        request["prompt_len"] for request in requests
    )


def test_no_scrape_failed_and_no_collector_did(scraped: Scraped) -> None:
    server, _, _ = scraped

    assert server.value("min_over_time(up[1h])") == 1
    assert server.value("min(min_over_time(surge_scrape_collector_success[1h]))") == 1
    assert server.query('{__name__=~"surge_.*"} != {__name__=~"surge_.*"}') == []
