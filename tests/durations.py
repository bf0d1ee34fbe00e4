"""Durations as Prometheus writes them."""

import re

_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}


def seconds(duration: str) -> int:
    """Return a duration's seconds.

    >>> seconds("1d2h3m"), seconds("0s")
    (93780, 0)
    """
    return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)(\D)", duration))
