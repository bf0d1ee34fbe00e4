"""Panels as Grafana's JSON: what is asked, how values look, what each kind needs. Pure."""

from collections.abc import Iterator, Sequence
from string import ascii_uppercase
from typing import Any

from surge_exporter.dashboards.panel import (
    BarGauge,
    Line,
    Panel,
    Query,
    Stat,
    State,
    StateTimeline,
    Step,
    Table,
    Text,
    TimeSeries,
)
from surge_exporter.rules.rule import Board

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
NO_LINK: dict[str, Any] = {
    "type": "link",
    "title": "",
    "url": "",
    "tags": [],
    "icon": "external link",
    "tooltip": "",
    "asDropdown": False,
    "includeVars": False,
    "keepTime": False,
    "targetBlank": False,
}
"""All that a link must have, before it says where it leads."""

_KIND = {
    Stat: "stat",
    TimeSeries: "timeseries",
    Table: "table",
    StateTimeline: "state-timeline",
    BarGauge: "bargauge",
    Text: "text",
}
_LAST = {"calcs": ["lastNotNull"], "fields": "", "values": False}
_NO_LEGEND = {"displayMode": "list", "placement": "bottom", "showLegend": False, "calcs": []}


def panel_json(panel: Panel) -> dict[str, Any]:
    """Return a panel as Grafana has it, but for its id and place."""
    shared = {
        "type": _KIND[type(panel)],
        "title": panel.title,
        "description": panel.description,
        "transparent": False,
    }
    if isinstance(panel, Text):
        return {**shared, "options": {"mode": "markdown", "content": panel.content}}
    return {
        **shared,
        "datasource": DATASOURCE,
        "targets": [_target(panel, ref, query) for ref, query in _named(panel)],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": list(_overrides(panel))},
        "options": _options(panel),
        **({"links": [_link(panel.leads_to)]} if panel.leads_to else {}),
        **({"transformations": list(_transformations(panel))} if isinstance(panel, Table) else {}),
    }


def _named(panel: Panel) -> Iterator[tuple[str, Query]]:
    return zip(ascii_uppercase, panel.queries, strict=False)


def _target(panel: Panel, ref: str, query: Query) -> dict[str, Any]:
    is_instant = isinstance(panel, Table | BarGauge) or (
        isinstance(panel, Stat) and not panel.sparkline
    )
    return {
        "refId": ref,
        "datasource": DATASOURCE,
        "editorMode": "code",
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
        "instant": is_instant,
        "range": not is_instant,
        "format": "table" if isinstance(panel, Table) else "time_series",
    }


def _link(board: Board) -> dict[str, Any]:
    url = f"/d/{board}?${{__url_time_range}}&${{__all_variables}}"
    return {**NO_LINK, "title": "More on this", "url": url}


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
            "fillOpacity": 40 if panel.stacked else 6,
            "gradientMode": "none",
            "showPoints": "never",
            "spanNulls": False,
            "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
            "axisPlacement": "auto",
            "axisLabel": "",
            **({"axisSoftMin": 0} if panel.from_zero else {}),
            "thresholdsStyle": {"mode": "off"},
        }
    if isinstance(panel, StateTimeline):
        return {"fillOpacity": 75, "lineWidth": 0}
    if isinstance(panel, Table):
        return {"align": "auto", "cellOptions": {"type": "auto"}, "inspect": False}
    return {}


def _options(panel: Panel) -> dict[str, Any]:
    match panel:
        case Stat():
            return {
                "colorMode": "background" if panel.fills else "value",
                "graphMode": "area" if panel.sparkline else "none",
                "justifyMode": "auto",
                "orientation": "auto",
                "percentChangeColorMode": "standard",
                "reduceOptions": _LAST,
                "showPercentChange": False,
                "textMode": "auto",
                "wideLayout": True,
            }
        case TimeSeries():
            return {"legend": _legend(panel), "tooltip": {"mode": "multi", "sort": "desc"}}
        case Table():
            by = [{"displayName": panel.sort_by, "desc": True}] if panel.sort_by else []
            return {"cellHeight": "sm", "frameIndex": 0, "showHeader": True, "sortBy": by}
        case StateTimeline():
            return {
                "alignValue": "left",
                "legend": _NO_LEGEND,
                "mergeValues": True,
                "rowHeight": 0.85,
                "showValue": "never",
                "tooltip": {"mode": "single", "sort": "none"},
            }
        case _:
            return {
                "displayMode": "basic",
                "legend": _NO_LEGEND,
                "maxVizHeight": 300,
                "minVizHeight": 16,
                "minVizWidth": 8,
                "namePlacement": "auto",
                "orientation": "horizontal",
                "reduceOptions": _LAST,
                "showUnfilled": True,
                "sizing": "auto",
                "valueMode": "color",
            }


def _legend(panel: TimeSeries) -> dict[str, Any]:
    if not panel.legend_beside:
        return {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []}
    calcs = ["lastNotNull", "max"]
    return {"displayMode": "table", "placement": "right", "showLegend": True, "calcs": calcs}


def _overrides(panel: Panel) -> Iterator[dict[str, Any]]:
    for ref, query in _named(panel):
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


def _line(line: Line) -> Iterator[dict[str, Any]]:
    if line.colour:
        yield {"id": "color", "value": {"mode": "fixed", "fixedColor": line.colour.value}}
    if line.dashed:
        yield {"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [8, 6]}}
    yield {"id": "custom.lineWidth", "value": line.width}
    yield {"id": "custom.fillOpacity", "value": line.fill_opacity}
    if line.fill_down_to:
        yield {"id": "custom.fillBelowTo", "value": line.fill_down_to}


def _column(panel: Table, query: Query) -> Iterator[dict[str, Any]]:
    if query.unit:
        yield {"id": "unit", "value": query.unit.value}
    if query.steps:
        yield {"id": "thresholds", "value": _thresholds(query.steps)}
    if query.states:
        yield {"id": "mappings", "value": _mappings(query.states)}
    if (query.steps or query.states) and query.legend not in panel.hidden:
        yield {"id": "custom.cellOptions", "value": {"type": "color-text"}}


def _transformations(panel: Table) -> Iterator[dict[str, Any]]:
    several = len(panel.queries) > 1
    if several:
        yield {"id": "merge", "options": {}}
    values = {f"Value #{ref}" if several else "Value": q.legend for ref, q in _named(panel)}
    names = {**panel.labels, **values}
    hidden = ["Time", *(name for name, head in names.items() if head in panel.hidden)]
    yield {
        "id": "organize",
        "options": {
            "excludeByName": dict.fromkeys(hidden, True),
            "indexByName": {name: index for index, name in enumerate(names)},
            "renameByName": names,
        },
    }
