"""How the reading of telemetry goes, at each exporter."""

from surge_exporter.dashboards import looks
from surge_exporter.dashboards.panel import (
    Panel,
    Query,
    StateTimeline,
    Table,
    TimeSeries,
    Unit,
)
from surge_exporter.dashboards.scope import Scope

_SOURCE = "{{source}} · {{instance}}"


def reading(scope: Scope) -> tuple[Panel, ...]:
    """Return what tells whether telemetry is read, and only once."""
    return (_alive(scope), _directories(scope), *_lines_and_files(scope))


def lines(title: str, description: str, query: Query, unit: Unit, *further: Query) -> TimeSeries:
    """Return lines over time, of one or more queries."""
    return TimeSeries(
        title=title, description=description, queries=(query, *further), unit=unit, height=7
    )


def _alive(scope: Scope) -> StateTimeline:
    return StateTimeline(
        title="Sources that can be read",
        description="Whether there is a file of each source that can be read. Red: look at the"
        " path and its permissions on that host.",
        queries=(Query(expr=scope.raw("surge_source_up"), legend=_SOURCE),),
        states=looks.YES,
        width=12,
    )


def _directories(scope: Scope) -> Table:
    series = scope.raw("surge_source_directory_info")
    return Table(
        title="Directories, and by how many exporters each is read",
        description="A fingerprint of each directory that is read. One that two exporters read is"
        " counted twice in every number of the fleet: stop one of them.",
        queries=(
            Query(
                expr=f"count by (source, directory) ({series})",
                legend="Exporters",
                unit=Unit.COUNT,
                steps=looks.MORE_THAN_ONE_IS_BAD,
            ),
        ),
        labels={"source": "Source", "directory": "Directory"},
        sort_by="Exporters",
        width=12,
        height=8,
    )


def _lines_and_files(scope: Scope) -> tuple[TimeSeries, ...]:
    return (
        lines(
            "Lines read",
            "How fast telemetry arrives. A source at 0 while the fleet works is a writer that"
            " stopped or writes elsewhere.",
            Query(expr=scope.rate("surge_source_lines_total"), legend=_SOURCE),
            Unit.RECORDS_PER_SECOND,
        ),
        lines(
            "Written but not yet read",
            "Bytes that wait. Growing without end, the exporter is too slow for its disk or its"
            " processor: give it more.",
            Query(expr=scope.raw("surge_source_pending_bytes"), legend=_SOURCE),
            Unit.BYTES,
        ),
        lines(
            "Lines rejected, by reason",
            "Lines that gave no record. The status page of the exporter shows the newest ones;"
            " the writer has to change, or the field names in the configuration.",
            Query(
                expr=f"sum by (reason) ({scope.increase('surge_source_rejected_lines_total')})",
                legend="{{reason}}",
            ),
            Unit.COUNT,
        ),
        lines(
            "Records out of time",
            "Good records too old for a window, or of a time to come. Late ones are a writer that"
            " buffers; future ones a clock that is wrong: set it.",
            Query(
                expr="sum by (source, reason)"
                f" ({scope.increase('surge_source_out_of_window_records_total')})",
                legend="{{source}} {{reason}}",
            ),
            Unit.COUNT,
        ),
        lines(
            "Failed attempts to read",
            "Attempts to list, open or read that failed: look at permissions and at the disk.",
            Query(expr=scope.increase("surge_source_read_errors_total"), legend=_SOURCE),
            Unit.COUNT,
        ),
        lines(
            "Files rotated or cut short",
            "Files replaced under their name, or truncated. Some each day are normal; truncation"
            " may lose lines: let the writer rename instead.",
            Query(
                expr=f"{scope.increase('surge_source_rotations_total')}"
                f" + {scope.increase('surge_source_truncations_total')}",
                legend=_SOURCE,
            ),
            Unit.COUNT,
        ),
    )
