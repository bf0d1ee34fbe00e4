"""All dashboards."""

from collections.abc import Callable

from surge_exporter.dashboards.callers import callers
from surge_exporter.dashboards.demand import demand
from surge_exporter.dashboards.dependencies import dependencies
from surge_exporter.dashboards.exporter import exporter
from surge_exporter.dashboards.host import host
from surge_exporter.dashboards.overview import overview
from surge_exporter.dashboards.panel import Dashboard
from surge_exporter.dashboards.scope import Scope
from surge_exporter.rules.choices import Choices

_BOARDS: tuple[Callable[[Scope], Dashboard], ...] = (
    overview,
    demand,
    callers,
    dependencies,
    host,
    exporter,
)


def dashboards(choices: Choices) -> tuple[Dashboard, ...]:
    """Return all of them; each is of a uid that alerts link to."""
    scope = Scope(choices)
    return tuple(board(scope) for board in _BOARDS)
