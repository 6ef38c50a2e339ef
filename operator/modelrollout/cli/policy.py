"""The policy file: the `rollout` part of a ModelDeployment, alone or inside one, as YAML or JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from modelrollout.api.base import seconds
from modelrollout.api.rollout import CanaryStage, Rollout, ShadowStage
from modelrollout.api.sentences import sentence
from modelrollout.cli import forms
from modelrollout.cli.errors import CliError

_WANTED = "policy; it needs the rollout part of a ModelDeployment, such as gates: [...]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A rollout's rules, and the least that its comparing stages ask for before they are passed."""

    rollout: Rollout
    least_seconds: float
    least_requests: float


def read(path: Path) -> Policy:
    content = forms.mapping(path, wanted=_WANTED)
    part, has_route = _rollout_part(content)
    try:
        rollout = Rollout.model_validate(part)
    except ValidationError as error:
        raise CliError(f"{path}: {sentence(error)}.") from error
    return _policy(rollout, has_route=has_route, path=path)


def _rollout_part(content: Mapping[str, Any]) -> tuple[object, bool]:
    """And whether a route is known, without which there is no shadow stage by default."""
    spec = content.get("spec", content)
    if not isinstance(spec, Mapping):
        return spec, False
    if "spec" in content or "rollout" in spec:
        return spec.get("rollout", {}), spec.get("route") is not None
    return spec, False


def _policy(rollout: Rollout, *, has_route: bool, path: Path) -> Policy:
    shadow, canary = _comparing_stages(rollout, has_route=has_route)
    if shadow is None and canary is None:
        raise CliError(f"{path}: the policy has neither a shadow nor a canary stage, so it compares nothing.")
    least = 0.0
    if shadow is not None:
        least += seconds(shadow.hold_for)
    if canary is not None:
        least += seconds(canary.hold_for) * len(canary.weights or (1,))
    return Policy(
        rollout=rollout, least_seconds=least, least_requests=float(shadow.min_requests) if shadow is not None else 0.0
    )


def _comparing_stages(rollout: Rollout, *, has_route: bool) -> tuple[ShadowStage | None, CanaryStage | None]:
    if not rollout.stages:
        return (ShadowStage() if has_route else None), CanaryStage()
    shadows = [stage.shadow for stage in rollout.stages if stage.shadow is not None]
    canaries = [stage.canary for stage in rollout.stages if stage.canary is not None]
    return next(iter(shadows), None), next(iter(canaries), None)
