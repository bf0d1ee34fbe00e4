"""Which labels are the rules' own, and which their users' to choose."""

import re
from collections.abc import Iterable, Sequence

from surge_exporter.metrics import COLLECTOR_DURATION, COLLECTOR_SUCCESS, METRICS
from surge_exporter.rules.choices import ChoiceError
from surge_exporter.rules.rule import OWN_LABELS
from surge_exporter.rules.scope import INSTANCE

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_RESERVED = "__"

_OF_HOSTS = ("resource", "tier")
"""Of alerts on hosts: no metric of ours has them."""
SUBJECTS = frozenset(
    (
        *(label for metric in METRICS for label in metric.labels),
        *COLLECTOR_SUCCESS.labels,
        *COLLECTOR_DURATION.labels,
        *_OF_HOSTS,
        *("le", "alertname", "alertstate"),
    )
)
"""What series and alerts tell apart within a fleet."""


def check_fleet(labels: Sequence[str]) -> None:
    """Check that these labels can make a fleet.

    Raises:
        ChoiceError: one is no label, is there twice, or tells apart what is within a fleet.
    """
    for label in labels:
        _check_name(label)
        if labels.count(label) > 1:
            raise ChoiceError(f"expected each label once, got {label!r} twice")
        if label == INSTANCE:
            raise ChoiceError(
                f"expected labels that several exporters share, got {label!r}: each exporter"
                " would be a fleet, and one that is replaced a fleet that is absent"
            )
        if label in SUBJECTS or label in OWN_LABELS:
            raise ChoiceError(
                f"expected labels that all series of an exporter carry, got {label!r},"
                " which tells its own series apart"
            )


def check_further(labels: Iterable[str], fleet: Sequence[str]) -> None:
    """Check that these labels can be added to alerts of fleets so made.

    Raises:
        ChoiceError: one is no label, or one that alerts have already.
    """
    taken = {*OWN_LABELS, *SUBJECTS, *fleet, INSTANCE}
    for label in labels:
        _check_name(label)
        if label in taken:
            raise ChoiceError(
                f"expected a label of your own, got {label!r}, which alerts have already"
            )


def _check_name(label: str) -> None:
    if not _NAME.fullmatch(label) or label.startswith(_RESERVED):
        raise ChoiceError(f"expected the name of a label, got {label!r}")
