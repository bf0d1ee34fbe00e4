"""What came of a soak, in text."""

from collections import Counter
from collections.abc import Iterator

from tests.soak.balance import is_exact, rows
from tests.soak.differences import differences
from tests.soak.run import Outcome

_MIB = 1024 * 1024
_MOST_DIFFERENCES = 30


def report(outcome: Outcome) -> Iterator[str]:
    """Yield the lines of the report."""
    yield from _figures(outcome)
    yield f"{'counter':<52}{'written':>11}{'counted':>11}{'lost':>8}{'doubled':>8}"
    for row in rows(outcome):
        yield (
            f"{row.name:<52}{row.written.total():>11}{row.counted.total():>11}"
            f"{row.lost:>8}{row.doubled:>8}"
        )
    if not is_exact(outcome):
        found = list(differences(outcome))
        yield from found[:_MOST_DIFFERENCES]
        yield f"{len(found)} differences"


def _figures(outcome: Outcome) -> Iterator[str]:
    settings, lives, scraper = outcome.settings, outcome.lives, outcome.scraper
    lines = sum(g.lines for g in outcome.generations)
    ways = Counter(g.end.way for g in outcome.generations)
    ways.update(end.way for written in outcome.written for end in written.ticks_rotations)
    del ways["none"]
    yield f"seed {settings.seed}, {settings.writers} writers, {outcome.elapsed:.0f} s"
    yield f"lines/s    {lines / outcome.elapsed:.0f} of {settings.rate:.0f}"
    yield (
        f"memory     {outcome.first_rss_bytes / _MIB:.0f} MiB at the start,"
        f" {lives.rss_bytes / _MIB:.0f} at the end, {lives.most_rss_bytes / _MIB:.0f} at most"
    )
    yield (
        f"CPU        {lives.cpu_seconds:.1f} s,"
        f" {lives.cpu_seconds / outcome.elapsed:.0%} of a core"
    )
    longest = max(seen.answered - seen.asked for seen in scraper.history)
    yield (
        f"scrapes    {len(scraper.history)}, the longest {longest:.2f} s;"
        f" failed: {_counts(scraper.failures)}"
    )
    yield f"rotations  {ways.total()}: {_counts(ways)}"
    killed = " ".join(f"{at - outcome.began:.1f}" for at in lives.killed)
    yield f"kills      {len(lives.killed)}, after seconds {killed or '-'}"
    yield f"born       {_counts(scraper.born)}"
    yield f"exit code  {outcome.exit_code}"


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none"
