"""What Alertmanager's own tool says of the committed fragment and its template."""

import json
import re
import subprocess
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from surge_exporter.render.alertmanager import alertmanager_files
from surge_exporter.rules.choices import Choices
from surge_exporter.rules.routing import AUTOMATED
from tests.known_alerts import BY_KEY, KNOWN
from tests.servers import installed

pytestmark = pytest.mark.e2e

FRAGMENT = Path(__file__).parents[2] / "deploy" / "alertmanager" / "surge.yml"

BURN = BY_KEY["SurgeCallerErrorBudgetBurn.warning"]


def _amtool(*arguments: str) -> str:
    done = subprocess.run(
        [installed("amtool"), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_fragment_is_a_whole_configuration() -> None:
    assert "SUCCESS" in _amtool("check-config", str(FRAGMENT))


def test_so_it_is_with_the_examples_of_receivers_that_it_has_in_comments(tmp_path: Path) -> None:
    begin, end = "    #   email_configs:", "  - name: surge-tickets"
    before, _, rest = FRAGMENT.read_text().partition(begin)
    examples, _, after = rest.partition(end)
    shown = re.sub(r"^    # {3}", "    ", begin + examples, flags=re.MULTILINE)
    (tmp_path / "surge.yml").write_text(before + shown + end + after)
    (tmp_path / "surge.tmpl").write_text(FRAGMENT.with_name("surge.tmpl").read_text())

    assert "slack_configs" in shown
    assert "SUCCESS" in _amtool("check-config", str(tmp_path / "surge.yml"))


@pytest.mark.parametrize("by", [(), ("cluster", "job"), ("job", "instance")])
def test_any_labels_of_fleets_make_a_configuration(by: tuple[str, ...], tmp_path: Path) -> None:
    for name, text in alertmanager_files(Choices(by=by)).items():
        (tmp_path / name).write_text(text)

    assert "SUCCESS" in _amtool("check-config", str(tmp_path / "surge.yml"))


@pytest.mark.parametrize("severity", ["info", "warning", "critical"])
def test_an_alert_goes_where_severity_notify_and_action_say(severity: str) -> None:
    actions = sorted({known.action for known in KNOWN})
    for notify, action in product(("page", "ticket", "nobody"), actions):
        found = _receivers("alertname=SurgeX", severity=severity, notify=notify, action=action)

        if severity == "info":
            assert found == ["surge-nobody"]
            continue
        whom = "page" if severity == "critical" else notify
        assert found == [
            *(["surge-automation"] if action in AUTOMATED else []),
            {"page": "surge-pager", "ticket": "surge-tickets", "nobody": "surge-nobody"}[whom],
        ]


def test_an_alert_of_ours_that_says_nothing_is_a_ticket_and_those_of_others_are_not_ours() -> None:
    assert _receivers("alertname=SurgeX") == ["surge-tickets"]
    assert _receivers("alertname=Surgeon", severity="critical", notify="page") == ["surge-nobody"]
    assert _receivers("alertname=NodeDown", severity="critical") == ["surge-nobody"]


def _receivers(*labels: str, **more: str) -> list[str]:
    told = _amtool(
        *("config", "routes", "test", "--config.file", str(FRAGMENT)),
        *(*labels, *(f"{name}={value}" for name, value in more.items())),
    )
    return told.strip().split(",")


def _alert(caller: str, status: str = "firing", severity: str = "warning") -> dict[str, Any]:
    return {
        "status": status,
        "labels": {**BURN.labels(caller=caller, job="agents"), "severity": severity},
        "annotations": {
            "summary": "A caller fails too often.",
            "description": f"{caller} fails <20 %> & more.",
            "recommended_action": f"Investigate failure rates ({severity})",
            "runbook_url": "http://runbooks/SurgeCallerErrorBudgetBurn",
            "dashboard_url": "http://grafana/d/surge-callers",
        },
    }


def _rendered(tmp_path: Path, name: str, *alerts: dict[str, Any]) -> list[str]:
    def common(part: str) -> dict[str, str]:
        first, *others = (alert[part].items() for alert in alerts)
        return {key: value for key, value in first if all((key, value) in o for o in others)}

    is_firing = any(alert["status"] == "firing" for alert in alerts)
    data = tmp_path / "data.json"
    data.write_text(
        json.dumps(
            {
                "receiver": "surge-pager",
                "status": "firing" if is_firing else "resolved",
                "alerts": alerts,
                "groupLabels": {"alertname": BURN.name, "job": "agents"},
                "commonLabels": common("labels"),
                "commonAnnotations": common("annotations"),
                "externalURL": "http://alertmanager",
            }
        )
    )
    return _amtool(
        *("template", "render", f"--template.glob={FRAGMENT.with_name('surge.tmpl')}"),
        *(f"--template.data={data}", f'--template.text={{{{ template "{name}" . }}}}'),
    ).splitlines()


SUBJECT = f"{BURN.name}: A caller fails too often."
LINKS = (
    "Runbook: http://runbooks/SurgeCallerErrorBudgetBurn Dashboard: http://grafana/d/surge-callers"
)


def test_a_page_begins_with_what_to_do_and_has_a_line_for_each_alert(tmp_path: Path) -> None:
    assert _rendered(tmp_path, "surge.text", _alert("a"), _alert("b")) == [
        "Investigate failure rates (warning)",
        SUBJECT,
        f"- warning: a fails <20 %> & more. {LINKS}",
        f"- warning: b fails <20 %> & more. {LINKS}",
    ]


def test_what_is_critical_says_what_to_do_first(tmp_path: Path) -> None:
    alerts = (_alert("a"), _alert("b", severity="critical"), _alert("c"))

    assert _rendered(tmp_path, "surge.title", *alerts) == ["Investigate failure rates (critical)"]


def test_while_one_fires_it_says_what_to_do_and_then_who_recovered(tmp_path: Path) -> None:
    alerts = (_alert("a", "resolved", "critical"), _alert("b"))

    assert _rendered(tmp_path, "surge.text", *alerts) == [
        "Investigate failure rates (warning)",
        SUBJECT,
        f"- warning: b fails <20 %> & more. {LINKS}",
        "Recovered:",
        f"- {BURN.name} caller=a job=agents Dashboard: http://grafana/d/surge-callers",
    ]


def test_when_all_is_over_it_says_that_nothing_is_to_be_done(tmp_path: Path) -> None:
    title = f"Nothing to do: {BURN.name} agents is over"

    assert _rendered(tmp_path, "surge.title", _alert("a", "resolved")) == [title]
    assert _rendered(tmp_path, "surge.text", _alert("a", "resolved")) == [
        title,
        SUBJECT,
        "Recovered:",
        f"- {BURN.name} caller=a job=agents Dashboard: http://grafana/d/surge-callers",
    ]


def test_alerts_without_annotations_still_say_their_name(tmp_path: Path) -> None:
    bare = {**_alert("a"), "annotations": {}}

    assert _rendered(tmp_path, "surge.text", bare)[0] == BURN.name
