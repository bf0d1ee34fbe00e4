"""Whatever happens to its file, a line is read once.

`SURGE_HISTORIES` says how many histories to try; a failure names the seed and the steps.
"""

import os
from collections import Counter
from pathlib import Path

import pytest

from tests.histories import DESTROYS, KEEPS_ALL, History
from tests.tailing import Tailing

HISTORIES = int(os.environ.get("SURGE_HISTORIES", "300"))

pytestmark = pytest.mark.timeout(3600)


def lost_and_doubled(history: History) -> tuple[Counter[bytes], Counter[bytes]]:
    """Return the lines that were not read, and those that were read more than once."""
    read = Counter(history.tailing.lines)
    return history.expected - read, read - history.expected


@pytest.mark.parametrize("batch", range(10))
def test_a_line_is_read_exactly_once_whatever_happens_to_its_file(
    batch: int, tmp_path: Path, far: Path
) -> None:
    for seed in range(batch, HISTORIES, 10):
        history = History(tmp_path / str(seed), seed, far / str(seed))
        history.live(KEEPS_ALL + DESTROYS)

        assert lost_and_doubled(history) == (Counter(), Counter()), (seed, history.steps)
        history.tailing.assert_bytes_kept()
        history.tailing.tail.close()
        assert not history.files.held
        history.clear()


@pytest.mark.parametrize("batch", range(4))
def test_who_starts_later_reads_what_was_read_before(
    batch: int, tmp_path: Path, far: Path
) -> None:
    """Case 49. As long as nothing was destroyed, the directory says it all, in any order."""
    for seed in range(batch, HISTORIES // 3, 4):
        history = History(tmp_path / str(seed), seed, far / str(seed))
        history.live(KEEPS_ALL)
        history.shuffle_times()
        again = Tailing(history.folder, pattern="local_*")

        assert Counter(again.lines) == history.expected, (seed, history.steps)
        assert lost_and_doubled(history) == (Counter(), Counter()), (seed, history.steps)
        again.tail.close()
        history.clear()


@pytest.mark.parametrize("batch", range(4))
def test_a_line_is_read_once_with_few_descriptors(batch: int, tmp_path: Path, far: Path) -> None:
    """Case 42. A file closed for want of them is not seen to be written and deleted at once."""
    rotations = [name for name in KEEPS_ALL + DESTROYS if name != "delete_unfinished_line"]
    for seed in range(batch, HISTORIES // 3, 4):
        history = History(tmp_path / str(seed), seed, far / str(seed), most_held=2)
        history.reopens_at_once = True
        history.live(rotations)

        assert lost_and_doubled(history) == (Counter(), Counter()), (seed, history.steps)
        history.clear()


@pytest.mark.parametrize("batch", range(4))
def test_no_line_is_lost_when_files_are_trimmed_as_well(
    batch: int, tmp_path: Path, far: Path
) -> None:
    """Case 30. Trimmed and rotated between two polls, a file may be read twice."""
    for seed in range(batch, HISTORIES // 3, 4):
        history = History(tmp_path / str(seed), seed, far / str(seed))
        history.live((*KEEPS_ALL, *DESTROYS, "trim", "trim"))

        assert lost_and_doubled(history)[0] == Counter(), (seed, history.steps)
        history.clear()
