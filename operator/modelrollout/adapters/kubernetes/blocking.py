"""The API server for a person at a terminal: one question after the other over one connection, by the standard library.

The operator's client starts in about a second, most of it spent importing what a command of a few requests never uses.
This one answers with the same dicts and raises the same errors.
"""

import base64
import http.client
import json
import os
from collections.abc import Iterator, Mapping
from typing import Any, Self
from urllib.parse import urlencode

from modelrollout.adapters.kubernetes.api import JsonObject
from modelrollout.adapters.kubernetes.errors import ApiError, NotFound, Unreachable, refusal, text
from modelrollout.adapters.kubernetes.kubeconfig import Access
from modelrollout.adapters.kubernetes.resources import SERVICES, Resource
from modelrollout.adapters.kubernetes.transport import Transport, reached

PAGE_SIZE = 500
USER_AGENT = "kubectl-model"

_ANSWER_SECONDS = 30.0
_JSON = "application/json"


class BlockingClient:
    """Get, list, create, watch, and ask a Service. Close it, or use `with`. Every method may raise any `ApiError`."""

    def __init__(self, access: Access, *, environ: Mapping[str, str] = os.environ) -> None:
        self.access = access
        self._transport = Transport(access, environ=environ)
        self._connection: http.client.HTTPConnection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def get(self, resource: Resource, *, namespace: str | None, name: str) -> JsonObject | None:
        try:
            return self._ask("GET", resource.path(namespace=namespace, name=name))
        except NotFound:
            return None

    def list(
        self, resource: Resource, *, namespace: str | None, label_selector: str = "", field_selector: str = ""
    ) -> list[JsonObject]:
        """All of them, page by page; `namespace=None` means all namespaces."""
        items: list[JsonObject] = []
        query = {"limit": str(PAGE_SIZE), "labelSelector": label_selector, "fieldSelector": field_selector}
        while True:
            page = self._ask("GET", resource.path(namespace=namespace), query=query)
            kind = {"apiVersion": resource.api_version, "kind": resource.kind}
            items += [{**kind, **item} for item in page.get("items") or ()]
            following = page.get("metadata", {}).get("continue")
            if not following:
                return items
            query = {**query, "continue": following}

    def proxied(self, *, namespace: str, service: str, port: int, path: str) -> JsonObject:
        """What a Service says in JSON, by way of the API server; `path` begins with a slash."""
        return self._ask(
            "GET", SERVICES.path(namespace=namespace, name=f"{service}:{port}", subresource="proxy") + path
        )

    def create(self, resource: Resource, body: JsonObject) -> JsonObject:
        path = resource.path(namespace=body.get("metadata", {}).get("namespace"))
        return self._ask("POST", path, query={"fieldManager": USER_AGENT}, body=body)

    def watch(
        self,
        resource: Resource,
        *,
        namespace: str | None,
        seconds: float,
        field_selector: str = "",
        resource_version: str = "",
    ) -> Iterator[tuple[str, JsonObject]]:
        """(ADDED, MODIFIED or DELETED, object), over a connection of its own, until `seconds` are over.

        Without a resource version it begins with all that there is.
        """
        query = {
            "watch": "true",
            "timeoutSeconds": str(max(1, round(seconds))),
            "fieldSelector": field_selector,
            "resourceVersion": resource_version,
        }
        connection = self._transport.connect(seconds + _ANSWER_SECONDS)
        try:
            with reached(self.access.server):
                answer = self._send(connection, "GET", resource.path(namespace=namespace), query=query)
                if answer.status != 200:
                    raise refusal(answer.status, answer.reason, answer.read(), dict(answer.headers))
                while line := answer.readline():
                    event = _object(answer.status, line)
                    if event.get("type") == "ERROR":
                        status = event.get("object") or {}
                        raise refusal(int(status.get("code", 500)), "", json.dumps(status).encode(), {})
                    yield str(event["type"]), event["object"]
        finally:
            connection.close()

    def _ask(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: JsonObject | None = None
    ) -> JsonObject:
        with reached(self.access.server):
            try:
                answer, raw = self._exchange(method, path, query=query or {}, body=body)
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                # A connection that lay idle may have been closed. What only reads is asked again, over a new one.
                if method != "GET":
                    raise
                answer, raw = self._exchange(method, path, query=query or {}, body=body)
        if not 200 <= answer.status < 300:
            raise refusal(answer.status, answer.reason, raw, dict(answer.headers))
        return _object(answer.status, raw)

    def _exchange(
        self, method: str, path: str, *, query: Mapping[str, str], body: JsonObject | None
    ) -> tuple[http.client.HTTPResponse, bytes]:
        if self._connection is None:
            self._connection = self._transport.connect(_ANSWER_SECONDS)
        try:
            answer = self._send(self._connection, method, path, query=query, body=body)
            return answer, answer.read()
        except BaseException:
            self.close()
            raise

    def _send(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        *,
        query: Mapping[str, str],
        body: JsonObject | None = None,
    ) -> http.client.HTTPResponse:
        said = urlencode({key: value for key, value in query.items() if value})
        target = self._transport.target(path + (f"?{said}" if said else ""))
        headers = _headers(self.access)
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers.append(("Content-Type", _JSON))
            headers.append(("Content-Length", str(len(data))))
        # One by one, because several groups are several headers of one name.
        connection.putrequest(method, target)
        for name, value in headers:
            connection.putheader(name, value)
        connection.endheaders(data)
        return connection.getresponse()


def _headers(access: Access) -> list[tuple[str, str]]:
    headers = [("Accept", _JSON), ("User-Agent", USER_AGENT)]
    if access.token:
        headers.append(("Authorization", f"Bearer {access.token}"))
    elif access.basic:
        headers.append(("Authorization", "Basic " + base64.b64encode(":".join(access.basic).encode()).decode()))
    if access.impersonate:
        headers.append(("Impersonate-User", access.impersonate))
    headers += [("Impersonate-Group", group) for group in access.impersonate_groups]
    return headers


def _object(status: int, raw: bytes) -> JsonObject:
    try:
        body: Any = json.loads(raw)
    except ValueError as error:
        raise Unreachable(status, "BadAnswer", f"the answer is not JSON: {text(raw)}") from error
    if not isinstance(body, dict):
        raise ApiError(status, "BadAnswer", f"the answer is not an object: {text(raw)}")
    return body
