"""`demo`: a simulated fleet and a real exporter in one process, two minutes to see it all."""

import math
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from surge_exporter.commands import options
from surge_exporter.commands.exporter import Exporter
from surge_exporter.config import Config, TelemetryConfig, WebConfig, WindowConfig
from surge_exporter.core.scenario import demo_scenario
from surge_exporter.core.simulate import telemetry
from surge_exporter.model import HOUR, DemandLevel, UnixSeconds, Verdict
from surge_exporter.runtime.clock import Clock, QueueWaker, ScaledClock, SystemClock
from surge_exporter.runtime.logs import set_up_logging
from surge_exporter.runtime.writer import TelemetryWriter, pace

SPEED = 360.0
"""Ten seconds an hour: the scenario's twelve hours take two minutes."""

_HISTORY_SECONDS = 72 * HOUR  # of which forecast and seasonal test learn what is usual
_LOOK_SECONDS = 0.5


@click.command()
@options.listen_addresses
@click.option("--seed", type=int, default=1, show_default=True, help="Same seed, same fleet.")
def demo(*, listen_addresses: tuple[str, ...], seed: int) -> None:
    """Run the exporter on a simulated fleet at 360 times the speed of life.

    Within two minutes demand surges, ebbs, Gitea goes down, inference fails, a caller fails and
    a batch job takes over. Telemetry goes to a temporary folder. Ctrl-C stops.
    """
    logged = set_up_logging("warning")
    clock = SystemClock()
    start = clock.now()
    scaled = ScaledClock(clock, start=start, speed=SPEED)
    with tempfile.TemporaryDirectory(prefix="surge-demo-") as folder:
        config = Config(
            telemetry=TelemetryConfig(directory=folder),
            window=WindowConfig(horizon_hours=1.0),
            web=WebConfig(listen_addresses=listen_addresses) if listen_addresses else WebConfig(),
        )
        with _fleet(Path(folder), scaled, start, seed):
            exporter = Exporter(lambda: config, scaled, logged, host_clock=clock)
            click.echo(f"The simulated fleet writes to {folder}")
            for url in exporter.web.urls:
                click.echo(f"Status page  {url}/")
                click.echo(f"Metrics      {url}/metrics")
            click.echo("An hour passes in ten seconds. Ctrl-C stops.\n")
            with _background(lambda stopped: _announce(exporter, clock, stopped)):
                exporter.run()
    click.echo("Stopped.")


@contextmanager
def _background(work: Callable[[threading.Event], None]) -> Iterator[None]:
    """Run `work` in a thread while the block runs; its event is set when the block ends."""
    stopped = threading.Event()
    thread = threading.Thread(target=work, args=(stopped,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


@contextmanager
def _fleet(folder: Path, clock: Clock, start: UnixSeconds, seed: int) -> Iterator[None]:
    """Write history, then go on writing as simulated time passes."""
    scenario = demo_scenario(start)
    with TelemetryWriter(folder) as writer:
        history_start = UnixSeconds(start - _HISTORY_SECONDS)
        writer.write(telemetry(scenario, seed=seed, start=history_start, stop=start))
        live = telemetry(scenario, seed=seed, start=start, stop=UnixSeconds(math.inf))

        def write(stopped: threading.Event) -> None:
            for batch in pace(live, clock, QueueWaker(), stopped.is_set):
                writer.write(batch)

        with _background(write):
            yield


def _announce(exporter: Exporter, clock: Clock, stopped: threading.Event) -> None:
    """Print the verdict whenever something an operator would act on has changed."""
    began = clock.monotonic()
    last: tuple[str, ...] = ()
    while not stopped.wait(_LOOK_SECONDS):
        snapshot = exporter.loop.snapshot()
        if snapshot.observation is None or snapshot.verdict is None:
            continue
        state = _state(snapshot.verdict)
        if state != last:
            last = state
            texts = " / ".join(r.text for r in snapshot.verdict.recommendations)
            click.echo(f"{clock.monotonic() - began:4.0f} s  {' '.join(state[:3])}  {texts}")


def _state(verdict: Verdict) -> tuple[str, ...]:
    """What an operator acts on; around a factor of 1, low and normal demand are the same."""
    level = verdict.demand_level
    if level in {DemandLevel.LOW, DemandLevel.NORMAL}:
        level = DemandLevel.NORMAL
    return (
        f"{level:<8}",
        f"{verdict.resource_mode:<6}",
        f"{verdict.dispatch_posture:<8}",
        *(r.action for r in verdict.recommendations),
    )
