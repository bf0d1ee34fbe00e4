"""The soak in short: what Prometheus sees of logs that are rotated, over kills of the exporter.

`make soak` runs it for longer and faster.
"""

from pathlib import Path

import pytest

from tests.soak.balance import is_exact
from tests.soak.report import report
from tests.soak.run import SHORT, soak

pytestmark = pytest.mark.timeout(120)


def test_no_line_is_lost_or_counted_twice_over_rotations_and_kills(tmp_path: Path) -> None:
    outcome = soak(SHORT, tmp_path, lambda _: None)

    assert is_exact(outcome), "\n".join(report(outcome))
    assert len(outcome.lives.killed) >= 2
    assert outcome.exit_code == 0
