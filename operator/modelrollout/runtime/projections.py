"""From the objects of the API server to the few fields that decisions need. Pure; a watch event in, a small value out.

The whole objects are not kept: managed fields and pod specs are most of an object and none of a decision.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from modelrollout.api.group import ANNOTATION_SETTINGS, LABEL_NAME, LABEL_REVISION
from modelrollout.api.modeldeployment import ModelDeploymentSpec, ModelDeploymentStatus
from modelrollout.api.modelrevision import ModelRevisionSpec, ModelRevisionStatus
from modelrollout.api.revision import short
from modelrollout.api.rolloutaction import RolloutActionSpec
from modelrollout.plan.observation import (
    ActionView,
    Backend,
    ConfigMapView,
    PodView,
    RouteView,
    ServiceView,
    Trouble,
    WorkloadView,
)
from modelrollout.runtime.kept import Revision

JsonObject = Mapping[str, Any]

CRASHES = 2
"""Restarts after which a back-off is called a crash loop: one crash can be an accident of starting."""

_WAITING = {
    "ImagePullBackOff": Trouble.IMAGE_PULL,
    "ErrImagePull": Trouble.IMAGE_PULL,
    "ErrImageNeverPull": Trouble.IMAGE_PULL,
    "InvalidImageName": Trouble.IMAGE_PULL,
    "CreateContainerConfigError": Trouble.CONFIG,
    "CreateContainerError": Trouble.CONFIG,
    "RunContainerError": Trouble.CONFIG,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A ModelDeployment. `unreadable` says why `spec` is None: an object that this operator cannot understand."""

    namespace: str
    name: str
    uid: str
    generation: int
    resource_version: str
    spec: ModelDeploymentSpec | None
    status: ModelDeploymentStatus
    unreadable: str | None = None
    created_at: datetime | None = None


def parent(body: JsonObject) -> tuple[str, str] | None:
    """Namespace and name of the ModelDeployment that a child belongs to."""
    metadata = body["metadata"]
    name = (metadata.get("labels") or {}).get(LABEL_NAME)
    return (metadata["namespace"], name) if name else None


def revision_of(body: JsonObject) -> str | None:
    label = (body["metadata"].get("labels") or {}).get(LABEL_REVISION)
    return str(label) if label else None


def deployment(body: JsonObject) -> Deployment:
    metadata = body["metadata"]
    spec, status, unreadable = None, ModelDeploymentStatus(), None
    try:
        spec = ModelDeploymentSpec.model_validate(body.get("spec"))
    except ValidationError as error:
        unreadable = sentence(error)
    try:
        status = ModelDeploymentStatus.model_validate(body.get("status") or {})
    except ValidationError as error:
        spec, unreadable = None, f"its status: {sentence(error)}"
    return Deployment(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        generation=metadata.get("generation", 0),
        resource_version=metadata["resourceVersion"],
        spec=spec,
        status=status,
        unreadable=unreadable,
        created_at=timestamp(metadata.get("creationTimestamp")),
    )


def sentence(error: ValidationError) -> str:
    """Each fault as `field.path: what is wrong`."""
    return "; ".join(
        f"{'.'.join(str(part) for part in fault['loc']) or 'spec'}: {fault['msg'].removeprefix('Value error, ')}"
        for fault in error.errors()
    )


def revision(body: JsonObject) -> Revision | None:
    """None for an object that this operator cannot read; its deployment then starts from what it can."""
    try:
        spec = ModelRevisionSpec.model_validate(body.get("spec"))
        status = ModelRevisionStatus.model_validate(body.get("status") or {})
    except ValidationError:
        return None
    metadata = body["metadata"]
    return Revision(
        id=short(spec.digest),
        name=metadata["name"],
        resource_version=metadata["resourceVersion"],
        spec=spec,
        status=status,
        uid=metadata.get("uid", ""),
        created_at=timestamp(metadata.get("creationTimestamp")),
    )


def action(body: JsonObject) -> ActionView | None:
    """None for an object that no API server with our schema has let in."""
    metadata = body["metadata"]
    try:
        spec = RolloutActionSpec.model_validate(body.get("spec"))
    except ValidationError:
        return None
    created = timestamp(metadata.get("creationTimestamp"))
    return ActionView(
        uid=metadata["uid"],
        name=metadata["name"],
        resource_version=metadata["resourceVersion"],
        created_at=created or datetime.min.replace(tzinfo=UTC),
        spec=spec,
        answered=bool((body.get("status") or {}).get("outcome")),
    )


