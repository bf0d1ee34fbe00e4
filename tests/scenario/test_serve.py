"""The real process: what an operator starts, signals, breaks and stops."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from surge_exporter.core.checkpoint import decode
from surge_exporter.runtime.clock import SystemClock
from tests.servers import child, get, wait_for
from tests.telemetry import request_line, tick_line

STOPS_WITHIN_SECONDS = 2.0
FILES = {"requests": "metrics/local_1.jsonl", "heartbeat": "heartbeat/ticks_1.jsonl"}


@dataclass(frozen=True)
class Running:
    """A child process that serves, and what it wrote."""

    process: subprocess.Popen[bytes]
    log: Path
    url: str

    def page(self, path: str) -> str:
        """Return a page that must be there."""
        found = get(self.url + path)
        assert found is not None
        return found

    def sample(self, name: str, **labels: str) -> float | None:
        """Return the value of one sample of a new scrape; None if it is absent."""
        for family in text_string_to_metric_families(self.page("/metrics")):
            for sample in family.samples:
                if sample.name == name and labels.items() <= sample.labels.items():
                    return sample.value
        return None

    def wait_for(self, value: float, name: str, **labels: str) -> None:
        """Scrape until a sample has a value."""
        wait_for(lambda: self.sample(name, **labels) == value, f"{name}{labels} to be {value}")

    def end(self, number: signal.Signals) -> tuple[int, float]:
        """Send a signal; return the exit code and how many seconds that took."""
        began = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(10)
        return code, time.monotonic() - began


def environment(**settings: str) -> dict[str, str]:
    """Return the environment with some settings, and without those of whoever runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SURGE_")}
    return kept | {"PYTHONUNBUFFERED": "1"} | settings


def command(name: str, *arguments: str) -> list[str]:
    """Return how one of our commands is started."""
    return [sys.executable, "-m", "surge_exporter", name, *arguments]


@contextmanager
def started(
    log: Path, name: str, *arguments: str, pattern: str, **settings: str
) -> Iterator[Running]:
    """Run a command on a free port while the block runs, from when it is ready.

    `pattern` finds its URL in what it writes; `settings` are environment variables.
    """
    where = ("--web.listen-address", "127.0.0.1:0")
    with child(command(name, *where, *arguments), log, env=environment(**settings)) as process:

        def url() -> str | None:
            assert process.poll() is None, log.read_text()
            found = re.search(pattern, log.read_text())
            return found and found.group(1)

        running = Running(process, log, wait_for(url, "the URL in the log"))
        wait_for(lambda: get(f"{running.url}/-/ready"), "it to be ready")
        yield running


@contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[Running]:
    """Run `serve` on the telemetry under a folder."""
    where = ("--telemetry-dir", str(folder))
    log = folder / "serve.log"
    with started(log, "serve", *where, *arguments, pattern=r"urls=(http://\S+)") as running:
        yield running


