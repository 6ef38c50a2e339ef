"""From a gate as users write it to the policy that its evidence is gathered under. One line a signal."""

import math

from modelrollout.api.base import seconds
from modelrollout.api.gates import Direction, Gate, OnDisagreement, Signal
from modelrollout.evidence import AgreementPolicy, GatePolicy, LimitPolicy, MeanPolicy, Policy, ShapePolicy

REQUEST_SIGNALS = frozenset(
    {Signal.ERRORS, Signal.LATENCY, Signal.QUERY, Signal.QUALITY, Signal.OUTCOME, Signal.DISTRIBUTION}
)
"""Gates that count requests of users. A restart's trials are minutes, pairs of answers are a sample, and a gauge and a
limit count nothing."""

_SATURATION_FOR = "2m"
_BLOCK = "3m"


def policy_of(gate: Gate) -> Policy:
    match gate.signal:
        case Signal.ERRORS | Signal.RESTARTS | Signal.QUALITY | Signal.OUTCOME | Signal.QUERY:
            return counts_policy(gate)
        case Signal.LATENCY if gate.over is not None:
            return counts_policy(gate)
        case Signal.LATENCY | Signal.DISTRIBUTION:
            return ShapePolicy(
                name=gate.name,
                ratio=gate.ratio,
                tolerate=gate.tolerate_points / 100,
                promote_within=gate.margin_points / 100,
                both=gate.signal is Signal.DISTRIBUTION,
                weight=gate.weight,
            )
        case Signal.GAUGE:
            return _mean_policy(gate)
        case Signal.SATURATION:
            return LimitPolicy(
                name=gate.name,
                high=math.inf if gate.max is None else gate.max,
                hold_seconds=seconds(gate.hold_for or _SATURATION_FOR),
            )
        case Signal.THRESHOLD:
            failures = gate.failures or 1
            return LimitPolicy(
                name=gate.name,
                low=-math.inf if gate.min is None else gate.min,
                high=math.inf if gate.max is None else gate.max,
                failures=failures,
                of=gate.of or failures,
            )
        case Signal.AGREEMENT:
            assert gate.target is not None
            return AgreementPolicy(
                name=gate.name,
                beyond=1 - gate.target,
                hold=gate.on_disagreement is not OnDisagreement.ROLLBACK,
                weight=gate.weight,
            )
        case None:
            raise ValueError(f"Gate {gate.name} names a template that was not filled in.")


def counts_policy(gate: Gate) -> GatePolicy:
    """Margins of a gate that counts, at one edge where it has several."""
    return GatePolicy(
        name=gate.name,
        ratio=gate.ratio,
        tolerate=gate.tolerate_points / 100,
        promote_within=gate.margin_points / 100,
        weight=gate.weight,
    )


def _mean_policy(gate: Gate) -> MeanPolicy:
    assert gate.tolerate.amount is not None
    assert gate.promote_within is not None
    assert gate.promote_within.amount is not None
    return MeanPolicy(
        name=gate.name,
        tolerate=gate.tolerate.amount,
        promote_within=gate.promote_within.amount,
        lower_is_worse=gate.worse is Direction.LOWER,
        block_seconds=seconds(gate.block or _BLOCK),
        weight=gate.weight,
    )
