"""Take the README's picture: the demo's status page at the height of its surge.

    python -m tests.picture exporter/docs/status.png

Needs Debian's chromium.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.servers import child, free_port, get, installed, wait_for

_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


def main(target: str) -> None:
    """Run the demo, wait until demand is critical, and write the picture."""
    chromium = installed("chromium")
    with tempfile.TemporaryDirectory() as folder:
        address = f"127.0.0.1:{free_port()}"
        demo = [sys.executable, "-m", "surge_exporter", "demo", "--web.listen-address", address]
        with child(demo, Path(folder) / "demo.log"):
            wait_for(lambda: _is_critical(address), "demand to be critical")
            subprocess.run(
                [
                    chromium,
                    *_FLAGS,
                    f"--user-data-dir={folder}/chromium",
                    "--window-size=1280,900",
                    f"--screenshot={Path(target).absolute()}",
                    f"http://{address}/",
                ],
                check=True,
                capture_output=True,
            )


def _is_critical(address: str) -> bool:
    text = get(f"http://{address}/api/v1/report")
    return text is not None and json.loads(text)["surge_factor"] > 5


if __name__ == "__main__":
    main(sys.argv[1])
