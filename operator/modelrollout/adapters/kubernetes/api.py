"""What the rest of the operator may ask of a cluster."""

from typing import Any, Literal, Protocol

from modelrollout.adapters.kubernetes.resources import Resource

JsonObject = dict[str, Any]
Propagation = Literal["Background", "Foreground", "Orphan"]


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
