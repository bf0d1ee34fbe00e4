"""What tests of every kind share: texts that may only change on purpose, and chance."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

Golden = Callable[[str, str], None]
"""Checks that a text is what the golden file of this name says."""

_FOLDER = Path(__file__).parent / "golden"


# The gate tries the same examples each time: who changes one thing is not told of another.
# `make fuzz` looks for new ones.
settings.register_profile("gate", derandomize=True)
settings.register_profile("fuzz", max_examples=1000, deadline=None)
settings.load_profile("gate")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="Write tests/golden as the code is now."
    )


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Return the check; with `--update-golden` it writes the file first."""

    def check(name: str, text: str) -> None:
        path = _FOLDER / name
        if request.config.getoption("--update-golden"):
            path.write_text(text, encoding="utf-8")
        expected = path.read_text(encoding="utf-8") if path.exists() else None
        assert text == expected, f"if {name} is right now, run pytest --update-golden"

    return check
