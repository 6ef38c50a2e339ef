"""`KubernetesApi` through `kubernetes.aio` as a transport, with dicts as bodies.

The typed models of the library raise on fields that they do not know, even after a write has already succeeded.
"""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

import aiohttp
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration

from modelrollout.adapters.clock import Clock
from modelrollout.adapters.kubernetes.api import JsonObject, Propagation
from modelrollout.adapters.kubernetes.credentials import SERVICE_ACCOUNT, from_kubeconfig, in_cluster
from modelrollout.adapters.kubernetes.errors import NotFound, Unreachable, refusal, text
from modelrollout.adapters.kubernetes.resources import LEASES, Resource
from modelrollout.adapters.kubernetes.throttle import TokenBucket
from modelrollout.api.group import FIELD_MANAGER

OnRequest = Callable[[str, str, str], None]
"""Called after each request with the verb, the plural of the resource and the HTTP status, `"0"` without an answer."""

PAGE_SIZE = 500

_JSON = "application/json"
_MERGE_PATCH = "application/merge-patch+json"
_APPLY_PATCH = "application/apply-patch+yaml"


class KubernetesClient:
    """`KubernetesApi` over one pool of connections. Close it, or use `async with`."""

    def __init__(
        self,
        configuration: Configuration,
        *,
        clock: Clock,
        on_request: OnRequest,
        timeout_seconds: float = 30.0,
        connect_timeout_seconds: float = 5.0,
        writes_per_second: float = 20.0,
        write_burst: int = 40,
        user_agent: str = FIELD_MANAGER,
    ) -> None:
        self._client = ApiClient(configuration)
        self._client.user_agent = user_agent
        self._on_request = on_request
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds, sock_connect=connect_timeout_seconds)
        self._bucket = TokenBucket(clock, per_second=writes_per_second, burst=write_burst)

    @classmethod
    async def connect(
        cls,
        *,
        clock: Clock,
        on_request: OnRequest,
        timeout_seconds: float = 30.0,
        connect_timeout_seconds: float = 5.0,
        writes_per_second: float = 20.0,
        write_burst: int = 40,
        environ: Mapping[str, str] = os.environ,
        service_account: Path = SERVICE_ACCOUNT,
    ) -> Self:
        """The cluster that we run in when a service account is mounted, else the kubeconfig's. No request is made."""
        if (service_account / "token").is_file():
            configuration = in_cluster(folder=service_account, environ=environ, clock=clock)
        else:
            configuration = await from_kubeconfig(environ=environ)
        return cls(
            configuration,
            clock=clock,
            on_request=on_request,
            timeout_seconds=timeout_seconds,
            connect_timeout_seconds=connect_timeout_seconds,
            writes_per_second=writes_per_second,
            write_burst=write_burst,
        )

    async def close(self) -> None:
        await self._client.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def list(self, resource: Resource, *, namespace: str | None, label_selector: str = "") -> list[JsonObject]:
        items: list[JsonObject] = []
        query = {"limit": str(PAGE_SIZE)} | ({"labelSelector": label_selector} if label_selector else {})
        path = resource.path(namespace=namespace)
        while True:
            page = await self._request("list", resource, "GET", path, query=query)
            # Items of a list carry neither, and who gets one of them should not have to know where it came from.
            items += [
                {"apiVersion": resource.api_version, "kind": resource.kind, **item} for item in page.get("items") or ()
            ]
            following = page.get("metadata", {}).get("continue")
            if not following:
                return items
            query = {**query, "continue": following}

    async def get(self, resource: Resource, *, namespace: str | None, name: str) -> JsonObject | None:
        try:
            return await self._request("get", resource, "GET", resource.path(namespace=namespace, name=name))
        except NotFound:
            return None

    async def apply(self, resource: Resource, body: JsonObject) -> JsonObject:
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        path = _path_of(resource, body)
        return await self._write("apply", resource, "PATCH", path, query=query, body=body, content_type=_APPLY_PATCH)

    async def patch_status(
        self, resource: Resource, *, namespace: str, name: str, resource_version: str, status: JsonObject
    ) -> JsonObject:
        path = resource.path(namespace=namespace, name=name, subresource="status")
        query = {"fieldManager": FIELD_MANAGER}
        body = {"metadata": {"resourceVersion": resource_version}, "status": status}
        return await self._write(
            "patch_status", resource, "PATCH", path, query=query, body=body, content_type=_MERGE_PATCH
        )

    async def delete(
        self, resource: Resource, *, namespace: str | None, name: str, propagation: Propagation = "Background"
    ) -> None:
        path = resource.path(namespace=namespace, name=name)
        try:
            await self._write("delete", resource, "DELETE", path, query={"propagationPolicy": propagation})
        except NotFound:
            return

    async def create(self, resource: Resource, body: JsonObject) -> JsonObject:
        path = resource.path(namespace=body["metadata"].get("namespace"))
        return await self._write("create", resource, "POST", path, query={"fieldManager": FIELD_MANAGER}, body=body)

    async def replace(self, resource: Resource, body: JsonObject) -> JsonObject:
        path = _path_of(resource, body)
        return await self._write("replace", resource, "PUT", path, query={"fieldManager": FIELD_MANAGER}, body=body)

    async def _write(
        self,
        verb: str,
        resource: Resource,
        method: str,
        path: str,
        *,
        query: Mapping[str, str],
        body: JsonObject | None = None,
        content_type: str = _JSON,
    ) -> JsonObject:
        if resource is not LEASES:
            await self._bucket.take()
        return await self._request(verb, resource, method, path, query=query, body=body, content_type=content_type)

    async def _request(
        self,
        verb: str,
        resource: Resource,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: JsonObject | None = None,
        content_type: str = _JSON,
    ) -> JsonObject:
        try:
            # The body goes to `call_api` alone: handed to `param_serialize` it would be copied for nothing.
            method, url, headers, _, _ = await self._client.param_serialize(
                method=method,
                resource_path=path,
                query_params=list((query or {}).items()),
                header_params={"Accept": _JSON, "Content-Type": content_type},
                auth_settings=["BearerToken"],
            )
            response = await self._client.call_api(method, url, headers, body=body, _request_timeout=self._timeout)
            raw: bytes = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._on_request(verb, resource.plural, "0")
            raise Unreachable(0, type(error).__name__, str(error) or "the API server did not answer in time") from error
        self._on_request(verb, resource.plural, str(response.status))
        if not 200 <= response.status < 300:
            raise refusal(response.status, response.reason or "", raw, response.headers)
        return _object(response.status, raw)


def _path_of(resource: Resource, body: JsonObject) -> str:
    metadata = body["metadata"]
    return resource.path(namespace=metadata.get("namespace"), name=metadata["name"])


def _object(status: int, raw: bytes) -> JsonObject:
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise Unreachable(status, "BadAnswer", f"the answer is not JSON: {text(raw)}") from error
    if not isinstance(body, dict):
        raise Unreachable(status, "BadAnswer", f"the answer is not an object: {text(raw)}")
    return body
