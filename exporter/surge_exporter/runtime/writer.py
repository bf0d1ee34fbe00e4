"""Write simulated telemetry to files, as a fleet would: a file a day and source, by UTC date."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from surge_exporter.core.simulate import Line
from surge_exporter.model import Source
from surge_exporter.runtime.clock import Clock, Waker

_FILES = {Source.REQUESTS: "metrics/local_{}.jsonl", Source.HEARTBEAT: "heartbeat/ticks_{}.jsonl"}
_PACE_SECONDS = 0.05
_MOST_LINES = 1000  # a batch, so that whoever runs behind the clock writes all the same


class TelemetryWriter:
    """Appends lines to the files of their day under a directory. One thread."""

    def __init__(self, directory: Path) -> None:
        """Make the directories.

        Raises:
            OSError: they can't be made.
        """
        self._directory = directory
        self._open: dict[Source, tuple[str, IO[str]]] = {}
        for pattern in _FILES.values():
            (directory / pattern).parent.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for _, file in self._open.values():
            file.close()

    def write(self, lines: Iterable[Line]) -> int:
        """Append lines and flush them; return how many."""
        count = 0
        for line in lines:
            self._file(line).write(line.text + "\n")
            count += 1
        for _, file in self._open.values():
            file.flush()
        return count

    def _file(self, line: Line) -> IO[str]:
        day = datetime.fromtimestamp(line.at, UTC).strftime("%Y%m%d")
        have = self._open.get(line.source)
        if have is not None:
            if have[0] == day:
                return have[1]
            have[1].close()
        path = self._directory / _FILES[line.source].format(day)
        file = path.open("a", encoding="utf-8")
        self._open[line.source] = (day, file)
        return file


def pace(
    lines: Iterable[Line], clock: Clock, waker: Waker, stopped: Callable[[], bool]
) -> Iterator[list[Line]]:
    """Yield lines in batches, each when the clock says that they would have been written.

    Ends with the lines, or soon after `stopped` says so.
    """
    batch: list[Line] = []
    for line in lines:
        while line.at > clock.now() and not stopped():
            if batch:
                yield batch
                batch = []
            waker.wait(_PACE_SECONDS)
        if stopped():
            break
        batch.append(line)
        if len(batch) == _MOST_LINES:
            yield batch
            batch = []
    yield batch