def owners(body: JsonObject) -> frozenset[str]:
    return frozenset(reference["uid"] for reference in body["metadata"].get("ownerReferences") or ())


def config_map(body: JsonObject) -> ConfigMapView:
    return ConfigMapView(
        name=body["metadata"]["name"],
        data=dict(body.get("data") or {}),
        binary_data=dict(body.get("binaryData") or {}),
    )


def workload(body: JsonObject) -> WorkloadView:
    """Pods that are ready count at most up to what is asked for: more of them are on their way out."""
    replicas = body["spec"].get("replicas", 1)
    return WorkloadView(replicas=replicas, ready=min(replicas, (body.get("status") or {}).get("readyReplicas", 0)))


def service(body: JsonObject) -> ServiceView:
    ports = body["spec"].get("ports") or [{"port": 0}]
    annotations = body["metadata"].get("annotations") or {}
    return ServiceView(
        selector=dict(body["spec"].get("selector") or {}),
        port=ports[0]["port"],
        settings=annotations.get(ANNOTATION_SETTINGS),
    )


def route(body: JsonObject) -> RouteView | None:
    """None for a route of another shape than ours: it then differs from every wish and is applied again."""
    spec = body["spec"]
    rules = spec.get("rules") or []
    if len(rules) != 1:
        return None
    backends = tuple(
        Backend(service=to["name"], port=to.get("port", 0), weight=to.get("weight", 1))
        for to in rules[0].get("backendRefs") or []
    )
    mirrors = [f["requestMirror"]["backendRef"] for f in rules[0].get("filters") or [] if f["type"] == "RequestMirror"]
    return RouteView(
        backends=backends,
        mirror=Backend(service=mirrors[0]["name"], port=mirrors[0].get("port", 0)) if mirrors else None,
        parents=tuple(
            (ref["name"], ref.get("namespace"), ref.get("sectionName")) for ref in spec.get("parentRefs") or []
        ),
        hostnames=tuple(spec.get("hostnames") or ()),
    )


def pod(body: JsonObject) -> PodView:
    status = body.get("status") or {}
    ready_since = None
    for condition in status.get("conditions") or []:
        if condition["type"] == "Ready" and condition["status"] == "True":
            ready_since = timestamp(condition.get("lastTransitionTime"))
    leaving = body["metadata"].get("deletionTimestamp") is not None
    trouble, message = (None, "") if leaving else _trouble(status)
    containers = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    ends = [timestamp(((one.get("lastState") or {}).get("terminated") or {}).get("finishedAt")) for one in containers]
    return PodView(
        name=body["metadata"]["name"],
        revision=revision_of(body) or "",
        started_at=timestamp(status.get("startTime")),
        restarts=sum(one.get("restartCount", 0) for one in containers),
        restarted_at=max((end for end in ends if end is not None), default=None),
        ready_since=None if leaving else ready_since,
        trouble=trouble,
        message=message,
    )


def timestamp(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


def _trouble(status: JsonObject) -> tuple[Trouble | None, str]:
    for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        found = _container_trouble(container)
        if found is not None:
            return found
    for condition in status.get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition.get("reason") == "Unschedulable":
            return Trouble.UNSCHEDULABLE, str(condition.get("message", "fits on no node"))
    return None, ""


def _container_trouble(container: JsonObject) -> tuple[Trouble, str] | None:
    waiting = (container.get("state") or {}).get("waiting") or {}
    reason = waiting.get("reason", "")
    restarts = container.get("restartCount", 0)
    last = (container.get("lastState") or {}).get("terminated") or {}
    name = container["name"]
    if reason in _WAITING:
        return _WAITING[reason], f"container {name}: {reason}: {waiting.get('message', 'no message')}"
    if restarts >= CRASHES and last.get("reason") == "OOMKilled":
        return Trouble.OUT_OF_MEMORY, f"container {name} was killed {restarts} times, last for want of memory"
    if restarts >= CRASHES and reason == "CrashLoopBackOff":
        code = last.get("exitCode", "unknown")
        return Trouble.CRASH_LOOP, f"container {name} ended {restarts} times, last with exit code {code}"
    return None
