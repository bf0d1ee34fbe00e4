"""What every tail must do: nothing lost, nothing twice, in the disasters everyone has."""

import os
from pathlib import Path

import pytest

from tests.fakes import NOW
from tests.tailing import HookedFiles, Tailing, append
from tests.telemetry import request_line


def test_lines_appended_between_polls_come_out_once(tmp_path: Path) -> None:
    path = tmp_path / "local_1.jsonl"
    tailing = Tailing(tmp_path)
    append(path, "a", "b")
    first = tailing.poll()
    append(path, "c")

    assert (first, tailing.poll(), tailing.poll()) == ([b"a", b"b"], [b"c"], [])


def test_an_unfinished_line_waits_for_its_end(tmp_path: Path) -> None:
    """Case 1."""
    path = tmp_path / "local_1.jsonl"
    tailing = Tailing(tmp_path)
    append(path, "abc", end=b"")
    before = tailing.poll()
    append(path, "def")

    assert (before, tailing.poll()) == ([], [b"abcdef"])


def test_a_file_that_was_there_is_history_and_what_follows_is_live(tmp_path: Path) -> None:
    path = tmp_path / "local_1.jsonl"
    append(path, "old", end=b"\nunfinished")
    os.utime(path, (NOW, NOW))
    tailing = Tailing(tmp_path)
    append(path, " and now finished", "new")
    tailing.poll()

    assert tailing.lines == [b"old", b"unfinished and now finished", b"new"]
    assert tailing.live_lines == [b"unfinished and now finished", b"new"]


def test_a_renamed_file_is_read_to_its_end_and_its_successor_from_the_start(
    tmp_path: Path,
) -> None:
    """Case 19."""
    path = tmp_path / "local_1.jsonl"
    tailing = Tailing(tmp_path)
    append(path, "a")
    tailing.poll()
    append(path, "b")
    path.rename(tmp_path / "rotated")
    append(path, "c")
    append(tmp_path / "rotated", "late")

    assert sorted(tailing.poll()) == [b"b", b"c", b"late"]
    assert tailing.counts.rotations == 1


def test_a_file_truncated_and_grown_past_its_old_size_is_read_again(tmp_path: Path) -> None:
    """Case 23."""
    path = tmp_path / "local_1.jsonl"
    tailing = Tailing(tmp_path)
    append(path, "first line", "second line")
    tailing.poll()
    path.write_bytes(b"other line\nanother line\nand more than before\n")

    assert tailing.poll() == [b"other line", b"another line", b"and more than before"]
    assert tailing.counts.truncations == 1


def test_what_a_deleted_file_still_held_is_read(tmp_path: Path) -> None:
    """Case 24."""
    path = tmp_path / "local_1.jsonl"
    tailing = Tailing(tmp_path)
    append(path, "a")
    tailing.poll()
    append(path, "b")
    path.unlink()
    append(path, "c")

    assert tailing.poll() == [b"b", b"c"]


def test_a_copy_in_the_same_folder_is_not_read_again(tmp_path: Path) -> None:
    """Case 21."""
    path = tmp_path / "local_1.jsonl"
    tailing = Tailing(tmp_path)
    append(path, "a", "b")
    tailing.poll()
    (tmp_path / "local_1_backup.jsonl").write_bytes(path.read_bytes())

    assert tailing.poll() == []


def test_a_line_over_the_limit_is_dropped_and_its_neighbours_are_kept(tmp_path: Path) -> None:
    """Case 8."""
    path = tmp_path / "local_1.jsonl"
    tailing = Tailing(tmp_path)
    append(path, "before", b"x" * 5_000_000, "after")
    lines = tailing.poll()

    assert lines == [b"before", b"after"]
    assert sum(chunk.too_long for chunk in tailing.chunks) == 1


def test_a_hole_of_a_terabyte_costs_nothing(tmp_path: Path) -> None:
    """Case 5."""
    path = tmp_path / "local_1.jsonl"
    tailing = Tailing(tmp_path)
    with path.open("wb") as file:
        file.truncate(1 << 40)
    append(path, "after the hole")

    assert [line.lstrip(b"\0") for line in tailing.poll()] == [b"after the hole"]


def test_bytes_that_arrive_while_history_is_read_are_neither_lost_nor_doubled(
    tmp_path: Path,
) -> None:
    """Case 47."""
    path = tmp_path / "local_1.jsonl"
    append(path, "a")
    os.utime(path, (NOW, NOW))
    files = HookedFiles()
    files.once("before_read", lambda: append(path, "b"))
    tailing = Tailing(tmp_path, files=files)
    tailing.poll()

    assert tailing.lines == [b"a", b"b"]


def test_of_a_long_history_only_the_end_is_read(tmp_path: Path) -> None:
    path = tmp_path / "local_1.jsonl"
    lines = [request_line(NOW - 864_000 + i * 86.4) for i in range(10_000)]
    path.write_bytes(b"".join(lines))
    os.utime(path, (NOW, NOW))
    tailing = Tailing(tmp_path)
    relevant = [line.strip() for line in lines[-500:]]

    assert tailing.lines[-500:] == relevant
    assert len(tailing.lines) < 1500


def test_a_file_too_old_to_matter_is_skipped_until_it_grows(tmp_path: Path) -> None:
    path = tmp_path / "local_1.jsonl"
    path.write_bytes(request_line(NOW - 864_000))
    os.utime(path, (NOW - 864_000, NOW - 864_000))
    tailing = Tailing(tmp_path)
    append(path, "new")

    assert tailing.poll() == [b"new"]


def test_the_last_record_of_a_skipped_file_proves_that_there_is_history(tmp_path: Path) -> None:
    path = tmp_path / "local_1.jsonl"
    path.write_bytes(request_line(NOW - 864_500) + request_line(NOW - 864_400))
    os.utime(path, (NOW - 864_000, NOW - 864_000))

    assert Tailing(tmp_path).tail.history_before == pytest.approx(NOW - 864_500)


@pytest.mark.parametrize("content", [b"", b"garbage\nmore\n"])
def test_an_old_file_without_a_record_proves_no_history(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "local_1.jsonl"
    path.write_bytes(content)
    os.utime(path, (NOW - 864_000, NOW - 864_000))

    assert Tailing(tmp_path).tail.history_before is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_be_read_later_is_read_later(tmp_path: Path) -> None:
    """Case 39."""
    path = tmp_path / "local_1.jsonl"
    append(path, "a")
    path.chmod(0)
    tailing = Tailing(tmp_path)
    path.chmod(0o600)

    assert tailing.poll() == [b"a"]


def test_a_pipe_that_matches_does_not_stop_the_tail(tmp_path: Path) -> None:
    """Case 35."""
    os.mkfifo(tmp_path / "local_0.jsonl")
    tailing = Tailing(tmp_path)
    append(tmp_path / "local_1.jsonl", "a")

    assert tailing.poll() == [b"a"]


def test_a_folder_may_appear_later(tmp_path: Path) -> None:
    """Case 37."""
    folder = tmp_path / "later"
    tailing = Tailing(folder)
    folder.mkdir()
    append(folder / "local_1.jsonl", "a")

    assert tailing.poll() == [b"a"]
