"""Whether label matchers are ones that a server will read. Pure.

A ruler refuses a whole file for one matcher; better that it is never written.
"""

import re
import warnings
from collections.abc import Callable, Mapping

from surge_exporter.rules.choices import ChoiceError

_MATCHER = re.compile(
    r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*"((?:[^"\\\n]|\\.)*)"\s*', re.ASCII
)
_ESCAPE = re.compile(
    r"\\(?:([abfnrtv\\\"])|x([0-9a-fA-F]{2})|([0-7]{3})"
    r"|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))",
    re.ASCII | re.DOTALL,
)
_NAMED = dict(zip('abfnrtv\\"', '\a\b\f\n\r\t\v\\"', strict=True))
_METRIC_NAME = "__name__"
_MOST_BYTE = 0xFF
_MOST_REPEATS = 1000
"""RE2 expands repetitions, and refuses more."""

_RE2 = re.compile(
    r"""
    (?P<literal>\\Q.*?(?:\\E|$))
    | (?P<class>\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^]\\])*\])
    | (?P<lookaround>\(\?<?[=!])
    | (?P<backreference>\\[1-9]|\(\?P=)
    | (?P<lacking>\\[ZuUNG]|\(\?[>(#])
    | (?P<flags>\(\?[imsU]*-?[imsU]+\))
    | (?P<group>\(\?[imsU]*-?[imsU]+:)
    | (?P<name>\(\?P?<\w+>)
    | (?P<character>\\p\{\^?\w+\}|\\[pP]\w|\\P\{\^?\w+\}|\\x\{[0-9a-fA-F]+\}|\\[zC])
    | (?P<escaped>\\.)
    | (?P<possessive>(?:[*+?]|\{\d+(?:,\d*)?\})\+)
    | \{(?P<repeats>\d+)(?:,(?P<most>\d*))?\}
    """,
    re.VERBOSE | re.DOTALL,
)
"""What Go's regexes have and Python's lack, and the other way round."""
_REFUSED: Mapping[str, str] = {
    "lookaround": "lookaround",
    "backreference": "backreferences",
    "possessive": "possessive repetition",
    "lacking": "such groups and escapes",
}
_IN_PYTHON: Mapping[str, Callable[[str], str]] = {
    "literal": lambda text: re.escape(text[2:].removesuffix(r"\E")),
    "class": lambda text: re.sub(
        r"\[:\^?\w+:\]|\\[pP](?:\{\^?\w+\}|\w)|\\x\{[0-9a-fA-F]+\}", "a", text
    ),
    "flags": lambda _: "",
    "group": lambda _: "(?:",
    "name": lambda _: "(",
    "character": lambda _: "a",
}


def check_selector(selector: str) -> None:
    r"""Check matchers as PromQL has them between braces; none at all are as good.

    >>> check_selector(r'cluster="a",env!~"dev|test",path=~"C:\\\\.*"')

    Raises:
        ChoiceError: they are none, or have an escape or a regular expression that there is not.
    """
    position = 0
    while selector:
        found = _MATCHER.match(selector, position)
        if found is None:
            raise ChoiceError(f'expected matchers like cluster="a", got {selector[position:]!r}')
        label, operator, value = found.groups()
        if label == _METRIC_NAME:
            raise ChoiceError(f"expected matchers of labels, got {found[0].strip()!r}")
        text = _unescaped(value)
        if operator.endswith("~"):
            _check_regex(text)
        position = found.end()
        if position == len(selector):
            return
        if selector[position] != ",":
            raise ChoiceError(f"expected a comma between matchers, got {selector[position:]!r}")
        position += 1


def _unescaped(value: str) -> str:
    return _ESCAPE.sub(_meant, value)


def _meant(escape: re.Match[str]) -> str:
    named, byte, octal, short, long, other = escape.groups()
    if named is not None:
        return _NAMED[named]
    code = int(octal, 8) if octal else int(byte or short or long or "-1", 16)
    most = _MOST_BYTE if octal or byte else 0x10FFFF
    if other is not None or not 0 <= code <= most or 0xD800 <= code <= 0xDFFF:  # noqa: PLR2004
        raise ChoiceError(
            f"expected an escape like \\n, \\x41 or, for a backslash, \\\\, got {escape[0]}"
        )
    return chr(code)


def _check_regex(pattern: str) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what Python may read otherwise one day
            re.compile(_RE2.sub(_in_python, pattern))
    except (re.error, RecursionError, OverflowError) as error:
        raise ChoiceError(f"expected a regular expression, got {pattern!r}: {error}") from error


def _in_python(found: re.Match[str]) -> str:
    """Return a part of an RE2 pattern as Python compiles it, whatever it would match there."""
    kind, text = found.lastgroup or "", found[0]
    if kind in _REFUSED:
        raise ChoiceError(
            f"expected a regular expression of RE2, which has no {_REFUSED[kind]}, got {text!r}"
        )
    repeats = max(int(found["repeats"] or 0), int(found["most"] or 0))
    if repeats > _MOST_REPEATS:
        raise ChoiceError(f"expected at most {_MOST_REPEATS} repetitions, got {text!r}")
    return _IN_PYTHON[kind](text) if kind in _IN_PYTHON else text
