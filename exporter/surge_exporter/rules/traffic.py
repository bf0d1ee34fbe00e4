"""What counters say of a fleet's traffic: rates, what is usual at this hour, failed parts.

Only what PromQL, MetricsQL and every ruler understand alike is used: no subqueries, no `@`, and
`increase` over a time in place of `rate`: of a series that is younger than its range MetricsQL's
rate is that since it began, so that the first request of a new caller looked like a surge.
Offsets of a day are 24 hours: where clocks change for summer, "the same hour" is one off for
a week.
"""

from collections.abc import Iterator

from surge_exporter.rules.rule import Recording
from surge_exporter.rules.scope import Scope

FAILURE_WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
"""Of the error budget's burn rates, after the Site Reliability Workbook, chapter 5."""

REQUESTS = "surge_inference_requests_total"
FAILURES = "surge_inference_request_failures_total"
USUAL = "job:surge_inference_requests:usual_rate1h"

_RATE = "job:surge_inference_requests:rate1h"
_WINDOW_SECONDS = {"5m": 300, "1h": 3600}
_DAYS = 7
_WARM_UP = "3h"
"""Younger than this, a mean over the last day would be one of minutes: a cold start."""
_LEAST_RATE = 1 / 3600
"""Requests per second under which a ratio says nothing: one an hour."""


def failure_ratio(window: str) -> str:
    """Return the recorded failed part of each caller's requests over a window.

    >>> failure_ratio("5m")
    'job_caller:surge_inference_failures_per_request:ratio_rate5m'
    """
    return f"job_caller:surge_inference_failures_per_request:ratio_rate{window}"


def requests(scope: Scope) -> Iterator[Recording]:
    """Yield rates of requests, and what is usual: the median of this hour of the last 7 days."""
    yield Recording(
        name="job_caller:surge_inference_requests:rate5m",
        expr=_rate(scope, "5m", "caller"),
        about="Requests per second of each caller.",
    )
    yield Recording(
        name="job_model:surge_inference_requests:rate5m",
        expr=_rate(scope, "5m", "model"),
        about="Requests per second to each model.",
    )
    yield Recording(
        name="job:surge_inference_requests:rate5m",
        expr=_rate(scope, "5m"),
        about="Requests per second.",
    )
    yield Recording(
        name=_RATE,
        expr=_rate(scope, "1h"),
        about="Requests per second over an hour.",
    )
    yield Recording(
        name=USUAL,
        expr=_usual(scope),
        about="Usual requests per second: the median of the same hour on the last 7 days; with"
        " less history the mean of the last day, and nothing in the first 3 h.",
    )
    yield Recording(
        name="job:surge_inference_requests_over_usual:ratio_rate1h",
        expr=f"{_RATE} / ({USUAL} > {_LEAST_RATE:.6f})",
        about="Demand over what is usual at this hour, by the counters alone.",
    )


def failures(scope: Scope) -> Iterator[Recording]:
    """Yield failed parts of requests, by caller over all windows, and by model."""
    for window in FAILURE_WINDOWS:
        yield Recording(
            name=failure_ratio(window),
            expr=_failed_part(scope, window, "caller"),
            about=f"Failed part of each caller's requests over {window}.",
        )
    yield Recording(
        name="job_model:surge_inference_failures_per_request:ratio_rate15m",
        expr=_failed_part(scope, "15m", "model"),
        about="Failed part of the requests to each model over 15m.",
    )


def _rate(scope: Scope, window: str, *labels: str) -> str:
    requests = scope.of("sum", f"increase({scope.series(REQUESTS, over=window)})", *labels)
    return f"{requests} / {_WINDOW_SECONDS[window]}"


def _failed_part(scope: Scope, window: str, label: str) -> str:
    """A caller without requests has no failed part: absent, for one NaN would poison a sum."""
    failed = scope.of("sum", f"increase({scope.series(FAILURES, over=window)})", label)
    every = scope.of("sum", f"increase({scope.series(REQUESTS, over=window)})", label)
    return f"{failed}\n/ ({every} > 0)"


def _usual(scope: Scope) -> str:
    """Of a day on which counting began less than an hour before, that hour is no whole one."""
    days = "\n  or ".join(
        f"label_replace({_RATE} offset {24 * day}h and {_RATE} offset {24 * day + 1}h,"
        f' "day", "{day}", "", "")'
        for day in range(1, _DAYS + 1)
    )
    return (
        f"quantile by ({scope.labels()}) (0.5,\n  {days}\n)\n"
        f"or\n"
        f"(avg_over_time({_RATE}[1d]) and {_RATE} offset {_WARM_UP})"
    )
