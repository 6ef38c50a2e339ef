"""`docs/data.md`: its examples are accepted, and every rule, alert, metric and reason of it exists."""

import re
from pathlib import Path
from typing import Any

import yaml

from modelrollout.api.alerts import AlertPolicy, SharedAlert
from modelrollout.api.contract import Contract, ContractSource
from modelrollout.api.gates import Gate
from modelrollout.data.check import Rule
from modelrollout.data.skew import ANNOTATION
from modelrollout.data.tally import COUNTERS, GAUGES

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "data.md").read_text()
EXAMPLES: list[Any] = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
RULES = yaml.safe_load((ROOT / "manifests" / "components" / "monitoring" / "datarules.yaml").read_text())["spec"]


def test_the_examples_are_accepted() -> None:
    contract, spec, rollout, gates = EXAMPLES

    assert Contract.model_validate(contract).example is not None
    assert ContractSource.model_validate(spec["spec"]["contract"]).verify.wanted
    assert AlertPolicy.model_validate(rollout["alerts"][0]).shared_with_live is SharedAlert.REVIEW
    assert Gate.model_validate(gates[0]).output == "score"


def test_every_metric_rule_and_alert_is_on_it_and_no_other() -> None:
    names = set(re.findall(r"modelrollout_data_\w+", PAGE))
    alerts = {rule["alert"] for group in RULES["groups"] for rule in group["rules"] if "alert" in rule}

    assert names == {*COUNTERS, *GAUGES}
    assert {name for name in re.findall(r"`(Model\w+)`", PAGE) if name not in ("ModelRevision",)} == alerts
    assert all(f"`{rule.value}`" in PAGE for rule in Rule)
    assert ANNOTATION in PAGE


def test_every_reason_that_it_names_is_one_of_the_code() -> None:
    code = "".join(path.read_text() for path in (ROOT / "operator" / "modelrollout" / "plan").glob("*.py"))

    for reason in ("ContractBroken", "FeaturePipelineSkew", "ContractNotServed", "ContractUnverified"):
        assert f"`{reason}`" in PAGE
        assert f'"{reason}"' in code
