"""Where panels stand: from left to right as long as they fit, then below."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from surge_exporter.dashboards.panel import COLUMNS, Panel, Row

_HEADING_HEIGHT = 1


@dataclass(frozen=True, slots=True)
class Place:
    """A rectangle of the grid."""

    x: int
    y: int
    width: int
    height: int


def placed(rows: Sequence[Row]) -> Iterator[tuple[Row | Panel, Place]]:
    """Yield every heading and panel with its place; no two places overlap.

    Raises:
        ValueError: a panel is wider than the grid, or has no size.
    """
    y = 0
    for row in rows:
        yield row, Place(0, y, COLUMNS, _HEADING_HEIGHT)
        y += _HEADING_HEIGHT
        x = height = 0
        for panel in row.panels:
            if not (0 < panel.width <= COLUMNS and panel.height > 0):
                raise ValueError(f"expected {panel.title!r} to fit into {COLUMNS} columns")
            if x + panel.width > COLUMNS:
                x, y, height = 0, y + height, 0
            yield panel, Place(x, y, panel.width, panel.height)
            x, height = x + panel.width, max(height, panel.height)
        y += height
