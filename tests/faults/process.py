"""One life of the operator without kopf and Lease: its parts, put together as `main` does.

Watch events come from the store a turn of the loop later, through the same door as kopf's: `handlers.take_in`.
"""

import asyncio
import random
from collections.abc import Callable, Iterable

from modelrollout.adapters.clock import Clock
from modelrollout.adapters.kubernetes import KubernetesApi
from modelrollout.adapters.modelserver import ModelServer
from modelrollout.adapters.prometheus import MetricsSource
from modelrollout.adapters.registry import Registry
from modelrollout.adapters.tracing import NO_TRACER, Tracer
from modelrollout.runtime import first_list, handlers
from modelrollout.runtime.cache import WATCHED, Cache
from modelrollout.runtime.history import Histories
from modelrollout.runtime.hub import MetricsHub
from modelrollout.runtime.ledger import Ledger
from modelrollout.runtime.queue import WorkQueue
from modelrollout.runtime.reconcile import Reconciler
from modelrollout.runtime.registry_link import RegistryLink
from modelrollout.runtime.telemetry import Telemetry
from modelrollout.runtime.templates import WATCHED_TEMPLATES
from modelrollout.runtime.traced import TracedApi, TracedRegistry, TracedSource
from modelrollout.runtime.verifier import Verifier
from modelrollout.runtime.workers import Workers
from tests.faults.controllers import cancelled
from tests.faults.modelserver import MemoryModelServer
from tests.faults.store import Change, Store

Delivery = Callable[[Change], Iterable[tuple[float, Change]]]
"""What arrives because of a change, each after so many seconds; the usual case is the change itself, at once."""


def at_once(change: Change) -> Iterable[tuple[float, Change]]:
    return ((0.0, change),)


class Process:
    def __init__(
        self,
        api: KubernetesApi,
        store: Store,
        source: MetricsSource,
        clock: Clock,
        *,
        deliver: Delivery = at_once,
        registry: Registry | None = None,
        server: ModelServer | None = None,
        tracer: Tracer = NO_TRACER,
    ) -> None:
        """What is asked is traced where there is a tracer."""
        if tracer is not NO_TRACER:
            api, source = TracedApi(api, tracer), TracedSource(source, tracer)
            registry = TracedRegistry(registry, tracer) if registry is not None else None
        self._api = api
        self._store = store
        self._clock = clock
        self._deliver = deliver
        self.telemetry = Telemetry()
        self.queue, self.cache, ledger = WorkQueue(clock, dice=random.Random(7)), Cache(), Ledger()
        self.hub = MetricsHub(source, clock, self.queue.add, tracer=tracer)
        self._link = RegistryLink(cache=self.cache, clock=clock, wake=self.queue.add, registry=registry)
        self.verifier = Verifier(server or MemoryModelServer(), clock, self.queue.add)
        self.reconciler = Reconciler(
            api=api,
            cache=self.cache,
            ledger=ledger,
            hub=self.hub,
            histories=Histories(source),
            verifier=self.verifier,
            clock=clock,
            telemetry=self.telemetry,
            registry=self._link,
        )
        self._workers = Workers(
            queue=self.queue, reconciler=self.reconciler, clock=clock, telemetry=self.telemetry, tracer=tracer
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._on_their_way: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._store.listeners.append(self._changed)
        await first_list.fill(self._api, self.cache, self.queue, namespace=None)
        self._tasks = [asyncio.create_task(part) for part in (self.hub.run(), self._workers.run(2), self._link.run())]

    async def end(self) -> None:
        """Without a word to anybody: what is under way is dropped where it is."""
        self._store.listeners.remove(self._changed)
        await cancelled(*self._tasks, *self._on_their_way)
        await self.verifier.close()
        await self.queue.close()

    def _changed(self, change: Change) -> None:
        if change.resource in (*WATCHED, *WATCHED_TEMPLATES):
            for delay, one in self._deliver(change):
                arriving = asyncio.get_running_loop().create_task(self._arrive(delay, one))
                self._on_their_way.add(arriving)
                arriving.add_done_callback(self._on_their_way.discard)

    async def _arrive(self, delay: float, change: Change) -> None:
        await self._clock.sleep(delay)
        event = {"type": change.type, "object": change.body}
        handlers.take_in(change.resource, event, cache=self.cache, queue=self.queue)
