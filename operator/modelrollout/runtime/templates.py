"""GateTemplates and ClusterGateTemplates as the watches told them, by what a gate calls them."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from modelrollout.adapters.kubernetes import CLUSTER_GATE_TEMPLATES, GATE_TEMPLATES, Resource
from modelrollout.api.gates import TemplateKind, TemplateRef
from modelrollout.api.gatetemplate import GateTemplateSpec
from modelrollout.runtime.projections import sentence

WATCHED_TEMPLATES: tuple[Resource, ...] = (GATE_TEMPLATES, CLUSTER_GATE_TEMPLATES)

_KINDS = {GATE_TEMPLATES: TemplateKind.NAMESPACED, CLUSTER_GATE_TEMPLATES: TemplateKind.CLUSTER}


class Templates:
    """A template that cannot be read is kept as the reason why."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, TemplateRef], GateTemplateSpec | str] = {}

    def put(self, resource: Resource, body: Mapping[str, Any]) -> tuple[str, TemplateRef]:
        """Take one in as it is now. Gives the namespace, empty for the whole cluster, and its name."""
        place = _place(resource, body)
        try:
            self._known[place] = GateTemplateSpec.model_validate(body.get("spec"))
        except ValidationError as error:
            self._known[place] = f"{place[1]} cannot be read: {sentence(error)}"
        return place

    def remove(self, resource: Resource, body: Mapping[str, Any]) -> tuple[str, TemplateRef]:
        place = _place(resource, body)
        self._known.pop(place, None)
        return place

    def names(self, resource: Resource) -> set[tuple[str, str]]:
        """Namespace and name of all that are known of a kind."""
        return {(where, ref.name) for where, ref in self._known if ref.kind is _KINDS[resource]}

    def forget(self, resource: Resource, *, namespace: str, name: str) -> TemplateRef:
        """As `remove`, for one whose end nobody told us of."""
        ref = TemplateRef(kind=_KINDS[resource], name=name)
        self._known.pop((namespace, ref), None)
        return ref

    def find(self, namespace: str, ref: TemplateRef) -> GateTemplateSpec | str:
        """The template, or why there is none."""
        where = namespace if ref.kind is TemplateKind.NAMESPACED else ""
        found = self._known.get((where, ref))
        if found is not None:
            return found
        place = f" in namespace {namespace}" if where else ""
        return f"there is no {ref}{place}; apply it, or name another one"


def _place(resource: Resource, body: Mapping[str, Any]) -> tuple[str, TemplateRef]:
    metadata = body["metadata"]
    return metadata.get("namespace", ""), TemplateRef(kind=_KINDS[resource], name=metadata["name"])
