"""What the random histories of a log directory need."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - another file system, where there is one


@pytest.fixture
def far(tmp_path: Path) -> Iterator[Path]:
    """Return a folder on another file system, or a near one where there is no other."""
    folder = _SHARED_MEMORY / f"surge-exporter-{os.getpid()}"
    if not _SHARED_MEMORY.is_dir():
        folder = tmp_path / "far"
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
