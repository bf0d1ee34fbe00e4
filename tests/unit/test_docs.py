"""The docs show only what can be typed, and lead only where something is."""

import doctest
import re
from pathlib import Path

import pytest

from tests.markdown import commands, fault

CHECKOUT = Path(__file__).parents[2]
PAGES = sorted(
    page
    for pattern in ("*.md", "exporter/*.md", "exporter/docs/*.md", "rules/runbooks/*.md")
    for page in CHECKOUT.glob(pattern)
)
EACH = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))

_LINK = re.compile(r"\]\(([^)\s]+)\)")


@EACH
def test_every_command_that_is_shown_is_one(page: Path) -> None:
    assert [found for words in commands(page.read_text()) if (found := fault(words))] == []


@EACH
def test_every_link_within_the_checkout_leads_to_something(page: Path) -> None:
    links = (link.partition("#")[0] for link in _LINK.findall(page.read_text()))
    inside = [link for link in links if link and "://" not in link]

    assert [link for link in inside if not (page.parent / link).exists()] == []


@EACH
def test_every_session_that_is_shown_runs_as_shown(page: Path) -> None:
    failed, _ = doctest.testfile(str(page), module_relative=False, report=True)

    assert failed == 0
