"""The rules about data, held by promtool against series as the observer exports them."""

import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster import binaries, settings
from modelrollout.api.contract import Contract
from modelrollout.api.reference import Reference
from modelrollout.data.drift import chance, psi
from modelrollout.data.tally import COUNTERS, GAUGES, REFERENCE_RATIO, REFERENCE_ROWS, Kind, Tally

MANIFEST = Path(__file__).resolve().parents[2] / "manifests" / "components" / "monitoring" / "datarules.yaml"
RULES: dict[str, Any] = yaml.safe_load(MANIFEST.read_text())["spec"]
MINUTES = 120
REFERENCE = Reference.model_validate(
    {
        "rows": 10_000,
        "inputs": [
            {"name": "amount", "spread": "number", "edges": [0, 1, 2, 3, 4], "ratios": [0.25, 0.25, 0.25, 0.25]},
            {"name": "country", "spread": "category", "categories": ["DE", "FR"], "ratios": [0.9, 0.1]},
        ],
        "outputs": [{"name": "score", "spread": "number", "edges": [0, 0.5, 1], "ratios": [0.8, 0.2]}],
    }
)
CONTRACT = Contract.model_validate(
    {
        "inputs": [
            {"name": "amount", "type": "float", "nullable": True},
            {"name": "country", "type": "category", "categories": ["DE", "FR"]},
        ],
        "outputs": [{"name": "score", "type": "float"}],
    }
)

Row = dict[str, Any]


def usual(number: int) -> Row:
    """Rows that are spread as in training, whatever their number, if it is large."""
    return {"amount": number % 4 + 0.5, "country": "FR" if number % 10 == 0 else "DE"}


def drifted(number: int) -> Row:
    return {**usual(number), "amount": 0.5 if number % 4 else 3.5}


def lacking(number: int) -> Row:
    return {**usual(number), **({"amount": None} if number % 10 == 0 else {})}


def foreign(number: int) -> Row:
    return {**usual(number), **({"country": "US"} if number % 50 == 0 else {})}


def served(
    rows: Iterable[Row],
    *,
    rows_a_request: int = 1,
    kind: Kind = Kind.INPUT,
    revision: str = "aaaaaaaaaa",
    pod: str = "fraud-observer-1",
    restart_at: int | None = None,
) -> list[dict[str, str]]:
    """An hour and more of a pod of the observer that sees these rows in each minute."""
    tally = Tally(kind, contract=CONTRACT, reference=REFERENCE)
    listed = list(rows)
    for at in range(0, len(listed), rows_a_request):
        tally.add(listed[at : at + rows_a_request])
    found = []
    for sample in tally.samples():
        labels = {"namespace": "payments", "pod": pod, "modeldeployment": "fraud", "revision": revision} | dict(
            sample.labels
        )
        text = ",".join(f'{name}="{value}"' for name, value in labels.items())
        values = f"{sample.value}x{MINUTES}"
        if sample.metric not in GAUGES:
            values = f"0+{sample.value}x{MINUTES}"
            if restart_at is not None:
                values = f"0+{sample.value}x{restart_at} 0+{sample.value}x{MINUTES - restart_at}"
        found.append({"series": f"{sample.metric}{{{text}}}", "values": values})
    return found


def minute(row: Any, rows: int) -> Iterator[Row]:
    return (row(number) for number in range(rows))


