"""All gates together: roll back, promote, or wait.

**Rollback.** The weighted mean of e-values is an e-value however the gates depend on each other (Vovk and Wang 2021),
so one threshold 1/falseRollback serves all gates, and the chance of ever rolling back a harmless candidate stays below
`false_rollback` however many gates there are and however often they are looked at.
**Promotion.** Every gate must show by itself that the candidate is within its margin. A harmful candidate is beyond the
margin of some gate, and that gate lets it through with probability `false_promotion` at most: no share to be split.
**Rules.** A limit is no e-value: its breach is a Fail beside the mean, without an error rate, and it passes while the
number was seen and lies within.
**Disagreement.** A gate that waits for a person takes no part in the mean: that a candidate answers differently is no
harm by itself. Its own e-value decides, at the same line, and until a person has accepted what it found, nothing is
promoted: verdict `Disagreement`.
**Another rollout of the same revision** goes on from the stakes of the one before. What was known then does not roll
back by itself; it does once the stakes stand at the threshold and higher than they did then. Until they have come down
below it nothing is promoted either.
"""

import enum
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from modelrollout.evidence.agreement import AgreementEvidence, AgreementPolicy
from modelrollout.evidence.counts import Counts
from modelrollout.evidence.errors import EvidenceError
from modelrollout.evidence.gate import GateEvidence
from modelrollout.evidence.kinds import (
    Evidence,
    Kind,
    Policy,
    carried,
    kind_of,
    log_harm,
    log_safety,
    seen,
    upper_bound,
)
from modelrollout.evidence.limit import LimitEvidence, LimitPolicy, breached, within
from modelrollout.evidence.logs import log_sum
from modelrollout.evidence.mean import MeanEvidence
from modelrollout.evidence.shape import ShapeEvidence, ShapePolicy, least_safe, worst


