"""Containers are told about a model that came from a registry, and about no other."""

from typing import Any

from modelrollout.api.modelrevision import ModelRevisionSpec
from modelrollout.children import Owner, workload_manifest
from tests.builders import NAME, NAMESPACE, pinned, revision_spec, spec

OWNER = Owner(namespace=NAMESPACE, name=NAME, uid="uid-1")


def pod_of(revision: ModelRevisionSpec, template: dict[str, Any]) -> dict[str, Any]:
    made = revision.model_copy(update={"serving": revision.serving.model_copy(update={"template": template})})
    pod: dict[str, Any] = workload_manifest(OWNER, made, replicas=1)["spec"]["template"]["spec"]
    return pod


TEMPLATE = {
    "spec": {
        "initContainers": [{"name": "fetch", "image": "python:3.11"}],
        "containers": [
            {
                "name": "server",
                "image": "fraud:1",
                "env": [
                    {"name": "MODEL_VERSION", "value": "mine"},
                    {"name": "SOURCE", "value": "$(MODEL_URI)"},
                ],
            }
        ],
    }
}


def test_every_container_is_told_and_keeps_what_it_defines_itself() -> None:
    pod = pod_of(pinned("7").spec, TEMPLATE)

    assert {one["name"]: one["value"] for one in pod["initContainers"][0]["env"]} == {
        "MODEL_NAME": "fraud-classifier",
        "MODEL_VERSION": "7",
        "MODEL_URI": "mlflow-artifacts:/1/fraud-7",
    }
    assert [(one["name"], one["value"]) for one in pod["containers"][0]["env"]] == [
        ("MODEL_NAME", "fraud-classifier"),
        ("MODEL_URI", "mlflow-artifacts:/1/fraud-7"),
        ("MODEL_VERSION", "mine"),
        ("SOURCE", "$(MODEL_URI)"),
    ]


def test_the_template_of_a_revision_without_a_pin_is_as_it_was() -> None:
    """An upgrade of the operator must not change pods that it did not make."""
    assert pod_of(revision_spec(spec("7")), TEMPLATE) == TEMPLATE["spec"]