def promtool(folder: Path, *, series: list[dict[str, str]], **tests: Any) -> None:
    """Each expression must be true, and exactly the alerts named must fire."""
    folder.mkdir(exist_ok=True)
    folder.joinpath("data.yaml").write_text(yaml.safe_dump(RULES, sort_keys=False))
    expressions = [
        {"expr": f"count({expression}) > 0", "eval_time": f"{MINUTES}m", "exp_samples": [{"labels": "{}", "value": 1}]}
        for expression in tests.get("true", ())
    ]
    nothing = [
        {"expr": expression, "eval_time": f"{MINUTES}m", "exp_samples": []} for expression in tests.get("none", ())
    ]
    test = {"interval": "1m", "input_series": series, "promql_expr_test": expressions + nothing}
    content = {"rule_files": ["data.yaml"], "evaluation_interval": "1m", "tests": [test]}
    folder.joinpath("tests.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    program = binaries.PROGRAMS["promtool"]
    version = binaries.version(program.module, folder=program.folder)
    path = settings.load().cache / f"promtool-{version}" / "promtool"
    if not path.is_file():
        pytest.fail("These tests need promtool: build it with `python -m cluster binaries`.")
    for command in (["check", "rules", "data.yaml"], ["test", "rules", "tests.yaml"]):
        done = subprocess.run(
            [str(path), *command], cwd=folder, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def fires(alert: str, **labels: str) -> str:
    chosen = "".join(f',{name}="{value}"' for name, value in labels.items())
    return f'ALERTS{{alertname="{alert}",alertstate="firing"{chosen}}}'


FIRING = 'ALERTS{alertstate="firing"}'


def near(expression: str, value: float) -> str:
    return f"abs({expression} - {value:.9f}) < {max(1e-9, value * 1e-4):.9f}"


def test_values_as_in_training_wake_nobody(tmp_path: Path) -> None:
    promtool(tmp_path, series=served(minute(usual, 200)), none=[FIRING])


def test_psi_and_its_chance_are_what_the_library_computes(tmp_path: Path) -> None:
    rows = list(minute(drifted, 200))
    tally = Tally(Kind.INPUT, contract=CONTRACT, reference=REFERENCE)
    tally.add(rows)
    counts = list(tally.counts()["amount"].values())
    ratios = [sample.value for sample in tally.samples() if sample.metric == REFERENCE_RATIO][: len(counts)]
    expected = psi([count / sum(counts) for count in counts], ratios)
    bound = chance(bins=len(counts), requests=60 * 200, reference_rows=10_000, alpha=0.01 / 2)

    promtool(
        tmp_path,
        series=served(rows),
        true=[
            near('modelrollout:data_psi:1h{feature="amount"}', expected),
            near('modelrollout:data_psi_chance:1h{feature="amount"}', bound),
            fires("ModelInputDrift", feature="amount"),
        ],
        none=[fires("ModelInputDrift", feature="country"), fires("ModelDriftInEveryVersion")],
    )


def test_few_requests_are_no_proof_however_many_rows_they_have(tmp_path: Path) -> None:
    mild = [{**usual(number), "amount": 0.5 if number % 20 < 7 else number % 4 + 0.5} for number in range(200)]

    promtool(tmp_path / "few", series=served(mild, rows_a_request=200), none=[fires("ModelInputDrift")])
    promtool(tmp_path / "many", series=served(mild), true=[fires("ModelInputDrift")])


def test_drift_of_every_version_is_the_world_s(tmp_path: Path) -> None:
    both = [*served(minute(drifted, 200)), *served(minute(drifted, 200), revision="bbbbbbbbbb")]
    one = [*served(minute(drifted, 200)), *served(minute(usual, 200), revision="bbbbbbbbbb")]

    promtool(tmp_path / "both", series=both, true=[fires("ModelDriftInEveryVersion", feature="amount")])
    promtool(tmp_path / "one", series=one, true=[fires("ModelInputDrift")], none=[fires("ModelDriftInEveryVersion")])


def test_answers_that_drift_have_an_alert_of_their_own(tmp_path: Path) -> None:
    scores = [{"score": 0.25 if number % 2 else 0.75} for number in range(200)]

    promtool(
        tmp_path,
        series=served(scores, kind=Kind.OUTPUT),
        true=[fires("ModelPredictionDrift", feature="score")],
        none=[fires("ModelInputDrift")],
    )


def test_two_pods_of_the_observer_are_one_and_a_restart_is_no_drift(tmp_path: Path) -> None:
    rows = list(minute(usual, 200))
    pods = [*served(rows, restart_at=90), *served(rows, pod="fraud-observer-2")]

    promtool(
        tmp_path,
        series=pods,
        none=[FIRING],
        true=['modelrollout:data_requests:increase1h{kind="input"} > 23000 < 24500'],
    )


def test_rows_without_a_value_are_told_when_they_are_more_than_in_training(tmp_path: Path) -> None:
    promtool(
        tmp_path,
        series=served(minute(lacking, 200)),
        true=[fires("ModelValuesMissing", feature="amount")],
        none=[fires("ModelValuesMissing", feature="country"), fires("ModelContractViolations")],
    )


def test_violations_are_told_from_one_row_in_a_hundred_on(tmp_path: Path) -> None:
    some = [{**usual(number), **({"country": "US"} if number % 150 == 1 else {})} for number in range(300)]

    promtool(
        tmp_path / "more",
        series=served(minute(foreign, 200)),
        true=[fires("ModelContractViolations", feature="country", rule="category")],
    )
    promtool(tmp_path / "less", series=served(some), none=[fires("ModelContractViolations")])


def test_rules_ask_for_metrics_that_are_exported() -> None:
    rules = [rule for group in RULES["groups"] for rule in group["rules"]]
    asked = {name for rule in rules for name in re.findall(r"\bmodelrollout_\w+", rule["expr"])}
    recorded = {rule["record"] for rule in rules if "record" in rule}
    used = {name for rule in rules for name in re.findall(r"\bmodelrollout:[\w:]+", rule["expr"])}

    assert asked <= {*COUNTERS, *GAUGES}
    assert REFERENCE_ROWS in asked
    assert used <= recorded
