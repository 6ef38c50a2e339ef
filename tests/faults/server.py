"""The store over HTTP on loopback, as kopf and the client speak it: discovery, lists by page, watches, and faults.

A fault is asked at each request and may answer in its place, or break the connection before or after it took place.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

from modelrollout.adapters.kubernetes import ApiError, JsonObject, Resource
from tests.faults.store import RESOURCES, WITH_STATUS, Change, Store, matches

BOOKMARK_SECONDS = 0.5

_ONLY_TOLD = (
    Resource("", "v1", "namespaces", "Namespace", namespaced=False),
    Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False),
)
"""Kinds that kopf wants to be there before it watches any other."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request, as far as faults and benches tell them apart. `verb` is Kubernetes' own: get, list, watch, …"""

    verb: str
    resource: Resource
    namespace: str | None
    name: str | None
    subresource: str | None

    @property
    def is_write(self) -> bool:
        return self.verb in ("apply", "patch", "create", "update", "delete")

    def __str__(self) -> str:
        return f"{self.verb} {self.resource.plural}/{self.name or ''}" + (
            f"/{self.subresource}" * bool(self.subresource)
        )


@dataclass(frozen=True, slots=True)
class Refusal:
    status: int
    headers: dict[str, str] = field(default_factory=dict)


class Lost(Enum):
    """The connection breaks before the request took place, or after."""

    REQUEST = auto()
    ANSWER = auto()


Fault = Callable[[Call], Refusal | Lost | None]


class ApiServer:
    def __init__(self, store: Store) -> None:
        self.store = store
        self.fault: Fault = lambda _: None
        self.calls: list[Call] = []
        self.page_size: int | None = None
        self._watches: set[_Watch] = set()
        store.listeners.append(self._changed)

    async def __aenter__(self) -> "ApiServer":
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._server = TestServer(app)
        await self._server.start_server()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cut_watches()
        await self._server.close()

    @property
    def url(self) -> str:
        return str(self._server.make_url("")).rstrip("/")

    def kubeconfig(self) -> str:
        """For a person called tester, who needs no password here."""
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "clusters": [{"name": "here", "cluster": {"server": self.url}}],
            "users": [{"name": "tester", "user": {"token": "none"}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "tester"}}],
        }
        return yaml.safe_dump(config)

    # What happens to watches

    def cut_watches(self) -> None:
        """All streams end in the middle."""
        for watch in self._watches:
            watch.put(None)

    def expire_watches(self) -> None:
        """What was not read yet is compacted away, and all streams end with a 410."""
        self.store.compact()
        for watch in self._watches:
            watch.put(_gone("too old resource version"))
            watch.put(None)

    @property
    def watches(self) -> int:
        return len(self._watches)

    def _changed(self, change: Change) -> None:
        for watch in self._watches:
            watch.offer(change)

    # Requests

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        call = _call_of(request)
        if call is None:
            return _discovery(request.path)
        self.calls.append(call)
        fault = self.fault(call)
        if isinstance(fault, Refusal):
            body = _status(fault.status, "Injected", "the server has its reasons")
            return web.json_response(body, status=fault.status, headers=fault.headers)
        if fault is Lost.REQUEST:
            return _hang_up(request)
        if call.verb == "watch":
            return await self._watch(request, call)
        try:
            answer = await self._answer(request, call)
        except ApiError as error:
            return web.json_response(_status(error.status, error.reason, error.message), status=error.status)
        return _hang_up(request) if fault is Lost.ANSWER else web.json_response(answer)

    async def _answer(self, request: web.Request, call: Call) -> JsonObject:
        where = {"namespace": call.namespace or "", "name": call.name or ""}
        match call.verb:
            case "list":
                return self._list(request, call)
            case "get":
                return self.store.get(call.resource, **where)
            case "create":
                return self.store.create(call.resource, {**await request.json(), **_type(call.resource)})
            case "update":
                return self.store.replace(call.resource, await request.json())
            case "apply":
                body = yaml.safe_load(await request.text())
                return self.store.apply(call.resource, body, manager=request.query["fieldManager"])
            case "patch" if call.subresource == "status":
                body = await request.json()
                version = body.get("metadata", {}).get("resourceVersion")
                return self.store.patch_status(call.resource, **where, status=body["status"], resource_version=version)
            case "delete":
                self.store.delete(call.resource, **where)
                return _status(200, "", "")
            case _:
                raise ApiError(405, "MethodNotAllowed", f"{call} is not served here")

    def _list(self, request: web.Request, call: Call) -> JsonObject:
        """Pages of the present state: nothing that is listed here changes between two of them."""
        items = self.store.all(call.resource, call.namespace, request.query.get("labelSelector", ""))
        begin = int(request.query.get("continue") or 0)
        limit = min(int(request.query.get("limit") or 500), self.page_size or 500)
        metadata: JsonObject = {"resourceVersion": str(self.store.version)}
        if begin + limit < len(items):
            metadata["continue"] = str(begin + limit)
        bare = [{key: item[key] for key in item if key not in ("apiVersion", "kind")} for item in items]
        page = bare[begin : begin + limit]
        return {**_type(call.resource), "kind": f"{call.resource.kind}List", "metadata": metadata, "items": page}

    async def _watch(self, request: web.Request, call: Call) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        watch = _Watch(call, request.query.get("labelSelector", ""))
        self._watches.add(watch)
        try:
            try:
                for change in self.store.since(int(request.query.get("resourceVersion", 0)), call.resource):
                    watch.offer(change)
            except LookupError as error:
                watch.put(_gone(str(error)))
                watch.put(None)
            while (event := await watch.next(self.store)) is not None:
                await response.write(json.dumps(event).encode() + b"\n")
        except ConnectionResetError:
            pass
        finally:
            self._watches.discard(watch)
        return response


