"""Holds manifests against the schemas of their kinds, as published for TypeScript."""

import json
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from tests import node
from tests.servers import installed

_FOLDER = Path(__file__).parent


def install() -> None:
    """See to it that the schemas are there; do without where they can't be had."""
    node.install(_FOLDER)


def faults(text: str) -> list[str]:
    """Return what is wrong with the manifests in a file."""
    return _faults(manifest for manifest in yaml.safe_load_all(text) if manifest)


def _faults(manifests: Iterable[dict[str, Any]]) -> list[str]:
    result = subprocess.run(
        [installed("node"), "validate.mjs"],
        cwd=_FOLDER,
        input=json.dumps(list(manifests)),
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert result.returncode == 0, result.stderr
    return [fault for fault in json.loads(result.stdout) if fault is not None]
