"""kopf as the informer: watch events fill the cache and wake the parent's key. Nothing else happens here.

Only `on.event` is used. Change handlers would write an annotation on every object, daemons and timers a finalizer, and
an index makes the start quadratic in the number of objects. Handlers never raise: an object that cannot be understood
is the reconcile's business, where it becomes a condition.
"""

import logging
from typing import Any

import kopf

from modelrollout.adapters.kubernetes import CONFIG_MAPS, Resource
from modelrollout.api.group import LABEL_NAME
from modelrollout.runtime.cache import UNLABELLED, WATCHED, Cache
from modelrollout.runtime.queue import Key, WorkQueue
from modelrollout.runtime.templates import WATCHED_TEMPLATES

log = logging.getLogger(__name__)


def registry(cache: Cache, queue: WorkQueue, *, namespace: str | None = None) -> kopf.OperatorRegistry:
    """An operator of one namespace reads nothing of the cluster's."""
    handlers = kopf.OperatorRegistry()
    kopf.on.login(registry=handlers)(_login)
    templates = [resource for resource in WATCHED_TEMPLATES if resource.namespaced or namespace is None]
    for resource in (*WATCHED, *templates):
        _watch(handlers, resource, cache, queue)
    return handlers


def settings() -> kopf.OperatorSettings:
    chosen = kopf.OperatorSettings()
    chosen.posting.enabled = False
    chosen.scanning.disabled = True
    chosen.peering.standalone = True
    chosen.watching.chunk_size = 200  # a page of ConfigMaps can weigh a megabyte each
    chosen.watching.server_timeout = 290
    for resource in WATCHED:
        if resource not in (*UNLABELLED, CONFIG_MAPS):
            chosen.watching.label_selectors[resource.group, resource.version, resource.plural] = LABEL_NAME
    chosen.networking.request_timeout = 30
    chosen.networking.connect_timeout = 5
    chosen.networking.error_backoffs = (1, 1, 2, 3, 5, 8)
    chosen.networking.enforce_retry_after = True
    chosen.process.ultimate_exiting_timeout = None  # kopf would kill the thread that it shares with all the rest
    return chosen


async def _login(**kwargs: Any) -> kopf.ConnectionInfo | None:
    return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)


def _watch(handlers: kopf.OperatorRegistry, resource: Resource, cache: Cache, queue: WorkQueue) -> None:
    async def seen(event: Any, **_: Any) -> None:
        take_in(resource, event, cache=cache, queue=queue)

    kopf.on.event(resource.group, resource.version, resource.plural, registry=handlers, id=f"{resource.plural}-seen")(
        seen
    )


def take_in(resource: Resource, event: Any, *, cache: Cache, queue: WorkQueue) -> None:
    """One watch event into the cache; its parent's key into the queue, where something changed."""
    try:
        if resource in WATCHED_TEMPLATES:
            for key in _take_in_template(resource, event, cache):
                queue.add(key)
            return
        if resource is CONFIG_MAPS and LABEL_NAME not in (event["object"]["metadata"].get("labels") or {}):
            for key in _take_in_config(event, cache):
                queue.add(key)
            return
        put = cache.remove if event["type"] == "DELETED" else cache.put
        woken = put(resource, event["object"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        log.warning("an event of %s could not be taken in: %s: %s", resource.plural, type(error).__name__, error)
        return
    if woken is not None:
        queue.add(woken)


def _take_in_config(event: Any, cache: Cache) -> list[Key]:
    """A ConfigMap of a user: whoever names it is woken, if it is not as it was."""
    metadata = event["object"]["metadata"]
    take = cache.configs.remove if event["type"] == "DELETED" else cache.configs.put
    if not take(event["object"]):
        return []
    return cache.configured_by(metadata["namespace"], metadata["name"])


def _take_in_template(resource: Resource, event: Any, cache: Cache) -> list[Key]:
    """Whoever names the template is woken: it may have waited for it."""
    take = cache.templates.remove if event["type"] == "DELETED" else cache.templates.put
    namespace, ref = take(resource, event["object"])
    return cache.naming(namespace, ref)
