"""Logging set up once: one line an event on stderr, a bounded rate, a count of each level."""

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TextIO

LEVELS = ("debug", "info", "warning", "error")


class CountingHandler(logging.StreamHandler[TextIO]):
    """Writes messages to stderr and counts them by level: each log line has a counter.

    `_guard` guards the counts: any thread logs.
    """

    def __init__(self) -> None:
        super().__init__()
        self._guard = threading.Lock()
        self._counts = dict.fromkeys(LEVELS, 0)

    def emit(self, record: logging.LogRecord) -> None:
        """Write and count one message."""
        super().emit(record)
        level = record.levelname.lower().replace("critical", "error")
        with self._guard:
            self._counts[level] = self._counts.get(level, 0) + 1

    def counts(self) -> Mapping[str, int]:
        """Return the messages so far, by level."""
        with self._guard:
            return dict(self._counts)


@dataclass(slots=True)
class _Period:
    """What a logger has said of one level since `began`, suppressed messages included."""

    began: float
    messages: int = 0


class BoundedRate(logging.Filter):
    """Lets each logger say at most `most` things of a level a period, so that bad telemetry
    can't fill a disk. The first message of a new period says how many were suppressed.

    Whoever asks for debug messages gets them all. Time comes with the records themselves.
    `_guard` guards the periods: any thread logs.
    """

    def __init__(self, most: int = 20, period_seconds: float = 60.0) -> None:
        super().__init__()
        self._most = most
        self._period_seconds = period_seconds
        self._guard = threading.Lock()
        self._periods: dict[tuple[str, int], _Period] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether a record may be logged."""
        if record.levelno <= logging.DEBUG:
            return True
        with self._guard:
            period = self._periods.setdefault(
                (record.name, record.levelno), _Period(record.created)
            )
            # Outside on either side: the clock may have been set back.
            if not 0 <= record.created - period.began < self._period_seconds:
                suppressed = period.messages - self._most
                if suppressed > 0:
                    record.msg = f"{record.msg} suppressed={suppressed}"
                period.began, period.messages = record.created, 0
            period.messages += 1
            return period.messages <= self._most


def set_up_logging(level: str) -> CountingHandler:
    """Log to stderr from `level` on; return the counter of what was logged."""
    handler = CountingHandler()
    handler.addFilter(BoundedRate())
    logging.basicConfig(
        level=level.upper(),
        format="ts=%(asctime)s level=%(levelname)s logger=%(name)s %(message)s",
        handlers=[handler],
        force=True,
    )
    # A scrape's worth of watchdog's own debug lines would drown ours.
    logging.getLogger("watchdog").setLevel(logging.WARNING)
    return handler
