"""What is logged: a line an event, counted, and never so much that a disk fills."""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from surge_exporter.runtime.logs import (
    LEVELS,
    BoundedRate,
    CountingHandler,
    set_up_logging,
)
from tests.fakes import NOW


@pytest.fixture(autouse=True)
def _untouched_root() -> Iterator[None]:
    """Give the root logger back as it was: setting up logging replaces its handlers."""
    root, watchdog = logging.getLogger(), logging.getLogger("watchdog")
    handlers, level, quiet = root.handlers[:], root.level, watchdog.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    watchdog.setLevel(quiet)


def record(
    level: int = logging.WARNING, *, at: float = NOW, logger: str = "surge", text: str = "said"
) -> logging.LogRecord:
    """Return a message as logging makes it."""
    made = logging.LogRecord(logger, level, __file__, 1, text, None, None)
    made.created = at
    return made


def passed(bound: BoundedRate, *records: logging.LogRecord) -> list[bool]:
    """Return what the bound says of each message."""
    return [bound.filter(each) for each in records]


def test_every_level_is_counted_from_the_start() -> None:
    assert CountingHandler().counts() == dict.fromkeys(LEVELS, 0)


@pytest.mark.parametrize(
    ("level", "counted"),
    [
        (logging.DEBUG, "debug"),
        (logging.INFO, "info"),
        (logging.WARNING, "warning"),
        (logging.ERROR, "error"),
        (logging.CRITICAL, "error"),
    ],
)
def test_a_message_is_counted_under_its_level(level: int, counted: str) -> None:
    handler = CountingHandler()

    handler.handle(record(level))

    assert handler.counts() == dict.fromkeys(LEVELS, 0) | {counted: 1}


def test_messages_of_all_threads_are_counted() -> None:
    handler = CountingHandler()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(handler.handle, [record()] * 400))

    assert handler.counts()["warning"] == 400


def test_a_message_is_one_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("info")

    logging.getLogger("surge_exporter.runtime.loop").info("configuration loaded")

    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("ts=")
    assert err.endswith(" level=INFO logger=surge_exporter.runtime.loop configuration loaded\n")


def test_what_is_below_the_level_is_neither_written_nor_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    counted = set_up_logging("warning")

    logging.getLogger("surge_exporter").info("said")

    assert capsys.readouterr().err == ""
    assert counted.counts()["info"] == 0


def test_what_is_suppressed_is_neither_written_nor_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    counted = set_up_logging("info")

    for _ in range(100):
        logging.getLogger("surge_exporter").warning("said")

    assert len(capsys.readouterr().err.splitlines()) == 20
    assert counted.counts()["warning"] == 20


def test_setting_up_logging_again_does_not_write_twice(
    capsys: pytest.CaptureFixture[str],
) -> None:
    set_up_logging("info")
    set_up_logging("info")

    logging.getLogger("surge_exporter").warning("said")

    assert len(capsys.readouterr().err.splitlines()) == 1


def test_watchdog_is_quiet_even_when_debugging(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("debug")

    logging.getLogger("watchdog.observers.inotify_buffer").debug("in-event")

    assert capsys.readouterr().err == ""


def test_a_logger_says_so_much_a_period() -> None:
    bound = BoundedRate(most=2, period_seconds=60)

    assert passed(bound, *(record() for _ in range(4))) == [True, True, False, False]


def test_a_new_period_begins_after_the_old_one() -> None:
    bound = BoundedRate(most=1, period_seconds=60)

    said = passed(bound, record(), record(at=NOW + 59.9), record(at=NOW + 60.0))

    assert said == [True, False, True]


def test_the_first_message_of_a_new_period_says_how_many_were_suppressed() -> None:
    bound = BoundedRate(most=1, period_seconds=60)
    passed(bound, record(), record(), record())
    next_ones = record(at=NOW + 60, text="said %s"), record(at=NOW + 120)
    next_ones[0].args = ("again",)

    passed(bound, *next_ones)

    assert [each.getMessage() for each in next_ones] == ["said again suppressed=2", "said"]


def test_one_logger_does_not_silence_another() -> None:
    bound = BoundedRate(most=1, period_seconds=60)

    said = passed(bound, record(logger="tail"), record(logger="tail"), record(logger="loop"))

    assert said == [True, False, True]


def test_warnings_do_not_silence_errors() -> None:
    bound = BoundedRate(most=1, period_seconds=60)

    said = passed(bound, record(), record(), record(logging.ERROR))

    assert said == [True, False, True]


def test_who_debugs_gets_every_message() -> None:
    bound = BoundedRate(most=1, period_seconds=60)

    assert all(passed(bound, *(record(logging.DEBUG) for _ in range(100))))


def test_a_clock_that_is_set_back_does_not_silence_anybody() -> None:
    bound = BoundedRate(most=1, period_seconds=60)

    assert passed(bound, record(), record(at=NOW - 3600)) == [True, True]
