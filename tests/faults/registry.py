"""A model registry in memory: versions, aliases and tags, what was asked of it, and what is wrong with it."""

import asyncio
from collections.abc import Callable, Mapping

from modelrollout.adapters.clock import Clock
from modelrollout.adapters.registry import NotInRegistry, RegistryRefused, RegistryUnavailable
from modelrollout.api.model import Lineage, Pin
from modelrollout.plan.registered import Registered

READS = ("aliases", "version", "metrics")


def registered(
    version: str, *, model: str = "fraud", description: str | None = None, metrics: Mapping[str, float] | None = None
) -> Registered:
    """A model version with a signature; everything about it follows from its number."""
    return Registered(
        model=model,
        pin=Pin(
            version=version,
            artifact_uri=f"mlflow-artifacts:/1/{model}-{version}",
            run_id=f"run-{version}",
            digest=version.rjust(64, "0"),
        ),
        description=description,
        lineage=Lineage(commit=f"commit-{version}", run=f"mlflow:run-{version}"),
        metrics=metrics or {},
        contract={"inputs": [{"name": "amount", "type": "float"}]},
    )


class MemoryRegistry:
    """`log` is every request that arrived. `fault` may raise; with `hangs`, each waits so many seconds and fails."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.versions: dict[tuple[str, str], Registered] = {}
        self.alias: dict[tuple[str, str], str] = {}
        self.tags: dict[tuple[str, str], dict[str, str]] = {}
        self.log: list[str] = []
        self.fault: Callable[[str], None] = lambda _: None
        self.hangs = 0.0

    # People

    def register(self, *versions: Registered) -> None:
        for one in versions:
            self.versions[one.model, one.pin.version] = one

    def move(self, alias: str, version: str, *, model: str = "fraud") -> None:
        self.alias[model, alias] = version

    def goes_down(self) -> None:
        def refuse(_: str) -> None:
            raise RegistryUnavailable("connection refused")

        self.fault = refuse

    def comes_back(self) -> None:
        self.fault = lambda _: None
        self.hangs = 0.0

    @property
    def writes(self) -> list[str]:
        return [line for line in self.log if line.split()[0] not in READS]

    def said(self, version: str, *, model: str = "fraud") -> dict[str, str]:
        """The tags of a version by the last part of their names, those that are not empty."""
        tags = self.tags.get((model, version), {})
        return {key.rpartition(".")[2]: value for key, value in tags.items() if value}

    # The operator

    async def aliases(self, model: str) -> Mapping[str, str]:
        await self._arrive(f"aliases {model}")
        if not any(name == model for name, _ in self.versions):
            raise NotInRegistry(f"there is no model {model}")
        return {alias: version for (name, alias), version in self.alias.items() if name == model}

    async def version(self, model: str, version: str) -> Registered:
        await self._arrive(f"version {model} {version}")
        return self._find(model, version)

    async def metrics(self, model: str, version: str) -> Mapping[str, float]:
        await self._arrive(f"metrics {model} {version}")
        return self._find(model, version).metrics

    async def set_alias(self, model: str, alias: str, version: str) -> None:
        await self._arrive(f"set_alias {model} {alias} {version}")
        if alias == "latest":
            raise RegistryRefused("'latest' alias name (case insensitive) is reserved.")
        self._find(model, version)
        self.alias[model, alias] = version

    async def delete_alias(self, model: str, alias: str) -> None:
        await self._arrive(f"delete_alias {model} {alias}")
        self.alias.pop((model, alias), None)

    async def set_tag(self, model: str, version: str, *, key: str, value: str) -> None:
        await self._arrive(f"set_tag {model} {version} {key}={value}")
        self._find(model, version)
        self.tags.setdefault((model, version), {})[key] = value

    async def close(self) -> None:
        """Nothing to close."""

    def _find(self, model: str, version: str) -> Registered:
        found = self.versions.get((model, version))
        if found is None:
            raise NotInRegistry(f"there is no version {version} of model {model}")
        return found

    async def _arrive(self, request: str) -> None:
        self.log.append(request)
        await asyncio.sleep(0)
        if self.hangs:
            await self._clock.sleep(self.hangs)
            raise RegistryUnavailable(f"no answer within {self.hangs:g} s")
        self.fault(request)
