"""The catalogue of what goes wrong when files are followed, each case with a test that proves it.

A test names the cases it proves at the beginning of its docstring: `Case 5.`, `Cases 2 and 3.`
The numbers, once given, stay.
"""

import ast
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

CATALOGUE = (
    # What stands in the file
    "a last line without its end",
    "a line in pieces, of one read or several writes",
    "a character in pieces",
    "bytes that are no UTF-8",
    "NULs and holes where a file was truncated under its writer",
    "carriage returns, and whatever else others take for the end of a line",
    "byte order marks",
    "a line of 100 MB",
    "nesting without end",
    "a key twice in an object",
    "numbers that are none, or beyond all bounds",
    "names that no exposition can carry, and names without number",
    "lines that are no object, none at all, or several",
    # Times
    "a time without a zone",
    "times in all forms of ISO 8601, and nearly so",
    "seconds, milliseconds, microseconds and nanoseconds of the epoch",
    "times to come",
    "times long past, and lines in any order",
    # Rotation, and what makes a file the same file
    "renamed, with a new file under the old name",
    "renamed to where no pattern leads",
    "copied and truncated, the copy in the same directory",
    "copied and truncated, the copy elsewhere",
    "truncated and grown again before anybody looked",
    "deleted and made again",
    "an inode used again",
    "two files that begin alike",
    "files of a line or less",
    "compressed files",
    "the same bytes in another inode",
    "a file whose beginning is cut off",
    "a link that is set to another file",
    "one file under two names, or of two patterns",
    "two days' files that grow in turn",
    "a listing that misses a file amid its renaming, or shows it twice",
    "pipes, directories and devices",
    "a file replaced between listing and opening",
    # The machine
    "a directory that is not there yet",
    "a directory deleted, renamed or replaced",
    "permissions withheld, then given",
    "no room for another watch",
    "events lost by the kernel",
    "no descriptors left",
    "servers whose answers are old, and descriptors gone stale",
    "writes that make no event, and space set aside before it is written",
    "a watcher that died, or is deaf",
    "reading that would itself be an event",
    "a file that grows while it is first read",
    "a clock that jumps",
    "a restart amid all this",
    "a read error in the middle",
)
"""What each number stands for, from 1 on."""

TESTS = Path(__file__).parents[1]
NAMED = re.compile(r"Cases? (\d+(?:, \d+)*(?: and \d+)?)\.(?:\s|$)")
MENTIONED = re.compile(r"\bcases? \d", re.IGNORECASE)


def docstrings() -> Iterator[tuple[str, str]]:
    """Yield the name of every test that has a docstring, and the docstring."""
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                text = ast.get_docstring(node)
                if text:
                    yield f"{path.name}::{node.name}", text


def cases_named_by(text: str) -> set[int]:
    """Return the cases that a docstring says its test proves.

    >>> sorted(cases_named_by("Cases 2, 3 and 50. Whatever comes."))
    [2, 3, 50]
    """
    named = NAMED.match(text)
    return set(map(int, re.findall(r"\d+", named[1]))) if named else set()


NAMED_BY_ALL = frozenset(chain.from_iterable(cases_named_by(text) for _, text in docstrings()))


@pytest.mark.parametrize(
    "number", range(1, len(CATALOGUE) + 1), ids=lambda number: f"{number}: {CATALOGUE[number - 1]}"
)
def test_a_case_is_named_by_a_test(number: int) -> None:
    assert number in NAMED_BY_ALL


def test_no_test_names_a_case_that_there_is_not() -> None:
    assert set(range(1, len(CATALOGUE) + 1)) >= NAMED_BY_ALL


def test_cases_are_named_in_one_way() -> None:
    odd = [
        test
        for test, text in docstrings()
        if len(MENTIONED.findall(text)) != bool(cases_named_by(text))
    ]

    assert odd == []
