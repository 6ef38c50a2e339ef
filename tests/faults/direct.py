"""One process's way to the API server without a wire, on which each request can be watched, refused, or be the last.

A write has two moments: before it takes place, and after it took place but before its answer is there. A process that
dies at either never hears anything again, and nothing that it still tries arrives.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from modelrollout.adapters.kubernetes import JsonObject, Propagation, Resource
from modelrollout.api.group import FIELD_MANAGER
from tests.faults.store import Store

WRITES = ("apply", "patch_status", "delete", "create", "replace")


class Moment(StrEnum):
    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class Request:
    verb: str
    resource: Resource
    name: str

    @property
    def is_write(self) -> bool:
        return self.verb in WRITES

    def __str__(self) -> str:
        return f"{self.verb} {self.resource.plural}/{self.name}"


Meddle = Callable[[Request, Moment], None]
"""Called at each moment of each write; raises what the process is to see, or calls `Line.die`."""


@dataclass
class Line:
    """`KubernetesApi` over a store. `log` is every request that arrived."""

    store: Store
    meddle: Meddle = lambda *_: None
    log: list[Request] = field(default_factory=list)
    is_dead: bool = False

    def die(self) -> None:
        self.is_dead = True

    async def list(self, resource: Resource, *, namespace: str | None, label_selector: str = "") -> list[JsonObject]:
        await self._arrive(Request("list", resource, ""))
        return self.store.all(resource, namespace, label_selector)

    async def get(self, resource: Resource, *, namespace: str | None, name: str) -> JsonObject | None:
        await self._arrive(Request("get", resource, name))
        return self.store.find(resource, namespace or "", name)

    async def apply(self, resource: Resource, body: JsonObject) -> JsonObject:
        request = Request("apply", resource, body["metadata"]["name"])
        return await self._write(request, lambda: self.store.apply(resource, body, manager=FIELD_MANAGER))

    async def patch_status(
        self, resource: Resource, *, namespace: str, name: str, resource_version: str, status: JsonObject
    ) -> JsonObject:
        return await self._write(
            Request("patch_status", resource, name),
            lambda: self.store.patch_status(
                resource, namespace=namespace, name=name, status=status, resource_version=resource_version
            ),
        )

    async def delete(
        self, resource: Resource, *, namespace: str | None, name: str, propagation: Propagation = "Background"
    ) -> None:
        def delete() -> JsonObject:
            if self.store.find(resource, namespace or "", name) is not None:
                self.store.delete(resource, namespace=namespace or "", name=name)
            return {}

        await self._write(Request("delete", resource, name), delete)

    async def create(self, resource: Resource, body: JsonObject) -> JsonObject:
        request = Request("create", resource, body["metadata"]["name"])
        return await self._write(request, lambda: self.store.create(resource, body))

    async def replace(self, resource: Resource, body: JsonObject) -> JsonObject:
        request = Request("replace", resource, body["metadata"]["name"])
        return await self._write(request, lambda: self.store.replace(resource, body))

    async def _write(self, request: Request, change: Callable[[], JsonObject]) -> JsonObject:
        await self._arrive(request)
        self.meddle(request, Moment.BEFORE)
        await self._answer()
        body = change()
        self.meddle(request, Moment.AFTER)
        await self._answer()
        return body

    async def _arrive(self, request: Request) -> None:
        await asyncio.sleep(0)
        await self._answer()
        self.log.append(request)

    async def _answer(self) -> None:
        if self.is_dead:
            await asyncio.get_running_loop().create_future()