class _Watch:
    def __init__(self, call: Call, selector: str) -> None:
        self._call = call
        self._selector = selector
        self._events: asyncio.Queue[JsonObject | None] = asyncio.Queue()

    def put(self, event: JsonObject | None) -> None:
        """None ends the stream."""
        self._events.put_nowait(event)

    def offer(self, change: Change) -> None:
        is_here = self._call.namespace in (None, change.body["metadata"]["namespace"])
        if change.resource is self._call.resource and is_here and matches(change.body, self._selector):
            self.put({"type": change.type, "object": {**change.body, **_type(change.resource)}})

    async def next(self, store: Store) -> JsonObject | None:
        """The next event; a bookmark where there is none for a while."""
        try:
            return await asyncio.wait_for(self._events.get(), BOOKMARK_SECONDS)
        except TimeoutError:
            body = {**_type(self._call.resource), "metadata": {"resourceVersion": str(store.version)}}
            return {"type": "BOOKMARK", "object": body}


def _type(resource: Resource) -> JsonObject:
    return {"apiVersion": resource.api_version, "kind": resource.kind}


def _status(code: int, reason: str, message: str) -> JsonObject:
    outcome = "Success" if code < 300 else "Failure"
    return {"kind": "Status", "apiVersion": "v1", "status": outcome, "code": code, "reason": reason, "message": message}


def _gone(message: str) -> JsonObject:
    return {"type": "ERROR", "object": _status(410, "Expired", message)}


def _hang_up(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _call_of(request: web.Request) -> Call | None:
    """None for discovery."""
    parts = request.path.strip("/").split("/")
    group, rest = ("", parts[2:]) if parts[0] == "api" else (parts[1] if len(parts) > 1 else "", parts[3:])
    if not rest:
        return None
    namespace = None
    if rest[0] == "namespaces" and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    resource = next(one for one in RESOURCES if (one.group, one.plural) == (group, rest[0]))
    name, subresource = [*rest, None, None][1:3]
    return Call(_verb(request, name), resource, namespace, name, subresource)


def _verb(request: web.Request, name: str | None) -> str:
    if request.method == "GET":
        return "watch" if request.query.get("watch") == "true" else "get" if name else "list"
    if request.method == "PATCH":
        return "apply" if "apply-patch" in request.headers["Content-Type"] else "patch"
    return {"POST": "create", "PUT": "update", "DELETE": "delete"}[request.method]


def _discovery(path: str) -> web.Response:
    groups = {resource.group: resource.version for resource in (*RESOURCES, *_ONLY_TOLD) if resource.group}
    match path.strip("/").split("/"):
        case ["api"]:
            return web.json_response({"versions": ["v1"]})
        case ["apis"]:
            found = [_group(name, version) for name, version in groups.items()]
            return web.json_response({"kind": "APIGroupList", "groups": found})
        case ["api", "v1"]:
            return web.json_response(_resources("", "v1"))
        case ["apis", group, version]:
            return web.json_response(_resources(group, version))
    return web.json_response({"major": "1", "minor": "36"})


def _group(name: str, version: str) -> JsonObject:
    served = {"groupVersion": f"{name}/{version}", "version": version}
    return {"name": name, "versions": [served], "preferredVersion": served}


def _resources(group: str, version: str) -> JsonObject:
    verbs = ["create", "delete", "get", "list", "patch", "update", "watch"]
    found: list[dict[str, Any]] = []
    for one in (*RESOURCES, *_ONLY_TOLD):
        if (one.group, one.version) == (group, version):
            entry = {
                "name": one.plural,
                "singularName": one.kind.lower(),
                "kind": one.kind,
                "namespaced": one.namespaced,
            }
            found.append({**entry, "verbs": verbs})
            if one in WITH_STATUS:
                found.append({**entry, "name": f"{one.plural}/status", "verbs": ["get", "patch", "update"]})
    return {"kind": "APIResourceList", "groupVersion": f"{group}/{version}", "resources": found}
