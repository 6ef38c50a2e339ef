"""The ModelDeployments whose policies name alerts, known to leader and standby alike.

The leader has them in its cache. A standby watches nothing, so it lists them when somebody sends alerts, and not again
for the next moment: that many alerts come at once is what alerts are like.
"""

import asyncio

from modelrollout.adapters.clock import Clock
from modelrollout.adapters.kubernetes import MODEL_DEPLOYMENTS, KubernetesApi
from modelrollout.plan.alerts import Watched
from modelrollout.runtime import projections
from modelrollout.runtime.cache import Cache
from modelrollout.runtime.projections import Deployment

LISTED_FOR_SECONDS = 2.0


class Directory:
    def __init__(self, *, api: KubernetesApi, cache: Cache, clock: Clock, namespace: str | None) -> None:
        self._api = api
        self._cache = cache
        self._clock = clock
        self._namespace = namespace
        self._listing = asyncio.Lock()
        self._listed: list[Deployment] = []
        self._listed_at: float | None = None

    async def listening(self) -> list[Watched]:
        """Those that an alert could take a version back of now. Raises ApiError."""
        now = self._clock.now()
        watched = [_watched(deployment) for deployment in await self._deployments()]
        return [one for one in watched if one is not None and one.listens(now)]

    async def _deployments(self) -> list[Deployment]:
        families = [self._cache.family(key) for key in self._cache.deployments()]
        known = [family.deployment for family in families if family.deployment is not None]
        return known or await self._list()

    async def _list(self) -> list[Deployment]:
        async with self._listing:
            now = self._clock.monotonic()
            if self._listed_at is None or now - self._listed_at >= LISTED_FOR_SECONDS:
                items = await self._api.list(MODEL_DEPLOYMENTS, namespace=self._namespace)
                self._listed = [projections.deployment(item) for item in items]
                self._listed_at = self._clock.monotonic()
            return self._listed


def _watched(deployment: Deployment) -> Watched | None:
    if deployment.spec is None or not deployment.spec.rollout.alerts:
        return None
    return Watched(
        namespace=deployment.namespace,
        name=deployment.name,
        policies=deployment.spec.rollout.alerts,
        status=deployment.status,
    )
