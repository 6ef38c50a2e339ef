"""The API server, through `kubernetes.aio` as a transport and nothing more.

Paths are written out and bodies are plain dicts: discovery costs requests, and the typed models raise on fields that
they do not know, even after a write has already succeeded. One answer is one of these:

    ApiError               any other refusal; `status`, `reason` and `message` are the API server's own
    ├── Conflict           409: somebody else wrote first, or the object exists already
    ├── NotFound           404: the object, its namespace or its kind does not exist
    ├── Invalid            400, 413, 415, 422: this body will never be accepted; `message` says why. Also the 500 by
    │                      which a server-side apply refuses an unknown field or a value of the wrong type
    ├── Forbidden          401, 403: we may not
    ├── TooManyRequests    429: `retry_after_seconds`
    └── Unreachable        5xx, time-outs, broken connections: a write may have taken place (status 0: no answer)

Nothing is tried twice here. A hidden retry would write something that was decided from an older state of the world;
the work queue tries again instead, with a backoff, and decides anew.

Writes pass a token bucket, because a hundred rollouts that turn at one moment must not crowd others out of the API
server. The Lease is exempt: an operator that is busy writing must not lose its leadership by waiting in its own line.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, Self
from urllib.parse import quote

import aiohttp
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.config import ConfigException, load_kube_config
from kubernetes.aio.config.incluster_config import InClusterConfigLoader

from modelrollout.adapters.clock import Clock
from modelrollout.api.group import (
    CLUSTER_GATE_TEMPLATE,
    FIELD_MANAGER,
    GATE_TEMPLATE,
    GROUP,
    MODEL_DEPLOYMENT,
    MODEL_REVISION,
    VERSION,
)

JsonObject = dict[str, Any]
Propagation = Literal["Background", "Foreground", "Orphan"]
OnRequest = Callable[[str, str, str], None]
"""Called after each request with the verb, the plural of the resource and the HTTP status, `"0"` without an answer."""

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TOKEN_PERIOD_SECONDS = 60.0
PAGE_SIZE = 500

_JSON = "application/json"
_MERGE_PATCH = "application/merge-patch+json"
_APPLY_PATCH = "application/apply-patch+yaml"
_MESSAGE_LIMIT = 1500
_REFUSED_APPLY = ("failed to create typed patch object", "unable to convert unstructured object")
"""How a 500 begins or goes on when a body does not fit the schema: not a fault of the server (seen on 1.36)."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of object as the API server addresses it. The core group is the empty string."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, *, namespace: str | None, name: str | None = None, subresource: str | None = None) -> str:
        """Without a namespace: all namespaces, or the cluster for a kind that is not namespaced."""
        prefix = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        scope = f"/namespaces/{_segment(namespace)}" if self.namespaced and namespace is not None else ""
        item = f"/{_segment(name)}" if name is not None else ""
        return f"{prefix}{scope}/{self.plural}{item}" + (f"/{subresource}" if subresource else "")


MODEL_DEPLOYMENTS = Resource(GROUP, VERSION, "modeldeployments", MODEL_DEPLOYMENT)
MODEL_REVISIONS = Resource(GROUP, VERSION, "modelrevisions", MODEL_REVISION)
GATE_TEMPLATES = Resource(GROUP, VERSION, "gatetemplates", GATE_TEMPLATE)
CLUSTER_GATE_TEMPLATES = Resource(GROUP, VERSION, "clustergatetemplates", CLUSTER_GATE_TEMPLATE, namespaced=False)
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment")
SERVICES = Resource("", "v1", "services", "Service")
PODS = Resource("", "v1", "pods", "Pod")
HTTP_ROUTES = Resource("gateway.networking.k8s.io", "v1", "httproutes", "HTTPRoute")
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease")
EVENTS = Resource("events.k8s.io", "v1", "events", "Event")


@dataclass(eq=False)
class ApiError(Exception):
    status: int
    reason: str
    message: str

    def __str__(self) -> str:
        return f"{self.status or 'no answer'} {self.reason}: {self.message}"


class Conflict(ApiError):  # noqa: N818
    """The object changed since it was read, or is there already."""


class NotFound(ApiError):  # noqa: N818
    """The object, its namespace or its kind does not exist."""


class Invalid(ApiError):  # noqa: N818
    """The body was refused and will be refused again."""


class Forbidden(ApiError):  # noqa: N818
    """The operator's account may not do this."""


@dataclass(eq=False)
class TooManyRequests(ApiError):  # noqa: N818
    retry_after_seconds: float = 1.0

    __str__ = ApiError.__str__


class Unreachable(ApiError):  # noqa: N818
    """No answer, or one that says nothing about the request."""


class NotConfiguredError(Exception):
    """Neither a service account nor a kubeconfig says where the API server is."""


class KubernetesApi(Protocol):
    """What the rest of the operator may ask of a cluster. Every method may raise any `ApiError`."""

    async def list(self, resource: Resource, *, namespace: str | None, label_selector: str = "") -> list[JsonObject]:
        """All of them, page by page; `namespace=None` means all namespaces."""
        ...

    async def get(self, resource: Resource, *, namespace: str | None, name: str) -> JsonObject | None: ...

    async def apply(self, resource: Resource, body: JsonObject) -> JsonObject:
        """Server-side apply as our field manager, taking over fields that others hold. Idempotent."""
        ...

    async def patch_status(
        self, resource: Resource, *, namespace: str, name: str, resource_version: str, status: JsonObject
    ) -> JsonObject:
        """Merge into the status if nobody wrote since `resource_version`; a null deletes its field."""
        ...

    async def delete(
        self, resource: Resource, *, namespace: str | None, name: str, propagation: Propagation = "Background"
    ) -> None:
        """Ask for deletion; what is not there counts as deleted."""
        ...

    async def create(self, resource: Resource, body: JsonObject) -> JsonObject:
        """Conflict when it exists."""
        ...

    async def replace(self, resource: Resource, body: JsonObject) -> JsonObject:
        """Conflict unless the body's resourceVersion is still the object's."""
        ...


