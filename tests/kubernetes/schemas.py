"""Holds manifests against the schemas of their kinds, as published for TypeScript."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

_FOLDER = Path(__file__).parent
_LOCK = _FOLDER / "package-lock.json"
_INSTALLED = _FOLDER / "node_modules" / ".package-lock.json"
_OFFLINE = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ETIMEDOUT", "ENETUNREACH")


def install() -> None:
    """See to it that the schemas are there; skip the test where they can't be had."""
    npm, _ = _program("npm"), _program("node")
    if _INSTALLED.exists() and _INSTALLED.stat().st_mtime >= _LOCK.stat().st_mtime:
        return
    flags = ("--ignore-scripts", "--no-audit", "--no-fund")
    result = subprocess.run(
        [npm, "ci", *flags], cwd=_FOLDER, capture_output=True, text=True, check=False, timeout=60
    )
    if any(code in result.stderr for code in _OFFLINE):
        pytest.skip("the schemas of Kubernetes' objects can't be fetched: npm has no network")
    assert result.returncode == 0, result.stderr
    os.utime(_INSTALLED)


def faults(text: str) -> list[str]:
    """Return what is wrong with the manifests in a file."""
    return _faults(manifest for manifest in yaml.safe_load_all(text) if manifest)


def _program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed: sudo apt-get install nodejs npm")
    return path


def _faults(manifests: Iterable[dict[str, Any]]) -> list[str]:
    result = subprocess.run(
        [_program("node"), "validate.mjs"],
        cwd=_FOLDER,
        input=json.dumps(list(manifests)),
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert result.returncode == 0, result.stderr
    return [fault for fault in json.loads(result.stdout) if fault is not None]
