"""What a dashboard is made of, as values; `render` turns them into Grafana's JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from surge_exporter.rules.rule import Board

COLUMNS = 24
"""How wide Grafana's grid is."""


class Unit(StrEnum):
    """How a number is written: ids of Grafana's own list."""

    NONE = "none"
    """A factor, a score, a state."""
    COUNT = "short"
    RATIO = "percentunit"
    REQUESTS_PER_SECOND = "reqps"
    PER_SECOND = "cps"
    RECORDS_PER_SECOND = "recps"
    OPERATIONS_PER_SECOND = "ops"
    BYTES = "bytes"
    SECONDS = "s"


class Colour(StrEnum):
    """Colours that Grafana has for both its themes."""

    GREEN = "green"
    BLUE = "blue"
    ORANGE = "orange"
    RED = "red"
    PURPLE = "purple"
    GREY = "#808080"
    FAINT = "#80808055"


@dataclass(frozen=True, slots=True)
class Step:
    """From a value on, a colour; the first step of a panel has no value."""

    colour: Colour
    value: float | None = None


@dataclass(frozen=True, slots=True)
class State:
    """A value that is a state: what it is called, and its colour."""

    value: float
    text: str
    colour: Colour


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """How the series of one query are drawn, where it is not as the others are."""

    colour: Colour | None = None
    dashed: bool = False
    width: float = 1.5
    fill_opacity: int = 0
    fill_down_to: str = ""
    """The legend of the series down to which the area is filled."""
    in_legend: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is asked. In a table, its legend heads the column of its values."""

    expr: str
    legend: str = ""
    line: Line | None = None
    unit: Unit | None = None
    """Of a table's column, where it is not the panel's."""
    steps: tuple[Step, ...] = ()
    """Likewise."""
    states: tuple[State, ...] = ()
    """Likewise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """What all kinds of panels have."""

    title: str
    description: str
    """What it shows and what to do about it."""
    queries: tuple[Query, ...] = ()
    width: int
    height: int
    unit: Unit = Unit.NONE
    decimals: int | None = None
    steps: tuple[Step, ...] = (Step(Colour.GREEN),)
    states: tuple[State, ...] = ()
    least: float | None = None
    most: float | None = None
    no_value: str = "No data"
    """Shown in place of nothing."""
    leads_to: Board | None = None
    """The dashboard that says more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stat(Panel):
    """One number per series, large."""

    width: int = 4
    height: int = 4
    fills: bool = True
    """Whether the colour fills the panel; else it is that of the number."""
    sparkline: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeSeries(Panel):
    """Lines over time."""

    width: int = 12
    height: int = 8
    stacked: bool = False
    from_zero: bool = True
    legend_beside: bool = False
    """A table to the right, for many series."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table(Panel):
    """A row per label set, a column per label and query; all queries must have those labels."""

    width: int = 24
    height: int = 9
    labels: Mapping[str, str]
    """The label columns, from left to right, and their heads."""
    hidden: tuple[str, ...] = ()
    """Columns that are not shown, by the head of their query."""
    sort_by: str = ""
    """The head of the column that is sorted by, the greatest first."""
    cell_links: Mapping[str, str] = field(default_factory=dict)
    """By head: where a click on a cell leads."""
    widths: Mapping[str, int] = field(default_factory=dict)
    """By head, in pixels; the other columns share what is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateTimeline(Panel):
    """A band per series, coloured by its state."""

    width: int = 24
    height: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class BarGauge(Panel):
    """A bar per series."""

    width: int = 12
    height: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(Panel):
    """Markdown."""

    width: int = 24
    height: int = 3
    content: str


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under one heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """Something to choose at the top of a dashboard: the values of a label."""

    name: str
    label: str
    query: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """One dashboard. The data source is a variable that every dashboard has."""

    uid: Board
    title: str
    description: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...]
    alerts: str
    """The query of the alerts that are marked over time."""
    hours: int = 24
    """How far back it looks at first."""
