"""Put forecast and seasonal test to the test, on recorded and on made-up traffic.

    make bench-verdict [DATA=FOLDER]
    python -m tests.bench.verdict [--data FOLDER] [--out FOLDER] [--seed N] [--seeds N] [--quick]

The folder, or SURGE_DEMAND_DATA, has the recorded series. A quick run is of few series and
scenarios and of our own methods alone, and prints what a full one writes.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from platform import python_version

from tests.bench.verdict import plots, report, surges
from tests.bench.verdict.accuracy import Accuracy, measure
from tests.bench.verdict.progress import in_parallel, one_by_one
from tests.bench.verdict.series import DemandSeries, load
from tests.bench.verdict.speed import costs

RESULTS = Path(__file__).parents[1] / "results"
CACHE = Path("build/bench-verdict")
QUICK_SERIES, QUICK_DAYS = 3, 7
SINGLE_THREADED = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write or print the report."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.verdict")
    parser.add_argument("--data", type=Path, default=os.environ.get("SURGE_DEMAND_DATA"))
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=5, help="scenarios of each kind")
    parser.add_argument("--quick", action="store_true")
    told = parser.parse_args(arguments)
    if not told.data:
        parser.error("expected --data or SURGE_DEMAND_DATA, a folder of recorded series")
    series = sorted(load(Path(told.data)), key=lambda one: -one.hours)
    if told.quick:
        sys.stdout.write(quick(series, told.seed))
    else:
        told.out.mkdir(parents=True, exist_ok=True)
        (told.out / "verdict.md").write_text(full(series, told.seed, told.seeds, told.out))
        sys.stderr.write(f"wrote {told.out}\n")


def quick(series: Sequence[DemandSeries], seed: int) -> str:
    """Return the report of our own methods on a few series and steady scenarios."""
    few = series[-QUICK_SERIES:]
    accuracy = one_by_one("forecasts", partial(measure, cache=None, seed=seed), few)
    tasks = list(surges.tasks(surges.profiles([]), [seed], QUICK_DAYS))
    return report.text(
        Accuracy(accuracy, seed),
        one_by_one("surges", surges.run, tasks),
        others=[],
        costs=costs(seed, rebuilds=1),
        about=_about(few, seed, 1),
    )


def full(series: Sequence[DemandSeries], seed: int, seeds: int, out: Path) -> str:
    """Return the report of everything, and put its pictures into a folder."""
    for name in SINGLE_THREADED:
        os.environ[name] = "1"  # the other cores are busy with other series
    spent = costs(seed)
    measured = in_parallel("forecasts", partial(measure, cache=CACHE, seed=seed), series)
    accuracy = Accuracy(measured, seed)
    tasks = list(surges.tasks(surges.profiles(series), range(seed, seed + seeds)))
    outcomes = in_parallel("surges", surges.run, tasks)
    calm = list(surges.calm_tasks(surges.other_profiles(series), seed))
    others = in_parallel("rhythms", surges.run, calm)
    plots.accuracy(accuracy, out / "accuracy.svg")
    plots.surges(outcomes, out / "surges.svg")
    about = f"{_about(series, seed, seeds)}, statsforecast {version('statsforecast')}"
    return report.text(accuracy, outcomes, others=others, costs=spent, about=about)


def _about(series: Sequence[DemandSeries], seed: int, seeds: int) -> str:
    hours = sum(one.hours for one in series)
    recorded = f"{len(series)} recorded series, {hours} hours"
    return (
        f"{recorded}; {seeds} scenarios of each kind from seed {seed}; Python {python_version()}"
    )


if __name__ == "__main__":
    main()