def fail(name: str, *arguments: str, **settings: str) -> tuple[int, str]:
    """Run a command that ends by itself; return the exit code and what it says on stderr."""
    ended = subprocess.run(
        command(name, *arguments),
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.stdout == ""
    return ended.returncode, ended.stderr


def write(folder: Path, source: str, *lines: bytes) -> None:
    """Append lines to one of the files that are followed by default."""
    path = folder / FILES[source]
    path.parent.mkdir(exist_ok=True)
    with path.open("ab") as file:
        file.write(b"".join(lines))


def test_without_telemetry_and_configuration_it_serves_and_claims_nothing(tmp_path: Path) -> None:
    """Case 37."""
    with serving(tmp_path) as running:
        assert running.page("/-/healthy") == "Healthy.\n"
        assert "<!doctype html>" in running.page("/")
        assert running.sample("surge_source_up", source="requests") == 0.0
        assert running.sample("surge_demand_level", level="unknown") == 1.0
        assert running.sample("surge_factor") is None
        assert running.sample("process_cpu_seconds_total") is not None


def test_files_that_appear_are_counted(tmp_path: Path) -> None:
    """Case 37."""
    with serving(tmp_path) as running:
        now = SystemClock().now()
        write(tmp_path, "requests", *(request_line(now - age) for age in range(3)), b"no json\n")
        write(tmp_path, "heartbeat", tick_line(now, gitea=False))

        running.wait_for(4.0, "surge_source_lines_total", source="requests")
        running.wait_for(3.0, "surge_inference_requests_total", caller="heartbeat_tick")
        running.wait_for(1.0, "surge_heartbeat_check_failures_total", dependency="gitea")
        report = json.loads(running.page("/api/v1/report"))
        assert (report["recent_requests"], report["gitea_outages"]) == (3, 1)
        assert running.sample("surge_dispatch_posture", posture="degraded") == 1.0
        assert "lines rejected source=requests count=1 last_reason=json" in running.log.read_text()


def test_what_is_there_at_the_start_is_history(tmp_path: Path) -> None:
    write(tmp_path, "requests", *(request_line(SystemClock().now() - 60) for _ in range(3)))

    with serving(tmp_path) as running:
        assert running.sample("surge_caller_requests", caller="heartbeat_tick") == 3.0
        assert running.sample("surge_inference_requests_total") is None
        assert running.sample("surge_source_lines_total", source="requests") == 0.0
        assert json.loads(running.page("/api/v1/report"))["sources"]["requests"]["lines"] == 3


def test_a_folder_without_telemetry_is_warned_of_and_shown(tmp_path: Path) -> None:
    with serving(tmp_path, "--telemetry-dir", "wrong") as running:
        page, log = running.page("/"), running.log.read_text()

    for source, name in FILES.items():
        pattern = str(Path.cwd() / "wrong" / name.replace("1", "*"))
        assert f"following source={source} patterns={pattern}\n" in log
        assert f"found no file source={source} patterns={pattern}\n" in log
        assert pattern in page


def test_a_reload_takes_lifecycle_at_once_and_says_that_addresses_need_a_restart(
    tmp_path: Path,
) -> None:
    config = tmp_path / "surge.yml"
    config.write_text("web: {listen_addresses: ['127.0.0.1:0'], enable_lifecycle: true}\n")
    log = tmp_path / "serve.log"
    with child(command("serve", "--config.file", str(config)), log, env=environment()) as process:
        found = wait_for(lambda: re.search(r"urls=(http://\S+)", log.read_text()), "the URL")
        url = f"{found.group(1)}/-/reload"
        config.write_text("web: {listen_addresses: ['127.0.0.1:1'], enable_lifecycle: false}\n")
        with urlopen(url, data=b"", timeout=10) as reloaded:  # noqa: S310
            assert reloaded.status == 200

        with pytest.raises(HTTPError, match="403"):
            urlopen(url, data=b"", timeout=10)  # noqa: S310
        assert process.poll() is None

    said = "listen addresses changed, a restart is needed to use them configured=127.0.0.1:1\n"
    assert said in log.read_text()


def test_a_broken_configuration_is_refused_on_sighup_and_a_mended_one_taken(
    tmp_path: Path,
) -> None:
    config = tmp_path / "surge.yml"
    config.write_text("window: {horizon_hours: 2}\n")
    gauge = "surge_exporter_config_last_reload_successful"
    with serving(tmp_path, "--config.file", str(config)) as running:
        assert running.sample(gauge) == 1.0

        config.write_text("windw: {}\n")
        running.process.send_signal(signal.SIGHUP)
        running.wait_for(0.0, gauge)
        assert running.sample("surge_window_seconds", window="recent") == 7200.0
        assert "unknown setting windw" in running.log.read_text()

        config.write_text("window: {horizon_hours: 3}\n")
        running.process.send_signal(signal.SIGHUP)
        running.wait_for(1.0, gauge)
        assert running.sample("surge_window_seconds", window="recent") == 10800.0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_at_once_and_in_order(tmp_path: Path, number: signal.Signals) -> None:
    write(tmp_path, "requests", request_line(SystemClock().now()))

    with serving(tmp_path) as running:
        code, seconds = running.end(number)

    assert code == 0
    assert seconds < STOPS_WITHIN_SECONDS
    assert running.log.read_text().endswith("stopped\n")
    assert "Traceback" not in running.log.read_text()


def test_a_port_that_is_taken_is_named_in_one_sentence(tmp_path: Path) -> None:
    with serving(tmp_path) as running:
        taken = running.url.removeprefix("http://")
        code, said = fail("serve", "--telemetry-dir", str(tmp_path), "--web.listen-address", taken)

    assert (code, said) == (1, f"Error: cannot listen on {taken}: Address already in use\n")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--config.file", "{}/none.yml"), "none.yml: cannot be read: No such file or directory"),
        (("--config.file", "{}/broken.yml"), "broken.yml: unknown setting windw"),
        (("--web.listen-address", "nowhere"), "expected a listen address like 127.0.0.1:10074"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_sentence(
    tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    (tmp_path / "broken.yml").write_text("windw: {}\n")

    code, said = fail("serve", *(argument.format(tmp_path) for argument in arguments))

    assert code == 2
    assert sentence in said
    assert len(said.splitlines()) == 1


def test_a_look_by_a_person_beside_a_scraper_moves_no_state_on(tmp_path: Path) -> None:
    state = tmp_path / "state"

    def saved() -> int | None:
        return decode(state.read_bytes(), SystemClock().now()).number if state.exists() else None

    with serving(tmp_path, "--state-file", str(state)) as running:
        header = {"X-Prometheus-Scrape-Timeout-Seconds": "5"}
        with urlopen(Request(f"{running.url}/metrics", headers=header)) as page:  # noqa: S310
            page.read()
        wait_for(lambda: saved() == 1, "the state, in place soon after the scrape was sent")
        for path in ("/metrics", "/metrics?name[]=surge_factor", "/", "/api/v1/report"):
            running.page(path)

        assert saved() == 1


def test_a_reload_over_http_is_answered_once_it_is_done(tmp_path: Path) -> None:
    config = tmp_path / "surge.yml"
    config.write_text("{}\n")
    with serving(tmp_path, "--config.file", str(config), "--web.enable-lifecycle") as running:
        config.write_text("window: {horizon_hours: 4}\n")
        with urlopen(f"{running.url}/-/reload", data=b"", timeout=10) as reloaded:  # noqa: S310
            assert reloaded.read() == b"Reloaded.\n"

        assert running.sample("surge_window_seconds", window="recent") == 14400.0


def test_settings_may_come_from_the_environment(tmp_path: Path) -> None:
    with started(
        tmp_path / "serve.log",
        "serve",
        pattern=r"urls=(http://\S+)",
        SURGE_TELEMETRY_DIR=str(tmp_path),
        SURGE_HORIZON="5",
        SURGE_WEB_DISABLE_EXPORTER_METRICS="1",
    ) as running:
        assert running.sample("surge_window_seconds", window="recent") == 18000.0
        assert running.sample("process_cpu_seconds_total") is None


def test_the_demo_shows_a_fleet_and_leaves_nothing_behind(tmp_path: Path) -> None:
    folder, log = tmp_path / "tmp", tmp_path / "demo.log"
    folder.mkdir()
    page = r"Status page  (http://\S+)/\n"
    with started(log, "demo", pattern=page, TMPDIR=str(folder)) as running:
        running.wait_for(1.0, "surge_source_up", source="requests")
        report = json.loads(running.page("/api/v1/report"))
        during = len(list(folder.iterdir()))
        code, seconds = running.end(signal.SIGINT)

    assert report["recent_requests"] > 0
    assert (during, list(folder.iterdir())) == (1, [])
    assert (code, seconds < STOPS_WITHIN_SECONDS) == (0, True)
    assert log.read_text().endswith("Stopped.\n")
    assert "Traceback" not in log.read_text()


def test_a_demo_that_cannot_listen_says_so_and_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir()
    with serving(tmp_path) as running:
        taken = running.url.removeprefix("http://")
        code, said = fail("demo", "--web.listen-address", taken, TMPDIR=str(folder))

    assert (code, said) == (1, f"Error: cannot listen on {taken}: Address already in use\n")
    assert list(folder.iterdir()) == []


def test_the_host_is_watched_without_any_configuration(tmp_path: Path) -> None:
    with serving(tmp_path) as running:
        decided = "surge_scaling_last_decision_timestamp_seconds"
        wait_for(lambda: running.sample(decided), "a decision")
        ratio = running.sample("surge_host_memory_ratio")
        classes = ("low_end", "mid_range", "high_end")
        tiers = [running.sample("surge_host_tier", tier=tier) for tier in classes]

    assert ratio is not None
    assert 0 < ratio < 1
    assert sorted(map(str, tiers)) == ["0.0", "0.0", "1.0"]


def test_that_gpus_cannot_be_read_is_said_once_however_often_scaling_is_turned_on(
    tmp_path: Path,
) -> None:
    config, log = tmp_path / "surge.yml", tmp_path / "serve.log"
    config.write_text("{}\n")
    (tmp_path / "pynvml.py").write_text("raise ImportError\n")  # even where it is installed
    arguments = ("serve", "--telemetry-dir", str(tmp_path), "--config.file", str(config))
    imports = os.pathsep.join([str(tmp_path), *sys.path])
    with started(log, *arguments, pattern=r"urls=(http://\S+)", PYTHONPATH=imports) as running:

        def is_watched() -> bool:
            return running.sample("surge_host_memory_ratio") is not None

        wait_for(is_watched, "a sample")
        config.write_text("scaling: {enabled: false}\n")
        running.process.send_signal(signal.SIGHUP)
        wait_for(lambda: not is_watched(), "no sample")
        config.write_text("{}\n")
        running.process.send_signal(signal.SIGHUP)
        wait_for(is_watched, "a sample again")

    assert log.read_text().count("the extra gpu is not installed") == 1


def test_a_check_is_answered_and_counted(tmp_path: Path) -> None:
    with serving(tmp_path) as running:
        with pytest.raises(HTTPError) as denied:
            urlopen(f"{running.url}/api/v1/preflight?model=nope")  # noqa: S310 - loopback
        answer = json.load(denied.value)
        checks = running.sample("surge_preflight_checks_total", outcome="denied")

    assert denied.value.code == 503
    assert answer["reason"] == "nope is not one of the 3 models configured"
    assert checks == 1.0
