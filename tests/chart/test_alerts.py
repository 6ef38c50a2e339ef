"""The alerts about the operator: valid, fired by what they are about, and made of metrics that there are."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from modelrollout.runtime.telemetry import Telemetry
from tests.chart.rendering import CHART, ROOT, named, program, template

TESTS = Path(__file__).parent / "alerts.yaml"


@pytest.fixture
def spec() -> dict[str, Any]:
    chosen = {"monitoring": {"prometheusRule": {"enabled": True}}}
    found: dict[str, Any] = named(template(chosen), "PrometheusRule")["spec"]
    return found


def test_each_alert_fires_when_it_should_and_not_before(spec: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(spec, sort_keys=False))
    (tmp_path / "alerts.yaml").write_text(TESTS.read_text())

    for command in (["check", "rules", "rules.yaml"], ["test", "rules", "alerts.yaml"]):
        words = [str(program("promtool")), *command]
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_no_alert_is_without_a_test_or_a_word_about_it(spec: dict[str, Any]) -> None:
    alerts = [rule["alert"] for group in spec["groups"] for rule in group["rules"]]
    tests = yaml.safe_load(TESTS.read_text())["tests"]
    fired = {one["alertname"] for test in tests for one in test["alert_rule_test"] if one["exp_alerts"]}
    assert fired == set(alerts)
    install = (ROOT / "docs" / "install.md").read_text()
    assert [alert for alert in alerts if f"`{alert}`" not in install] == []


def test_alerts_ask_for_metrics_and_labels_that_the_operator_exports(spec: dict[str, Any]) -> None:
    exported = {sample.name: set(sample.labels) for sample in _samples()}
    for rule in (rule for group in spec["groups"] for rule in group["rules"]):
        names = set(re.findall(r"modelrollout_\w+", rule["expr"]))
        assert names
        assert names <= exported.keys(), rule["alert"]
        labels = {
            label
            for listed in re.findall(r"by \(([^)]*)\)", rule["expr"])
            for label in map(str.strip, listed.split(","))
        } | set(re.findall(r"[{,](\w+)(?:=|!)", rule["expr"]))
        assert labels <= set().union(*(exported[name] for name in names)), rule["alert"]


def test_no_rule_file_of_the_chart_is_another_than_the_rendered_one(spec: dict[str, Any]) -> None:
    assert spec == yaml.safe_load((CHART / "files" / "prometheusrule.yaml").read_text())["spec"]


def _samples() -> list[Any]:
    """All that a process exports once it has done each thing once."""
    from modelrollout.runtime.telemetry import RolloutFigures

    telemetry = Telemetry()
    telemetry.reconciled(result="ok", seconds=0.1)
    telemetry.api_request("get", "deployments", "200")
    telemetry.prometheus_query("success")
    telemetry.decided(outcome="Promote", reason="Promoted")
    telemetry.lead(True)
    figures = RolloutFigures(revision="1", weight_percent=5, log_harm_threshold=4.6, log_safety_threshold=3.0)
    telemetry.set_rollout(("payments", "fraud"), figures)
    families = text_string_to_metric_families(telemetry.exposition().decode())
    return [sample for family in families for sample in family.samples]
