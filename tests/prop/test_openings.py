"""Looking up how files begin leaves out no file that a comparison would find."""

import random

import pytest

from surge_exporter.core.identity import (
    Candidate,
    ReadAt,
    Relation,
    Sketch,
    Trace,
    recent_lines,
)
from surge_exporter.core.openings import Openings

FILES = 60
ROUNDS = 40


class Texts:
    """Random texts, many of which begin alike, with NULs here and there."""

    def __init__(self, seed: int) -> None:
        """Draw what they are made of."""
        self.random = random.Random(seed)
        self.lines = [
            letter * self.random.choice([1, 3, 200, 700]) + b"\n" for letter in (b"a", b"b", b"c")
        ]
        self.lines.append(b"\0" * self.random.choice([1, 5, 2000]))

    def next(self) -> bytes:
        """Return one, perhaps broken off, perhaps with NULs set aside behind it."""
        text = b"".join(self.random.choices(self.lines, k=self.random.randint(0, 5)))
        text = text[: self.random.choice([len(text), len(text) - 1, 2, 10])]
        return text + b"\0" * self.random.choice([0, 0, 1, 400, 3000])


def alike(one: bytes, other: bytes) -> bool:
    """Say whether one of two begins with all of the other."""
    return one.startswith(other) or other.startswith(one)


def trace(text: bytes) -> Trace:
    """Return what is remembered of a text read to its end."""
    sketch = Sketch.of(reader(text), len(text))
    return Trace("path", sketch, len(text), recent_lines(b"", text))


def reader(text: bytes) -> ReadAt:
    """Return what reads a text."""
    return lambda size, offset: text[offset : offset + size]


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_the_files_that_begin_alike_are_found_and_no_others(seed: int) -> None:
    texts = Texts(seed)
    openings: Openings[int] = Openings()
    known: dict[int, bytes] = {}
    for _ in range(FILES):
        key, opening = texts.random.randrange(20), texts.next()
        openings.put(key, opening)
        known[key] = opening
        gone = texts.random.randrange(40)
        openings.discard(gone)
        known.pop(gone, None)
        asked = texts.next()
        found = list(openings.like(asked))

        assert sorted(found) == sorted(key for key in known if alike(known[key], asked))


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_what_begins_otherwise_is_different(seed: int) -> None:
    """So a new file need not be compared with it, however much of the file is yet to come."""
    texts = Texts(seed)
    for _ in range(FILES):
        text, known = texts.next(), trace(texts.next())
        candidate = Candidate(reader(text), len(text))
        is_alike = alike(candidate.opening, known.sketch.head)

        assert is_alike or candidate.relation_to(known) is Relation.DIFFERENT
