"""The policy file in all of its forms."""

from pathlib import Path

import pytest

from modelrollout.cli.errors import CliError
from modelrollout.cli.policy import Policy, read


def policy(directory: Path, text: str) -> Policy:
    path = directory / "policy.yaml"
    path.write_text(text)
    return read(path)


@pytest.mark.parametrize(
    "text",
    [
        "interval: 7s",
        '{"interval": "7s"}',
        "rollout: {interval: 7s}",
        "kind: ModelDeployment\nspec: {model: {name: x}, rollout: {interval: 7s}}",
    ],
)
def test_alone_or_inside(tmp_path: Path, text: str) -> None:
    assert policy(tmp_path, text).rollout.interval == "7s"


@pytest.mark.parametrize(
    ("text", "least_seconds", "least_requests"),
    [
        ("{}", 30, 0),
        ("spec: {route: {parentRefs: []}}", 60, 500),
        ("stages: [{canary: {weights: [1, 5, 25], holdFor: 10m}}, {soak: {for: 1h}}]", 1800, 0),
        ("stages: [{canary: {pace: Evidence, holdFor: 2m}}]", 120, 0),
        ("stages: [{shadow: {minRequests: 9, holdFor: 1m}}, {canary: {holdFor: 2m}}]", 180, 9),
        ("stages: [{shadow: {minRequests: 9, holdFor: 1m}}]", 60, 9),
    ],
)
def test_what_the_comparing_stages_ask_for(
    tmp_path: Path, text: str, least_seconds: float, least_requests: float
) -> None:
    found = policy(tmp_path, text)
    assert (found.least_seconds, found.least_requests) == (least_seconds, least_requests)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "holds no policy"),
        ("- 1", "holds no policy"),
        ("{", "is neither YAML nor JSON"),
        ("intervall: 5s", "policy.yaml: intervall: there is no such field; correct its name, or remove it."),
        ("gates: [{name: e, signal: Errors, tolerate: {ratio: 0.5}}]", "policy.yaml: gates[0].tolerate.ratio: "),
        ("stages: [{soak: {for: 1h}}]", "neither a shadow nor a canary stage, so it compares nothing"),
        ("interval: 5s\nrollout: 5", "Input should be"),
        ("spec: 5", "Input should be"),
    ],
)
def test_what_is_no_policy_is_told(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(CliError) as caught:
        policy(tmp_path, text)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CliError, match="cannot be read: No such file"):
        read(tmp_path / "none.yaml")
