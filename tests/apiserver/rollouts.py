"""Rollouts as an operator would have left them, on a server where none runs."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from modelrollout.plan.observation import Observation
from tests.apiserver.kubectl import Kubectl
from tests.apiserver.people import OPERATOR, Person
from tests.builders import bodies

STATUS = "--subresource=status"


def put(kubectl: Kubectl, observation: Observation) -> None:
    """The ModelDeployment and its revisions, with their statuses."""
    for body in bodies(observation):
        status = body.pop("status")
        kind, name = body["kind"].lower(), body["metadata"]["name"]
        del body["metadata"]["creationTimestamp"]
        kubectl.apply(body)
        kubectl.patch(kind, name, {"status": status}, STATUS)


def remove(kubectl: Kubectl, name: str) -> None:
    kubectl("delete", "modelrevisions", "-l", f"modelrollout.dev/name={name}")
    kubectl("delete", "modeldeployment", name)


def actions(kubectl: Kubectl) -> dict[str, Mapping[str, Any]]:
    listed = json.loads(kubectl("get", "mact", "-o", "json"))["items"]
    return {one["metadata"]["name"]: one for one in listed}


@contextmanager
def answering(kubectl: Kubectl, outcome: str) -> Iterator[None]:
    """As the operator does, the next action that comes has this outcome."""
    known = set(actions(kubectl))

    def answer() -> None:
        while not (new := set(actions(kubectl)) - known):
            pass
        (name,) = new
        assert Person(kubectl, OPERATOR).answers(name, {"outcome": outcome, "message": "it was looked at"}) is None

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    yield
    thread.join(timeout=10)
