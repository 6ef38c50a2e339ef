"""The CRDs are what the API server wants of a schema."""

from collections.abc import Iterator
from typing import Any

import yaml

from modelrollout.api.crd import rendered
from modelrollout.api.schema import PRESERVE

FORBIDDEN = {"$ref", "$defs", "anyOf", "oneOf", "allOf", "not", "const", "title", "prefixItems", "patternProperties"}
LIMITS_OF_TEXT = {"maxLength", "enum", "format"}

Node = dict[str, Any]


def nodes(node: Node, path: str) -> Iterator[tuple[str, Node]]:
    """Every schema in a schema. Below an object that keeps unknown fields only the declared ones are seen."""
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            yield from nodes(node[key], f"{path}[]")


def schemas() -> Iterator[tuple[str, Node]]:
    for text in rendered().values():
        definition = yaml.safe_load(text)
        (version,) = definition["spec"]["versions"]
        root = version["schema"]["openAPIV3Schema"]
        for part in (part for part in ("spec", "status") if part in root["properties"]):
            yield from nodes(root["properties"][part], f"{definition['spec']['names']['kind']}.{part}")


NODES = list(schemas())


def test_every_node_has_one_type_and_nothing_that_a_structural_schema_may_not_have() -> None:
    assert {path.split(".")[0] for path, _ in NODES} == {
        "ModelDeployment",
        "ModelRevision",
        "GateTemplate",
        "ClusterGateTemplate",
        "RolloutAction",
    }
    wrong = {path: FORBIDDEN & node.keys() for path, node in NODES if FORBIDDEN & node.keys()}
    assert wrong == {}
    assert [path for path, node in NODES if not isinstance(node.get("type"), str)] == []


def test_lists_maps_and_texts_are_bounded() -> None:
    for path, node in NODES:
        match node["type"]:
            case "array":
                assert "maxItems" in node, path
                assert node["x-kubernetes-list-type"] in {"atomic", "map"}, path
            case "string":
                assert LIMITS_OF_TEXT & node.keys(), path
            case "object" if "additionalProperties" in node:
                assert "maxProperties" in node, path


def test_only_the_pod_template_documents_and_stored_evidence_keep_unknown_fields() -> None:
    template = "ModelDeployment.spec.serving.template"
    assert [path for path, node in NODES if PRESERVE in node] == [
        "ModelDeployment.spec.contract.inline.example",
        "ModelDeployment.spec.reference.inline",
        "ModelDeployment.spec.card.inline",
        template,
        f"{template}.metadata",
        f"{template}.spec",
        f"{template}.spec.containers[]",
        "ModelRevision.spec.serving.template",
        "ModelRevision.spec.contract",
        "ModelRevision.spec.reference",
        "ModelRevision.spec.card",
        "ModelRevision.status.evidence.gates[].state",
        "ModelRevision.status.evidence.templates[].spec",
    ]


def test_keys_of_list_maps_are_required_in_their_items() -> None:
    maps = {path: node for path, node in NODES if node.get("x-kubernetes-list-type") == "map"}
    names = {"containers", "gates", "alerts", "offline", "conditions", "inputs", "outputs"}
    assert {path.rsplit(".", 1)[1] for path in maps} == names
    for path, node in maps.items():
        assert set(node["x-kubernetes-list-map-keys"]) <= set(node["items"]["required"]), path


def test_bounds_are_whole_numbers() -> None:
    """The API server compares whole numbers with bounds cut to whole numbers: 0 would pass a minimum of 0.0001."""
    for path, node in NODES:
        for bound in ("minimum", "maximum"):
            assert float(node.get(bound, 0)).is_integer(), path
        for bound in ("exclusiveMinimum", "exclusiveMaximum"):
            assert node.get(bound, True) is True, path


def test_the_model_and_the_status_have_no_defaults() -> None:
    """The digest must not depend on the CRD's release, and what the operator left out must stay left out.

    Only a ModelDeployment that nobody has looked at yet has a status that says so, for kstatus.
    """
    parts = ("ModelDeployment.spec.model", "ModelDeployment.status", "ModelRevision", "RolloutAction")
    given = {path: node["default"] for path, node in NODES if path.startswith(parts) and "default" in node}
    assert given == {"ModelDeployment.status": {"observedGeneration": 0}}


def test_users_get_an_explanation_of_every_field_that_they_write() -> None:
    written = ("ModelDeployment.spec", "GateTemplate.spec", "ClusterGateTemplate.spec", "RolloutAction.spec")
    fields = [(path, node) for path, node in NODES if path.startswith(written) and path[-1] != "]"]
    assert [path for path, node in fields if not node.get("description")] == []