class Verdict(enum.StrEnum):
    """What a gate says. Only `Fail` rolls back and only `Pass` promotes. `Disagreement` waits for a person."""

    Pass = "Pass"
    Fail = "Fail"
    Disagreement = "Disagreement"
    Insufficient = "Insufficient"
    NoData = "NoData"
    Unavailable = "Unavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorRates:
    """The chances that a user accepts, as fractions of one: of ever being wrong in a rollout, not of one look."""

    false_rollback: float
    false_promotion: float

    def __post_init__(self) -> None:
        for name, rate in (("falseRollback", self.false_rollback), ("falsePromotion", self.false_promotion)):
            if not 0 < rate < 1:
                raise EvidenceError(f"The error rate {name} must lie between 0 and 1, not at {rate}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class GateVerdict:
    """One gate's part in a judgement, with its numbers. Logs are natural.

    `upper_bound` is None where a gate counts no requests. Counts of a Shape are those at `edge`: where the candidate
    differs most if it failed, else where it has earned least safety. Those of an Agreement are pairs and noise pairs,
    with those that disagree. `values` are the means of a Mean (candidate, live) and the newest value of a Limit.
    """

    gate: str
    verdict: Verdict
    log_harm: float
    log_safety: float
    upper_bound: float | None
    candidate: Counts
    stable: Counts
    intervals: int
    kind: Kind = Kind.COUNTS
    values: tuple[float, ...] = ()
    edge: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """`log_harm` is ln of the weighted mean e-value; `culprit` is the gate with the largest part in a `Fail`.

    `by_rule` tells that it failed by a limit, which has no error rate.
    """

    verdict: Verdict
    log_harm: float
    harm_threshold: float
    safety_threshold: float
    culprit: str | None
    gates: tuple[GateVerdict, ...]
    by_rule: bool = False


Pair = tuple[Policy, Evidence]


def judge(
    gates: Mapping[str, Pair] | Iterable[Pair], *, rates: ErrorRates, accepted: Collection[str] = ()
) -> Judgement:
    """Judge all gates. Without any gate there is nothing that could earn a promotion: `NoData`.

    `accepted` are gates whose disagreement a person has accepted.
    """
    pairs = list(gates.values() if isinstance(gates, Mapping) else gates)
    if len({policy.name for policy, _ in pairs}) != len(pairs):
        raise EvidenceError("Two gates have the same name.")
    harm_threshold = math.log(1 / rates.false_rollback)
    safety_threshold = math.log(1 / rates.false_promotion)
    # Each is read once: a histogram has a sum for every edge, direction and bet.
    harm = {policy.name: log_harm(evidence) for policy, evidence in pairs}
    safety = {policy.name: log_safety(evidence, policy) for policy, evidence in pairs}
    parts, before = _parts(pairs, harm), _parts_before(pairs)
    joint = log_sum(parts.values()) if parts else 0.0
    reached = joint >= harm_threshold
    harmed = reached and (before is None or joint > before)
    doubted = reached and not harmed
    broken = [policy.name for policy, evidence in pairs if _breaks(policy, evidence)]
    culprit = max(parts, key=parts.__getitem__) if harmed else broken[0] if broken else None

    def verdict_of(policy: Policy, evidence: Evidence) -> Verdict:
        if policy.name in broken:
            return Verdict.Fail
        if _waits(policy):
            return held(policy, evidence)
        own = harm[policy.name]
        if harmed and own is not None and (policy.name == culprit or own >= harm_threshold):
            return Verdict.Fail
        if not seen(evidence):
            return Verdict.NoData
        earned = safety[policy.name]
        safe = _within(policy, evidence) if earned is None else earned >= safety_threshold
        return Verdict.Pass if safe and not doubted else Verdict.Insufficient

    def held(policy: Policy, evidence: Evidence) -> Verdict:
        own, earned = harm[policy.name], safety[policy.name]
        if not seen(evidence):
            return Verdict.NoData
        if isinstance(evidence, AgreementEvidence) and evidence.peak >= harm_threshold:
            return Verdict.Pass if policy.name in accepted else Verdict.Disagreement
        known_before = own is not None and own >= harm_threshold
        safe = earned is not None and earned >= safety_threshold and not known_before
        return Verdict.Pass if safe and not doubted else Verdict.Insufficient

    verdicts = tuple(
        _gate_verdict(
            policy,
            evidence,
            verdict_of(policy, evidence),
            log_harm=harm[policy.name] or 0.0,
            log_safety=safety[policy.name] or 0.0,
            rates=rates,
        )
        for policy, evidence in pairs
    )
    return Judgement(
        verdict=_together({gate.verdict for gate in verdicts}),
        log_harm=joint,
        harm_threshold=harm_threshold,
        safety_threshold=safety_threshold,
        culprit=culprit,
        gates=verdicts,
        by_rule=culprit is not None and not harmed,
    )


def _parts(pairs: list[Pair], harm: Mapping[str, float | None]) -> dict[str, float]:
    """ln of each betting gate's part in the weighted mean."""
    bets = [(policy, own) for policy, _ in pairs if _weight(policy) and (own := harm[policy.name]) is not None]
    whole = math.fsum(_weight(policy) for policy, _ in bets)
    return {policy.name: math.log(_weight(policy) / whole) + own for policy, own in bets}


def _parts_before(pairs: list[Pair]) -> float | None:
    """ln of the weighted mean as the rollout before this one left it; None in a revision's first."""
    stakes = [(policy, carried(evidence)) for policy, evidence in pairs if _weight(policy)]
    whole = math.fsum(_weight(policy) for policy, _ in stakes)
    if all(stake is None for _, stake in stakes):
        return None
    return log_sum(math.log(_weight(policy) / whole) + (stake or 0.0) for policy, stake in stakes)


def _weight(policy: Policy) -> float:
    """This gate's part in the joint evidence; 0 for a rule, and for a gate that waits for a person."""
    return 0.0 if isinstance(policy, LimitPolicy) or _waits(policy) else policy.weight


def _waits(policy: Policy) -> bool:
    return isinstance(policy, AgreementPolicy) and policy.hold


def _breaks(policy: Policy, evidence: Evidence) -> bool:
    return isinstance(policy, LimitPolicy) and isinstance(evidence, LimitEvidence) and breached(evidence, policy)


def _within(policy: Policy, evidence: Evidence) -> bool:
    return isinstance(policy, LimitPolicy) and isinstance(evidence, LimitEvidence) and within(evidence, policy)


def _gate_verdict(
    policy: Policy, evidence: Evidence, verdict: Verdict, *, log_harm: float, log_safety: float, rates: ErrorRates
) -> GateVerdict:
    candidate, stable, intervals = Counts(), Counts(), 0
    values: tuple[float, ...] = ()
    edge = None
    match evidence:
        case GateEvidence():
            candidate, stable, intervals = evidence.candidate, evidence.stable, evidence.intervals
        case ShapeEvidence() if isinstance(policy, ShapePolicy):
            intervals = evidence.intervals
            candidate, stable = Counts(evidence.candidate_total), Counts(evidence.stable_total)
            edge = worst(evidence) if verdict is Verdict.Fail else least_safe(evidence, policy)
            if edge is not None:
                known = evidence.edges[edge]
                candidate = Counts(evidence.candidate_total, min(known.candidate, evidence.candidate_total))
                stable = Counts(evidence.stable_total, min(known.stable, evidence.stable_total))
        case MeanEvidence():
            intervals = evidence.closed
            values = (evidence.candidate, evidence.stable) if evidence.closed else ()
        case AgreementEvidence():
            candidate, stable, intervals = evidence.pairs, evidence.noise, evidence.intervals
        case LimitEvidence():
            intervals = len(evidence.looks)
            values = () if evidence.value is None else (evidence.value,)
    return GateVerdict(
        gate=policy.name,
        verdict=verdict,
        log_harm=log_harm,
        log_safety=log_safety,
        upper_bound=upper_bound(evidence, false_promotion=rates.false_promotion),
        candidate=candidate,
        stable=stable,
        intervals=intervals,
        kind=kind_of(evidence),
        values=values,
        edge=edge,
    )


def _together(verdicts: set[Verdict]) -> Verdict:
    if verdicts == {Verdict.Pass}:
        return Verdict.Pass
    for verdict in (Verdict.Fail, Verdict.Disagreement, Verdict.NoData):
        if verdict in verdicts:
            return verdict
    return Verdict.Insufficient if verdicts else Verdict.NoData
