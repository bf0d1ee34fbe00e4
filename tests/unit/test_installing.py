"""What the docs say to type and to write down when installing fits together."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from surge_exporter.cli import main
from surge_exporter.render.kubernetes import Placement, kubernetes_files
from surge_exporter.rules.catalogue import every_alert
from surge_exporter.rules.choices import Choices
from tests.markdown import FENCE, commands

CHECKOUT = Path(__file__).parents[2]
README, ALERTING = CHECKOUT / "README.md", CHECKOUT / "exporter" / "docs" / "alerting.md"

EACH = pytest.mark.parametrize("page", [README, ALERTING], ids=lambda page: page.name)


def _written(page: Path) -> list[Any]:
    """Return what a page's blocks of YAML say."""
    found = FENCE.findall(page.read_text())
    return [yaml.safe_load(block) for language, block in found if language == "yaml"]


def _installing(page: Path, part: str) -> list[str]:
    """Return the first command on a page that renders a part into a folder."""
    return next(
        words
        for words in commands(page.read_text())
        if words[:2] == ["render", part] and "--out" in words
    )


def _folder(words: list[str]) -> Path:
    return Path(words[words.index("--out") + 1])


@EACH
def test_prometheus_reads_the_folder_that_rules_are_rendered_into(page: Path) -> None:
    (patterns,) = [found["rule_files"] for found in _written(page) if "rule_files" in found]

    assert patterns == [f"{_folder(_installing(page, 'rules'))}/*.yml"]


@EACH
def test_rules_that_are_installed_link_nowhere_but_where_one_said(
    page: Path, tmp_path: Path
) -> None:
    words = _installing(page, "rules")
    words[words.index("--out") + 1] = str(tmp_path)

    assert CliRunner().invoke(main, words).exit_code == 0
    text = "".join(path.read_text() for path in tmp_path.iterdir())
    assert "localhost" not in text
    assert text.count("runbook_url: ") == len(every_alert(Choices()))
    assert text.count("/runbooks/Surge") == text.count("/d/surge-") == text.count("runbook_url: ")


def test_alertmanager_finds_the_template_in_the_folder_that_it_is_rendered_into() -> None:
    (said,) = [found["templates"] for found in _written(ALERTING) if "templates" in found]

    folder = _folder(_installing(ALERTING, "alertmanager"))
    assert [folder.parent / path for path in said] == [folder / "surge.tmpl"]


def test_the_service_that_is_shown_is_the_one_that_is_scraped() -> None:
    (service,) = [found for found in _written(ALERTING) if found.get("kind") == "Service"]
    files = kubernetes_files({"surge.alerts.yml": "groups: []"}, {}, Placement())
    monitor = yaml.safe_load(files["servicemonitor.yaml"])["spec"]

    wanted = monitor["selector"]["matchLabels"].items()
    assert wanted <= service["metadata"]["labels"].items()
    (endpoint,) = monitor["endpoints"]
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
