"""A VictoriaMetrics that holds the simulated day, and what the rules make of it."""

import json
import re
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode

import yaml

from tests.servers import child, free_port, get, installed, wait_for

RULES = Path(__file__).parents[1] / "rules"
_STEP_SECONDS = 60


class Victoria:
    """Asks a VictoriaMetrics over the API that Prometheus has, and gives it samples."""

    def __init__(self, url: str) -> None:
        """Take where it listens."""
        self.url = url

    def add(self, series: Iterable[str]) -> None:
        """Give it series, in its own format, and wait until they can be asked for."""
        body = "\n".join(series).encode()
        request = urllib.request.Request(f"{self.url}/api/v1/import", data=body)  # noqa: S310
        with urllib.request.urlopen(request, timeout=60):  # noqa: S310 - loopback
            pass
        get(f"{self.url}/internal/force_flush", timeout=30)

    def ask(self, path: str, **parameters: str | float) -> Any:
        """Return the data of an answer.

        Raises:
            ValueError: it is an error; the message is the server's.
        """
        url = f"{self.url}/api/v1/{path}?{urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=60) as response:  # noqa: S310 - loopback
                return json.load(response)["data"]
        except HTTPError as error:
            raise ValueError(f"{url}: {error.read().decode()}") from error

    def series(self, expr: str, *, start: float, end: float, step: float) -> list[dict[str, Any]]:
        """Return what a range query gives: a `metric` and its `values` for each series."""
        found: list[dict[str, Any]] = self.ask(
            "query_range", query=expr, start=start, end=end, step=step
        )["result"]
        return found


@contextmanager
def victoria(folder: Path) -> Iterator[Victoria]:
    """Run one that is empty."""
    program = installed("victoria-metrics")
    folder.mkdir()
    address = f"127.0.0.1:{free_port()}"
    command = [
        program,
        f"-storageDataPath={folder / 'data'}",
        "-retentionPeriod=100y",
        "-search.disableCache",
        f"-httpListenAddr={address}",
    ]
    with child(command, folder / "victoria.log"):
        wait_for(lambda: get(f"http://{address}/health"), "VictoriaMetrics to be ready")
        yield Victoria(f"http://{address}")


def evaluate(server: Victoria, *, start: float, end: float) -> None:
    """Give it what the rules of this project make of its samples, as a ruler would have.

    Rules are evaluated in their order, each over the whole time; those that another one reads
    are written before it is.
    """
    pending: dict[str, list[str]] = {}
    for rule in _rules():
        if any(name in rule["expr"] for name in pending):
            _write(server, pending, end)
        found = server.series(rule["expr"], start=start, end=end, step=_STEP_SECONDS)
        labels = {key: str(value) for key, value in rule.get("labels", {}).items()}
        if "record" in rule:
            name = {"__name__": rule["record"]}
        else:
            name = {"__name__": "ALERTS", "alertname": rule["alert"], "alertstate": "firing"}
            found = [_fired(series, _seconds(rule.get("for", "0s"))) for series in found]
        pending.setdefault(name["__name__"], []).extend(
            _line({**series["metric"], **labels, **name}, series["values"])
            for series in found
            if series["values"]
        )
    _write(server, pending, end)


def _rules() -> Iterator[dict[str, Any]]:
    for path in sorted(RULES.glob("*.yml"), key=lambda path: "rules" not in path.name):
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            yield from group["rules"]


def _write(server: Victoria, pending: dict[str, list[str]], end: float) -> None:
    server.add(line for lines in pending.values() for line in lines)
    for name, lines in pending.items():
        if lines:  # an index that is written is not always read at once
            ask = {"match[]": name, "start": end - 30 * 3600, "end": end}
            wait_for(lambda ask=ask: server.ask("series", **ask), f"{name} to be there")  # type: ignore[misc]
    pending.clear()


def _fired(series: dict[str, Any], for_seconds: float) -> dict[str, Any]:
    """Return when an alert has been pending for so long that it fires."""
    values: list[Sequence[Any]] = []
    began = before = -1.0
    for at, _ in series["values"]:
        if at - before > _STEP_SECONDS:
            began = at
        before = at
        if at - began >= for_seconds:
            values.append((at, "1"))
    return {"metric": series["metric"], "values": values}


def _line(labels: Mapping[str, str], values: Sequence[Sequence[Any]]) -> str:
    return json.dumps(
        {
            "metric": labels,
            "values": [float(value) for _, value in values],
            "timestamps": [int(at * 1000) for at, _ in values],
        }
    )


def _seconds(text: str) -> float:
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    return sum(int(n) * units[unit] for n, unit in re.findall(r"(\d+)([smhd])", text))
