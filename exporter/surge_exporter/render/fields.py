"""How values look, as Grafana's JSON: units, colours, names of states, lines, columns. Pure."""

from collections.abc import Iterator, Sequence
from string import ascii_uppercase
from typing import Any

from surge_exporter.dashboards.panel import (
    Line,
    Panel,
    Query,
    State,
    StateTimeline,
    Step,
    Table,
    TimeSeries,
    Unit,
)

_EMPTY_CELL = "–"
"""Where a row lacks a label; that there are no rows is for the panel to say."""


def field_config(panel: Panel) -> dict[str, Any]:
    """Return how the values of a panel look, and where some look otherwise."""
    return {"defaults": _defaults(panel), "overrides": list(_overrides(panel))}


def named(panel: Panel) -> Iterator[tuple[str, Query]]:
    """Yield a panel's queries with the letters they go by."""
    return zip(ascii_uppercase, panel.queries, strict=False)


def _defaults(panel: Panel) -> dict[str, Any]:
    return {
        "unit": panel.unit.value,
        **({} if panel.decimals is None else {"decimals": panel.decimals}),
        **({} if panel.least is None else {"min": panel.least}),
        **({} if panel.most is None else {"max": panel.most}),
        "noValue": panel.no_value,
        "color": {"mode": "palette-classic" if isinstance(panel, TimeSeries) else "thresholds"},
        "thresholds": _thresholds(panel.steps),
        "mappings": _mappings(panel.states),
        "links": [],
        "custom": _custom(panel),
    }


def _thresholds(steps: Sequence[Step]) -> dict[str, Any]:
    found = [{"color": step.colour.value, "value": step.value} for step in steps]
    return {"mode": "absolute", "steps": found}


def _mappings(states: Sequence[State]) -> list[dict[str, Any]]:
    if not states:
        return []
    options = {
        f"{state.value:g}": {"text": state.text, "color": state.colour.value, "index": index}
        for index, state in enumerate(states)
    }
    return [{"type": "value", "options": options}]


def _custom(panel: Panel) -> dict[str, Any]:
    """What the fields of one kind of panel have, and no other's."""
    if isinstance(panel, TimeSeries):
        return {
            "drawStyle": "line",
            "lineInterpolation": "linear",
            "lineWidth": 1.5,
            "fillOpacity": 40 if panel.stacked else 0,
            "gradientMode": "none",
            "showPoints": "never",
            "spanNulls": False,
            "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
            "axisPlacement": "auto",
            "axisLabel": "",
            **({"axisSoftMin": 0} if panel.from_zero else {}),
            **({"axisSoftMax": 1} if panel.unit is Unit.COUNT else {}),
            "thresholdsStyle": {"mode": "off"},
        }
    if isinstance(panel, StateTimeline):
        return {"fillOpacity": 75, "lineWidth": 0}
    if isinstance(panel, Table):
        return {"align": "auto", "cellOptions": {"type": "auto"}, "inspect": False}
    return {}


def _overrides(panel: Panel) -> Iterator[dict[str, Any]]:
    if isinstance(panel, Table):
        nothing = {"id": "noValue", "value": _EMPTY_CELL}
        # Else a label like "0042" is a number, and shown as one.
        text = {"id": "unit", "value": "string"}
        yield {"matcher": {"id": "byType", "options": "string"}, "properties": [nothing, text]}
        yield {"matcher": {"id": "byType", "options": "number"}, "properties": [nothing]}
    for ref, query in named(panel):
        if query.line:
            matcher = {"id": "byFrameRefID", "options": ref}
            yield {"matcher": matcher, "properties": list(_line(query.line))}
        if isinstance(panel, Table):
            properties = list(_column(panel, query))
            if properties:
                matcher = {"id": "byName", "options": query.legend}
                yield {"matcher": matcher, "properties": properties}
    if isinstance(panel, Table):
        for head, url in panel.cell_links.items():
            link = {"title": "What to do", "url": url, "targetBlank": True}
            properties = [{"id": "links", "value": [link]}]
            yield {"matcher": {"id": "byName", "options": head}, "properties": properties}
        for head, pixels in panel.widths.items():
            properties = [{"id": "custom.width", "value": pixels}]
            yield {"matcher": {"id": "byName", "options": head}, "properties": properties}


def _line(line: Line) -> Iterator[dict[str, Any]]:
    if line.colour:
        yield {"id": "color", "value": {"mode": "fixed", "fixedColor": line.colour.value}}
    if line.dashed:
        yield {"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [8, 6]}}
    yield {"id": "custom.lineWidth", "value": line.width}
    yield {"id": "custom.fillOpacity", "value": line.fill_opacity}
    if line.fill_down_to:
        yield {"id": "custom.fillBelowTo", "value": line.fill_down_to}
    if not line.in_legend:
        hidden = {"legend": True, "tooltip": False, "viz": False}
        yield {"id": "custom.hideFrom", "value": hidden}


def _column(panel: Table, query: Query) -> Iterator[dict[str, Any]]:
    if query.unit:
        yield {"id": "unit", "value": query.unit.value}
    if query.steps:
        yield {"id": "thresholds", "value": _thresholds(query.steps)}
    if query.states:
        yield {"id": "mappings", "value": _mappings(query.states)}
    if (query.steps or query.states) and query.legend not in panel.hidden:
        yield {"id": "custom.cellOptions", "value": {"type": "color-text"}}
