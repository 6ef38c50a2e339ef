"""The commands of the pages that need no cluster, as they stand there, in a folder with the files that they name."""

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelrollout.api.contract import Contract
from modelrollout.api.reference import Reference
from modelrollout.cli.main import main
from tests.pages import ROOT, command
from tests.unit.cli.ranges import FakePrometheus, serving
from tests.unit.cli.traces import LATENCY, POLICY, bad, good, past, row, write

DOCUMENTS = ROOT / "tests" / "unit" / "data" / "documents"
NARROW = {"inputs": [{"name": "amount", "type": "float"}], "outputs": [{"name": "score", "type": "float"}]}
WIDER = {**NARROW, "inputs": [*NARROW["inputs"], {"name": "country", "type": "string"}]}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(shown: str) -> int:
    """The exit code of what a page shows, which a shell and kubectl would hand to us as these words."""
    kubectl, model, *words = shlex.split(shown, comments=True)
    assert (kubectl, model) == ("kubectl", "model")
    return main(words)


def written(path: Path, content: object) -> None:
    path.write_text(yaml.safe_dump(content))


def readme(kind: str) -> Any:
    """The ModelDeployment of README, with a pod template where it leaves one out."""
    text = (ROOT / "README.md").read_text()
    (shown,) = (part for part in text.split("```yaml\n")[1:] if f"kind: {kind}\n" in part)
    body = yaml.safe_load(shown.partition("```")[0])
    body["spec"]["serving"]["template"] = {"spec": {"containers": [{"name": "server", "image": "fraud:7"}]}}
    return body


def test_a_contract_is_imported_and_checked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(DOCUMENTS / "MLmodel", folder)

    assert run(command("docs/data.md", "kubectl model contract import MLmodel")) == 0
    assert Contract.model_validate(yaml.safe_load((folder / "contract.yaml").read_text())).inputs
    assert "left out" in capsys.readouterr().err

    assert run(command("docs/data.md", "kubectl model contract check")) == 0
    assert "a contract of 7 inputs and 1 outputs" in capsys.readouterr().out


@pytest.mark.parametrize(
    "shown",
    [command("docs/data.md", "kubectl model contract diff"), command("README.md", "kubectl model contract diff")],
    ids=["data.md", "README.md"],
)
def test_two_contracts_are_compared(shown: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It exits with 1 where it breaks, as the page says, and with 0 where it does not."""
    written(folder / "live.yaml", NARROW)
    written(folder / "candidate.yaml", WIDER)
    assert run(shown) == 1
    assert capsys.readouterr().out.startswith("breaking  inputs[country]")

    written(folder / "candidate.yaml", NARROW)
    assert run(shown) == 0


def test_training_data_are_profiled(folder: Path) -> None:
    written(folder / "contract.yaml", NARROW)
    (folder / "train.csv").write_text("amount,score\n" + "1.5,0.1\n2.5,0.2\n4,0.4\n" * 20)

    assert run(command("docs/data.md", "kubectl model profile train.csv")) == 0

    made = Reference.model_validate(json.loads((folder / "reference.json").read_text()))
    assert ([one.name for one in made.inputs], [one.name for one in made.outputs]) == (["amount"], ["score"])


def test_a_manifest_is_looked_at(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """README's own, which is good; and one with a slip, which is told by its line."""
    shown = command("README.md", "kubectl model lint fraud.yaml")
    text = yaml.safe_dump(readme("ModelDeployment"), sort_keys=False)
    (folder / "fraud.yaml").write_text(text)
    assert run(shown) == 0, capsys.readouterr()

    (folder / "fraud.yaml").write_text(text.replace("tolerate:", "tolerat:", 1))
    assert run(shown) == 1
    line = text.partition("tolerate:")[0].count("\n") + 1
    assert f"fraud.yaml:{line}: " in capsys.readouterr().out


def decisions(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [json.loads(line)["decision"] for line in capsys.readouterr().out.splitlines()]


def test_the_policy_of_readme_decides_on_a_trace(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(folder / "rollout.yaml", {"rollout": readme("ModelDeployment")["spec"]["rollout"]})
    gates = (("errors", 500), ("latency", 10))
    looks = [row(30 * look, bad=bad, gate=gate) for look in range(1, 20) for gate, bad in gates]
    write(folder / "requests.jsonl", [*past(), *looks])

    assert run(command("README.md", "kubectl model simulate --policy rollout.yaml --trace")) == 0

    assert decisions(capsys) == ["Rollback"]
    assert (folder / "evidence.png").read_bytes().startswith(b"\x89PNG")


def test_a_policy_decides_on_an_invented_trace(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(folder / "policy.yaml", dict(POLICY))
    write(folder / "invented.jsonl", [*past(run="a"), *good(run="a"), *past(run="b"), *bad(run="b")])

    assert run(command("docs/statistics.md", "kubectl model simulate --policy policy.yaml --trace")) == 0

    assert decisions(capsys) == ["Promote", "Rollback"]


@pytest.mark.parametrize(
    ("shown", "address", "policy", "stable", "candidate"),
    [
        (
            command("README.md", "kubectl model simulate --policy rollout.yaml --prometheus"),
            "http://127.0.0.1:9090",
            "rollout.yaml",
            "fraud-v6-",
            "fraud-v7-",
        ),
        (
            command("docs/statistics.md", "kubectl model simulate --policy policy.yaml --prometheus"),
            "http://prometheus:9090",
            "policy.yaml",
            "fraud-1f0c9a2b3d-",
            "fraud-77aa01c4e2-",
        ),
    ],
    ids=["README.md", "statistics.md"],
)
def test_a_policy_decides_on_what_prometheus_remembers(
    shown: str,
    address: str,
    policy: str,
    stable: str,
    candidate: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    written(folder / policy, {**POLICY, "gates": [*POLICY["gates"], dict(LATENCY)]})
    pods = {candidate: (f"{candidate}x-1",), stable: (f"{stable}x-1", f"{stable}x-2")}
    with serving(FakePrometheus(pods=pods, bad_share={f"{candidate}x-1": 0.2})) as fake:
        assert address in shown
        assert run(shown.replace(address, fake.url)) == 0, capsys.readouterr()

    assert decisions(capsys) == ["Rollback"]
    assert (folder / "was.png").exists() is ("--plot was.png" in shown)
