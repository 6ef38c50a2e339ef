"""The rest of the cluster: what a kubelet, the Deployment controller and the garbage collector do, at a glance.

Pods become ready some time after they were asked for. A pod of a revision that is listed in `troubles` never does, and
says why in its status as a kubelet would.
"""

import asyncio
import itertools
from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

from modelrollout.adapters.clock import Clock
from modelrollout.adapters.kubernetes import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    HTTP_ROUTES,
    MODEL_DEPLOYMENTS,
    MODEL_REVISIONS,
    NETWORK_POLICIES,
    PODS,
    SERVICES,
    JsonObject,
)
from modelrollout.api.group import LABEL_REVISION
from tests.faults.store import Store

CRASH_LOOP = {
    "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container"}},
    "lastState": {"terminated": {"reason": "Error", "exitCode": 3}},
    "restartCount": 3,
}
IMAGE_PULL = {
    "state": {"waiting": {"reason": "ImagePullBackOff", "message": "back-off pulling image"}},
    "restartCount": 0,
}


class Controllers:
    """`start_seconds` from a pod's creation to its readiness; `period_seconds` between two looks."""

    def __init__(self, store: Store, clock: Clock, *, start_seconds: float = 1.0, period_seconds: float = 0.5) -> None:
        self._store = store
        self._clock = clock
        self._start_seconds = start_seconds
        self._period_seconds = period_seconds
        self._numbers = itertools.count(1)
        self._starting = True  # look at the pods even when nothing was written since
        self._seen_version = -1
        self.troubles: dict[str, JsonObject] = {}

    def trouble(self, revision: str, container: JsonObject) -> None:
        """From now on no pod of this revision runs."""
        self.troubles[revision] = container
        self._starting = True  # look at the pods even when nothing was written since

    async def run(self) -> None:
        while True:
            self.step()
            await self._clock.sleep(self._period_seconds)

    def step(self) -> None:
        """Nothing where nothing was written since the last one and no pod is starting."""
        if self._seen_version == self._store.version and not self._starting:
            return
        self._starting = False
        self._collect_garbage()
        pods: dict[tuple[str, str], list[JsonObject]] = defaultdict(list)
        for pod in self._store.look(PODS):
            pods[pod["metadata"]["namespace"], _deployment_of(pod)].append(pod)
        for deployment in self._store.look(DEPLOYMENTS):
            own = pods[deployment["metadata"]["namespace"], deployment["metadata"]["name"]]
            self._start(deployment, self._scale(deployment, own))
        self._seen_version = self._store.version

    def _collect_garbage(self) -> None:
        owners = {body["metadata"]["uid"] for body in self._store.look(MODEL_DEPLOYMENTS)}
        for resource in (HTTP_ROUTES, SERVICES, DEPLOYMENTS, MODEL_REVISIONS, CONFIG_MAPS, NETWORK_POLICIES):
            if resource is CONFIG_MAPS:  # revisions that are left own them, and the Deployment of an observer
                owners |= {body["metadata"]["uid"] for body in self._store.look(MODEL_REVISIONS)}
                owners |= {body["metadata"]["uid"] for body in self._store.look(DEPLOYMENTS)}
            for body in self._store.look(resource):
                references = body["metadata"].get("ownerReferences") or []
                if references and not any(reference["uid"] in owners for reference in references):
                    self._store.delete(resource, **_place(body))
        places = {(body["metadata"]["namespace"], body["metadata"]["name"]) for body in self._store.look(DEPLOYMENTS)}
        for pod in self._store.look(PODS):
            if (pod["metadata"]["namespace"], _deployment_of(pod)) not in places:
                self._store.delete(PODS, **_place(pod))

    def _scale(self, deployment: JsonObject, pods: list[JsonObject]) -> list[JsonObject]:
        """As many pods as are asked for; those that are too many are the youngest."""
        wanted = deployment["spec"].get("replicas", 1)
        for pod in pods[wanted:]:
            self._store.delete(PODS, **_place(pod))
        new = [self._store.create(PODS, self._pod(deployment)) for _ in range(wanted - len(pods))]
        return [*pods[:wanted], *new]

    def _pod(self, deployment: JsonObject) -> JsonObject:
        template = deployment["spec"]["template"]
        name = f"{deployment['metadata']['name']}-6d4b75cb6d-{next(self._numbers):05d}"
        namespace = deployment["metadata"]["namespace"]
        metadata = {**template.get("metadata", {}), "name": name, "namespace": namespace}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}

    def _start(self, deployment: JsonObject, pods: list[JsonObject]) -> None:
        now, ready = self._clock.now(), 0
        for pod in pods:
            trouble = self.troubles.get(pod["metadata"]["labels"].get(LABEL_REVISION, ""))
            created = datetime.fromisoformat(pod["metadata"]["creationTimestamp"])
            is_ready = trouble is None and now >= created + timedelta(seconds=self._start_seconds)
            ready += is_ready
            self._starting |= not is_ready and trouble is None
            known = (pod.get("status") or {}).get("conditions") or [{"status": None}]
            if trouble is not None or known[0]["status"] != str(is_ready):
                self._store.patch_status(PODS, **_place(pod), status=_pod_status(is_ready, now, trouble))
        status: JsonObject = {"readyReplicas": ready or None, "replicas": deployment["spec"].get("replicas", 1)}
        self._store.patch_status(DEPLOYMENTS, **_place(deployment), status=status)


def _pod_status(ready: bool, now: datetime, trouble: JsonObject | None) -> JsonObject:
    if trouble is not None:
        # The time stays out, so that a pod in trouble is no news each time.
        container: dict[str, Any] = {"name": "server", "ready": False, **trouble}
        conditions = [{"type": "Ready", "status": "False"}]
    else:
        container = {"name": "server", "ready": ready, "restartCount": 0, "state": {"running": {}}}
        since = now.isoformat(timespec="seconds")
        conditions = [{"type": "Ready", "status": str(ready), "lastTransitionTime": since}]
    return {"phase": "Running", "conditions": conditions, "containerStatuses": [container]}


def _deployment_of(pod: JsonObject) -> str:
    return str(pod["metadata"]["name"]).rsplit("-", 2)[0]


def _place(body: JsonObject) -> dict[str, str]:
    return {"namespace": body["metadata"]["namespace"], "name": body["metadata"]["name"]}


async def cancelled(*tasks: "asyncio.Task[None]") -> None:
    """End these tasks and wait for their end; what they raise was not asked for."""
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
            raise result
