"""Long work on all cores, and a line that says how far it is."""

import multiprocessing
import os
import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

_WIDTH = 30
_Task = TypeVar("_Task")
_Result = TypeVar("_Result")


def in_parallel(
    label: str, work: Callable[[_Task], _Result], tasks: Sequence[_Task]
) -> list[_Result]:
    """Return the results in the order of the tasks; begin with the first."""
    results = []
    _show(label, 0, len(tasks))
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        for done, result in enumerate(pool.imap(work, tasks), 1):
            results.append(result)
            _show(label, done, len(tasks))
    sys.stderr.write("\n")
    return results


def _show(label: str, done: int, total: int) -> None:
    bar = "#" * (done * _WIDTH // total)
    sys.stderr.write(f"\r{label:<12} [{bar:<{_WIDTH}}] {done}/{total}")
    sys.stderr.flush()
