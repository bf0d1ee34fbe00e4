"""Find a field in a JSON object by the path the config gives it."""

from collections.abc import Mapping
from typing import Any

MISSING = object()


def field_at(value: Mapping[str, Any], path: str) -> Any:
    """Return what stands at `path`, or `MISSING`.

    A key that holds the path as written wins over the nested one, so that `gen_ai.model` finds
    both `{"gen_ai.model": ...}` and `{"gen_ai": {"model": ...}}`.

    >>> field_at({"agent": {"name": "tick"}}, "agent.name")
    'tick'
    """
    if path in value:
        return value[path]
    found: Any = value
    for key in path.split("."):
        if not isinstance(found, Mapping) or key not in found:
            return MISSING
        found = found[key]
    return found
