"""Dashboard and alert rules name what workers show, and are what Grafana and Prometheus take."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.promql import faults
from worker.metrics.definitions import ALL

DEPLOY = Path(__file__).parents[2] / "deploy"
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana/leafmark.json").read_bytes())
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
GROUPS: list[dict[str, Any]] = YAML(typ="safe").load(DEPLOY / "prometheus/alerts.yml")["groups"]
RULES: list[dict[str, Any]] = [rule for group in GROUPS for rule in group["rules"]]
DURATION = re.compile(r"[1-9]\d*[smh]")


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_reads_what_workers_show(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        assert faults(target["expr"], target["legendFormat"]) == []


def test_the_panels_are_told_apart_and_do_not_cover_each_other() -> None:
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    assert len({panel["title"] for panel in PANELS}) == len(PANELS)
    cells = [
        (x, y)
        for panel in PANELS
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


def test_the_data_source_is_whoever_opens_it_chooses() -> None:
    kinds = {variable["name"]: variable["type"] for variable in DASHBOARD["templating"]["list"]}
    assert kinds["datasource"] == "datasource"
    sources = [each["datasource"] for panel in PANELS for each in (panel, *panel["targets"])]
    sources += [each["datasource"] for each in DASHBOARD["templating"]["list"] if each["type"] == "query"]
    assert all(source == {"type": "prometheus", "uid": "${datasource}"} for source in sources)


def test_the_list_of_stages_comes_from_a_metric_that_has_them() -> None:
    (query,) = [each["query"]["query"] for each in DASHBOARD["templating"]["list"] if each["name"] == "stage"]
    found = re.fullmatch(r"label_values\((\w+), stage\)", query)
    assert found is not None
    assert any(found[1] in each.series() and "stage" in each.labels for each in ALL)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_reads_what_workers_show_and_says_what_to_do(rule: dict[str, Any]) -> None:
    assert rule.keys() == {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"Leafmark[A-Za-z]+", rule["alert"])
    assert DURATION.fullmatch(rule["for"])
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert rule["annotations"].keys() == {"summary", "description"}
    assert "docs/when-stuck.md" in rule["annotations"]["description"]
    assert faults(rule["expr"], " ".join(rule["annotations"].values())) == []


def test_the_rules_are_told_apart() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    assert all(group.keys() == {"name", "rules"} for group in GROUPS)


def test_every_metric_is_on_the_dashboard_or_an_alert_is_made_of_it() -> None:
    text = " ".join([t["expr"] for panel in PANELS for t in panel["targets"]] + [rule["expr"] for rule in RULES])
    unused = {each.name for each in ALL if not any(re.search(rf"\b{name}\b", text) for name in each.series())}
    assert unused == {"leafmark_budget_usd"} - set(re.findall(r"leafmark_budget_usd\b", text))


@pytest.mark.parametrize(
    ("expression", "legend", "fault"),
    [
        ("rate(leafmark_page_total[5m])", "", "there is no leafmark_page_total"),
        ("leafmark_page_seconds", "", "there is no leafmark_page_seconds"),
        ('leafmark_pages_total{scan="a"}', "", "leafmark_pages_total has no label scan"),
        ('leafmark_pages_total{outcome="done"}', "", "leafmark_pages_total has no outcome done"),
        ('leafmark_pages_total{outcome=~"complete|done"}', "", "leafmark_pages_total has no outcome done"),
        ("sum by (page) (leafmark_pages_total)", "", "nothing has the label page"),
        ("sum by (stage) (leafmark_pages_total)", "{{outcome}}", "['outcome'] are shown and were summed away"),
        ("leafmark_broker_up", "{{ $labels.stage }}", "nothing has the label stage"),
        ("leafmark_page_seconds_sum", "{{le}}", "nothing has the label le"),
        (
            "sum by (stage) (leafmark_pages_waiting)",
            "",
            "every worker says the same leafmark_pages_waiting, and they are added up",
        ),
        ("1 > 0", "", "it reads nothing of ours"),
    ],
)
def test_the_check_sees_what_is_wrong(expression: str, legend: str, fault: str) -> None:
    assert fault in faults(expression, legend)
