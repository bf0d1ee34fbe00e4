"""Dashboards as Grafana's classic JSON, which imports in every Grafana from 11 on. Pure."""

import json
from typing import Any

from surge_exporter.dashboards.boards import dashboards
from surge_exporter.dashboards.layout import placed
from surge_exporter.dashboards.panel import Dashboard, Row, Variable
from surge_exporter.render.panels import DATASOURCE, NO_LINK, panel_json
from surge_exporter.rules.choices import Choices

SCHEMA_VERSION = 39
"""Of Grafana 11; every later one migrates it as it loads it."""
TAG = "surge"
"""Of all dashboards: each links to those that have it."""

_ON_TIME_RANGE_CHANGE = 2
_ALPHABETICAL = 1
_SHARED_CROSSHAIR = 1


def dashboard_files(choices: Choices) -> dict[str, str]:
    """Return the text of every dashboard's file, by the file's name."""
    return {
        f"{board.uid}.json": json.dumps(dashboard_json(board), indent=2, ensure_ascii=False) + "\n"
        for board in dashboards(choices)
    }


def dashboard_json(board: Dashboard) -> dict[str, Any]:
    """Return a dashboard as Grafana has it.

    It has no `id`, so that it imports anywhere, and no datasource but that of its variable, so
    that it works by import and by provisioning.
    """
    return {
        "uid": board.uid.value,
        "title": board.title,
        "description": board.description,
        "tags": [TAG],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": False,
        "graphTooltip": _SHARED_CROSSHAIR,
        "fiscalYearStartMonth": 0,
        "weekStart": "",
        "timezone": "browser",
        "time": {"from": f"now-{board.hours}h", "to": "now"},
        "timepicker": {},
        "refresh": "1m",
        "liveNow": False,
        "links": [_LINKS],
        "annotations": {"list": [_alerts(board.alerts)]},
        "templating": {"list": [_DATASOURCE_VARIABLE, *map(_variable, board.variables)]},
        "panels": [
            {
                "id": number,
                **(_heading(item) if isinstance(item, Row) else panel_json(item)),
                "gridPos": {"x": place.x, "y": place.y, "w": place.width, "h": place.height},
            }
            for number, (item, place) in enumerate(placed(board.rows), start=1)
        ],
    }


_LINKS = {
    **NO_LINK,
    "type": "dashboards",
    "title": "Surge dashboards",
    "tags": [TAG],
    "asDropdown": True,
    "includeVars": True,
    "keepTime": True,
}
_DATASOURCE_VARIABLE = {
    "type": "datasource",
    "name": "datasource",
    "label": "Data source",
    "query": "prometheus",
    "regex": "",
    "refresh": 1,
    "hide": 0,
    "multi": False,
    "includeAll": False,
    "options": [],
}


def _variable(variable: Variable) -> dict[str, Any]:
    return {
        "type": "query",
        "name": variable.name,
        "label": variable.label,
        "datasource": DATASOURCE,
        "query": variable.query,
        "regex": "",
        "refresh": _ON_TIME_RANGE_CHANGE,
        "sort": _ALPHABETICAL,
        "hide": 0,
        "multi": True,
        "includeAll": True,
        "allValue": ".+",
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "options": [],
    }


def _alerts(query: str) -> dict[str, Any]:
    return {
        "name": "Alerts",
        "datasource": DATASOURCE,
        "enable": True,
        "hide": False,
        "iconColor": "red",
        "expr": query,
        "step": "60s",
        "titleFormat": "{{alertname}}",
        "textFormat": "{{severity}} {{caller}}{{dependency}}{{source}} {{instance}}",
        "tagKeys": "severity,action",
        "useValueForTime": False,
    }


def _heading(row: Row) -> dict[str, Any]:
    return {"type": "row", "title": row.title, "collapsed": False, "panels": []}
