"""A Prometheus that holds what it never scraped: series of the past, given to it as blocks."""

import json
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.servers import child, free_port, get, installed, wait_for


class Backfilled:
    """Is given samples, and asked over HTTP. It is started anew when samples were added."""

    def __init__(self, folder: Path) -> None:
        """Take where to keep all."""
        self._folder = folder
        self._url = ""
        self._server = ExitStack()

    def add(self, lines: Iterable[str]) -> None:
        """Give it samples, as OpenMetrics' text has them."""
        self.stop()
        text = self._folder / "samples.om"
        text.write_text("".join(lines), encoding="utf-8")
        tool = [installed("promtool"), "tsdb", "create-blocks-from", "openmetrics", "-q"]
        subprocess.run(
            [*tool, str(text), str(self._folder / "data")], check=True, capture_output=True
        )
        config = self._folder / "prometheus.yml"
        config.touch()
        address = f"127.0.0.1:{free_port()}"
        command = [
            installed("prometheus"),
            f"--config.file={config}",
            f"--storage.tsdb.path={self._folder / 'data'}",
            "--storage.tsdb.retention.time=100y",
            f"--web.listen-address={address}",
        ]
        self._server.enter_context(child(command, self._folder / "prometheus.log"))
        self._url = f"http://{address}"
        wait_for(lambda: get(f"{self._url}/-/ready"), "Prometheus to be ready")

    def series(self, expr: str, *, start: float, end: float, step: float) -> list[dict[str, Any]]:
        """Return what a range query gives: a `metric` and its `values` for each series."""
        asked = urlencode({"query": expr, "start": start, "end": end, "step": step})
        text = get(f"{self._url}/api/v1/query_range?{asked}", timeout=60)
        assert text is not None, f"no answer, or an error, to {expr}"
        found: list[dict[str, Any]] = json.loads(text)["data"]["result"]
        return found

    def stop(self) -> None:
        """Stop the server."""
        self._server.close()


@contextmanager
def backfilled(folder: Path) -> Iterator[Backfilled]:
    """Have one that is empty."""
    folder.mkdir()
    server = Backfilled(folder)
    try:
        yield server
    finally:
        server.stop()
