"""States and lines that look the same wherever they are shown."""

from surge_exporter.dashboards.panel import Colour, Line, State, Step

LEVELS = (
    State(0, "Low", Colour.BLUE),
    State(1, "Normal", Colour.GREEN),
    State(2, "Elevated", Colour.ORANGE),
    State(3, "Critical", Colour.RED),
)
MODES = (State(0, "Steady", Colour.GREEN), State(1, "Surge", Colour.ORANGE))
POSTURES = (State(0, "Normal", Colour.GREEN), State(1, "Degraded", Colour.ORANGE))
ACTIVE = (State(0, "not now", Colour.FAINT), State(1, "active", Colour.ORANGE))
RECOMMENDED = (State(0, "not now", Colour.FAINT), State(1, "recommended", Colour.BLUE))
LOADED = (State(1, "loaded", Colour.BLUE),)
CAN_WAIT = (State(0, "no", Colour.GREY), State(1, "yes", Colour.BLUE))
UP = (State(0, "Down", Colour.RED), State(1, "Up", Colour.GREEN))
YES = (State(0, "No", Colour.RED), State(1, "Yes", Colour.GREEN))

NEUTRAL = (Step(Colour.BLUE),)
ANY_IS_BAD = (Step(Colour.GREEN), Step(Colour.ORANGE, 1))
MORE_THAN_ONE_IS_BAD = (Step(Colour.GREEN), Step(Colour.ORANGE, 2))
ALL_UP = (Step(Colour.RED), Step(Colour.ORANGE, 0.5), Step(Colour.GREEN, 1))

MEASURED = Line(colour=Colour.BLUE, width=2, fill_opacity=10)
USUAL = Line(colour=Colour.GREY, dashed=True)
PREDICTED = Line(colour=Colour.PURPLE, width=2)
CAPACITY = Line(colour=Colour.RED, dashed=True)
EDGE = Line(colour=Colour.PURPLE, width=0, in_legend=False)


def band(down_to: str) -> Line:
    """Return the upper edge of an interval, filled down to its lower edge."""
    return Line(colour=Colour.PURPLE, width=0, fill_opacity=15, fill_down_to=down_to)
