"""A selector is one that a server reads: its escapes are Go's, its regular expressions RE2's."""

import pytest

from surge_exporter.rules.choices import ChoiceError
from surge_exporter.rules.selector import check_selector

TAKEN = (
    'cluster="a"',
    ' cluster = "a" , env !~ "dev|test" ',
    r'path="C:\\x",quote="\"",other="\a\b\f\n\r\t\v"',
    r'a="\x41\101\u00e9\U0001F600"',
    'a="}{",b="x,y=\\"z\\""',
    'a=~""',
    r'a=~"\\d+\\.\\pL\\p{Greek}[[:alpha:]_\\pN]\\x{41}\\z"',
    r'a=~"(?i)x(?s:y)(?P<name>z)|w(?i)"',
    r'a=~"x{2,1000}?[*+]+\\++"',
    r'a=~"\\Qa(b\\E|[[]|[]a]"',
    'a!~"prod-.+"',
)
REFUSED = (
    "cluster=a",
    "cluster",
    'cluster="a" env="b"',
    'cluster="a\nb"',
    'my-label="x"',
    '__name__="x"',
    r'instance="x\d"',
    r'a="\x4"',
    r'a="\777"',
    r'a="\U00110000"',
    'a="\\\'"',
    'env=~"("',
    'env=~"a**"',
    'env=~"[b-a]"',
    r'env=~"\\"',
    'env=~"(?!dev).*"',
    'env=~"(?<=a)b"',
    r'env=~"(a)\\1"',
    'env=~"(?P<a>x)(?P=a)"',
    'env=~"a++"',
    'env=~"(?>a)"',
    r'env=~"a\\Z"',
    'env=~"a{1001}"',
)


@pytest.mark.parametrize("selector", ["", *TAKEN])
def test_a_selector_that_servers_read_is_taken(selector: str) -> None:
    check_selector(selector)


@pytest.mark.parametrize("selector", [*REFUSED, '} or up{job="x"'])
def test_a_selector_that_servers_refuse_is_refused(selector: str) -> None:
    with pytest.raises(ChoiceError, match=r"^expected .*, got "):
        check_selector(selector)


@pytest.mark.parametrize(
    ("selector", "says"),
    [
        (r'instance="x\d"', r"expected an escape like .*, got \\d"),
        ('a="b",env=~"("', r"expected a regular expression, got '\('"),
        ('env=~"(?!dev).*"', "RE2, which has no lookaround, got '\\(\\?!'"),
        (r'env=~"(a)\\1"', "RE2, which has no backreferences"),
        ('a="b";', "expected a comma between matchers, got ';'"),
        ('a="b",', "expected matchers like .*, got ''"),
    ],
)
def test_it_is_said_what_of_a_selector_can_not_be(selector: str, says: str) -> None:
    with pytest.raises(ChoiceError, match=says):
        check_selector(selector)
