"""The first list of everything, before anything is decided.

Watches do not say when their first list is over, and an object that was not heard of yet must not be taken for one that
does not exist: a missing Deployment would be made again, a missing route would be written anew. So each kind is listed
once, and only then the workers start.
"""

import contextlib

from modelrollout.adapters.kubernetes import MODEL_DEPLOYMENTS, Forbidden, KubernetesApi, NotFound
from modelrollout.api.group import LABEL_NAME
from modelrollout.runtime.cache import UNLABELLED, WATCHED, Cache
from modelrollout.runtime.queue import WorkQueue
from modelrollout.runtime.templates import WATCHED_TEMPLATES


async def fill(api: KubernetesApi, cache: Cache, queue: WorkQueue, *, namespace: str | None) -> None:
    """Raises ApiError; the process then ends and is started again. A kind that is not installed has no objects."""
    for resource in WATCHED:
        selector = "" if resource in UNLABELLED else LABEL_NAME
        try:
            items = await api.list(resource, namespace=namespace, label_selector=selector)
        except NotFound:
            if resource is MODEL_DEPLOYMENTS:
                raise
            continue
        for item in items:
            cache.put(resource, item)
    for resource in WATCHED_TEMPLATES:
        if not resource.namespaced and namespace is not None:
            continue
        with contextlib.suppress(NotFound, Forbidden):  # neither is needed by those who use no template
            for item in await api.list(resource, namespace=namespace if resource.namespaced else None):
                cache.templates.put(resource, item)
    for key in cache.deployments():
        queue.add(key)
