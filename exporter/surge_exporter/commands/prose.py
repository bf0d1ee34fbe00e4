"""What people wrote of the alerts, from the package; and the pages that the exporter serves."""

from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType

from surge_exporter.render.runbooks import runbook_pages
from surge_exporter.rules.catalogue import every_alert
from surge_exporter.rules.choices import Choices
from surge_exporter.rules.inhibitions import muted_by

_ENDING = ".md"


def prose() -> dict[str, str]:
    """Return the hand-written part of each runbook, by alert."""
    folder = resources.files("surge_exporter.render") / "runbooks"
    files = sorted(folder.iterdir(), key=lambda file: file.name)
    return {
        file.name.removesuffix(_ENDING): file.read_text(encoding="utf-8")
        for file in files
        if file.name.endswith(_ENDING)
    }


@cache
def runbooks() -> Mapping[str, str]:
    """Return all runbooks as Markdown, by alert, and their index; made when first asked for."""
    choices = Choices()
    return MappingProxyType(
        runbook_pages(choices, every_alert(choices), prose(), muted_by=muted_by(choices))
    )
