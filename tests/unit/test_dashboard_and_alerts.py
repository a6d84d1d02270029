"""Dashboard and alert rules name what workers show, and are what Grafana and Prometheus take."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.support.promql import faults
from tests.support.waiting import HANG_SECONDS
from worker.telemetry.metrics.definitions import ALL

DEPLOY = Path(__file__).parents[2] / "deploy"
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana/leafmark.json").read_bytes())
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
GROUPS: list[dict[str, Any]] = YAML(typ="safe").load(DEPLOY / "prometheus/alerts.yml")["groups"]
RULES: list[dict[str, Any]] = [rule for group in GROUPS for rule in group["rules"]]
ALERTMANAGER: dict[str, Any] = YAML(typ="safe").load(DEPLOY / "alertmanager/alertmanager.yml")
PROMTOOL = shutil.which("promtool")
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


def test_the_user_of_the_dashboard_chooses_the_data_source() -> None:
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
    assert "docs/how-to/when-stuck.md" in rule["annotations"]["description"]
    assert faults(rule["expr"], " ".join(rule["annotations"].values())) == []


def test_the_rules_are_told_apart() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    assert all(group.keys() == {"name", "rules"} for group in GROUPS)


def test_every_metric_is_on_the_dashboard_or_an_alert_is_made_of_it() -> None:
    text = " ".join([t["expr"] for panel in PANELS for t in panel["targets"]] + [rule["expr"] for rule in RULES])
    unused = {each.name for each in ALL if not any(re.search(rf"\b{name}\b", text) for name in each.series())}
    assert unused == {"leafmark_budget_usd"} - set(re.findall(r"leafmark_budget_usd\b", text))


@pytest.mark.skipif(PROMTOOL is None, reason="needs promtool")
@pytest.mark.parametrize("arguments", [["test", "rules", "alerts-test.yml"], ["check", "config", "prometheus.yml"]])
def test_promtool_takes_the_configuration_and_each_alert_fires_on_what_it_is_for(arguments: list[str]) -> None:
    done = subprocess.run(
        [PROMTOOL or "", *arguments],
        cwd=DEPLOY / "prometheus",
        capture_output=True,
        text=True,
        check=False,
        timeout=HANG_SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("wrong", "one_of_many", "all_of_them"),
    [
        ('up{job="leafmark"} == 0', "LeafmarkWorkerDown", "LeafmarkNoWorkerUp"),
        ("leafmark_broker_up == 0", "LeafmarkWorkerWithoutBroker", "LeafmarkBrokerAway"),
    ],
)
def test_one_worker_in_trouble_has_an_alert_of_its_own_beside_that_of_all(
    wrong: str, one_of_many: str, all_of_them: str
) -> None:
    rules = {rule["alert"]: rule for rule in RULES}
    assert rules[one_of_many]["expr"] == wrong, "for each instance, added up over none"
    assert "$labels.instance" in rules[one_of_many]["annotations"]["summary"]
    assert rules[all_of_them]["labels"]["severity"] == "critical"
    inhibited = {rule["source_matchers"][0]: rule["target_matchers"][0] for rule in ALERTMANAGER["inhibit_rules"]}
    assert one_of_many in inhibited[f'alertname = "{all_of_them}"']


def test_alerts_go_to_the_alertmanager_of_compose() -> None:
    configuration = YAML(typ="safe").load(DEPLOY / "prometheus/prometheus.yml")
    (manager,) = configuration["alerting"]["alertmanagers"]
    assert manager["static_configs"] == [{"targets": ["alertmanager:9093"]}]
    assert ALERTMANAGER["route"]["receiver"] in {each["name"] for each in ALERTMANAGER["receivers"]}


def test_grafana_knows_how_often_prometheus_scrapes() -> None:
    configuration = YAML(typ="safe").load(DEPLOY / "prometheus/prometheus.yml")
    (path,) = (DEPLOY / "grafana/provisioning/datasources").iterdir()
    (source,) = YAML(typ="safe").load(path)["datasources"]
    assert source["jsonData"]["timeInterval"] == configuration["global"]["scrape_interval"]


@pytest.mark.parametrize(
    ("expression", "legend", "fault"),
    [
        (
            "rate(leafmark_pages_total[$__interval])",
            "",
            "[$__interval] may hold a single sample: take [$__rate_interval]",
        ),
        (
            'increase(leafmark_claims_total{event="lost"}[${__interval}])',
            "",
            "[${__interval}] may hold a single sample: take [$__rate_interval]",
        ),
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
