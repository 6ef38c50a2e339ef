"""The two loops beside the reconciles that speak with the model registry: one asks, one tells."""

import asyncio
from collections.abc import Callable

from modelrollout.adapters.clock import Clock
from modelrollout.adapters.registry import NoRegistry, Registry
from modelrollout.plan.observation import Writing
from modelrollout.runtime.cache import Cache
from modelrollout.runtime.queue import Key
from modelrollout.runtime.resolver import POLL_SECONDS, Resolver
from modelrollout.runtime.write_back import WriteBack


class RegistryLink:
    """`wake` has a deployment reconciled. Without a registry every question is answered with how to get one."""

    def __init__(
        self,
        *,
        cache: Cache,
        clock: Clock,
        wake: Callable[[Key], None],
        registry: Registry | None = None,
        writing: Writing | None = None,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        chosen = registry or NoRegistry()
        self.resolver = Resolver(chosen, clock, wake, poll_seconds=poll_seconds)
        self.write_back = WriteBack(chosen, cache, clock, wake, writing=writing or Writing())

    def forget(self, key: Key) -> None:
        self.resolver.forget(key)
        self.write_back.forget(key)

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.resolver.run())
            group.create_task(self.write_back.run())
