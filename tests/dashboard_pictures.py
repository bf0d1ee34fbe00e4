"""Take pictures of the dashboards, drawn by Grafana's own components with a simulated day.

    python -m tests.dashboard_pictures exporter/docs/dashboards

Needs Debian's chromium, victoria-metrics, nodejs and npm; installs 420 MB of packages once.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from tests import boards
from tests.boards import Target
from tests.servers import installed
from tests.simulated import END, SCRAPED_SECONDS, scraped
from tests.victoria import Victoria, evaluate, victoria

_TOOLS = Path(__file__).parent / "grafana" / "ui"
_WIDTH = 1400
_TOP = 64
"""Pixels over the first panel."""
_CELL_HEIGHT = 38
_STEPS = 288
_FEW_COLOURS = 100
"""No picture of a dashboard has so few."""
_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--allow-file-access-from-files", "--virtual-time-budget=8000"),
)
_PAGE = """<!doctype html><meta charset="utf-8">
<link rel="stylesheet" href="render.css">
<div id="root"></div>
<script>window.BOARD = {board};</script>
<script src="render.js"></script>
"""


def main(folder: str) -> None:
    """Write a picture of each dashboard that has something to show."""
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        _bundle(work)
        with victoria(work / "victoria") as server:
            server.add(scraped())
            evaluate(server, start=END - SCRAPED_SECONDS, end=END)
            for uid, board in boards.boards().items():
                answers = _answers(server, uid, board)
                if any(any(found) for found in answers.values()):
                    _draw(work, board, answers, target / f"{uid}.png")


def _bundle(work: Path) -> None:
    """Install Grafana's components, once, and make one script of them."""
    if not (_TOOLS / "node_modules" / ".package-lock.json").exists():
        subprocess.run([installed("npm"), "ci"], cwd=_TOOLS, check=True)
    subprocess.run(
        [
            str(_TOOLS / "node_modules" / ".bin" / "esbuild"),
            *("render.tsx", "--bundle", "--minify", "--log-level=error"),
            *("--loader:.ttf=empty", '--define:process.env.NODE_ENV="production"'),
            f"--outfile={work / 'render.js'}",
        ],
        cwd=_TOOLS,
        check=True,
    )


def _answers(
    server: Victoria, uid: str, board: Mapping[str, Any]
) -> dict[int, list[list[dict[str, Any]]]]:
    """Return what each target of each panel finds, by the panel's id."""
    values = {v["name"]: ".+" for v in boards.variables(board)} | {"__rate_interval": "5m"}
    seconds = _seconds(board)
    return {
        panel["id"]: [
            _ask(server, Target(uid, panel, query), values, seconds)
            for query in panel.get("targets", ())
        ]
        for panel in boards.panels(board)
    }


def _ask(
    server: Victoria, target: Target, values: Mapping[str, str], seconds: float
) -> list[dict[str, Any]]:
    expr = boards.resolved(target.expr, values)
    if target.query["instant"]:
        found = server.ask("query", query=expr, time=END)["result"]
        return [{"metric": s["metric"], "values": [s["value"]]} for s in found]
    step = max(60.0, seconds / _STEPS)
    return server.series(expr, start=END - seconds, end=END, step=step)


def _seconds(board: Mapping[str, Any]) -> float:
    return float(board["time"]["from"].removeprefix("now-").removesuffix("h")) * 3600


def _draw(
    work: Path, board: Mapping[str, Any], answers: Mapping[int, object], picture: Path
) -> None:
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board["panels"])
    shown = {
        **{key: board[key] for key in ("title", "description", "panels")},
        "answers": answers,
        "from": END - _seconds(board),
        "to": END,
        "width": _WIDTH,
    }
    page = work / f"{picture.stem}.html"
    page.write_text(_PAGE.replace("{board}", json.dumps(shown).replace("</", "<\\/")), "utf-8")
    subprocess.run(
        [
            *(installed("chromium"), *_FLAGS, f"--user-data-dir={work / 'chromium'}"),
            f"--window-size={_WIDTH},{_TOP + rows * _CELL_HEIGHT}",
            *(f"--screenshot={picture.absolute()}", page.as_uri()),
        ],
        check=True,
        capture_output=True,
    )
    with Image.open(picture) as image:
        if image.convert("RGB").getcolors(_FEW_COLOURS) is not None:
            raise SystemExit(f"expected a dashboard, got an empty page: {picture}")
        _few_colours(image).save(picture, optimize=True)


def _few_colours(image: Image.Image) -> Image.Image:
    """Return a picture of 256 colours: a third of the bytes, and nobody sees it."""
    return image.convert("RGB").quantize(256, kmeans=2, dither=Image.Dither.NONE)


if __name__ == "__main__":
    main(sys.argv[1])
