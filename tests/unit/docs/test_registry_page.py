"""`docs/registry.md`: its flags, fields and manifests are those that there are."""

import re
from pathlib import Path

import pytest
import yaml

from modelrollout.api.modeldeployment import ModelDeployment, ModelDeploymentStatus
from modelrollout.api.modelrevision import RevisionState
from modelrollout.api.rollout import Rollout
from modelrollout.plan.observation import Writing
from modelrollout.plan.write_back import wish
from modelrollout.runtime.settings import parse
from tests.builders import NAME, NAMESPACE, pinned

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "registry.md").read_text()
SAMPLE = ROOT / "demo" / "registry" / "following.yaml"


def test_its_policy_is_accepted() -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    offline = Rollout.model_validate(yaml.safe_load(text)["rollout"]).offline
    assert [(gate.metric, gate.higher_is_better, gate.tolerate) for gate in offline] == [
        ("f1", True, 0.01),
        ("log_loss", False, 0.0),
    ]


def test_its_flags_are_known(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--help"], environ={})
    known = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    table = [line for line in PAGE.splitlines() if line.startswith("| `--")]
    assert len(table) == 5
    assert set(re.findall(r"--[a-z-]+", "".join(table))) <= known


def test_its_tags_are_those_that_are_written() -> None:
    view = pinned("7", state=RevisionState.LIVE)
    status = ModelDeploymentStatus(stable=view.id)
    made = wish(NAMESPACE, NAME, model=None, status=status, revisions={view.id: view}, writing=Writing())
    keys = {key.rpartition(".")[2] for key in made.tags["fraud", "7"]}
    rows = [row.split("|")[1] for row in PAGE.split("| key | such as |")[1].split("\n\n")[0].splitlines()[2:]]
    assert set(re.findall(r"`(\w+)`", " ".join(rows))) == keys


def test_the_sample_is_a_good_manifest() -> None:
    body = yaml.safe_load(SAMPLE.read_text())
    assert ModelDeployment.read(body).spec.model.uri == "models:/biopsy@staging"
    (fetch,) = body["spec"]["serving"]["template"]["spec"]["initContainers"]
    assert Path(fetch["command"][-1]).name == "fetch.py"
    assert "--from-file=demo/registry/fetch.py" in PAGE
