"""Real servers as child processes on loopback, each on a free port, waited for by asking."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, TypeVar
from urllib.parse import urlencode

import pytest

Found = TypeVar("Found")

PATIENCE_SECONDS = 60.0

MUST_HAVE_ALL = "SURGE_ALL_SERVERS"
"""The environment variable with which a test that lacks something fails: the gate sets it."""


def wait_for(ask: Callable[[], Found | None], what: str) -> Found:
    """Ask until there is an answer that is not None or False; fail with `what` after long."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        found = ask()
        if found is not None and found is not False:
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited {PATIENCE_SECONDS:g} s in vain for {what}")


def get(url: str, *, timeout: float = 5.0) -> str | None:
    """Return the body of a page, None while it can't be had."""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as response:  # noqa: S310 - loopback
            return str(response.read().decode())
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return None


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def do_without(what: str) -> NoReturn:
    """Skip the test, which can't be run for this reason; fail it where all must be run."""
    if os.environ.get(MUST_HAVE_ALL):
        pytest.fail(f"{what} ({MUST_HAVE_ALL} is set)", pytrace=False)
    pytest.skip(what)


def installed(*names: str) -> str:
    """Return the first of these programs that is installed; do without if none is."""
    for name in names:
        path = shutil.which(name)
        if path:
            return path
    do_without(f"{names[0]} is not installed: deploy/servers.sh installs it")


@contextmanager
def child(command: list[str], log: Path, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program while the block runs, its output in `log`; stop it by SIGTERM."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, **options)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def exporter_command(directory: Path, *arguments: str) -> list[str]:
    """Return the command that serves `directory` on a free port."""
    return [
        *(sys.executable, "-m", "surge_exporter", "serve"),
        *("--telemetry-dir", str(directory), "--web.listen-address", "127.0.0.1:0"),
        *arguments,
    ]


def exporter_url(log: Path) -> str:
    """Return where an exporter listens, once its log says so and its history is read."""
    pattern = re.compile(r"urls=(http://\S+)")
    url = wait_for(lambda: pattern.search(log.read_text()), "the exporter's URL").group(1)
    wait_for(lambda: get(f"{url}/-/ready"), "the exporter to be ready")
    return str(url)


@contextmanager
def exporter(directory: Path, log: Path, *arguments: str) -> Iterator[str]:
    """Run `surge-exporter serve` on `directory`; yield its URL once its history is read."""
    with child(exporter_command(directory, *arguments), log):
        yield exporter_url(log)


class Prometheus:
    """Asks a Prometheus over its HTTP API."""

    def __init__(self, url: str) -> None:
        """Take where it listens."""
        self.url = url

    def query(self, expression: str) -> list[tuple[Mapping[str, str], float]]:
        """Return the labels and value of each series of an instant query."""
        text = get(f"{self.url}/api/v1/query?{urlencode({'query': expression})}")
        if text is None:
            return []
        return [
            (series["metric"], float(series["value"][1]))
            for series in json.loads(text)["data"]["result"]
        ]

    def value(self, expression: str) -> float | None:
        """Return the value of the only series of an instant query; None if there is none."""
        found = self.query(expression)
        return found[0][1] if found else None

    def rules(self) -> list[Mapping[str, Any]]:
        """Return the rules that are loaded, each with its `health`."""
        found = json.loads(get(f"{self.url}/api/v1/rules") or '{"data": {"groups": []}}')
        return [rule for group in found["data"]["groups"] for rule in group["rules"]]


def _targets(url: str) -> dict[str, list[str]]:
    return {"targets": [url.removeprefix("http://")]}


@contextmanager
def prometheus(
    folder: Path,
    target: str,
    *,
    interval: str = "1s",
    rules: Mapping[str, str] | None = None,
    alertmanager: str | None = None,
) -> Iterator[Prometheus]:
    """Run a Prometheus that scrapes `target`, evaluates rule files and tells an Alertmanager."""
    program = installed("prometheus")
    folder.mkdir()
    config = folder / "prometheus.yml"
    for name, text in (rules or {}).items():
        (folder / name).write_text(text)
    paces = {"scrape_interval": interval, "evaluation_interval": interval}
    settings: dict[str, Any] = {
        "global": {**paces, "scrape_timeout": interval},
        "scrape_configs": [{"job_name": "surge", "static_configs": [_targets(target)]}],
        "rule_files": list(rules or ()),
    }
    if alertmanager is not None:
        managers = [{"static_configs": [_targets(alertmanager)]}]
        settings["alerting"] = {"alertmanagers": managers}
    config.write_text(json.dumps(settings))  # which is YAML, too
    address = f"127.0.0.1:{free_port()}"
    command = [
        program,
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
    ]
    with child(command, folder / "prometheus.log"):
        wait_for(lambda: get(f"http://{address}/-/ready"), "Prometheus to be ready")
        yield Prometheus(f"http://{address}")


class Alertmanager:
    """Talks to an Alertmanager over its HTTP API."""

    def __init__(self, url: str) -> None:
        """Take where it listens."""
        self.url = url

    def post(self, alerts: Sequence[Mapping[str, Any]]) -> None:
        """Hand over alerts: `labels`, and `annotations`, `startsAt`, `endsAt` as needed."""
        request = urllib.request.Request(  # noqa: S310 - loopback
            f"{self.url}/api/v2/alerts",
            data=json.dumps(alerts).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=5.0):  # noqa: S310 - loopback
            pass

    def alerts(self) -> list[Mapping[str, Any]]:
        """Return the alerts that fire, each with its `status`."""
        return list(json.loads(get(f"{self.url}/api/v2/alerts") or "[]"))


@contextmanager
def alertmanager(folder: Path, files: Mapping[str, str], config: str) -> Iterator[Alertmanager]:
    """Run an Alertmanager on these files, by path below `folder`; one is its configuration."""
    program = installed("prometheus-alertmanager", "alertmanager")
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    address = f"127.0.0.1:{free_port()}"
    command = [
        program,
        f"--config.file={folder / config}",
        f"--storage.path={folder / 'data'}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
    ]
    with child(command, folder / "alertmanager.log"):
        wait_for(lambda: get(f"http://{address}/-/ready"), "Alertmanager to be ready")
        yield Alertmanager(f"http://{address}")
