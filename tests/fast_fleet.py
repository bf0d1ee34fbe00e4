"""A real exporter on a simulated fleet that goes through four troubles at 360 times life's speed.

    python -m tests.fast_fleet FOLDER

Time stands still until a line comes on stdin: then the hours in which it happens begin.
"""

import math
import sys
import threading
from pathlib import Path

from surge_exporter.commands.exporter import Exporter
from surge_exporter.config import Config, TelemetryConfig, WebConfig, WindowConfig
from surge_exporter.config_scaling import ScalingConfig
from surge_exporter.core.scenario import EpisodeKind, Scenario, episode_at
from surge_exporter.core.simulate import telemetry
from surge_exporter.model import HOUR, Seconds, UnixSeconds
from surge_exporter.runtime.clock import QueueWaker, ScaledClock, SystemClock
from surge_exporter.runtime.logs import set_up_logging
from surge_exporter.runtime.writer import TelemetryWriter, pace

SPEED = 360.0
"""Ten seconds an hour."""
START = UnixSeconds(1_774_224_000.0)
"""2026-03-23T00:00:00Z: each run goes through the same records."""
SEED = 1
HISTORY_SECONDS = 72 * HOUR  # of which the seasonal test learns what is usual
HORIZON_HOURS = 1.0

_TROUBLES = (
    (EpisodeKind.SURGE, 0.5, 0.6, 5.0),
    (EpisodeKind.GITEA_OUTAGE, 1.25, 0.6, 1.0),
    (EpisodeKind.INFERENCE_FAILURES, 2.0, 0.5, 1.0),
    (EpisodeKind.FAILING_CALLER, 2.75, 0.5, 0.9),
)
"""Hours after `START`, hours long, magnitude."""

SCENARIO = Scenario(
    start=START,
    requests_per_hour=600,
    rhythm=0.1,
    episodes=tuple(episode_at(*trouble) for trouble in _TROUBLES),
)


class _HeldClock:
    """A clock that stands at `START` until it is let go, and then runs at `SPEED`."""

    def __init__(self) -> None:
        self._clock = SystemClock()
        self._running: ScaledClock | None = None

    def let_go(self) -> None:
        """Let time pass."""
        self._running = ScaledClock(self._clock, start=START, speed=SPEED)

    def now(self) -> UnixSeconds:
        """Return the simulated wall clock."""
        return START if self._running is None else self._running.now()

    def monotonic(self) -> Seconds:
        """Return the real monotonic clock."""
        return self._clock.monotonic()

    def offset(self) -> Seconds:
        """Return a constant: nobody ever sets this clock."""
        return Seconds(0.0)


def main(folder: Path) -> None:
    """Run the exporter until SIGTERM."""
    logged = set_up_logging("info")
    clock = _HeldClock()
    stopped = threading.Event()
    config = Config(
        scaling=ScalingConfig(enabled=False),  # this machine is none of the fleet's
        telemetry=TelemetryConfig(directory=str(folder)),
        window=WindowConfig(horizon_hours=HORIZON_HOURS),
        web=WebConfig(listen_addresses=("127.0.0.1:0",)),
    )
    with TelemetryWriter(folder) as writer:
        oldest = UnixSeconds(START - HISTORY_SECONDS)
        writer.write(telemetry(SCENARIO, seed=SEED, start=oldest, stop=START))
        live = telemetry(SCENARIO, seed=SEED, start=START, stop=UnixSeconds(math.inf))

        def write() -> None:
            if not sys.stdin.readline():
                return  # closed: the end
            clock.let_go()
            for batch in pace(live, clock, QueueWaker(), stopped.is_set):
                writer.write(batch)

        # A daemon, since nothing ends its wait for stdin but a line or the end.
        threading.Thread(target=write, daemon=True).start()
        try:
            Exporter(lambda: config, clock, logged).run()
        finally:
            stopped.set()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
