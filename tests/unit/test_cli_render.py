"""`render` writes rules as users choose, and says what it expected where it can't."""

import re
from pathlib import Path

import pytest
import yaml

from tests.commandline import run

ALERTS = "surge.alerts.yml"


def _alerts(folder: Path, *arguments: str) -> dict[str, dict[str, object]]:
    result = run("render", "rules", "--out", str(folder), *arguments)
    assert result.exit_code == 0, result.stderr
    groups = yaml.safe_load((folder / ALERTS).read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    return {f"{rule['alert']}.{rule['labels']['severity']}": rule for rule in rules}


def test_rules_are_written_into_a_folder_that_need_not_be_there(tmp_path: Path) -> None:
    _alerts(tmp_path / "new" / "rules")

    assert sorted(path.name for path in (tmp_path / "new" / "rules").iterdir()) == [
        "surge.alerts.yml",
        "surge.meta.yml",
        "surge.rules.yml",
    ]


def test_every_choice_finds_its_way_into_the_rules(tmp_path: Path) -> None:
    found = _alerts(
        tmp_path,
        *("--threshold", "SurgeCallerFailures=0.4"),
        *("--for", "SurgeHeavyBatch=1h30m"),
        *("--severity", "SurgeParseErrors=critical"),
        *("--disable", "SurgeLabelOverflow"),
        *("--label", "team=agents"),
        *("--selector", 'env="prod",zone!~"a|b"'),
        *("--by", "cluster, job"),
        "--no-keep-firing-for",
        *("--runbook-url", "https://wiki/{alert}"),
        *("--dashboard-url", "https://grafana/d/{dashboard}"),
    )
    failures = found["SurgeCallerFailures.warning"]

    assert ">= 0.4" in str(failures["expr"])
    assert 'env="prod",zone!~"a|b"' in str(failures["expr"])
    assert "by (cluster, job, caller)" in str(failures["expr"])
    assert found["SurgeHeavyBatch.warning"]["for"] == "1h30m"
    assert "SurgeParseErrors.critical" in found
    assert not any(key.startswith("SurgeLabelOverflow") for key in found)
    assert failures["labels"] == {
        "team": "agents",
        "severity": "warning",
        "notify": "page",
        "action": "investigate_failure_rates",
    }
    assert "keep_firing_for" not in failures
    annotations = failures["annotations"]
    assert isinstance(annotations, dict)
    assert annotations["runbook_url"] == "https://wiki/SurgeCallerFailures"
    assert annotations["dashboard_url"] == "https://grafana/d/surge-callers"


def test_check_writes_nothing_and_says_what_is_stale(tmp_path: Path) -> None:
    _alerts(tmp_path)
    assert run("render", "rules", "--out", str(tmp_path), "--check").exit_code == 0
    (tmp_path / ALERTS).write_text("groups: []\n")

    result = run("render", "rules", "--out", str(tmp_path), "--check")

    assert (result.exit_code, result.stdout) == (1, "")
    assert f"stale, run `surge-exporter render rules`: {ALERTS}" in result.stderr
    assert (tmp_path / ALERTS).read_text() == "groups: []\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--threshold", "SurgeCallerFailures"], "--threshold: expected NAME=VALUE"),
        (["--threshold", "SurgeCallerFailures=many"], "expected a number, got 'many'"),
        (["--threshold", "SurgeCallerFailures=nan"], "expected a number, got 'nan'"),
        (["--threshold", "SurgeExporterDown=1"], "expected an alert with a threshold"),
        (["--for", "SurgeHeavyBatch=5 minutes"], "expected a duration like 15m"),
        (["--for", "SurgeHeavyBatch="], "expected a duration like 15m, got ''"),
        (["--for", "SurgeNoSuchAlert=5m"], "got 'SurgeNoSuchAlert'; there are Surge"),
        (["--severity", "SurgeHeavyBatch=loud"], "expected one of info, warning, critical"),
        (["--disable", "HeavyBatch"], "expected an alert, with or without .severity"),
        (["--label", "team"], "--label: expected NAME=VALUE"),
        (["--label", "my-team=a"], "expected the name of a label, got 'my-team'"),
        (["--label", "severity=page"], "expected a label of your own, got 'severity'"),
        (["--label", "job=x"], "--label: expected a label of your own, got 'job'"),
        (["--label", "alertname=x"], "--label: expected a label of your own, got 'alertname'"),
        (["--label", "instance=x"], "--label: expected a label of your own, got 'instance'"),
        (["--label", "caller=x"], "--label: expected a label of your own, got 'caller'"),
        (["--label", "__name__=x"], "--label: expected the name of a label, got '__name__'"),
        (["--by", ""], "--by: expected the name of a label, got ''"),
        (["--by", "job,caller"], "--by: expected labels that all series of an exporter carry"),
        (["--by", "severity"], "--by: expected labels that all series of an exporter carry"),
        (["--by", "job,resource"], "--by: expected labels that all series of an exporter carry"),
        (["--by", "job,instance"], "would be a fleet, and one that is replaced a fleet that is"),
        (["--by", "job,job"], "--by: expected each label once, got 'job' twice"),
        (["--threshold", "SurgeGiteaDown=-5"], "SurgeGiteaDown.critical: expected a threshold"),
        (["--severity", "SurgeDemandSurge=info"], "expected one SurgeDemandSurge.info, got two"),
        (["--selector", 'env=~"("'], "--selector: expected a regular expression, got '('"),
        (["--runbook-url", ""], "--runbook-url: expected a URL with {alert}, got ''"),
        (["--runbook-url", "{alert!r}"], "--runbook-url: expected no placeholder but {alert}"),
        (["--selector", "cluster=a"], '--selector: expected matchers like cluster="a"'),
        (["--selector", '} or up{job="x"'], "--selector: expected matchers"),
        (["--runbook-url", "https://w/{name}"], "expected no placeholder but {alert}"),
        (["--dashboard-url", "https://g/{alert}"], "expected no placeholder but {dashboard}"),
    ],
)
def test_a_choice_that_can_not_be_is_wrong_usage(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    result = run("render", "rules", "--out", str(tmp_path), *arguments)

    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("part", ["rules", "alertmanager", "dashboards", "runbooks", "k8s"])
@pytest.mark.parametrize(
    "arguments", [["--disable", "nope"], ["--threshold", "SurgeCallerFailures=40"]]
)
def test_every_part_refuses_what_one_refuses(
    tmp_path: Path, part: str, arguments: list[str]
) -> None:
    result = run("render", part, "--out", str(tmp_path), *arguments)

    assert (result.exit_code, result.stdout) == (2, "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "url",
    ["not a url", "", "pager.example/x", "ftp://a/", "http://", "http://a:x/", "http://[::1/"],
)
@pytest.mark.parametrize("option", ["--automation-url", "--pager-url", "--tickets-url"])
def test_a_webhook_is_where_a_server_can_be(tmp_path: Path, option: str, url: str) -> None:
    result = run("render", "alertmanager", "--out", str(tmp_path), option, url)

    assert result.exit_code == 2
    assert f"{option}: expected a URL like https://host/path, got {url!r}" in result.stderr


def test_webhooks_of_the_alertmanager_fragment_are_the_users(tmp_path: Path) -> None:
    urls = {"automation": "http://a/", "pager": "http://p/", "tickets": "http://t/"}
    options = [part for name, url in urls.items() for part in (f"--{name}-url", url)]

    assert run("render", "alertmanager", "--out", str(tmp_path), *options).exit_code == 0

    found = yaml.safe_load((tmp_path / "surge.yml").read_text())
    hooks = {r["name"]: r.get("webhook_configs", [{}])[0].get("url") for r in found["receivers"]}
    assert hooks == {
        **{f"surge-{name}": url for name, url in urls.items()},
        "surge-nobody": None,
    }


def test_a_runbook_of_a_disabled_alert_is_not_written(tmp_path: Path) -> None:
    arguments = ["--out", str(tmp_path), "--disable", "SurgeHeavyBatch"]

    assert run("render", "runbooks", *arguments).exit_code == 0

    names = {path.stem for path in tmp_path.iterdir()}
    assert "SurgeHeavyBatch" not in names
    assert {"README", "SurgeCallerFailures"} <= names


def test_a_runbook_written_before_its_alert_was_disabled_is_stale_then_removed(
    tmp_path: Path,
) -> None:
    out = ("render", "runbooks", "--out", str(tmp_path))
    assert run(*out).exit_code == 0
    for name in ("SurgeMine.md", "notes.md"):
        (tmp_path / name).write_text("# By hand\n")
    banner = (tmp_path / "SurgeHeavyBatch.md").read_text()
    (tmp_path / "notes of SurgeHeavyBatch.md").write_text(banner)

    checked = run(*out, "--disable", "SurgeHeavyBatch", "--check")
    assert checked.exit_code == 1
    assert "SurgeHeavyBatch.md (no longer generated)" in checked.stderr
    assert (tmp_path / "SurgeHeavyBatch.md").exists()

    written = run(*out, "--disable", "SurgeHeavyBatch")
    assert f"Removed {tmp_path / 'SurgeHeavyBatch.md'}" in written.stderr
    assert run(*out, "--disable", "SurgeHeavyBatch", "--check").exit_code == 0
    left = {path.name for path in tmp_path.iterdir()}
    assert "SurgeHeavyBatch.md" not in left
    assert {"SurgeMine.md", "notes.md", "notes of SurgeHeavyBatch.md"} <= left


def test_no_runbook_links_to_one_that_is_not_written(tmp_path: Path) -> None:
    disabled = ("--disable", "SurgeExporterAbsent", "--disable", "SurgeCallerFailures")
    assert run("render", "runbooks", "--out", str(tmp_path), *disabled).exit_code == 0

    for page in tmp_path.iterdir():
        for linked in re.findall(r"\]\((Surge\w+\.md)\)", page.read_text()):
            assert (tmp_path / linked).exists(), (page.name, linked)


def test_an_object_of_rules_that_are_all_disabled_is_removed(tmp_path: Path) -> None:
    out = ("render", "k8s", "--out", str(tmp_path))
    disabled = ("--disable", "SurgeExporterAbsent", "--disable", "SurgeExporterDown")
    assert run(*out).exit_code == 0

    result = run(*out, *disabled)

    assert result.exit_code == 0
    assert f"Removed {tmp_path / 'prometheusrule-meta.yaml'}" in result.stderr
    assert run(*out, *disabled, "--check").exit_code == 0


def test_a_configuration_made_from_ours_is_nobodys_to_remove(tmp_path: Path) -> None:
    assert run("render", "alertmanager", "--out", str(tmp_path)).exit_code == 0
    mine = tmp_path / "alertmanager.yml"
    mine.write_text((tmp_path / "surge.yml").read_text())

    assert run("render", "alertmanager", "--out", str(tmp_path)).exit_code == 0

    assert mine.exists()


def test_kubernetes_objects_are_where_the_user_says(tmp_path: Path) -> None:
    where = ["--namespace", "monitoring", "--name", "agents", "--object-label", "release=prom"]

    assert run("render", "k8s", "--out", str(tmp_path), *where).exit_code == 0

    objects = [o for p in tmp_path.iterdir() for o in yaml.safe_load_all(p.read_text())]
    assert {o["metadata"]["namespace"] for o in objects} == {"monitoring"}
    assert {o["metadata"]["labels"]["release"] for o in objects} == {"prom"}
    assert all(o["metadata"]["name"].startswith("agents") for o in objects)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--namespace", "My Space"], "namespace: expected up to 63 lower-case letters"),
        (["--object-label", "release"], "--object-label: expected NAME=VALUE"),
        (["--disable", "SurgeNothing"], "expected an alert"),
    ],
)
def test_what_kubernetes_would_refuse_is_wrong_usage(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    result = run("render", "k8s", "--out", str(tmp_path), *arguments)

    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


def test_a_folder_that_can_not_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    result = run("render", "rules", "--out", str(tmp_path / "file" / "rules"))

    assert result.exit_code == 1
    assert "Not a directory" in result.stderr


@pytest.mark.parametrize(
    ("part", "folder"),
    [
        ("runbooks", "rules/runbooks"),
        ("alertmanager", "deploy/alertmanager"),
        ("dashboards", "dashboards"),
        ("k8s", "deploy/kubernetes"),
    ],
)
def test_no_generated_file_is_left_that_nothing_generates(
    tmp_path: Path, part: str, folder: str
) -> None:
    assert run("render", part, "--out", str(tmp_path)).exit_code == 0

    committed = Path(__file__).parents[2] / folder
    assert {p.name for p in committed.iterdir()} == {p.name for p in tmp_path.iterdir()}
