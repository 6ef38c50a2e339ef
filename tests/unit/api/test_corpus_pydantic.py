"""The operator refuses what the API server refuses, with the same message where the message is ours."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from modelrollout.api.base import ApiObject
from modelrollout.api.crd import RESOURCES, rendered
from modelrollout.api.rules import EXTENSION
from tests.apiserver.corpus_files import BAD, GOOD, Manifest

TYPES: dict[str, type[ApiObject]] = {resource.kind: resource.type for resource in RESOURCES}


def rules(value: Any) -> Iterator[dict[str, str]]:
    """Every CEL rule in a document."""
    if isinstance(value, dict):
        yield from value.get(EXTENSION, ())
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from rules(child)


RULES = [rule for text in rendered().values() for rule in rules(yaml.safe_load(text))]
MESSAGES = {rule["message"] for rule in RULES}


def read(manifest: Manifest) -> ApiObject:
    body = manifest.body
    return TYPES[body["kind"]].read(body)


def field_of(sentence: str) -> str:
    """The last name in the path that a sentence of the API server's own begins with or quotes."""
    found = re.search(r"(\w+)(\[\d+\])?(: | in body|\"$)", sentence)
    assert found, sentence
    return found[1]


@pytest.mark.parametrize("manifest", GOOD, ids=str)
def test_a_good_manifest_is_read(manifest: Manifest) -> None:
    written = manifest.body["spec"]
    spec = read(manifest).model_dump(mode="json", by_alias=True)["spec"]
    if "serving" in written:
        assert spec["serving"]["template"] == written["serving"]["template"]
        assert spec["model"]["version"] == written["model"].get("version", "")
    elif "action" in written:
        assert {name: value for name, value in spec.items() if value is not None} == written
    else:
        assert spec["signal"] == written["signal"]


@pytest.mark.parametrize("manifest", BAD, ids=str)
def test_a_bad_manifest_is_refused(manifest: Manifest) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        read(manifest)
    ours = manifest.expected in MESSAGES
    assert (manifest.expected if ours else field_of(manifest.expected)) in str(refused.value)


def test_every_rule_has_a_manifest_that_breaks_it() -> None:
    """But for those that compare with the old object; `tests/apiserver/test_objects.py` breaks them."""
    single = {rule["message"] for rule in RULES if "oldSelf" not in rule["rule"]}
    assert single - {manifest.expected for manifest in BAD} == set()
    assert {sentence.partition(" cannot be changed")[0] for sentence in MESSAGES - single} == {
        "spec: a revision is its content and",
        "spec: an action is a record and",
    }


def test_all_broken_rules_are_told_at_once() -> None:
    canary = {"pace": "Evidence", "weights": [50, 5]}
    spec = {"rollout": {"stages": [{"canary": canary}]}}
    with pytest.raises(ValueError, match=r"not both; remove one of them; canary\.weights must be strictly growing"):
        TYPES["ModelDeployment"].model_validate({"spec": spec})
