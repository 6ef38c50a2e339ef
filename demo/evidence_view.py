"""What the operator says of a rollout's evidence, by its own metrics: read from Prometheus, as a dashboard would."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import requests


@dataclass(frozen=True)
class Gate:
    """Natural logs of the e-values, and the counts of both arms."""

    harm: float = 0.0
    safety: float = 0.0
    candidate: tuple[float, float] = (0.0, 0.0)
    stable: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Evidence:
    gates: Mapping[str, Gate] = field(default_factory=dict)
    harm_threshold: float = 0.0
    safety_threshold: float = 0.0


def read(prometheus: str, *, namespace: str, name: str) -> Evidence:
    """The newest values; nothing where no rollout is under way or Prometheus does not answer."""
    labels = f'{{exported_namespace="{namespace}",name="{name}"}}'
    pattern = '{__name__=~"modelrollout_rollout_(log_evidence|log_threshold|requests)"' + "," + labels[1:]
    try:
        answer = requests.get(f"{prometheus}/api/v1/query", params={"query": pattern}, timeout=2).json()
        series = answer["data"]["result"]
    except (requests.RequestException, ValueError, KeyError):
        return Evidence()
    gates: dict[str, dict[str, float]] = {}
    thresholds: dict[str, float] = {}
    for one in series:
        metric, value = one["metric"], float(one["value"][1])
        match metric["__name__"]:
            case "modelrollout_rollout_log_threshold":
                thresholds[metric["kind"]] = value
            case "modelrollout_rollout_log_evidence":
                gates.setdefault(metric["gate"], {})[metric["kind"]] = value
            case "modelrollout_rollout_requests":
                gates.setdefault(metric["gate"], {})[f"{metric['arm']}-{metric['outcome']}"] = value
    return Evidence(
        gates={name: _gate(values) for name, values in sorted(gates.items())},
        harm_threshold=thresholds.get("harm", 0.0),
        safety_threshold=thresholds.get("safety", 0.0),
    )


def _gate(values: Mapping[str, float]) -> Gate:
    return Gate(
        harm=values.get("harm", 0.0),
        safety=values.get("safety", 0.0),
        candidate=(values.get("candidate-all", 0.0), values.get("candidate-bad", 0.0)),
        stable=(values.get("stable-all", 0.0), values.get("stable-bad", 0.0)),
    )
