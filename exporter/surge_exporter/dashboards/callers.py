"""Who asks for how much, and whose requests fail?"""

from surge_exporter.dashboards import looks
from surge_exporter.dashboards.panel import Dashboard, Query, Row, Table, TimeSeries, Unit
from surge_exporter.dashboards.scope import Scope, most
from surge_exporter.dashboards.signal_panels import lines_of, signal_row, steps
from surge_exporter.rules.rule import Board

_SHARE = "job:surge_caller_token_share:ratio"
_FAILURE_RATIO = "job:surge_caller_failure:ratio"
_FAILURE_RATE = "job_caller:surge_inference_failures_per_request:ratio_rate"


def callers(scope: Scope) -> Dashboard:
    """Return the dashboard."""
    return Dashboard(
        uid=Board.CALLERS,
        title="Surge / Callers",
        description="Who asks for how much, and whose requests fail?",
        rows=(
            Row("Callers of the recent window", (_table(scope),)),
            Row("Who asks?", (_requests(scope), _tokens(scope), _unusual(scope), _sizes(scope))),
            Row("Who fails?", _failures(scope)),
            Row("Models", (_models(scope), _model_failures(scope), _duration(scope))),
            signal_row(Board.CALLERS, scope),
        ),
        variables=scope.variables(),
        alerts=scope.firing,
    )


def _table(scope: Scope) -> Table:
    by = f"{scope.by}, caller"

    def total(name: str) -> str:
        series = scope.recorded(name) if ":" in name else scope.raw(name)
        return f"sum by ({by}) ({series})"

    return Table(
        title="Callers",
        description="Every caller of the recent window. Throttle the ones with a high share of"
        " tokens whose work can wait; investigate the ones that fail.",
        queries=(
            Query(expr=total("job:surge_caller_requests:sum"), legend="Requests", unit=Unit.COUNT),
            Query(expr=total("surge_caller_tokens"), legend="Tokens", unit=Unit.COUNT),
            Query(expr=total(_SHARE), legend="Token share", unit=Unit.RATIO),
            Query(
                expr=f"max by ({by}) ({scope.raw('surge_caller_batch')})",
                legend="Can wait",
                states=looks.CAN_WAIT,
            ),
            Query(expr=total("job:surge_caller_failures:sum"), legend="Failures", unit=Unit.COUNT),
            Query(
                expr=total(_FAILURE_RATIO),
                legend="Failed part",
                unit=Unit.RATIO,
                steps=steps(scope, "caller_failures"),
            ),
        ),
        labels={**{label: label.capitalize() for label in scope.choices.by}, "caller": "Caller"},
        sort_by="Requests",
        height=11,
    )


def _requests(scope: Scope) -> TimeSeries:
    return TimeSeries(
        title="Requests by caller",
        description="Request rate of the busiest callers. The one that grows as demand does is"
        " where a surge comes from.",
        queries=(
            Query(
                expr=most(scope.recorded("job_caller:surge_inference_requests:rate5m")),
                legend="{{caller}}",
            ),
        ),
        unit=Unit.REQUESTS_PER_SECOND,
        stacked=True,
    )


def _tokens(scope: Scope) -> TimeSeries:
    return TimeSeries(
        title="Share of the tokens by caller",
        description="Part of the fleet's token volume of the recent window that each caller used."
        " A batch caller over the line crowds out others: throttle it.",
        queries=(
            Query(expr=most(scope.recorded(_SHARE)), legend="{{caller}}"),
            *lines_of(scope, "heavy_batch"),
        ),
        unit=Unit.RATIO,
    )


def _unusual(scope: Scope) -> TimeSeries:
    z = scope.raw("surge_caller_z_score")
    return TimeSeries(
        title="Callers out of the ordinary",
        description="How many standard deviations the demand of the busiest callers lies over"
        " what season and history let expect of each. Ask the owner of the one that stands out"
        " what has changed.",
        queries=(Query(expr=most(f"max by ({scope.by}, caller) ({z})"), legend="{{caller}}"),),
        decimals=1,
        from_zero=False,
    )


def _sizes(scope: Scope) -> TimeSeries:
    return TimeSeries(
        title="Tokens that were logged",
        description="Tokens per second, in prompts and in responses, of the requests that log"
        " them. Prompts that grow while requests do not are a caller that sends more context.",
        queries=(
            Query(
                expr=f"sum by (direction) ({scope.rate('surge_inference_tokens_total')})",
                legend="{{direction}}",
            ),
        ),
        unit=Unit.PER_SECOND,
    )


def _failures(scope: Scope) -> tuple[TimeSeries, ...]:
    return (
        _failed(
            scope,
            "Failed part of the recent requests",
            _FAILURE_RATIO,
            "Of each caller with enough requests in the recent window, the part that failed. Over"
            " the line, investigate: its errors are in its request log.",
        ),
        _failed(
            scope,
            "Failed part of the last hour",
            f"{_FAILURE_RATE}1h",
            "An hour that is high is an incident that uses up the caller's error budget now:"
            " look at what changed within the hour.",
        ),
        _failed(
            scope,
            "Failed part of the last day",
            f"{_FAILURE_RATE}1d",
            "A day that is high without an hour that is, is a fault that stays: a bad release, a"
            " prompt that is too long. Begin with the caller that is high in both.",
        ),
    )


def _failed(scope: Scope, title: str, name: str, description: str) -> TimeSeries:
    return TimeSeries(
        title=title,
        description=description,
        queries=(
            Query(expr=most(scope.recorded(name)), legend="{{caller}}"),
            *lines_of(scope, "caller_failures"),
        ),
        unit=Unit.RATIO,
        width=8,
    )


def _models(scope: Scope) -> TimeSeries:
    return TimeSeries(
        title="Requests by model",
        description="Where the load goes. Move callers off the model that is full.",
        queries=(
            Query(
                expr=most(scope.recorded("job_model:surge_inference_requests:rate5m")),
                legend="{{model}}",
            ),
        ),
        unit=Unit.REQUESTS_PER_SECOND,
        stacked=True,
        width=8,
    )


def _model_failures(scope: Scope) -> TimeSeries:
    name = "job_model:surge_inference_failures_per_request:ratio_rate15m"
    return TimeSeries(
        title="Failed part by model",
        description="A model that fails for all its callers is not the callers' fault: restart or"
        " replace it.",
        queries=(Query(expr=most(scope.recorded(name)), legend="{{model}}"),),
        unit=Unit.RATIO,
        width=8,
    )


def _duration(scope: Scope) -> TimeSeries:
    buckets = scope.rate("surge_inference_request_duration_seconds_bucket")
    return TimeSeries(
        title="How long the slowest tenth takes, by model",
        description="Nine of ten requests take no longer than this. When it grows with demand,"
        " there is a queue: pre-warm another instance or switch to a smaller model.",
        queries=(
            Query(
                expr=f"histogram_quantile(0.9, sum by (model, le) ({buckets}))",
                legend="{{model}}",
            ),
        ),
        unit=Unit.SECONDS,
        width=8,
    )
