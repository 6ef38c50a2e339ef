"""What the registry knows of a model version."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from modelrollout.api.model import Lineage, Model, Pin
from modelrollout.api.registry import MAX_METRICS, Metric, RegistryRecord
from modelrollout.api.revision import asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A model version of the registry. `model` is its name there."""

    model: str
    pin: Pin
    description: str | None = None
    lineage: Lineage | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    contract: Mapping[str, Any] | None = None

    def record(self, model: Model, *, signature: bool) -> RegistryRecord:
        """As the revision of this `spec.model` keeps it. `signature`: its contract is the one given here."""
        return RegistryRecord(
            asked=asked(model),
            model=self.model,
            description=self.description,
            metrics=tuple(Metric(name=name, value=value) for name, value in sorted(self.metrics.items())[:MAX_METRICS]),
            signature=signature or None,
        )