class TokenBucket:
    """At most `burst` at once and `per_second` in the long run, first come, first served."""

    def __init__(self, clock: Clock, *, per_second: float, burst: int) -> None:
        self._clock = clock
        self._per_second = per_second
        self._burst = float(burst)
        self._tokens = float(burst)
        self._filled_at = clock.monotonic()

    async def take(self) -> None:
        """A caller that must wait holds its place: the level goes below zero by those who are waiting."""
        now = self._clock.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._per_second) - 1.0
        self._filled_at = now
        if self._tokens < 0:
            await self._clock.sleep(-self._tokens / self._per_second)


@dataclass
class ServiceAccountToken:
    """The pod's own token, read again every minute: kubelet replaces the file before the token in it expires.

    The loader of the client library would do so too, by wall time; a clock that is set back would then keep it on an
    expired token. A file that cannot be read for a moment leaves the last token in use.
    """

    file: Path
    clock: Clock
    _value: str = field(init=False, repr=False)
    _read_at: float = field(init=False)

    def __post_init__(self) -> None:
        self._value = self._read()
        self._read_at = self.clock.monotonic()

    def refresh(self, configuration: Configuration) -> None:
        """Hook that the client calls before each request."""
        now = self.clock.monotonic()
        if now - self._read_at >= TOKEN_PERIOD_SECONDS:
            try:
                self._value = self._read()
            except (OSError, NotConfiguredError):
                return
            self._read_at = now
        configuration.api_key["BearerToken"] = f"Bearer {self._value}"

    def _read(self) -> str:
        token = self.file.read_text().strip()
        if not token:
            raise NotConfiguredError(f"The service account token {self.file} is empty.")
        return token


def in_cluster(*, folder: Path, environ: Mapping[str, str], clock: Clock) -> Configuration:
    """Configuration of a pod from its mounted service account. Raises NotConfiguredError."""
    configuration = Configuration()
    loader = InClusterConfigLoader(
        token_filename=str(folder / "token"),
        cert_filename=str(folder / "ca.crt"),
        try_refresh_token=False,
        environ=environ,
    )
    try:
        loader.load_and_set(configuration)
    except ConfigException as error:
        raise NotConfiguredError(f"The service account in {folder} cannot be used: {error}") from error
    token = ServiceAccountToken(file=folder / "token", clock=clock)
    token.refresh(configuration)
    configuration.refresh_api_key_hook = token.refresh
    return configuration


async def from_kubeconfig(*, environ: Mapping[str, str]) -> Configuration:
    """Configuration of a person, from $KUBECONFIG or ~/.kube/config. Raises NotConfiguredError."""
    configuration = Configuration()
    path = environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    try:
        await load_kube_config(config_file=path, client_configuration=configuration, persist_config=False)
    except (ConfigException, OSError) as error:
        raise NotConfiguredError(
            f"No service account is mounted, and the kubeconfig {path} cannot be used: {error}"
        ) from error
    return configuration


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
            raise _refusal(response.status, response.reason or "", raw, response.headers)
        return _object(response.status, raw)


def _segment(name: str) -> str:
    return quote(name, safe="")


def _path_of(resource: Resource, body: JsonObject) -> str:
    metadata = body["metadata"]
    return resource.path(namespace=metadata.get("namespace"), name=metadata["name"])


def _object(status: int, raw: bytes) -> JsonObject:
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise Unreachable(status, "BadAnswer", f"the answer is not JSON: {_text(raw)}") from error
    if not isinstance(body, dict):
        raise Unreachable(status, "BadAnswer", f"the answer is not an object: {_text(raw)}")
    return body


def _refusal(status: int, phrase: str, raw: bytes, headers: Mapping[str, str]) -> ApiError:
    """The error for an answer outside 2xx; a proxy in between may answer without the API server's `Status` object."""
    try:
        body = json.loads(raw)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        body = {}
    reason = str(body.get("reason") or phrase)
    message = str(body.get("message") or _text(raw))[:_MESSAGE_LIMIT]
    match status:
        case 409:
            return Conflict(status, reason, message)
        case 404:
            return NotFound(status, reason, message)
        case 400 | 413 | 415 | 422:
            return Invalid(status, reason, message)
        case 401 | 403:
            return Forbidden(status, reason, message)
        case 429:
            return TooManyRequests(status, reason, message, retry_after_seconds=_retry_after(headers))
        case 500 if any(phrase in message for phrase in _REFUSED_APPLY):
            return Invalid(status, "BadBody", message)
        case _ if status >= 500 or status == 408:
            return Unreachable(status, reason, message)
        case _:
            return ApiError(status, reason, message)


def _retry_after(headers: Mapping[str, str]) -> float:
    try:
        return max(0.0, float(headers.get("Retry-After", "")))
    except ValueError:
        return 1.0


def _text(raw: bytes) -> str:
    return raw[:_MESSAGE_LIMIT].decode("utf-8", errors="replace").strip()
