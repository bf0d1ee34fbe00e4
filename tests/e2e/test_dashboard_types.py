"""The dashboards against Grafana's own types, of three versions."""

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests import boards, node

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("dashboard-types"),
]

TOOLS = Path(__file__).parents[1] / "grafana"
VERSIONS = (11, 12, 13)
_KINDS = {
    "stat": "Stat",
    "timeseries": "TimeSeries",
    "table": "Table",
    "state-timeline": "StateTimeline",
    "bargauge": "BarGauge",
    "text": "Text",
}
_HAVE_FIELDS = {"TimeSeries", "Table", "StateTimeline"}
"""The kinds of panel whose fields have options of the kind's own."""
_EXPORTS_BY_NAME = 12
"""The first version whose package names its modules without their suffix."""


@pytest.fixture(scope="module")
def tools() -> Path:
    """Install Grafana's types, once; return the folder that has them."""
    node.install(TOOLS)
    return TOOLS


def _module(board: Mapping[str, Any], version: int) -> Iterator[str]:
    """Yield TypeScript that holds only if the dashboard is of Grafana's types."""
    package = f"grafana-schema-{version}"
    yield 'import type { Plain } from "../plain";'
    yield f'import type {{ Dashboard }} from "{package}";'
    for kind in _KINDS.values():
        path = f"{package}/dist/esm/raw/composable/{kind.lower()}/panelcfg/x"
        end = "" if version >= _EXPORTS_BY_NAME else ".js"
        yield f'import type * as {kind} from "{path}/{kind}PanelCfg_types.gen{end}";'
    # Prometheus' annotations have their query at the top, where no type knows it.
    (alerts,) = board["annotations"]["list"]
    known = {k: v for k, v in alerts.items() if k in {"name", "datasource", "enable", "iconColor"}}
    whole = {**board, "annotations": {"list": [known]}}
    yield f"export const board: Plain<Dashboard> = {_json(whole)};"
    for panel in boards.panels(board):
        kind = _KINDS[panel["type"]]
        number, options = panel["id"], _json(panel["options"])
        yield f"export const options{number}: Plain<{kind}.Options> = {options};"
        for place, fields in enumerate(_fields(panel) if kind in _HAVE_FIELDS else ()):
            name = f"fields{number}_{place}"
            yield f"export const {name}: Partial<Plain<{kind}.FieldConfig>> = {_json(fields)};"


def _fields(panel: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what a panel says of its fields, as a whole and by override."""
    yield panel["fieldConfig"]["defaults"]["custom"]
    for override in panel["fieldConfig"]["overrides"]:
        custom = {
            found["id"].removeprefix("custom."): found["value"]
            for found in override["properties"]
            if found["id"].startswith("custom.")
        }
        if custom:
            yield custom


def _json(value: object) -> str:
    return json.dumps(value, indent=1)


def _check(folder: Path, tools: Path) -> str:
    """Return what the compiler finds wrong in a folder."""
    config = {
        "compilerOptions": {
            "module": "esnext",
            "moduleResolution": "bundler",
            "target": "es2022",
            "lib": ["es2022", "dom"],
            "strict": True,
            "noEmit": True,
            "skipLibCheck": True,
            "types": [],
        },
        "include": ["*/*.ts"],
    }
    (folder / "tsconfig.json").write_text(json.dumps(config))
    shutil.copy(tools / "plain.ts", folder)
    (folder / "node_modules").symlink_to(tools / "node_modules")
    command = ["node", str(tools / "node_modules/typescript/bin/tsc"), "-p", "."]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout


def _write(folder: Path, found: Mapping[str, dict[str, Any]]) -> None:
    for version in VERSIONS:
        (folder / f"v{version}").mkdir()
        for uid, board in found.items():
            text = "\n".join(_module(board, version))
            (folder / f"v{version}" / f"{uid}.ts").write_text(text)


def test_the_dashboards_are_of_the_types_of_grafana_11_12_and_13(
    tools: Path, tmp_path: Path
) -> None:
    _write(tmp_path, boards.boards())
    assert _check(tmp_path, tools) == ""


def test_a_key_that_grafana_does_not_know_is_found_in_each_version(
    tools: Path, tmp_path: Path
) -> None:
    """Proves that the check above can fail: on the dashboard, on options, on a field."""
    board = boards.boards()["surge-overview"]
    board["colour"] = "red"
    stat = next(panel for panel in boards.panels(board) if panel["type"] == "stat")
    stat["options"]["graphMode"] = "bars"
    line = next(panel for panel in boards.panels(board) if panel["type"] == "timeseries")
    line["fieldConfig"]["defaults"]["custom"]["lineWidht"] = 2
    _write(tmp_path, {"surge-overview": board})
    found = _check(tmp_path, tools)
    for version in VERSIONS:
        mine = [text for text in found.splitlines() if text.startswith(f"v{version}/")]
        for wrong in ('"colour"', '"bars"', '"lineWidht"'):
            assert any(wrong in text for text in mine), (version, wrong, found)
