"""The report in Markdown, around its tables."""

from collections.abc import Mapping, Sequence

from tests.bench.verdict import tables
from tests.bench.verdict.accuracy import Accuracy
from tests.bench.verdict.goals import forecast_goals, speed_goals, surge_goals
from tests.bench.verdict.speed import Cost
from tests.bench.verdict.surges import Outcome

_TEXT = """\
# Forecast and seasonal test, measured

Written by `make bench-verdict`, which explains itself in `tests/bench/verdict`.
{about}.

## Goals

{goals}
## Forecasts

The mean rate of the next 1, 6 and 24 hours. MASE is the mean absolute error over that of "as
yesterday, the same window", made at every hour from the second day on; wQL the weighted
quantile loss (.1, .5, .9) over the same; cover how often the 80 % interval held the truth.
Forecasts are scored from day 3 on, so that yesterday's own score is near 1, not 1. Errors are
geometric means over series, cover is the mean.

{hourly}
The peers are too slow for every hour: at most some 60 origins a series, of every hour of the day
alike. They know 14 days (MSTL 28) of hourly counts; what they say below zero is taken for zero.
Their intervals are of single hours: that of the mean is made of the means of the ends, and is the
wider for it.

{common}
The same forecasts, paired; in brackets where 95 % of bootstrap samples of the series lie; "won"
is the part of the series on which ours is better.

{ratios}
![Errors by method](accuracy.svg)

The first days: hours 12 to 72 after a start, at the beginning and at up to three later weeks of
each series. Holes: three in a hundred hours lost at random, whole, three times; scored by the
truth at every hour, those right after a hole included.

{starts_and_losses}
{by_series}
## Surges

Poisson counts of a weekly rhythm, flat or the medians of a recorded series, times noise that
lasts (standard deviation .2 of the logarithm, .85 of it kept an hour), 28 days, at
2 to 2000 requests an hour; surges of 1.5x to 10x and of 1 to 12 hours about every second day,
or none. Detectors are asked every five minutes. False alarms are counted without surges, from
hour 72 on ("cold": 12 to 72), alerts less than two hours apart as one. A surge is found if the
alert is on while it lasts, though it may have been on before, which favours who is often in alert;
minutes are the median of those found, of 3x and more. The adaptive bands are those of
grafana/promql-anomaly-detection without the filter of sparse series, which leaves out all
traffic under 300 requests an hour.

{detectors}
![Surges found, and false alarms](surges.svg)

At other thresholds, of the bare scores; the exporter holds an alert until traffic is calm:

{thresholds}
Ours by rate:

{by_rate}
Ours by rhythm, without surges. The first rows are what the tables above are about; the others
are all other recorded series, one scenario of each rate. Where traffic is idle for hours and
then is not, there is no rhythm to go by: the weekly medians of on and off are alarms to come.

{by_profile}
## Cost

{speeds}
"""


def text(
    accuracy: Accuracy,
    outcomes: Sequence[Outcome],
    *,
    others: Sequence[Outcome],
    costs: Mapping[str, Cost],
    about: str,
) -> str:
    """Return it; `others` are of other rhythms, without surges."""
    found = [*forecast_goals(accuracy), *surge_goals(outcomes), *speed_goals(costs)]
    return _TEXT.format(
        about=about,
        goals=tables.goals(found),
        hourly=tables.hourly(accuracy),
        common=tables.common(accuracy),
        ratios=tables.ratios(accuracy),
        starts_and_losses=tables.starts_and_losses(accuracy),
        by_series=tables.by_series(accuracy),
        detectors=tables.detectors(outcomes),
        thresholds=tables.thresholds(outcomes),
        by_rate=tables.by_rate(outcomes),
        by_profile=tables.by_profile([*outcomes, *others]),
        speeds=tables.speeds(costs),
    )
