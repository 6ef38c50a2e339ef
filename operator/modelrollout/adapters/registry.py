"""A model registry, as the operator needs one: which version an alias names, what is known of a version, and two ways
to write back. One file a system; this one has the protocol, and the registry of an operator that has none.
"""

from collections.abc import Mapping
from typing import NoReturn, Protocol

from modelrollout.plan.registered import Registered


class RegistryError(Exception):
    """No answer. `reason` is a condition's, the message is for people and never holds a credential."""

    reason = "RegistryUnavailable"


class RegistryUnavailable(RegistryError):  # noqa: N818
    """It cannot be asked now, or gave an answer that cannot be read: nothing about any model follows from it."""


class RegistryNotConfigured(RegistryError):  # noqa: N818
    reason = "RegistryNotConfigured"


class NotInRegistry(RegistryError):  # noqa: N818
    """It has no such model or version."""

    reason = "ModelMissing"


class RegistryRefused(RegistryError):  # noqa: N818
    """It does not allow this, or does not understand it: a retry alone mends nothing."""

    reason = "RegistryRefused"


class RegistryMissingError(Exception):
    """The client of a registry is not installed."""


class Registry(Protocol):
    """Every call may raise a RegistryError, and none waits for long."""

    async def aliases(self, model: str) -> Mapping[str, str]:
        """All aliases of a model, each with its version, in one request."""
        ...

    async def version(self, model: str, version: str) -> Registered:
        """What is known of one version."""
        ...

    async def metrics(self, model: str, version: str) -> Mapping[str, float]:
        """The offline metrics of one version, as they are now."""
        ...

    async def set_alias(self, model: str, alias: str, version: str) -> None: ...

    async def delete_alias(self, model: str, alias: str) -> None: ...

    async def set_tag(self, model: str, version: str, *, key: str, value: str) -> None: ...

    async def close(self) -> None: ...


class NoRegistry:
    """Of an operator that was started without one."""

    async def aliases(self, model: str) -> Mapping[str, str]:
        self._refuse()

    async def version(self, model: str, version: str) -> Registered:
        self._refuse()

    async def metrics(self, model: str, version: str) -> Mapping[str, float]:
        self._refuse()

    async def set_alias(self, model: str, alias: str, version: str) -> None:
        self._refuse()

    async def delete_alias(self, model: str, alias: str) -> None:
        self._refuse()

    async def set_tag(self, model: str, version: str, *, key: str, value: str) -> None:
        self._refuse()

    async def close(self) -> None:
        """Nothing to close."""

    def _refuse(self) -> NoReturn:
        raise RegistryNotConfigured(
            "this operator has no model registry; start it with --mlflow URL, or name the artifact itself in model.uri"
        )
