"""What tests need of npm, in the folder of their lock file: installed once, whoever asks first."""

import fcntl
import os
import subprocess
from pathlib import Path

from tests.servers import do_without, installed

_PATIENCE_SECONDS = 90


def install(folder: Path) -> None:
    """See to it that a folder has the packages of its lock file; do without if it can't have.

    One process does it while the others wait: `npm ci` begins with deleting what is there.
    """
    npm, _ = installed("npm"), installed("node")
    lock, done = folder / "package-lock.json", folder / "node_modules" / ".package-lock.json"
    with lock.open() as one_at_a_time:
        fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
        if done.exists() and done.stat().st_mtime >= lock.stat().st_mtime:
            return
        fault = _install(npm, folder)
        if fault:
            do_without(f"npm can't install {folder.name}'s packages: {fault}")
        os.utime(done)


def _install(npm: str, folder: Path) -> str:
    """Return why it went wrong; empty if it did not."""
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    try:
        made = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATIENCE_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return f"not done after {_PATIENCE_SECONDS} s"
    return "" if made.returncode == 0 else made.stderr.strip() or f"status {made.returncode}"
