"""Put forecast and seasonal test to the test, on recorded and on made-up traffic.

    make bench-verdict [DATA=FOLDER]
    python -m tests.bench.verdict [--data FOLDER] [--out FOLDER] [--seed N] [--seeds N] [--quick]

The folder, or SURGE_DEMAND_DATA, has the recorded series. A quick run is of few series and
scenarios and of our own methods alone, and prints what a full one writes.
"""

import argparse
import os
import sys
from functools import partial
from importlib.metadata import version
from pathlib import Path
from platform import python_version

from tests.bench.verdict import plots, report, surges
from tests.bench.verdict.accuracy import Accuracy, measure
from tests.bench.verdict.goals import forecast_goals, speed_goals, surge_goals
from tests.bench.verdict.progress import in_parallel
from tests.bench.verdict.series import DemandSeries, load
from tests.bench.verdict.speed import costs
from tests.bench.verdict.template import TEXT

RESULTS = Path(__file__).parents[1] / "results"
CACHE = Path("build/bench-verdict")
QUICK_SERIES = 3
PINNED = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def main() -> None:
    """Measure, and write or print the report."""
    parser = argparse.ArgumentParser(description=__doc__, add_help=True)
    parser.add_argument("--data", type=Path, default=os.environ.get("SURGE_DEMAND_DATA"))
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=5, help="scenarios of each kind")
    parser.add_argument("--quick", action="store_true")
    told = parser.parse_args()
    if not told.data:
        parser.error("expected --data or SURGE_DEMAND_DATA, a folder of recorded series")
    for name in PINNED:
        os.environ[name] = "1"  # the cores are busy with other series
    series = load(Path(told.data))
    if told.quick:
        shortest = sorted(series, key=lambda one: one.hours)[:QUICK_SERIES]
        sys.stdout.write(verdict(shortest, seed=told.seed, seeds=1, quick=True, out=None))
        return
    told.out.mkdir(parents=True, exist_ok=True)
    text = verdict(series, seed=told.seed, seeds=told.seeds, quick=False, out=told.out)
    (told.out / "verdict.md").write_text(text)
    sys.stderr.write(f"wrote {told.out}\n")


def verdict(
    series: list[DemandSeries], *, seed: int, seeds: int, quick: bool, out: Path | None
) -> str:
    """Return the report; draw its pictures if there is a folder for them."""
    spent = costs(seed)
    longest = sorted(series, key=lambda one: -one.hours)
    work = partial(measure, cache=None if quick else CACHE, seed=seed)
    accuracy = Accuracy(in_parallel("forecasts", work, longest), seed)
    rhythms = surges.profiles([] if quick else series)
    made = list(surges.tasks(rhythms, range(seed, seed + seeds)))
    outcomes = in_parallel("surges", surges.run, made)
    others = [] if quick else list(surges.calm_tasks(surges.other_profiles(series), seed))
    calm = in_parallel("rhythms", surges.run, others) if others else []
    if out:
        plots.accuracy(accuracy, out / "accuracy.svg")
        plots.surges(outcomes, out / "surges.svg")
    found = [*forecast_goals(accuracy), *surge_goals(outcomes), *speed_goals(spent)]
    libraries = "" if quick else f", statsforecast {version('statsforecast')}"
    return TEXT.format(
        series=len(series),
        hours=sum(one.hours for one in series),
        seed=seed,
        seeds=seeds,
        versions=f"Python {python_version()}{libraries}",
        goals=report.goals(found),
        hourly=report.hourly(accuracy),
        common=report.common(accuracy),
        ratios=report.ratios(accuracy),
        starts_and_losses=report.starts_and_losses(accuracy),
        by_series=report.by_series(accuracy),
        detectors=report.detectors(outcomes),
        by_rate=report.by_rate(outcomes),
        by_profile=report.by_profile([*outcomes, *calm]),
        speeds=report.speeds(spent),
    )


if __name__ == "__main__":
    main()
