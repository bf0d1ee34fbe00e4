"""What people wrote of the alerts, from the package; and the pages that the exporter serves."""

from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType

from surge_exporter.render.runbooks import INDEX

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
    # The prose alone, until the catalogue of alerts is there to make whole runbooks of it.
    pages = {name: f"# {name}\n\n{text}" for name, text in prose().items()}
    listing = "\n".join(f"- [{name}]({name}.md)" for name in pages)
    return MappingProxyType({INDEX: f"# Runbooks\n\n{listing}\n", **pages})
