"""`docs/evidence.md`: its examples are accepted, all signals and servers are on it, the tests that it names exist."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelrollout.api.base import ApiObject
from modelrollout.api.crd import RESOURCES
from modelrollout.api.gates import Signal
from modelrollout.api.modeldeployment import ModelDeployment
from modelrollout.api.serving import Server

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "evidence.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
TYPES: dict[str, type[ApiObject]] = {resource.kind: resource.type for resource in RESOURCES}


def gates_of(example: str) -> list[dict[str, Any]]:
    loaded = yaml.safe_load(example)
    return loaded if isinstance(loaded, list) else []


def deployment(example: str) -> dict[str, Any]:
    """A list of gates as a whole manifest; a comment `# server: NAME` chooses the server."""
    named = re.search(r"# server: (\w+)", example)
    return {
        "metadata": {"name": "fraud"},
        "spec": {
            "model": {"name": "fraud", "version": "7", "uri": "image://fraud"},
            "serving": {
                "server": named[1] if named else "MLServer",
                "template": {"spec": {"containers": [{"name": "server", "image": "fraud:7"}]}},
            },
            "route": {"parentRefs": [{"name": "public"}]},
            "observe": {"sideEffects": "None"},
            "rollout": {"gates": gates_of(example)},
        },
    }


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_is_accepted(example: str) -> None:
    body = yaml.safe_load(example)
    if isinstance(body, list):
        read = ModelDeployment.read(deployment(example))
        assert [gate.name for gate in read.spec.rollout.gates] == [gate["name"] for gate in body]
    else:
        assert TYPES[body["kind"]].read(body)


def test_there_is_an_example_of_every_signal() -> None:
    shown = {gate.get("signal") for example in EXAMPLES for gate in gates_of(example)}
    assert set(Signal) <= shown


@pytest.mark.parametrize("name", [*Signal, *Server])
def test_every_signal_and_every_server_is_in_a_table(name: str) -> None:
    assert re.search(rf"^\| `{name}`", PAGE, re.MULTILINE)


def test_every_test_that_is_named_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    there = {
        found
        for path in (ROOT / "tests").rglob("test_*.py")
        for found in re.findall(r"def (test_\w+)", path.read_text())
    }
    assert len(named) > 20
    assert named - there == set()
