"""Writes exporter/docs/scaling.png: an afternoon of a host that follows its scaler.

Run `python -m tests.scaling_picture` after a change of the scaler or of the plot.
"""

from datetime import UTC
from pathlib import Path

from surge_exporter.render.scaling_plot import draw_scaling
from surge_exporter.scaling import synthetic
from surge_exporter.scaling.scaler import Settings
from surge_exporter.scaling.trace import Moment, follow

_AT = Path(__file__).parent.parent / "exporter" / "docs" / "scaling.png"
_START = 1_700_000_000.0 // 86_400 * 86_400 + 13 * 3600  # 13:00 of some day


def afternoon(settings: Settings) -> list[Moment]:
    """Return an hour and a half: a build that needs memory, and later one that burns CPU."""
    builds = synthetic.ramp(0.10, 0.62, 900.0)
    busy = synthetic.spike(0.15, 0.96, 4200.0, 200.0)
    samples = synthetic.trace(
        5400.0,
        start=_START,
        memory=synthetic.noisy(lambda t: builds(t - 300.0) if 300.0 <= t < 1900.0 else 0.10, 0.01),
        cpu=synthetic.noisy(busy, 0.03, seed=2),
    )
    return list(follow(samples, settings, in_flight=lambda at: int(at % 50 < 20)))


if __name__ == "__main__":
    settings = Settings()
    _AT.write_bytes(draw_scaling(afternoon(settings), settings, "png", UTC))
