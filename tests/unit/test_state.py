"""The state file: in place once its scrape is served, whole or not at all."""

import errno
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from surge_exporter.core.checkpoint import Checkpoint, encode
from surge_exporter.core.history import CountHistory
from surge_exporter.model import UnixSeconds
from surge_exporter.runtime.state import StateFile
from surge_exporter.snapshot import StateFault
from tests.fakes import NOW
from tests.unit.test_checkpoint import CHECKPOINT

NEWER = replace(CHECKPOINT, number=8, at=UnixSeconds(NOW + 15))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the state is to be."""
    return tmp_path / "state"


def serve(state: StateFile, *checkpoints: Checkpoint) -> None:
    """Serve scrapes, one after the other."""
    for checkpoint in checkpoints or (CHECKPOINT,):
        with state.serving(checkpoint):
            pass


def test_what_was_served_is_loaded_by_the_next(path: Path) -> None:
    serve(StateFile(path), CHECKPOINT, NEWER)

    assert StateFile(path).load(NOW) == NEWER


def test_nothing_is_in_place_while_the_scrape_is_being_sent(path: Path) -> None:
    with StateFile(path).serving(CHECKPOINT):
        assert not path.exists()


def test_a_scrape_that_could_not_be_sent_leaves_the_state_before(path: Path) -> None:
    state = StateFile(path)
    serve(state)

    with pytest.raises(BrokenPipeError), state.serving(NEWER):
        raise BrokenPipeError

    assert [p.name for p in path.parent.iterdir()] == ["state"]
    assert StateFile(path).load(NOW) == CHECKPOINT


def test_a_scrape_that_was_slow_to_send_does_not_undo_a_newer_one(path: Path) -> None:
    state = StateFile(path)

    with state.serving(CHECKPOINT):
        serve(state, NEWER)

    assert StateFile(path).load(NOW) == NEWER
    assert state.status.saved_at == NEWER.at


def test_a_clock_that_is_set_back_keeps_no_state_from_being_saved(path: Path) -> None:
    state = StateFile(path)
    earlier = replace(NEWER, at=UnixSeconds(NOW - 3600))
    serve(state, CHECKPOINT, earlier)

    assert StateFile(path).load(NOW) == earlier


def test_without_a_file_there_is_nothing_to_resume_and_nothing_wrong(path: Path) -> None:
    state = StateFile(path)

    assert state.load(NOW) is None
    assert set(state.status.rejected.values()) == {0}
    assert state.status.saved_at is None


@pytest.mark.parametrize(
    ("data", "now", "fault"),
    [
        (b"", NOW, StateFault.CORRUPT),
        (b"{}", NOW, StateFault.CORRUPT),
        (encode(CHECKPOINT)[:-100], NOW, StateFault.CORRUPT),
        (encode(CHECKPOINT).replace(b"state 1 ", b"state 9 ", 1), NOW, StateFault.VERSION),
        (encode(CHECKPOINT), NOW + 2 * 86400, StateFault.TOO_OLD),
    ],
    ids=["empty", "foreign", "cut", "version", "old"],
)
def test_a_state_of_no_use_is_counted_by_reason_and_logged_once(
    path: Path, data: bytes, now: float, fault: StateFault, caplog: pytest.LogCaptureFixture
) -> None:
    path.write_bytes(data)
    state = StateFile(path)

    assert state.load(UnixSeconds(now)) is None
    assert [f for f, count in state.status.rejected.items() if count] == [fault]
    assert [r.levelname for r in caplog.records] == ["ERROR"]
    assert f"reason={fault}" in caplog.text


def test_a_state_that_cannot_be_read_is_counted(path: Path) -> None:
    path.mkdir()
    state = StateFile(path)

    assert state.load(NOW) is None
    assert state.status.rejected[StateFault.UNREADABLE] == 1


def test_a_disk_that_takes_nothing_costs_no_scrape_and_says_so_once(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    state = StateFile(path / "no such folder" / "state")
    serve(state, CHECKPOINT, NEWER)
    path.mkdir()
    (path / "no such folder").mkdir()
    serve(state, replace(NEWER, number=9))

    assert state.status.save_errors == 2
    assert [r.levelname for r in caplog.records] == ["ERROR", "INFO"]


def test_what_a_killed_process_left_half_written_is_cleared_away(path: Path) -> None:
    (path.parent / ".state.17").write_bytes(b"half")
    serve(StateFile(path))

    StateFile(path).load(NOW)

    assert [p.name for p in path.parent.iterdir()] == ["state"]


def test_a_disk_that_is_full_is_left_no_fuller(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(written: Path, data: bytes) -> int:
        with written.open("wb") as file:
            file.write(data[:10])
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(Path, "write_bytes", fill)
    state = StateFile(path)
    serve(state)
    state.save_history(CountHistory().saved(NOW))

    assert state.status.save_errors == 2
    assert list(path.parent.iterdir()) == []


def test_what_cannot_be_cleared_away_keeps_nobody_from_starting(path: Path) -> None:
    (path.parent / ".state.17").mkdir()

    assert StateFile(path).load(NOW) is None
