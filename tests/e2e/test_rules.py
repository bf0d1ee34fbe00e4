"""What Prometheus and VictoriaMetrics themselves say of the rules, as they are and as chosen."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from surge_exporter.cli import main
from surge_exporter.rules.catalogue import every_alert
from surge_exporter.rules.choices import Choices
from tests.servers import installed
from tests.unit.test_selector import REFUSED, TAKEN

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

RULES = Path(__file__).parents[2] / "rules"
FILES = sorted(RULES.glob("*.yml"))
TESTS = sorted((RULES / "tests").glob("*.yml"))

CHOSEN = {
    "more labels of a fleet": ["--by", "cluster,job"],
    "a selector": ["--selector", 'cluster="a",env!~"dev|test"'],
    "thresholds": [
        *("--threshold", "SurgeDemandSurge=4", "--threshold", "SurgeGiteaDown=1e3"),
        *("--threshold", "SurgeHeavyBatch=0.123456789", "--threshold", "SurgeInferenceDown=60"),
        *("--threshold", "SurgeCallerErrorBudgetBurn.critical=0.9999999"),
    ],
    "times, severities, labels and links": [
        *("--for", "SurgeHeavyBatch=1d2h", "--severity", "SurgeParseErrors=critical"),
        *("--label", 'team=a "b" {{ $labels.job }}', "--runbook-url", "https://w/{alert}?a=1#b"),
    ],
    "an objective that no caller could miss 14.4 times too fast": [
        *("--threshold", "SurgeCallerErrorBudgetBurn=0.9"),
    ],
    "all but one disabled": [
        part
        for name in sorted({alert.name for alert in every_alert(Choices())} - {"SurgeGiteaDown"})
        for part in ("--disable", name)
    ],
}


def _promtool(*arguments: str | Path) -> None:
    done = subprocess.run(
        [installed("promtool"), *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _vmalert_reads(folder: Path) -> None:
    done = subprocess.run(
        [installed("vmalert"), "-dryRun", *(f"-rule={path}" for path in folder.glob("*.yml"))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _rendered(folder: Path, *options: str) -> list[Path]:
    done = CliRunner().invoke(main, ["render", "rules", "--out", str(folder), *options])
    assert done.exit_code == 0, done.output
    return sorted(folder.glob("*.yml"))


def test_promtool_has_nothing_to_say_against_the_committed_rules() -> None:
    _promtool("check", "rules", "--lint=all", "--lint-fatal", *FILES)


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_the_committed_rules_do_as_their_tests_say(path: Path) -> None:
    _promtool("test", "rules", path)


@pytest.mark.parametrize("chosen", CHOSEN.values(), ids=CHOSEN)
def test_chosen_rules_are_rules_to_both(chosen: list[str], tmp_path: Path) -> None:
    files = _rendered(tmp_path / "prometheus", *chosen)

    _promtool("check", "rules", "--lint=all", "--lint-fatal", *files)
    _rendered(tmp_path / "victoria", "--no-keep-firing-for", *chosen)
    _vmalert_reads(tmp_path / "victoria")


def test_promtool_reads_every_selector_that_is_taken(tmp_path: Path) -> None:
    rules = [{"record": "a:b", "expr": f"up{{{s}}} > {n}"} for n, s in enumerate(TAKEN)]
    (tmp_path / "rules.yml").write_text(
        yaml.safe_dump({"groups": [{"name": "g", "rules": rules}]}), encoding="utf-8"
    )

    _promtool("check", "rules", "--lint=none", tmp_path / "rules.yml")


@pytest.mark.parametrize("selector", REFUSED)
def test_promtool_reads_no_selector_that_is_refused(selector: str, tmp_path: Path) -> None:
    rule = {"record": "a:b", "expr": f"up{{{selector}}}"}
    (tmp_path / "rules.yml").write_text(
        yaml.safe_dump({"groups": [{"name": "g", "rules": [rule]}]}), encoding="utf-8"
    )

    done = subprocess.run(
        [installed("promtool"), "check", "rules", tmp_path / "rules.yml"],
        capture_output=True,
        check=False,
    )

    assert done.returncode != 0


def test_without_what_it_does_not_know_an_old_vmalert_reads_all_rules(tmp_path: Path) -> None:
    files = _rendered(tmp_path, "--no-keep-firing-for")

    assert [path.name for path in files] == [path.name for path in FILES]
    _vmalert_reads(tmp_path)


def test_every_alert_is_seen_to_fire_and_to_stay_quiet() -> None:
    fires, is_quiet = set(), set()
    for case in _cases():
        name = case["alertname"]
        severities = {alert["exp_labels"]["severity"] for alert in case["exp_alerts"]}
        fires |= {f"{name}.{severity}" for severity in severities}
        if not severities:
            is_quiet.add(name)

    assert fires == {alert.key for alert in every_alert(Choices())}
    assert is_quiet == {alert.name for alert in every_alert(Choices())}


def test_every_recording_rule_has_a_number_that_was_worked_out_by_hand() -> None:
    asked = "\n".join(path.read_text(encoding="utf-8") for path in TESTS)
    recorded = {
        rule["record"]
        for group in yaml.safe_load((RULES / "surge.rules.yml").read_text())["groups"]
        for rule in group["rules"]
    }
    by_burn_rates = {name for name in recorded if "failures_per_request" in name}

    assert {name for name in recorded - by_burn_rates if name not in asked} == set()


def _cases() -> Iterator[dict[str, Any]]:
    for path in TESTS:
        for test in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]:
            yield from test.get("alert_rule_test", ())
