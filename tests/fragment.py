"""The committed fragment for Alertmanager, made fit for tests."""

import re
from pathlib import Path

DEPLOYED = Path(__file__).parents[1] / "deploy" / "alertmanager"

NOWHERE = "http://127.0.0.1:9"

HASTE = {"group_wait": "300ms", "group_interval": "600ms", "repeat_interval": "1h"}
"""In place of what the fragment says: tests are impatient."""


def fragment(hook: str = NOWHERE) -> dict[str, str]:
    """Return the committed files, in haste; each receiver posts to the hook's path of its name."""
    text = (DEPLOYED / "surge.yml").read_text()
    for setting, value in HASTE.items():
        text = re.sub(rf"{setting}: \S+", f"{setting}: {value}", text)
    text, found = re.subn(r'(name: (surge-\w+)\n.*\n.*url: )"[^"]+"', rf'\1"{hook}/\2"', text)
    assert found == len(re.findall(r"- url: ", text)), "a webhook keeps its own URL"
    return {"surge.yml": text, "surge.tmpl": (DEPLOYED / "surge.tmpl").read_text()}
