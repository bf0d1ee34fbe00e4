"""Is it a surge, how long will it last, and is the forecast to be trusted?"""

from surge_exporter.dashboards import looks
from surge_exporter.dashboards.forecasts import NEXT_HOUR, demand_and_forecast
from surge_exporter.dashboards.panel import Dashboard, Query, Row, TimeSeries, Unit
from surge_exporter.dashboards.scope import Scope
from surge_exporter.dashboards.signal_panels import lines_of, signal_row
from surge_exporter.rules.rule import Board


def demand(scope: Scope) -> Dashboard:
    """Return the dashboard."""
    return Dashboard(
        uid=Board.DEMAND,
        title="Surge / Demand and forecast",
        description="Is it a surge, how long will it last, and is the forecast to be trusted?",
        rows=(
            Row("Is it a surge?", (_factor(scope), _usual(scope), _confirmed(scope), _z(scope))),
            Row(
                "How much is it?", (demand_and_forecast(scope, width=24), _now(scope), _by(scope))
            ),
            Row(
                "Is the forecast to be trusted?",
                (_hindsight(scope), _coverage(scope), _horizons(scope), _history(scope)),
            ),
            signal_row(Board.DEMAND, scope),
        ),
        variables=scope.variables(),
        alerts=scope.firing,
    )


def _factor(scope: Scope) -> TimeSeries:
    return TimeSeries(
        title="Surge factor",
        description="Recent request rate over that of the window before, for each fleet. Over the"
        " dashed lines demand is elevated or critical: pre-warm local inference. A factor that is"
        " high each day at this hour is no surge: see what is usual.",
        queries=(
            Query(expr=scope.recorded("job:surge_factor:ratio"), legend=scope.fleet),
            *lines_of(scope, "demand_surge"),
        ),
        decimals=2,
    )


def _usual(scope: Scope) -> TimeSeries:
    return TimeSeries(
        title="Demand over what is usual",
        description="Demand over what the exporters expect of the season, and the last hour's"
        " requests over those of the same hour on other days, as Prometheus remembers them. Both"
        " over the line: it is a surge. Only one: look whether history is long enough.",
        queries=(
            Query(
                expr=scope.recorded("job:surge_adjusted_factor:ratio"),
                legend=f"{scope.fleet} exporters",
            ),
            Query(
                expr=scope.recorded("job:surge_inference_requests_over_usual:ratio_rate1h"),
                legend=f"{scope.fleet} same hour of other days",
                line=looks.USUAL,
            ),
            *lines_of(scope, "demand_surge"),
        ),
        decimals=2,
    )


def _confirmed(scope: Scope) -> TimeSeries:
    return TimeSeries(
        title="Confirmed surge",
        description="Part of the fleet's demand that is at exporters whose seasonal test confirms"
        " a surge. From half on it pages: pre-warm local inference.",
        queries=(
            Query(
                expr=scope.recorded("job:surge_confirmed:share"),
                legend=f"{scope.fleet} {{{{severity}}}}",
            ),
        ),
        unit=Unit.RATIO,
        most=1,
    )


def _z(scope: Scope) -> TimeSeries:
    return TimeSeries(
        title="How far from chance",
        description="How many standard deviations demand lies over its expectation, at each"
        " exporter. Under about 3 it may be chance: wait before buying capacity.",
        queries=(Query(expr=scope.raw("surge_z_score"), legend="{{instance}}"),),
        decimals=1,
        from_zero=False,
    )


def _now(scope: Scope) -> TimeSeries:
    return TimeSeries(
        title="Requests as they come",
        description="Request rate over 5 minutes and over an hour, and the usual hour: how fast"
        " things change, which the windows above smooth.",
        queries=(
            Query(
                expr=scope.recorded("job:surge_inference_requests:rate5m"),
                legend=f"{scope.fleet} 5 minutes",
            ),
            Query(
                expr=scope.recorded("job:surge_inference_requests:rate1h"),
                legend=f"{scope.fleet} hour",
                line=looks.MEASURED,
            ),
            Query(
                expr=scope.recorded("job:surge_inference_requests:usual_rate1h"),
                legend=f"{scope.fleet} usual hour",
                line=looks.USUAL,
            ),
        ),
        unit=Unit.REQUESTS_PER_SECOND,
    )


def _by(scope: Scope) -> TimeSeries:
    by = ", ".join(scope.labels)
    return TimeSeries(
        title="Requests by exporter",
        description="Which part of the fleet the demand comes from. One exporter that stands out"
        " names the hosts to look at first; one at 0 may have lost its telemetry.",
        queries=(
            Query(
                expr=f"sum by ({by}) ({scope.rate('surge_inference_requests_total')})",
                legend="{{instance}}",
            ),
        ),
        unit=Unit.REQUESTS_PER_SECOND,
        stacked=True,
    )


def _hindsight(scope: Scope) -> TimeSeries:
    predicted = scope.recorded("job:surge_predicted_requests_per_second:sum", NEXT_HOUR)
    return TimeSeries(
        title="The last hour, and what was predicted for it",
        description="Where the lines run together, the forecast can be acted on; where it lags"
        " behind, go by what is measured.",
        queries=(
            Query(
                expr=scope.recorded("job:surge_inference_requests:rate1h"),
                legend=f"{scope.fleet} measured",
                line=looks.MEASURED,
            ),
            Query(
                expr=f"{predicted} offset 1h",
                legend=f"{scope.fleet} predicted an hour before",
                line=looks.PREDICTED,
            ),
        ),
        unit=Unit.REQUESTS_PER_SECOND,
    )


def _coverage(scope: Scope) -> TimeSeries:
    return TimeSeries(
        title="How often the interval held the truth",
        description="Of finished forecasts, the part whose 80 % interval held what came. Far under"
        " 80 %, leave more headroom than the interval says.",
        queries=(
            Query(
                expr=scope.raw("surge_forecast_coverage_ratio"),
                legend="{{horizon}} · {{instance}}",
            ),
        ),
        unit=Unit.RATIO,
        most=1,
    )


def _horizons(scope: Scope) -> TimeSeries:
    return TimeSeries(
        title="Forecasts by horizon",
        description="Mean request rate expected over the next hours. Plan batch work for the"
        " horizon that lies lowest.",
        queries=(
            Query(
                expr=scope.recorded("job:surge_predicted_requests_per_second:sum"),
                legend=f"{scope.fleet} {{{{horizon}}}}",
            ),
        ),
        unit=Unit.REQUESTS_PER_SECOND,
    )


def _history(scope: Scope) -> TimeSeries:
    seconds = scope.raw("surge_forecast_history_seconds")
    return TimeSeries(
        title="Days of history",
        description="How much history the forecast rests on. Under a day it is a mean and no"
        " more; from a week on it knows the days.",
        queries=(Query(expr=f"{seconds} / 86400", legend="{{instance}}"),),
        unit=Unit.COUNT,
    )
