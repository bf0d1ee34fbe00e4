"""Demand as it was and as it is going to be."""

from surge_exporter.dashboards import looks
from surge_exporter.dashboards.panel import Query, TimeSeries, Unit
from surge_exporter.dashboards.scope import Scope

NEXT_HOUR = 'horizon="1h"'
"""The forecast that every exporter makes."""

_LOW = "80 % interval, low"


def demand_and_forecast(scope: Scope, *, width: int) -> TimeSeries:
    """Return demand with what is usual, the forecast and the capacity, summed over fleets."""

    def total(name: str, *matchers: str) -> str:
        return f"sum({scope.recorded(name, *matchers)})"

    return TimeSeries(
        title="Demand, what is usual, and the next hour",
        description="Request rate of the recent window, what season and history let expect of it,"
        " and the forecast of the hour that followed, with the interval that held the truth four"
        " times out of five. Demand well over what is usual is a surge: pre-warm local inference."
        " A forecast over the capacity is a surge to come.",
        queries=(
            Query(
                expr=total("job:surge_predicted_low_requests_per_second:sum", NEXT_HOUR),
                legend=_LOW,
                line=looks.EDGE,
            ),
            Query(
                expr=total("job:surge_predicted_high_requests_per_second:sum", NEXT_HOUR),
                legend="80 % interval",
                line=looks.band(_LOW),
            ),
            Query(
                expr=total("job:surge_predicted_requests_per_second:sum", NEXT_HOUR),
                legend="next hour",
                line=looks.PREDICTED,
            ),
            Query(
                expr=total("job:surge_expected_requests_per_second:sum"),
                legend="usual",
                line=looks.USUAL,
            ),
            Query(
                expr=total("job:surge_recent_requests_per_second:sum"),
                legend="recent window",
                line=looks.MEASURED,
            ),
            Query(
                expr=total("job:surge_capacity_requests_per_second:sum"),
                legend="capacity",
                line=looks.CAPACITY,
            ),
        ),
        unit=Unit.REQUESTS_PER_SECOND,
        width=width,
        height=10,
    )
