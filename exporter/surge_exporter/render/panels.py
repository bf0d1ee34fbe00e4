"""Panels as Grafana's JSON: what is asked, and what each kind of panel needs. Pure."""

from collections.abc import Iterator
from typing import Any

from surge_exporter.dashboards.panel import (
    BarGauge,
    Panel,
    Query,
    Stat,
    StateTimeline,
    Table,
    Text,
    TimeSeries,
)
from surge_exporter.render.fields import field_config, named
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
        "targets": [_target(panel, ref, query) for ref, query in named(panel)],
        "fieldConfig": field_config(panel),
        "options": _options(panel),
        **({"links": [_link(panel.leads_to)]} if panel.leads_to else {}),
        **({"transformations": list(_transformations(panel))} if isinstance(panel, Table) else {}),
    }


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


def _transformations(panel: Table) -> Iterator[dict[str, Any]]:
    several = len(panel.queries) > 1
    if several:
        yield {"id": "merge", "options": {}}
    values = {f"Value #{ref}" if several else "Value": q.legend for ref, q in named(panel)}
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
