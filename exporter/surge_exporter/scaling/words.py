"""How reasons speak of numbers."""

from surge_exporter.scaling.resources import GIB


def percent(ratio: float) -> str:
    """Return a ratio, rounded down: what is under a threshold must not read as if it were at it.

    >>> percent(0.8999), percent(0.9), percent(0.29)
    ('89.9 %', '90 %', '29 %')
    """
    tenths = int(1000 * ratio + 1e-9)
    return f"{tenths // 10} %" if tenths % 10 == 0 else f"{tenths / 10:.1f} %"


def gib(size: float) -> str:
    """Return a size, as exactly as it matters.

    >>> gib(2.2 * GIB), gib(1023 * 1024**2)
    ('2.2 GiB', '1023 MiB')
    """
    return f"{size / GIB:.1f} GiB" if size >= GIB else f"{size / 1024**2:.0f} MiB"


def seconds(span: float) -> str:
    """Return a span.

    >>> seconds(42.04), seconds(300.0), seconds(0.25)
    ('42 s', '300 s', '0.25 s')
    """
    return f"{span:.0f} s" if span >= 10 else f"{span:.3g} s"  # noqa: PLR2004 - two digits


def counted(number: int, noun: str) -> str:
    """Return a number of things.

    >>> counted(1, "request"), counted(3, "request")
    ('1 request', '3 requests')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def times(number: int) -> str:
    """Return how often.

    >>> times(1), times(3)
    ('1 time', '3 times')
    """
    return counted(number, "time")
