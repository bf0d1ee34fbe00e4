"""Bisection misses no line of the window, whatever the file, and reads little that is not."""

import random

import pytest

from surge_exporter.core.bisect import DISORDER_SECONDS, is_all_older, start_offset

FILES = 400
BLOCK = 256
CUTOFF = 1_000_000.0


def timestamps(block: bytes) -> list[float]:
    """Return the times of the lines that have one: a line is its time and a filler."""
    found = []
    for line in block.split(b"\n")[:-1]:
        text = line.partition(b" ")[0]
        if text.isdigit():
            found.append(float(text))
    return found


class Log:
    """A random log: in disorder, with garbage, blank and long lines, and a torn end."""

    def __init__(self, seed: int) -> None:
        """Write it."""
        self.random = random.Random(seed)
        disorder = self.random.choice([0, 5, 30])
        span = self.random.choice([10, 3600, 100_000])
        start = CUTOFF - span * self.random.choice([0.1, 0.5, 0.9, 1.5])
        count = self.random.choice([0, 1, 10, 300, 1000])
        self.lines = [
            self._line(start + span * n / max(count, 1) - self.random.uniform(0, disorder))
            for n in range(count)
        ]
        self.data = b"".join(self.lines)
        if self.random.random() < 0.3:
            self.data += str(int(CUTOFF + 5)).encode() + b" torn"

    def read_at(self, size: int, offset: int) -> bytes:
        """Read some of it."""
        return self.data[offset : offset + size]

    def first_not_before(self, cutoff: float) -> int:
        """Return where the first line stands that is as new; the end, if there is none."""
        offset = 0
        for line in self.lines:
            if any(at >= cutoff for at in timestamps(line)):
                break
            offset += len(line)
        return offset

    def _line(self, at: float) -> bytes:
        draw = self.random.random()
        if draw < 0.02:
            return self.random.choice([b"\n", b"garbage\n", b"{\n", b"\0\0\0\n"])
        if draw < 0.025:
            return b"0 a stale clock\n"
        filler = b"x" * self.random.choice([0, 20, 100, 2000 if draw > 0.98 else 5])
        return b"%d %s\n" % (int(at), filler)


def test_no_line_of_the_window_is_missed_and_few_others_are_read() -> None:
    """Few beside those that the allowance for disorder takes in."""
    over_read = 0
    for seed in range(FILES):
        log = Log(seed)
        start = start_offset(
            log.read_at, len(log.data), cutoff=CUTOFF, timestamps=timestamps, block=BLOCK
        )
        over_read += max(0, log.first_not_before(CUTOFF - DISORDER_SECONDS) - start)

        assert start <= log.first_not_before(CUTOFF), seed
        assert start == 0 or log.data[start - 1 : start] == b"\n", seed

    assert over_read / FILES < 2 * BLOCK


def test_a_long_file_takes_a_few_probes() -> None:
    lines = b"".join(b"%d filler filler filler\n" % n for n in range(200_000))
    read: list[int] = []

    def read_at(size: int, offset: int) -> bytes:
        read.append(size)
        return lines[offset : offset + size]

    start = start_offset(read_at, len(lines), cutoff=100_000.0, timestamps=timestamps)

    assert 99_000 - 4000 < float(lines[start : start + 8].split()[0]) <= 100_000
    assert sum(read) < len(lines) / 10


@pytest.mark.parametrize("where", [0.0, 0.1, 0.33, 0.5, 0.77])
def test_a_stretch_of_new_lines_amid_old_ones_is_noticed(where: float) -> None:
    """A twentieth of the file suffices: some probe falls there."""
    lines = [b"%d old\n" % n for n in range(100_000)]
    first = int(where * len(lines))
    lines[first : first + 5000] = [b"%d new\n" % (CUTOFF + n) for n in range(5000)]
    data = b"".join(lines)

    def read_at(size: int, offset: int) -> bytes:
        return data[offset : offset + size]

    assert not is_all_older(read_at, len(data), cutoff=CUTOFF, timestamps=timestamps)


@pytest.mark.parametrize("end", [0, 1, 10, 10_000])
def test_lines_that_are_all_old_are_said_to_be(end: int) -> None:
    data = b"".join(b"%d old\n" % n for n in range(end))

    def read_at(size: int, offset: int) -> bytes:
        return data[offset : offset + size]

    assert is_all_older(read_at, len(data), cutoff=CUTOFF, timestamps=timestamps)
