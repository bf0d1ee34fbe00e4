"""Hostile content, met by the real process: memory stays bounded, neighbours are counted."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.servers import child, exporter_command, exporter_url, get, wait_for
from tests.telemetry import request_line

MOST_GROWTH_BYTES = 32 * 1024 * 1024

pytestmark = pytest.mark.timeout(120)


def neighbour() -> bytes:
    """Return a good line of now, by the caller whose requests must all be counted."""
    return request_line(time.time(), caller="neighbour")  # noqa: TID251 - a real process reads it


def line_of(size: int) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        with (folder / "local_1.jsonl").open("ab") as file:
            for _ in range(size // 1_000_000):
                file.write(b"x" * 1_000_000)
            file.write(b"\n")

    return write


def content(*lines: bytes) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        with (folder / "local_1.jsonl").open("ab") as file:
            file.write(b"".join(line + b"\n" for line in lines))

    return write


def many_callers(folder: Path) -> None:
    now = time.time()  # noqa: TID251 - a real process reads it
    with (folder / "local_1.jsonl").open("ab") as file:
        file.writelines(request_line(now, caller=f"caller {i}") for i in range(10_000))


def names_that_are_poison(folder: Path) -> None:
    good = request_line(time.time(), caller="name")  # noqa: TID251 - a real process reads it
    names = (b"\\ud800", b"\\u0000", b'\\"} 1\\n', b"\\u2028", b"x" * 1_000_000)
    content(*(good.strip().replace(b'"name"', b'"%s"' % name) for name in names))(folder)


def hole(folder: Path) -> None:
    with (folder / "local_2.jsonl").open("wb") as file:
        file.truncate(1 << 40)


def pipe(folder: Path) -> None:
    os.mkfifo(folder / "local_0.jsonl")


def loop_of_links(folder: Path) -> None:
    (folder / "local_a.jsonl").symlink_to(folder / "local_b.jsonl")
    (folder / "local_b.jsonl").symlink_to(folder / "local_a.jsonl")


ATTACKS = {
    "a line of 100 MB": line_of(100_000_000),
    "a hole of a terabyte": hole,
    "a pipe that matches": pipe,
    "links in a circle": loop_of_links,
    "bytes that are not UTF-8": content(b"\xff\xfe\xfd", b'{"a":"\xc3"}', b"\xed\xa0\x80"),
    "names that are poison": names_that_are_poison,
    "marks and returns": content(b"\xef\xbb\xbf{}\r", b"\r", b"\xef\xbb\xbf"),
    "numbers that are none": content(b'{"timestamp":NaN}', b'{"timestamp":1e999}', b"1e400"),
    "deep nesting": content(b"[" * 200_000, b'{"a":' * 100_000),
    "a key twice": content(b'{"timestamp":1,"timestamp":2,"success":true,"success":false}'),
    "ten thousand callers": many_callers,
}


class Victim(NamedTuple):
    """A running exporter and its folder."""

    url: str
    folder: Path
    process: psutil.Process

    def counted(self) -> float:
        """Return how many requests of the neighbour were counted."""
        text = get(f"{self.url}/metrics")
        assert text is not None
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == "surge_inference_requests_total"
            and sample.labels["caller"] == "neighbour"
        )


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Victim]:
    folder = tmp_path / "telemetry"
    (folder / "metrics").mkdir(parents=True)
    log = tmp_path / "log"
    with child(exporter_command(folder), log) as process:
        url = exporter_url(log)
        yield Victim(url, folder / "metrics", psutil.Process(process.pid))


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_neighbour_of_hostile_content_is_counted_and_memory_is_bounded(
    victim: Victim, attack: str
) -> None:
    """Cases 8 and 12."""
    path = victim.folder / "local_1.jsonl"
    path.write_bytes(neighbour())
    wait_for(lambda: victim.counted() == 1, "the first line")
    before = victim.process.memory_info().rss
    ATTACKS[attack](victim.folder)
    with path.open("ab") as file:
        file.write(neighbour())
    if attack == "a hole of a terabyte":
        with (victim.folder / "local_2.jsonl").open("ab") as file:
            file.write(neighbour())
    expected = 3 if attack == "a hole of a terabyte" else 2
    wait_for(lambda: victim.counted() == expected, "the lines behind it")

    assert victim.process.memory_info().rss - before < MOST_GROWTH_BYTES
