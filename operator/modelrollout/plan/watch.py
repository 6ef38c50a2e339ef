"""Which gates are looked at in which stage: all of them while versions are compared, and in the soak those that can be
judged honestly then.

In a soak the candidate carries the traffic, so that there is nothing beside it to compare it with: what the old version
did before does not count, because an outage of today would be the candidate's fault. Two things remain. A limit is
about the candidate alone. And where the policy holds back a share of the users, the old version serves them at the
same time, so that the comparison goes on with the same evidence under the same error rates. Not so for what depends on
load: the old version keeps all of its pods for a small share, and beside it any version looks slow. Nor for answers,
which were compared on copies before anybody had one: the observer's work is done by then.
"""

from modelrollout.api.gates import LIMITS, Gate, Signal
from modelrollout.api.modeldeployment import ModelDeploymentSpec, StageName

_NOT_IN_SOAK = (Signal.LATENCY, Signal.RESTARTS, Signal.AGREEMENT)


def watched(spec: ModelDeploymentSpec, stage: StageName | None) -> ModelDeploymentSpec:
    """The spec with those gates alone that are looked at in this stage."""
    match stage:
        case StageName.SHADOW | StageName.CANARY:
            return spec
        case StageName.SOAK:
            gates = tuple(gate for gate in spec.rollout.gates if _in_soak(spec, gate))
        case _:
            gates = ()
    return spec.model_copy(update={"rollout": spec.rollout.model_copy(update={"gates": gates})})


def is_watched(spec: ModelDeploymentSpec, stage: StageName | None) -> bool:
    """Whether Prometheus is asked in this stage."""
    return stage in (StageName.SHADOW, StageName.CANARY) or bool(watched(spec, stage).rollout.gates)


def _in_soak(spec: ModelDeploymentSpec, gate: Gate) -> bool:
    if spec.soak is None or gate.signal is None:
        return False
    return gate.signal in LIMITS or (spec.soak.holdback is not None and gate.signal not in _NOT_IN_SOAK)


def soak_weight(spec: ModelDeploymentSpec) -> int:
    """The candidate's share in the soak, in whole percent."""
    return 100 - ((spec.soak and spec.soak.holdback) or 0)
