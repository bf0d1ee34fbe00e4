"""What is rendered for Kubernetes is what the Prometheus operator and Kubernetes take."""

import json

import pytest

from surge_exporter.render.kubernetes import Placement, kubernetes_files
from tests.kubernetes import schemas

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(120),
    pytest.mark.xdist_group("kubernetes"),  # one installs what all use
]

RULES = """
groups:
  - name: surge-alerts
    interval: 1m
    rules:
      - record: job:surge_factor:ratio
        expr: |
          sum by (job) (surge_recent_requests_per_second)
            / sum by (job) (surge_baseline_requests_per_second)
      - alert: SurgeExporterDown
        expr: max_over_time(up[5m]) == 0
        for: 5m
        keep_firing_for: 10m
        labels: {severity: warning}
        annotations: {summary: "An exporter is down.", description: "{{ $labels.instance }}"}
"""
PLACEMENT = Placement(namespace="monitoring", labels={"release": "kube-prometheus-stack"})


@pytest.fixture(scope="module", autouse=True)
def _schemas() -> None:
    schemas.install()


def rendered(rules: str = RULES, placement: Placement = PLACEMENT) -> dict[str, str]:
    """Return the manifests of some rules and two dashboards."""
    dashboards = {uid: json.dumps({"uid": uid}) for uid in ("surge-overview", "surge-demand")}
    return kubernetes_files({"surge.alerts.yml": rules}, dashboards, placement)


@pytest.mark.parametrize("placement", [PLACEMENT, Placement()])
def test_every_manifest_fits_the_schema_of_its_kind(placement: Placement) -> None:
    assert schemas.faults("---\n".join(rendered(placement=placement).values())) == []


@pytest.mark.parametrize(
    ("right", "wrong", "place"),
    [
        ("for: 5m", 'for: "5 minutes"', "spec/groups/0/rules/1/for"),
        ("keep_firing_for: 10m", "keep_firing_for: soon", "rules/1/keep_firing_for"),
        ("expr: max_over_time(up[5m]) == 0", "labels2: {}", "rules/1"),
        ("name: surge-alerts", 'name: ""', "spec/groups/0/name"),
        ("{severity: warning}", "{severity: 1}", "rules/1/labels/severity"),
    ],
)
def test_rules_that_the_operator_would_refuse_are_noticed(
    right: str, wrong: str, place: str
) -> None:
    broken = rendered(RULES.replace(right, wrong))["prometheusrule-alerts.yaml"]

    [fault] = schemas.faults(broken)

    assert place in fault


def test_an_object_of_another_kind_is_noticed() -> None:
    monitor = rendered()["servicemonitor.yaml"]

    [fault] = schemas.faults(monitor.replace("kind: ServiceMonitor", "kind: PodMonitor"))

    assert "got PodMonitor" in fault
