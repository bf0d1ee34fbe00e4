"""Scrapes as Prometheus does, and keeps what it would know."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection, HTTPException, RemoteDisconnected
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from tests.soak.increase import Increase, Series

REQUESTS = "surge_inference_requests_total"
TICKS = "surge_heartbeat_ticks_total"

_START = Series("process_start_time_seconds", ())
_TIMEOUT_SECONDS = 5.0
_HEADERS = {
    "User-Agent": "Prometheus/2.42.0",
    "X-Prometheus-Scrape-Timeout-Seconds": f"{_TIMEOUT_SECONDS:g}",
}


class Seen(NamedTuple):
    """The increases as of one scrape, and when by the monotonic clock that was."""

    asked: float
    answered: float
    requests: Mapping[tuple[str, ...], float]
    """By caller and model."""
    ticks: float


class Scraper:
    """Scrapes one port over a connection that is kept, whoever answers there."""

    def __init__(self, port: int) -> None:
        """Take the port; nothing is asked yet."""
        self._connection = HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_SECONDS)
        self._life = 0.0
        self._shown: set[Series] = set()
        self.increase = Increase()
        self.history: list[Seen] = []
        self.born: Counter[str] = Counter()
        """Series that began with a count, which no `increase()` sees; by name."""
        self.failures: Counter[str] = Counter()
        """Scrapes that gave nothing, by why."""

    def scrape(self) -> bool:
        """Scrape once; say whether requests were counted. A failure is noted."""
        asked = time.monotonic()
        try:
            page = self._page_of_whoever_lives()
        except (OSError, HTTPException) as error:
            self._connection.close()
            self.failures[type(error).__name__] += 1
            return False
        answered = time.monotonic()
        samples = dict(_samples(page))
        self._note_born(samples)
        before = self.increase.of(REQUESTS)
        self.increase.add(samples)
        requests, ticks = self.increase.by_values(REQUESTS), self.increase.of(TICKS)
        self.history.append(Seen(asked, answered, requests, ticks))
        return self.increase.of(REQUESTS) > before

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _page_of_whoever_lives(self) -> str:
        """Return the page, by a new connection if the other end of the kept one is gone."""
        try:
            return self._page()
        except (RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            self._connection.close()
            return self._page()

    def _page(self) -> str:
        self._connection.request("GET", "/metrics", headers=_HEADERS)
        response = self._connection.getresponse()
        page = response.read().decode()
        if response.status != 200:
            raise HTTPException(page)
        return page

    def _note_born(self, samples: Mapping[Series, float]) -> None:
        """Note series whose first sample in a life of the exporter is not 0."""
        if samples[_START] != self._life:
            self._life = samples[_START]
            self._shown.clear()
        counts = {series for series in samples if series.name.startswith("surge_")}
        self.born.update(s.name for s in counts - self._shown if samples[s])
        self._shown |= counts


def _samples(page: str) -> Iterator[tuple[Series, float]]:
    """Yield the counters of a page, those of histograms too, and when the process started."""
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            series = Series(sample.name, tuple(sample.labels.items()))
            if family.type in {"counter", "histogram"} or series == _START:
                yield series, sample.value
