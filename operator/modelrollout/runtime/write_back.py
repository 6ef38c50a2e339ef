"""Tells the registry which version is live: a small controller beside the reconciles, fed by the cache.

What should be said follows from the statuses (`modelrollout.plan.write_back`), what was said is kept in the status, and
only the difference costs a request: an idle deployment costs none. The reconcile writes the result down when it is
woken, so that a status has one writer. A process that dies between the two says the same once more, which changes
nothing. A registry that is away is tried again with growing pauses; no decision ever waits for it.
"""

import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Self

from modelrollout.adapters.clock import Clock
from modelrollout.adapters.registry import NotInRegistry, Registry, RegistryError, RegistryRefused
from modelrollout.api.registry import MAX_ALIASES, MAX_WRITTEN, WrittenAlias, WrittenBack, WrittenTags
from modelrollout.plan.observation import RevisionView, Told, Writing
from modelrollout.plan.write_back import AliasPlace, VersionPlace, Wish, difference, digest_of, wish
from modelrollout.runtime.cache import Cache
from modelrollout.runtime.queue import Key, WorkQueue

log = logging.getLogger(__name__)

FIRST_RETRY_SECONDS = 2.0
LAST_RETRY_SECONDS = 60.0


class WriteBack:
    def __init__(
        self, registry: Registry, cache: Cache, clock: Clock, wake: Callable[[Key], None], *, writing: Writing
    ) -> None:
        self.writing = writing
        self._registry = registry
        self._cache = cache
        self._clock = clock
        self._wake = wake
        self._told: dict[Key, Told] = {}
        self._queue = WorkQueue(clock, first_retry_seconds=FIRST_RETRY_SECONDS, last_retry_seconds=LAST_RETRY_SECONDS)

    def told(self, key: Key) -> Told | None:
        """What came of it since the status was written."""
        return self._told.get(key)

    def look(self, key: Key) -> None:
        """After each reconcile: is there anything to say? What failed is due again in its own time."""
        told, deployment = self._told.get(key), self._cache.family(key).deployment
        if deployment is None:
            self.forget(key)
            return
        if difference(self._wish(key), self._written(key)):
            if told is None or told.failed is None:
                self._queue.add(key)
        elif told is not None and told.failed is not None:
            self.forget(key)  # what could not be said need not be said any more
            self._told[key] = Told(written=told.written)
            self._wake(key)
        elif told is not None and told.written == deployment.status.registry:
            self._told.pop(key)

    def forget(self, key: Key) -> None:
        self._told.pop(key, None)
        self._queue.cancel_after(key)
        self._queue.forget(key)

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                key = await self._queue.get()
                try:
                    await self.write(key)
                finally:
                    self._queue.done(key)
        finally:
            await self._queue.close()

    async def write(self, key: Key) -> None:
        """Say what is to be said about one deployment; what fails is tried again later."""
        wanted, written = self._wish(key), self._written(key)
        if not difference(wanted, written):
            return
        told = await self._write(wanted, written)
        if told.failed is None:
            self._queue.forget(key)
        else:
            log.warning("%s/%s: %s: %s", *key, *told.failed)
            self._queue.retry(key)
        if told != self._told.get(key):
            self._told[key] = told
            self._wake(key)

    def _wish(self, key: Key) -> Wish:
        family = self._cache.family(key)
        deployment = family.deployment
        if deployment is None:
            return Wish()
        read = {one.id: one.read() for one in family.revisions.values()}
        views = {id: RevisionView(id=id, spec=spec, status=status) for id, (spec, status) in read.items()}
        return wish(
            *key,
            model=deployment.spec.model if deployment.spec is not None else None,
            status=deployment.status,
            revisions=views,
            writing=self.writing,
        )

    def _written(self, key: Key) -> WrittenBack:
        told, deployment = self._told.get(key), self._cache.family(key).deployment
        if told is not None:
            return told.written
        return (deployment.status.registry if deployment is not None else None) or WrittenBack()

    async def _write(self, wanted: Wish, written: WrittenBack) -> Told:
        """As much of it as the registry takes. One that cannot be asked is not asked for the rest."""
        page, failed = _Page.of(written), None
        missing = difference(wanted, written)
        sayings: list[Callable[[], Awaitable[None]]] = [
            *(partial(self._put_alias, page, place, version) for place, version in missing.aliases.items()),
            *(partial(self._take_alias, page, place, version) for place, version in missing.stale.items()),
            *(partial(self._put_tags, page, place, tags) for place, tags in missing.tags.items()),
        ]
        for say in sayings:
            try:
                await say()
            except (RegistryRefused, NotInRegistry) as error:
                failed = failed or (error.reason, str(error))
            except RegistryError as error:
                failed = (error.reason, str(error))
                break
        return Told(written=page.closed(wanted), failed=failed)

    async def _put_alias(self, page: "_Page", place: AliasPlace, version: str) -> None:
        await self._registry.set_alias(*place, version)
        page.aliases[place] = version
        page.at = self._clock.now()

    async def _take_alias(self, page: "_Page", place: AliasPlace, version: str) -> None:
        """Only where it still is as we left it: somebody else may have moved it since."""
        model, alias = place
        if (await self._registry.aliases(model)).get(alias) == version:
            await self._registry.delete_alias(model, alias)
        page.aliases.pop(place, None)
        page.at = self._clock.now()

    async def _put_tags(self, page: "_Page", place: VersionPlace, tags: Mapping[str, str]) -> None:
        """A version that was deleted from the registry needs no tags any more."""
        with contextlib.suppress(NotInRegistry):
            for key, value in tags.items():
                await self._registry.set_tag(*place, key=key, value=value)
        page.tags[place] = digest_of(tags)
        page.at = self._clock.now()


@dataclass(slots=True)
class _Page:
    """What was written, while more of it is."""

    aliases: dict[AliasPlace, str]
    tags: dict[VersionPlace, str]
    at: datetime | None

    @classmethod
    def of(cls, written: WrittenBack) -> Self:
        return cls(
            aliases={(one.model, one.alias): one.version for one in written.aliases},
            tags={(one.model, one.version): one.digest for one in written.tags},
            at=written.at,
        )

    def closed(self, wanted: Wish) -> WrittenBack:
        """Without what nobody asks about any more: versions whose revisions are gone, and aliases that are followed."""
        aliases = [
            WrittenAlias(model=model, alias=alias, version=version)
            for (model, alias), version in self.aliases.items()
            if (model, alias) not in wanted.followed
        ]
        tags = [
            WrittenTags(model=model, version=version, digest=digest)
            for (model, version), digest in self.tags.items()
            if (model, version) in wanted.tags
        ]
        return WrittenBack(aliases=tuple(aliases[-MAX_ALIASES:]), tags=tuple(tags[-MAX_WRITTEN:]), at=self.at)
