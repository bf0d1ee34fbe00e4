"""Manifests hold the rules and dashboards that were given, unchanged, under names asked for."""

import json
from typing import Any

import pytest
import yaml

from surge_exporter.render.kubernetes import (
    BANNER,
    MOST_BYTES,
    KubernetesError,
    Placement,
    kubernetes_files,
)

RULES = {
    f"rules/surge.{kind}.yml": yaml.safe_dump(
        {
            "groups": [
                {
                    "name": f"surge-{kind}",
                    "rules": [
                        {
                            "alert": "SurgeX",
                            "expr": 'sum by (job) (up)\n  > on ("a: b") 1 # no comment\n',
                            "for": "5m",
                            "annotations": {"description": "{{ $value }} | 1: 'x' \"y\""},
                        }
                    ],
                }
            ]
        }
    )
    for kind in ("rules", "alerts", "meta")
}
DASHBOARDS = {
    uid: json.dumps({"uid": uid, "title": "Demand: ü", "panels": [{"expr": "a\nb"}]}, indent=2)
    + "\n"
    for uid in ("surge-overview", "surge-demand")
}


def rendered(**placement: Any) -> dict[str, list[dict[str, Any]]]:
    """Return the objects of all files, by file."""
    files = kubernetes_files(RULES, DASHBOARDS, Placement(**placement))
    return {path: list(yaml.safe_load_all(text)) for path, text in files.items()}


def test_each_rules_file_becomes_a_rule_object() -> None:
    assert set(rendered()) == {
        "prometheusrule-rules.yaml",
        "prometheusrule-alerts.yaml",
        "prometheusrule-meta.yaml",
        "servicemonitor.yaml",
        "dashboards.yaml",
    }


def test_a_rules_file_without_groups_becomes_nothing() -> None:
    files = kubernetes_files({**RULES, "surge.meta.yml": "groups: []"}, {}, Placement())
    without = kubernetes_files({"surge.meta.yml": "groups: []"}, {}, Placement())

    assert "prometheusrule-alerts.yaml" in files
    assert "prometheusrule-meta.yaml" not in without


@pytest.mark.parametrize("kind", ["rules", "alerts", "meta"])
def test_rules_are_what_they_were(kind: str) -> None:
    [rule] = rendered()[f"prometheusrule-{kind}.yaml"]

    assert (rule["kind"], rule["metadata"]["name"]) == ("PrometheusRule", f"surge-exporter-{kind}")
    assert rule["spec"] == yaml.safe_load(RULES[f"rules/surge.{kind}.yml"])


def test_expressions_of_many_lines_stay_readable() -> None:
    text = kubernetes_files(RULES, {}, Placement())["prometheusrule-alerts.yaml"]

    assert "expr: |\n" in text


def test_each_dashboard_is_a_key_of_its_own_map() -> None:
    maps = rendered()["dashboards.yaml"]

    assert [found["metadata"]["name"] for found in maps] == [
        "surge-exporter-surge-overview",
        "surge-exporter-surge-demand",
    ]
    assert {name: text for found in maps for name, text in found["data"].items()} == {
        f"{uid}.json": text for uid, text in DASHBOARDS.items()
    }


def test_grafana_finds_dashboards_by_their_label() -> None:
    maps = rendered(labels={"team": "agents"})["dashboards.yaml"]

    assert all(found["metadata"]["labels"]["grafana_dashboard"] == "1" for found in maps)


def test_the_monitor_finds_the_service_by_name() -> None:
    [monitor] = rendered(name="surge", port="metrics")["servicemonitor.yaml"]

    assert monitor["metadata"]["name"] == "surge"
    assert monitor["spec"]["selector"]["matchLabels"] == {"app.kubernetes.io/name": "surge"}
    assert monitor["spec"]["endpoints"] == [{"port": "metrics", "path": "/metrics"}]


def test_every_object_has_the_namespace_and_labels_asked_for() -> None:
    objects = [
        found
        for file in rendered(namespace="monitoring", labels={"release": "prometheus"}).values()
        for found in file
    ]

    assert {found["metadata"]["namespace"] for found in objects} == {"monitoring"}
    assert {found["metadata"]["labels"]["release"] for found in objects} == {"prometheus"}


def test_without_a_namespace_kubectl_decides() -> None:
    assert not any("namespace" in o["metadata"] for file in rendered().values() for o in file)


def test_every_file_says_where_it_comes_from() -> None:
    assert all(
        text.startswith(BANNER)
        for text in kubernetes_files(RULES, DASHBOARDS, Placement()).values()
    )


@pytest.mark.parametrize(
    ("placement", "says"),
    [
        ({"name": "Surge_Exporter"}, "name: expected"),
        ({"name": ""}, "name: expected"),
        ({"name": "s" * 60}, "name: expected"),
        ({"namespace": "my namespace"}, "namespace: expected"),
        ({"port": "10074/tcp"}, "port: expected"),
        ({"labels": {"release": "kube prometheus"}}, "label release: expected"),
    ],
)
def test_names_that_kubernetes_refuses_are_refused(placement: dict[str, Any], says: str) -> None:
    with pytest.raises(KubernetesError, match=says):
        rendered(**placement)


@pytest.mark.parametrize(
    ("path", "text", "says"),
    [
        ("alerts", "groups: []", "expected a rules file like surge.alerts.yml, got 'alerts'"),
        ("a.b.yml", "rules: []", "a.b.yml: expected rules under `groups`"),
        ("a.b.yml", "groups: [", "a.b.yml: expected YAML"),
        ("a.b.yml", "", "a.b.yml: expected rules under `groups`"),
    ],
)
def test_what_is_no_rules_file_is_refused(path: str, text: str, says: str) -> None:
    with pytest.raises(KubernetesError, match=says):
        kubernetes_files({path: text}, {}, Placement())


def test_a_dashboard_too_large_for_its_map_is_refused() -> None:
    with pytest.raises(KubernetesError, match=f"surge-x: expected at most {MOST_BYTES} bytes"):
        kubernetes_files({}, {"surge-x": "ü" * (MOST_BYTES // 2 + 1)}, Placement())
