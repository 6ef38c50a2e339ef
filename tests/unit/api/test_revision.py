"""A revision is its content: what changes what users get changes the digest, and nothing else does."""

import copy
import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from modelrollout.api.model import PinnedModel
from modelrollout.api.modeldeployment import ModelDeployment
from modelrollout.api.modelrevision import ModelRevisionSpec
from modelrollout.api.revision import child_name, content, digest, short
from tests.apiserver.corpus_files import good

Change = Callable[[dict[str, Any]], object]


def digest_of(spec: dict[str, Any]) -> str:
    read = ModelDeployment.model_validate({"spec": spec}).spec
    return digest(read.model, read.serving)


@pytest.fixture
def spec() -> dict[str, Any]:
    loaded: dict[str, Any] = good("full")["spec"]
    return loaded


def reversed_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: reversed_keys(value[key]) for key in reversed(value)}
    return [reversed_keys(item) for item in value] if isinstance(value, list) else value


def test_it_is_the_same_in_every_process_and_release() -> None:
    canonical = (
        '{"model":{"name":"fraud-classifier","uri":"image://models/fraud","version":"7"},'
        '"serving":{"port":8080,"server":"MLServer",'
        '"template":{"spec":{"containers":[{"image":"fraud-server:7","name":"server"}]}}}}'
    )
    assert digest_of(good("minimal")["spec"]) == hashlib.sha256(canonical.encode()).hexdigest()


def test_it_is_the_same_whatever_the_order_of_keys(spec: dict[str, Any]) -> None:
    assert list(reversed_keys(spec)) != list(spec)
    assert digest_of(reversed_keys(spec)) == digest_of(spec)


@pytest.mark.parametrize(
    "change",
    [
        lambda spec: spec["serving"].pop("pattern"),
        lambda spec: spec["serving"].pop("port"),
        lambda spec: spec["serving"].pop("replicas"),
        lambda spec: spec["serving"].update(replicas=30),
        lambda spec: spec.pop("rollout"),
        lambda spec: spec["rollout"].update(interval="1m", onInconclusive="Rollback"),
        lambda spec: spec["route"].update(hostnames=[]),
    ],
    ids=["pattern-left-out", "port-left-out", "replicas-left-out", "replicas", "no-policy", "policy", "route"],
)
def test_defaults_capacity_and_policy_are_no_content(spec: dict[str, Any], change: Change) -> None:
    before = digest_of(copy.deepcopy(spec))
    change(spec)
    assert digest_of(spec) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda spec: spec["model"].update(version="8"),
        lambda spec: spec["model"].update(uri="image://models/other"),
        lambda spec: spec["model"].update(changelog="another"),
        lambda spec: spec["model"]["lineage"].update(commit="0000000"),
        lambda spec: spec["model"].pop("lineage"),
        lambda spec: spec["serving"].update(port=9090),
        lambda spec: spec["serving"]["template"]["spec"]["containers"][0].update(image="fraud-server:8"),
        lambda spec: spec["serving"]["template"]["spec"]["containers"].reverse(),
        lambda spec: spec["serving"]["template"]["metadata"]["annotations"].update(note="new"),
        lambda spec: spec["serving"]["template"]["spec"].update(hostNetwork=False),
    ],
    ids=["version", "uri", "changelog", "commit", "lineage", "port", "image", "order", "annotation", "added-field"],
)
def test_model_port_and_template_are_content(spec: dict[str, Any], change: Change) -> None:
    before = digest_of(copy.deepcopy(spec))
    change(spec)
    assert digest_of(spec) != before


def test_the_content_is_what_a_revision_keeps(spec: dict[str, Any]) -> None:
    read = ModelDeployment.model_validate({"spec": spec}).spec
    kept = content(read.model, read.serving)
    whole = digest(read.model, read.serving)
    revision = ModelRevisionSpec.model_validate({"deployment": "fraud", "digest": whole, **kept})
    assert revision.model == PinnedModel.model_validate(kept["model"])
    assert revision.model.version == read.model.version
    assert kept["serving"]["template"] == spec["serving"]["template"]
    assert list(kept["serving"]["template"]["spec"]) == list(spec["serving"]["template"]["spec"])


def test_names_hold_the_first_ten_digits() -> None:
    whole = "0123456789abcdef" * 4
    assert child_name("fraud", short(whole)) == "fraud-0123456789"
