"""`docs/access.md`: its commands and manifests do what the page says."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from cluster import apiserver
from modelrollout.api.rolloutaction import MAX_KEPT
from tests.apiserver.kubectl import Kubectl
from tests.apiserver.people import OPERATOR, Person, installed
from tests.pages import command, commands

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "access.md").read_text()
ROLES = [*re.findall(r"^\| `(modelrollout-[a-z-]+)`", PAGE, re.MULTILINE)]


@pytest.fixture(scope="module")
def followed() -> Iterator[Kubectl]:
    """A server on which an administrator has done what the page says, his manifests first; actions are not his."""
    with apiserver.running() as server:
        kubectl = installed(server)
        manifests = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
        for body in manifests:
            if body["kind"] != "RolloutAction":
                kubectl.apply(body)
        for shown in commands("docs/access.md", "kubectl create rolebinding"):
            _, *arguments = shlex.split(shown)
            kubectl(*arguments)
        yield kubectl


def test_the_action_of_the_page_is_heard_from_the_one_it_names_and_from_no_other(followed: Kubectl) -> None:
    body = next(
        yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if "RolloutAction" in text
    )
    assert Person(followed, "olga@example.com").creates(body) is None
    assert Person(followed, "rosa@example.com").creates(body) is not None
    _, *arguments = shlex.split(command("docs/access.md", "kubectl get rolloutactions"))
    assert "olga@example.com" in followed(*arguments)


def test_the_people_of_the_page_have_their_verbs(followed: Kubectl) -> None:
    def verbs(name: str) -> set[str]:
        asked = ("approve", "approve-model-risk", "reject", "promote", "pause", "resume", "rollback", "retry")
        return {verb for verb, _ in Person(followed, name).rights([(verb, "modeldeployments") for verb in asked])}

    assert verbs("olga@example.com") == {"pause", "resume", "rollback", "reject"}
    assert verbs("rosa@example.com") == {"approve", "approve-model-risk", "reject"}


def test_the_operator_may_get_the_one_secret(followed: Kubectl) -> None:
    def may_get(secret: str) -> bool:
        can = ("auth", "can-i", "get", f"secrets/{secret}", f"--as={OPERATOR}")
        return followed.attempt(*can).stdout.strip() == "yes"

    assert may_get("fraud-key")
    assert not may_get("other")


def test_the_roles_of_the_page_are_those_that_are_installed(followed: Kubectl) -> None:
    listed = json.loads(followed("get", "clusterroles", "-o", "json"))["items"]
    gathered = {
        role["metadata"]["name"]
        for role in listed
        if role.get("aggregationRule") and role["metadata"]["name"].startswith("modelrollout")
    }
    assert set(ROLES) == gathered


def test_as_many_actions_are_kept_as_it_says() -> None:
    assert f"The last {MAX_KEPT} of a ModelDeployment are kept" in PAGE
