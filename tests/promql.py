"""What a PromQL expression is made of, by a parser of its own: not the servers', nor a regex."""

from collections.abc import Iterator
from dataclasses import dataclass

import promql_parser
from promql_parser import Call, Expr, MatrixSelector, VectorSelector

RATE_INTERVAL = "4321s"
"""Stands for Grafana's `$__rate_interval`, which no parser knows."""


@dataclass(frozen=True, slots=True)
class Selected:
    """A selector, and what is done with it at once."""

    name: str
    matchers: frozenset[str]
    """As they are written: `job=~"$job"`."""
    function: str = ""
    """The function whose range it is, if it is one's."""
    range_seconds: float | None = None


def selectors(expr: str) -> list[Selected]:
    """Return all selectors of an expression.

    Raises:
        ValueError: it is no PromQL.
    """
    return list(_selectors(promql_parser.parse(expr.replace("$__rate_interval", RATE_INTERVAL))))


def _selectors(expr: Expr, function: str = "") -> Iterator[Selected]:
    if isinstance(expr, MatrixSelector):
        seconds = expr.range.total_seconds()
        yield _selected(expr.vector_selector, function, seconds)
    elif isinstance(expr, VectorSelector):
        yield _selected(expr)
    else:
        name = expr.func.name if isinstance(expr, Call) else ""
        for part in ("lhs", "rhs", "expr", "param"):
            inner = getattr(expr, part, None)
            if isinstance(inner, Expr):
                yield from _selectors(inner)
        for argument in getattr(expr, "args", ()):
            yield from _selectors(argument, name)


def _selected(
    selector: VectorSelector, function: str = "", range_seconds: float | None = None
) -> Selected:
    found = (f'{m.name}{_SIGN[str(m.op)]}"{m.value}"' for m in selector.matchers.matchers)
    return Selected(selector.name or "", frozenset(found), function, range_seconds)


_SIGN = {
    "MatchOp.Equal": "=",
    "MatchOp.NotEqual": "!=",
    "MatchOp.Re": "=~",
    "MatchOp.NotRe": "!~",
}
