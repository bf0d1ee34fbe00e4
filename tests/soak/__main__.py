"""Run the exporter on logs that grow fast and are rotated, kill it, and compare the counts.

    python -m tests.soak --seconds 300 --rate 20000

Prometheus' view must come to exactly what was written; if not, the exit code is 1 and the logs
are kept.
"""

import shutil
import sys
import tempfile
from pathlib import Path

import click

from tests.soak.balance import is_exact
from tests.soak.report import report
from tests.soak.run import SHORT, Outcome, Settings, soak


@click.command()
@click.option("--seconds", default=300.0, show_default=True, help="How long lines are written.")
@click.option("--rate", default=20_000.0, show_default=True, help="Lines/s, of all writers.")
@click.option("--rotate-every", default=3.0, show_default=True, help="Mean seconds, per file.")
@click.option("--kill-every", default=10.0, show_default=True, help="Mean seconds; 0 is never.")
@click.option("--scrape-every", default=0.5, show_default=True, help="Seconds.")
@click.option("--seed", default=1, show_default=True, help="Of rotations and kills.")
@click.option("--writers", default=4, show_default=True, help="Processes, each with its file.")
@click.option("--state-file/--no-state-file", "has_state", default=True, show_default=True)
@click.option(
    "--kills-in-scrapes",
    is_flag=True,
    help="Kill while a scrape is answered, too: whether it counts is then for nobody to say.",
)
@click.option("--short", is_flag=True, help="What the tests run, whatever else is said.")
def main(*, short: bool, **options: float) -> None:
    """Soak the exporter; see the module."""
    settings = SHORT if short else Settings(**options)  # type: ignore[arg-type]  # by click
    folder = Path(tempfile.mkdtemp(prefix="surge-exporter-soak-"))
    outcome = _soak(settings, folder)
    click.echo("\n".join(report(outcome)))
    if is_exact(outcome):
        shutil.rmtree(folder)
    else:
        click.echo(f"logs kept in {folder}")
        sys.exit(1)


def _soak(settings: Settings, folder: Path) -> Outcome:
    length = round(settings.seconds)
    hidden = not sys.stderr.isatty()
    with click.progressbar(length=length, label="Soaking", file=sys.stderr, hidden=hidden) as bar:
        return soak(settings, folder, lambda passed: bar.update(int(passed) - bar.pos))


if __name__ == "__main__":
    main()
