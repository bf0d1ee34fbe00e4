"""A Prometheus collector over one snapshot: new families at each scrape, no state of its own."""

import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import HistogramMetricFamily
from prometheus_client.metrics_core import Metric as PrometheusFamily
from prometheus_client.registry import Collector

from surge_exporter.metrics import COLLECTOR_DURATION, COLLECTOR_SUCCESS, COLLECTORS, METRICS
from surge_exporter.snapshot import Family, HistogramValue, Metric, Sample, Snapshot

_log = logging.getLogger(__name__)


class SnapshotCollector(Collector):
    """Reads every metric of the table from one snapshot per scrape.

    A part that fails is left out and says so in `surge_scrape_collector_success`; the others
    come through. Scrape threads share nothing.
    """

    def __init__(
        self,
        snapshot: Callable[[], Snapshot],
        *,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._snapshot = snapshot
        self._timer = timer

    def describe(self) -> Iterator[PrometheusFamily]:
        """Return all families without samples; without this, registering would scrape."""
        for family in (*METRICS, COLLECTOR_SUCCESS, COLLECTOR_DURATION):
            yield _family(family, ())

    def collect(self) -> Iterator[PrometheusFamily]:
        """Return all families with the samples of now."""
        snapshot = self._snapshot()
        successes: list[Sample] = []
        durations: list[Sample] = []
        for collector in COLLECTORS:
            began = self._timer()
            families, success = _read(collector, snapshot)
            yield from families
            successes.append(((collector,), float(success)))
            durations.append(((collector,), self._timer() - began))
        yield _family(COLLECTOR_SUCCESS, successes)
        yield _family(COLLECTOR_DURATION, durations)


def _read(collector: str, snapshot: Snapshot) -> tuple[list[PrometheusFamily], bool]:
    rows = [metric for metric in METRICS if metric.collector == collector]
    try:
        return [_family(metric, metric.read(snapshot)) for metric in rows], True
    except Exception:  # noqa: BLE001 - one part that fails must not take the others with it
        _log.exception("collector failed collector=%s", collector)
        return [], False


def _family(family: Family | Metric, samples: Iterable[Sample]) -> PrometheusFamily:
    if family.kind == "histogram":
        histogram = HistogramMetricFamily(family.name, family.help, labels=family.labels)
        for labels, value in samples:
            if isinstance(value, HistogramValue) and math.isfinite(value.total):
                histogram.add_metric(labels, value.buckets, value.total)
        return histogram
    name = family.name.removesuffix("_total") if family.kind == "counter" else family.name
    found = PrometheusFamily(name, family.help, family.kind)
    for labels, value in samples:
        # One NaN would make every sum over the fleet NaN: undefined is absent.
        if not isinstance(value, HistogramValue) and math.isfinite(value):
            found.add_sample(family.name, dict(zip(family.labels, labels, strict=True)), value)
    return found
