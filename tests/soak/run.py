"""The soak: writers, the exporter and a scraper at once; then both sides are compared."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from random import Random

from tests.servers import free_port, get, wait_for
from tests.soak.lives import Lives, killed_now_and_then
from tests.soak.scraper import Scraper
from tests.soak.writer import Generation, Plan, Written, write

_LAST_SCRAPES = 2
_COUNTED = "counted"
_CONFIG = """\
telemetry:
  requests: ["metrics/local_*.jsonl", "metrics/local_*.jsonl.gz"]
  heartbeat: ["heartbeat/ticks_*.jsonl", "heartbeat/ticks_*.jsonl.gz"]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How long, how fast, how rough."""

    seconds: float
    rate: float
    rotate_every: float
    kill_every: float
    scrape_every: float
    seed: int
    writers: int
    has_state: bool = True
    kills_in_scrapes: bool = False
    """A scrape that was answered and never came has lines that nobody can count right."""


SHORT = Settings(
    seconds=6, rate=2000, rotate_every=1, kill_every=2, scrape_every=0.3, seed=112, writers=2
)
"""What the tests run, with two kills; it takes some seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was written, what was seen of it, and at what price."""

    settings: Settings
    began: float
    elapsed: float
    written: list[Written]
    scraper: Scraper
    lives: Lives
    first_rss_bytes: int
    exit_code: int

    @property
    def generations(self) -> list[Generation]:
        """The request lines of all writers, by the file that they were written to."""
        return [one for written in self.written for one in written.generations]


def soak(settings: Settings, folder: Path, advance: Callable[[float], None]) -> Outcome:
    """Run the soak in an empty folder; `advance` is told of the seconds that passed."""
    random, port = Random(settings.seed), free_port()
    lives = Lives(_command(settings, folder, port), folder / "exporter.log")
    scraper = Scraper(port)
    scraping = threading.Lock()
    counted = folder / _COUNTED
    try:
        _wait_until_ready(lives, port)
        scraper.scrape()
        counted.touch()
        lives.measure()
        first_rss_bytes = lives.rss_bytes
        with ProcessPoolExecutor(settings.writers, get_context("spawn")) as pool:
            began = time.monotonic()
            plans = list(_plans(settings, folder, random, began))
            writers = [pool.submit(write, plan) for plan in plans]
            when = nullcontext() if settings.kills_in_scrapes else scraping
            with killed_now_and_then(lives, random, settings.kill_every, when=when):
                for passed in _ticks(began, settings):
                    with scraping:
                        is_new = scraper.scrape()
                    if is_new:
                        counted.touch()
                    lives.measure()
                    advance(passed)
                written = [writer.result() for writer in writers]
        elapsed = time.monotonic() - began
        _wait_until_ready(lives, port)
        for _ in range(_LAST_SCRAPES):
            scraper.scrape()
        lives.measure()
    finally:
        scraper.close()
        exit_code = lives.stop()
    return Outcome(
        settings=settings,
        began=began,
        elapsed=elapsed,
        written=written,
        scraper=scraper,
        lives=lives,
        first_rss_bytes=first_rss_bytes,
        exit_code=exit_code,
    )


def _command(settings: Settings, folder: Path, port: int) -> list[str]:
    config = folder / "surge.yml"
    config.write_text(_CONFIG)
    state = ["--state-file", str(folder / "state")] if settings.has_state else []
    return [
        *(sys.executable, "-m", "surge_exporter", "serve"),
        *("--config.file", str(config), "--telemetry-dir", str(folder)),
        *("--web.listen-address", f"127.0.0.1:{port}"),
        *state,
    ]


def _wait_until_ready(lives: Lives, port: int) -> None:
    def ready() -> str | None:
        lives.measure()
        return get(f"http://127.0.0.1:{port}/-/ready")

    wait_for(ready, "the exporter to be ready")


def _plans(settings: Settings, folder: Path, random: Random, began: float) -> Iterator[Plan]:
    for number in range(settings.writers):
        yield Plan(
            folder=folder,
            counted=folder / _COUNTED,
            number=number,
            seed=random.getrandbits(32),
            began=began,
            until=began + settings.seconds,
            lines_per_second=settings.rate / settings.writers,
            rotate_every=settings.rotate_every,
            has_heartbeat=number == 0,
        )


def _ticks(began: float, settings: Settings) -> Iterator[float]:
    """Yield the seconds passed whenever it is time to scrape."""
    due = began
    while due < began + settings.seconds:
        time.sleep(max(0.0, due - time.monotonic()))
        yield time.monotonic() - began
        due = max(due + settings.scrape_every, time.monotonic())
