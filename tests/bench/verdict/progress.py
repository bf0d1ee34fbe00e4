"""Long work, on all cores, and a line that says how far it is."""

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

_WIDTH = 30
_Task = TypeVar("_Task")
_Result = TypeVar("_Result")


def in_parallel(
    label: str, work: Callable[[_Task], _Result], tasks: Sequence[_Task]
) -> list[_Result]:
    """Return the results in the order of the tasks; begin with the first."""
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        return _shown(label, pool.imap(work, tasks), len(tasks))


def one_by_one(
    label: str, work: Callable[[_Task], _Result], tasks: Sequence[_Task]
) -> list[_Result]:
    """Return the same, in this process: for little work."""
    return _shown(label, map(work, tasks), len(tasks))


def _shown(label: str, results: Iterator[_Result], total: int) -> list[_Result]:
    found: list[_Result] = []
    _show(label, 0, total)
    for result in results:
        found.append(result)
        _show(label, len(found), total)
    sys.stderr.write("\n")
    return found


def _show(label: str, done: int, total: int) -> None:
    bar = "#" * (done * _WIDTH // total)
    sys.stderr.write(f"\r{label:<12} [{bar:<{_WIDTH}}] {done}/{total}")
    sys.stderr.flush()
