"""Now and then, what the watches did not tell: objects that are gone.

kopf lists anew when a watch has expired, and hands on what it finds; of what was deleted meanwhile it says nothing, and
the cache would keep it for ever. So each kind is listed now and then, and what was known before that list and is not in
it is forgotten. What is new or changed needs no help: that the watch tells.
"""

import logging
import random

from modelrollout.adapters.clock import Clock
from modelrollout.adapters.kubernetes import ApiError, KubernetesApi
from modelrollout.api.group import LABEL_NAME
from modelrollout.runtime.cache import UNLABELLED, WATCHED, Cache
from modelrollout.runtime.queue import WorkQueue
from modelrollout.runtime.templates import WATCHED_TEMPLATES

log = logging.getLogger(__name__)

PERIOD_SECONDS = 600.0


async def run(api: KubernetesApi, cache: Cache, queue: WorkQueue, clock: Clock, *, namespace: str | None) -> None:
    """Until cancelled. Two operators that started together do not list together for long."""
    while True:
        await clock.sleep(PERIOD_SECONDS * random.uniform(0.8, 1.2))
        try:
            await once(api, cache, queue, namespace=namespace)
        except ApiError as error:
            log.warning("the resync failed: %s", error)


async def once(api: KubernetesApi, cache: Cache, queue: WorkQueue, *, namespace: str | None) -> None:
    for resource in WATCHED:
        known = cache.names(resource)
        if not known:
            continue
        selector = "" if resource in UNLABELLED else LABEL_NAME
        items = await api.list(resource, namespace=namespace, label_selector=selector)
        found = {(item["metadata"]["namespace"], item["metadata"]["name"]) for item in items}
        for (where, name), uid in known.items():
            if (where, name) not in found:
                log.warning("%s %s/%s is gone, and no watch said so", resource.kind, where, name)
                key = cache.forget(resource, namespace=where, name=name, uid=uid)
                if key is not None:
                    queue.add(key)
    await _templates(api, cache, queue, namespace=namespace)


async def _templates(api: KubernetesApi, cache: Cache, queue: WorkQueue, *, namespace: str | None) -> None:
    for resource in WATCHED_TEMPLATES:
        known = cache.templates.names(resource)
        if not known:
            continue
        items = await api.list(resource, namespace=namespace if resource.namespaced else None)
        found = {(item["metadata"].get("namespace", ""), item["metadata"]["name"]) for item in items}
        for where, name in known - found:
            log.warning("%s %s is gone, and no watch said so", resource.kind, name)
            ref = cache.templates.forget(resource, namespace=where, name=name)
            for key in cache.naming(where, ref):
                queue.add(key)
