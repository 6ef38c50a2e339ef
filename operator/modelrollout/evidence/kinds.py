"""Every kind of evidence behind one interface, each kind in a file of its own.

| kind | what it observes | policy | evidence | file |
|---|---|---|---|---|
| Counts | requests and bad ones of both arms | `GatePolicy` | `GateEvidence` | `gate` |
| Shape | requests beyond each edge, of both arms | `ShapePolicy` | `ShapeEvidence` | `shape` |
| Mean | a gauge of both arms | `MeanPolicy` | `MeanEvidence` | `mean` |
| Agreement | pairs of answers, and noise pairs | `AgreementPolicy` | `AgreementEvidence` | `agreement` |
| Limit | one number of the candidate | `LimitPolicy` | `LimitEvidence` | `limit` |

All but the last are e-values with an error rate; a limit is a rule without one.
"""

from collections.abc import Mapping
from enum import StrEnum

from modelrollout.evidence import agreement, gate, limit, mean, shape
from modelrollout.evidence.agreement import AgreementEvidence, AgreementPolicy
from modelrollout.evidence.bins import Spread
from modelrollout.evidence.counts import Interval
from modelrollout.evidence.errors import EvidenceError
from modelrollout.evidence.gate import GateEvidence, GatePolicy
from modelrollout.evidence.limit import Level, LimitEvidence, LimitPolicy
from modelrollout.evidence.logs import log_mean
from modelrollout.evidence.mean import Levels, MeanEvidence, MeanPolicy
from modelrollout.evidence.shape import ShapeEvidence, ShapePolicy

Policy = GatePolicy | ShapePolicy | MeanPolicy | AgreementPolicy | LimitPolicy
Evidence = GateEvidence | ShapeEvidence | MeanEvidence | AgreementEvidence | LimitEvidence
Observed = Interval | Spread | Levels | Level


class Kind(StrEnum):
    COUNTS = "Counts"
    SHAPE = "Shape"
    MEAN = "Mean"
    AGREEMENT = "Agreement"
    LIMIT = "Limit"


def kind_of(evidence: Evidence) -> Kind:
    match evidence:
        case GateEvidence():
            return Kind.COUNTS
        case ShapeEvidence():
            return Kind.SHAPE
        case MeanEvidence():
            return Kind.MEAN
        case AgreementEvidence():
            return Kind.AGREEMENT
        case LimitEvidence():
            return Kind.LIMIT


def begin(policy: Policy, *, planned_seconds: float, interval_seconds: float, phi: float = 1.0) -> Evidence:
    """Nothing known yet, in a rollout that may take so long and is looked at so often."""
    looks = max(1, round(planned_seconds / interval_seconds))
    match policy:
        case GatePolicy():
            return gate.start(planned_intervals=looks, phi=phi)
        case ShapePolicy():
            return shape.start(policy, planned_intervals=looks, phi=phi)
        case MeanPolicy():
            return mean.start(policy, planned_seconds=planned_seconds)
        case AgreementPolicy():
            return agreement.start(planned_intervals=looks, phi=phi)
        case LimitPolicy():
            return LimitEvidence()


def observe(evidence: Evidence, policy: Policy, observed: Observed) -> Evidence:
    """Add what was observed; EvidenceError when the three are not of one kind."""
    match evidence, policy, observed:
        case GateEvidence(), GatePolicy(), Interval():
            return gate.update(evidence, policy, observed)
        case ShapeEvidence(), ShapePolicy(), Spread():
            return shape.update(evidence, policy, observed)
        case MeanEvidence(), MeanPolicy(), Levels():
            return mean.update(evidence, policy, observed)
        case AgreementEvidence(), AgreementPolicy(), Interval():
            return agreement.update(evidence, policy, observed)
        case LimitEvidence(), LimitPolicy(), Level():
            return limit.update(evidence, policy, observed)
    raise _mixed(evidence, policy)


def log_harm(evidence: Evidence) -> float | None:
    """ln E_harm; None for a rule, which is no e-value."""
    match evidence:
        case GateEvidence():
            return gate.log_harm(evidence)
        case ShapeEvidence():
            return shape.log_harm(evidence)
        case MeanEvidence():
            return mean.log_harm(evidence)
        case AgreementEvidence():
            return agreement.log_harm(evidence)
        case LimitEvidence():
            return None


