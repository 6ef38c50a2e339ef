"""What containers are told about a model that came from a registry: its name, version and where the artifact lies.

Only revisions with a pin get this, and every one of them always had it, so no upgrade of the operator changes a pod.
The variables come first, so that those of the template may refer to them as $(MODEL_URI); a container that defines one
itself keeps its own.
"""

from collections.abc import Mapping
from typing import Any

from modelrollout.api.model import Pin, PinnedModel


def knowing_the_model(template: Mapping[str, Any], model: PinnedModel, pin: Pin) -> dict[str, Any]:
    """The template with MODEL_NAME, MODEL_VERSION and MODEL_URI in all of its containers, init containers included."""
    variables = {"MODEL_NAME": model.name, "MODEL_VERSION": pin.version, "MODEL_URI": pin.artifact_uri}
    spec = dict(template["spec"])
    for kind in ("initContainers", "containers"):
        if spec.get(kind):
            spec[kind] = [_told(container, variables) for container in spec[kind]]
    return {**template, "spec": spec}


def _told(container: Mapping[str, Any], variables: Mapping[str, str]) -> dict[str, Any]:
    own = container.get("env") or []
    defined = {one.get("name") for one in own}
    added = [{"name": name, "value": value} for name, value in variables.items() if name not in defined]
    return {**container, "env": [*added, *own]}
