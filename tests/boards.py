"""The committed dashboards, as Grafana would read them."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from surge_exporter.metrics import COLLECTOR_DURATION, COLLECTOR_SUCCESS, METRICS
from surge_exporter.snapshot import Family

FOLDER = Path(__file__).parents[1] / "dashboards"
EXPORTED: Mapping[str, Family] = {
    family.name: family for family in (*METRICS, COLLECTOR_SUCCESS, COLLECTOR_DURATION)
}
SERVERS_OWN = {"up", "ALERTS"}
"""What every Prometheus makes itself."""

_SUFFIX = re.compile(r"_(bucket|sum|count)$")


@dataclass(frozen=True, slots=True)
class Target:
    """One query of one panel."""

    board: str
    panel: Mapping[str, Any]
    query: Mapping[str, Any]

    @property
    def expr(self) -> str:
        return str(self.query["expr"])

    def __str__(self) -> str:
        return f"{self.board}: {self.panel['title']}: {self.query['refId']}"


def boards() -> Mapping[str, dict[str, Any]]:
    """Return the dashboards by uid."""
    return {path.stem: json.loads(path.read_text("utf-8")) for path in FOLDER.glob("*.json")}


def panels(board: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield a dashboard's panels, without the headings."""
    return (panel for panel in board["panels"] if panel["type"] != "row")


def targets() -> list[Target]:
    """Return every query of every panel."""
    return [
        Target(uid, panel, query)
        for uid, board in boards().items()
        for panel in panels(board)
        for query in panel.get("targets", ())
    ]


def variables(board: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the variables that are asked for, without that of the data source."""
    return [v for v in board["templating"]["list"] if v["type"] == "query"]


def named(expr: str) -> set[str]:
    """Return which metrics an expression names."""
    bare = re.sub(r'"[^"]*"', '""', expr)
    return {
        *re.findall(r"\bsurge_[a-z0-9_]+|\bjob\w*:[\w:]+|\bALERTS\b|\bup(?=\{)", bare),
    }


def family_of(name: str) -> Family | None:
    """Return the exporter's family that a series of this name is of."""
    return EXPORTED.get(name) or EXPORTED.get(_SUFFIX.sub("", name))


def is_recorded(name: str) -> bool:
    """Say whether a series of this name is the rules' work."""
    return ":" in name


def resolved(text: str, values: Mapping[str, str]) -> str:
    """Return a query with its variables replaced, as Grafana does it."""
    for name, value in values.items():
        text = text.replace(f"${{{name}}}", value).replace(f"${name}", value)
    return text