def carried(evidence: Evidence) -> float | None:
    """ln E_harm as an earlier rollout of the same revision left it."""
    return None if isinstance(evidence, LimitEvidence) else evidence.carried


def safety_sums(evidence: Evidence, policy: Policy) -> tuple[float, ...]:
    """ln E_safe of each bet; none for a rule."""
    match evidence, policy:
        case GateEvidence(), GatePolicy():
            return gate.safety_sums(evidence, policy)
        case ShapeEvidence(), ShapePolicy():
            return shape.safety_sums(evidence, policy)
        case MeanEvidence(), MeanPolicy():
            return evidence.safety_logs
        case AgreementEvidence(), AgreementPolicy():
            return agreement.safety_sums(evidence, policy)
        case LimitEvidence(), LimitPolicy():
            return ()
    raise _mixed(evidence, policy)


def log_safety(evidence: Evidence, policy: Policy) -> float | None:
    """ln E_safe; None for a rule."""
    sums = safety_sums(evidence, policy)
    return log_mean(sums) if sums else None


def upper_bound(evidence: Evidence, *, false_promotion: float) -> float | None:
    """Upper bound of the share of requests that the candidate makes worse; None where requests are not counted.

    A gauge and a limit say nothing about how many requests go wrong. Of pairs it is the share that disagrees beyond
    the noise floor.
    """
    match evidence:
        case GateEvidence():
            return gate.upper_bound(evidence, false_promotion=false_promotion)
        case ShapeEvidence():
            return shape.upper_bound(evidence, false_promotion=false_promotion)
        case AgreementEvidence():
            return agreement.upper_bound(evidence, false_promotion=false_promotion)
        case MeanEvidence() | LimitEvidence():
            return None


def seen(evidence: Evidence) -> bool:
    """Whether there was anything to judge of the candidate."""
    match evidence:
        case GateEvidence():
            return (evidence.candidate + evidence.pending.candidate).total > 0
        case ShapeEvidence():
            return evidence.candidate_total + evidence.pending.candidate.total > 0
        case MeanEvidence():
            return evidence.open is not None or evidence.closed > 0
        case AgreementEvidence():
            return (evidence.pairs + evidence.pending.candidate).total > 0
        case LimitEvidence():
            return evidence.value is not None


def forget_pending(evidence: Evidence) -> Evidence:
    """For a change of weight, across which nothing is merged."""
    match evidence:
        case GateEvidence():
            return gate.discard_pending(evidence)
        case ShapeEvidence():
            return shape.discard_pending(evidence)
        case AgreementEvidence():
            return agreement.discard_pending(evidence)
        case MeanEvidence() | LimitEvidence():
            return evidence


def retry(evidence: Evidence) -> Evidence:
    """For another rollout of the same revision: evidence of harm stays, all else is earned anew."""
    match evidence:
        case GateEvidence():
            return gate.retried(evidence)
        case ShapeEvidence():
            return shape.retried(evidence)
        case MeanEvidence():
            return mean.retried(evidence)
        case AgreementEvidence():
            return agreement.retried(evidence)
        case LimitEvidence():
            return LimitEvidence()


def read(stored: object) -> Evidence:
    """What `to_dict` wrote. Counts were written before there were kinds, and go without."""
    kind = stored.get("kind", Kind.COUNTS) if isinstance(stored, Mapping) else Kind.COUNTS
    match kind:
        case Kind.COUNTS:
            return GateEvidence.from_dict(stored)
        case Kind.SHAPE:
            return ShapeEvidence.from_dict(stored)
        case Kind.MEAN:
            return MeanEvidence.from_dict(stored)
        case Kind.AGREEMENT:
            return AgreementEvidence.from_dict(stored)
        case Kind.LIMIT:
            return LimitEvidence.from_dict(stored)
        case _:
            raise EvidenceError(f"Stored evidence is of a kind that this version does not know: {kind!r}.")


def _mixed(evidence: Evidence, policy: Policy) -> EvidenceError:
    return EvidenceError(
        f"Gate {policy.name}: {type(evidence).__name__} does not fit {type(policy).__name__}; it is of another kind."
    )
