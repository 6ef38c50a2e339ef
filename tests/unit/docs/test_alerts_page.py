"""`docs/alerts.md`: its policies are accepted, and what it says about labels, bounds and metrics is what is done."""

import re
from pathlib import Path

import yaml

from modelrollout.api.alerts import AlertPolicy, SharedAlert
from modelrollout.plan import alerts
from modelrollout.runtime import payload, receiver
from modelrollout.runtime.telemetry import Telemetry

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "alerts.md").read_text()
EXAMPLES = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]


def test_its_policy_is_accepted() -> None:
    (rollout,) = (example["rollout"] for example in EXAMPLES if "rollout" in example)
    (policy,) = (AlertPolicy.model_validate(one) for one in rollout["alerts"])
    assert (policy.name, policy.window) == ("pages", "4h")


def test_the_alert_that_is_reviewed_is_one_of_the_rules_and_names_no_version() -> None:
    (entry,) = (one for example in EXAMPLES if "alerts" in example for one in example["alerts"])
    policy = AlertPolicy.model_validate(entry)
    assert policy.shared_with_live is SharedAlert.REVIEW
    rules = yaml.safe_load((ROOT / "manifests" / "components" / "monitoring" / "datarules.yaml").read_text())
    (rule,) = (
        rule
        for group in rules["spec"]["groups"]
        for rule in group["rules"]
        if rule.get("alert") == policy.match["alertname"]
    )
    assert "count without (revision)" in rule["expr"]


def test_every_label_that_is_looked_at_is_on_it() -> None:
    looked_at = {*alerts._NAMESPACES, *alerts._DEPLOYMENTS, *alerts._REVISIONS, *alerts._CHILDREN}
    missing = {label for label in looked_at if label not in PAGE and not label.startswith(("exported_", "label_"))}
    assert missing == set()
    assert alerts._ENVOY_CLUSTER in PAGE


def test_the_way_to_the_receiver_is_that_of_the_manifests() -> None:
    (url,) = (
        config["url"]
        for example in EXAMPLES
        if "receivers" in example
        for one in example["receivers"]
        for config in one["webhook_configs"]
    )
    deployment, service = (
        yaml.safe_load((ROOT / "manifests" / "base" / f"{name}.yaml").read_text()) for name in ("deployment", "service")
    )
    port = next(one["port"] for one in service["spec"]["ports"] if one["name"] == "alerts")
    assert url == f"http://{service['metadata']['name']}.modelrollout:{port}{receiver.PATH}"
    (volume,) = deployment["spec"]["template"]["spec"]["volumes"]
    assert f"create secret generic {volume['secret']['secretName']} " in PAGE


def test_bounds_are_as_it_says() -> None:
    assert f"at most {receiver.MAX_BODY_BYTES // 1024 // 1024} MiB and {payload.MAX_ALERTS} alerts" in PAGE
    told = f"{receiver.AT_ONCE} payloads at a time, {receiver.BURST:.0f} at once and {receiver.PER_SECOND:.0f} a second"
    assert told in PAGE


def test_metrics_are_those_that_are_exported() -> None:
    telemetry = Telemetry()
    telemetry.alert_request(200)
    telemetry.alerts("filed")
    telemetry.decided(outcome="RollBack", reason="AlertFiring")
    exported = telemetry.exposition().decode()
    for metric in re.findall(r"`(modelrollout_\w+_total)\{", PAGE):
        assert f"{metric}{{" in exported, metric
