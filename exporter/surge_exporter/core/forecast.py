"""The forecast of demand: a mix of experts that learns from its own finished forecasts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from surge_exporter.core.bins import HOUR_SECONDS, Bins
from surge_exporter.core.experts import NEEDED_HOURS, expert_rates
from surge_exporter.core.gaps import Silence, find_silence, requests_lost
from surge_exporter.core.track import Track
from surge_exporter.model import Seconds, UnixSeconds

_CHANGED_RATIO = 0.01
_HOLES_PER_STOP = 2  # what makes a log one that is known to lose hours
_THURSDAY = 3  # the weekday of the epoch


@dataclass(frozen=True, slots=True, kw_only=True)
class HorizonForecast:
    """The mean rate expected over the next hours, requests per hour, and how far to trust it.

    `mase` and `coverage_ratio` speak of the finished forecasts of this horizon and are None
    while there are none to speak of; `history_seconds` is how much history the forecast knew.
    """

    horizon_hours: int
    point: float
    low: float
    high: float
    """The ends of the central 80 %."""
    mase: float | None
    """Mean absolute error over that of "yesterday, the same window"."""
    coverage_ratio: float | None
    history_seconds: Seconds


class Forecaster:
    """Forecasts one series of counts over some horizons.

    What there is to learn is learned at the turns of the epoch's hours: a forecast is made at
    each, as it would have been made then, and scored when its time has come. So a history
    read at once teaches exactly what it taught while it grew, until it outgrows
    `HISTORY_HOURS`; from then on a running forecaster knows traces of what was forgotten.
    A forecast between two turns uses the newest buckets and what was learned at the turn
    before.

    Holes in the log are filled (see `gaps`). While a silence may yet turn out to be one,
    nothing is learned from it; the forecast takes it for real, except in a log that has mostly
    lost what it was silent about.
    Bounded: four weeks of counts, and about 50 KB a horizon. One owner; not safe for threads.
    """

    def __init__(self, horizons_hours: Iterable[int]) -> None:
        self._horizons = tuple(horizons_hours)
        if not all(hours > 0 for hours in self._horizons):
            raise ValueError(f"horizons must be positive: {self._horizons}")
        self._bins = Bins((), HOUR_SECONDS)
        self._end = 0
        self._forget()

    def refresh(
        self, counts: Sequence[int], bucket_seconds: int, now: UnixSeconds
    ) -> tuple[HorizonForecast, ...]:
        """Return the forecasts at `now`, in the order of the horizons.

        `counts` are requests per bucket, complete ones only, the oldest first; the last ends
        at `now`, the first is where the history begins, and all but the last
        `HISTORY_HOURS` are ignored. Where they continue those of the call before, only new
        hours are learned from. Else, or if more than a hundredth of what was known changed,
        all is learned anew; lesser changes, by late records, only count from here on.
        """
        if bucket_seconds <= 0 or HOUR_SECONDS % bucket_seconds:
            raise ValueError(f"buckets of {bucket_seconds} s do not divide the hour")
        end = round(now / bucket_seconds)
        bins = self._view(counts, bucket_seconds, end)
        if not self._continues(bins, end):
            self._forget()
            bins = self._view(counts, bucket_seconds, end)
        self._bins, self._end = bins, end
        silence = self._repair()
        self._learn()
        if silence and silence.lost and self._may_be_lost(silence):
            bins.fill(silence.start, requests_lost(bins, silence))
        return self._forecasts()

    def _forget(self) -> None:
        self._tracks = [Track(hours) for hours in self._horizons]
        self._filled: dict[int, int] = {}
        self._next_turn: int | None = None
        self._silences: list[Silence] = []
        self._settled = 0  # the epoch's bucket up to which no more can change

    def _view(self, counts: Sequence[int], bucket_seconds: int, end: int) -> Bins:
        """Return the counts with the holes filled that are known."""
        if not self._filled:
            return Bins(counts, bucket_seconds)
        first = end - len(counts)
        repaired = list(counts)
        self._filled = {at: more for at, more in self._filled.items() if at >= first}
        for at, requests in self._filled.items():
            if at < end and not repaired[at - first]:
                repaired[at - first] = requests
        return Bins(repaired, bucket_seconds)

    def _continues(self, bins: Bins, end: int) -> bool:
        """Say whether the history is that of the call before, with more at its end."""
        known, known_end = self._bins, self._end
        begins, known_begins = end - bins.end, known_end - known.end
        if (
            self._next_turn is None
            or bins.per_hour != known.per_hour
            or not known_begins <= begins <= known_end <= end
        ):
            return False
        settled = max(begins, self._settled)
        before = known.sums[settled - known_begins] - known.sums[begins - known_begins]
        now = bins.sums[settled - begins]
        return abs(now - before) <= _CHANGED_RATIO * before

    def _repair(self) -> Silence | None:
        """Fill holes, and return the silence that may yet turn out to be one."""
        bins = self._bins
        begins = self._end - bins.end
        place = max(0, self._settled - begins)
        while (silence := find_silence(bins, place, filled=len(self._filled))) and silence.settled:
            place = silence.end
            self._silences.append(
                silence._replace(start=begins + silence.start, end=begins + silence.end)
            )
            if silence.lost:
                requests = requests_lost(bins, silence)
                bins.fill(silence.start, requests)
                self._filled.update(enumerate(requests, begins + silence.start))
        self._settled = begins + (silence.start if silence else bins.end)
        return silence

    def _may_be_lost(self, silence: Silence) -> bool:
        """Say whether silences of this log have mostly been holes, and as long as this one."""
        begins = self._end - self._bins.end
        self._silences = [known for known in self._silences if known.start >= begins]
        holes = [known.end - known.start for known in self._silences if known.lost]
        stops = len(self._silences) - len(holes)
        return len(holes) >= _HOLES_PER_STOP * (
            1 + stops
        ) and silence.end - silence.start <= median(holes)

    def _learn(self) -> None:
        """Learn from the turns of the hour up to which the history is settled."""
        bins = self._bins
        begins = self._end - bins.end
        turn = begins + -begins % bins.per_hour if self._next_turn is None else self._next_turn
        for at in range(turn, self._settled + 1, bins.per_hour):
            place, hour = at - begins, at // bins.per_hour
            experts = self._experts(place, hour)
            for track, rates in zip(self._tracks, experts, strict=True):
                track.learn(bins, place, hour, rates)
            turn = at + bins.per_hour
        self._next_turn = turn

    def _experts(self, place: int, hour: int) -> Sequence[tuple[float, ...] | None]:
        if place < NEEDED_HOURS * self._bins.per_hour:
            return [None] * len(self._horizons)
        weekday = (hour // 24 + _THURSDAY) % 7
        return expert_rates(self._bins, place, weekday=weekday, horizons_hours=self._horizons)

    def _forecasts(self) -> tuple[HorizonForecast, ...]:
        place, hour = self._bins.end, self._end // self._bins.per_hour
        experts = self._experts(place, hour)
        return tuple(
            self._forecast(track, place, hour, rates)
            for track, rates in zip(self._tracks, experts, strict=True)
        )

    def _forecast(
        self, track: Track, place: int, hour: int, rates: tuple[float, ...] | None
    ) -> HorizonForecast:
        point, low, high = track.forecast(self._bins, place, hour, rates)
        return HorizonForecast(
            horizon_hours=track.hours,
            point=point,
            low=low,
            high=high,
            mase=track.quality.mase,
            coverage_ratio=track.quality.coverage_ratio,
            history_seconds=Seconds(place * HOUR_SECONDS / self._bins.per_hour),
        )


def forecast_rates(
    counts: Sequence[int], bucket_seconds: int, now: UnixSeconds, horizons_hours: Iterable[int]
) -> dict[int, tuple[float, float, float]]:
    """Return point, low and high of the mean rate over each horizon, requests per hour.

    Reads the whole history anew: for a single answer. See `Forecaster.refresh`.
    """
    forecasts = Forecaster(horizons_hours).refresh(counts, bucket_seconds, now)
    return {made.horizon_hours: (made.point, made.low, made.high) for made in forecasts}
