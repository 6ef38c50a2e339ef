"""All gates together: roll back, promote, or wait.

**Rollback.** The weighted mean of e-values is an e-value however the gates depend on each other (Vovk and Wang 2021),
so one threshold 1/falseRollback serves all gates, and the chance of ever rolling back a harmless candidate stays below
`false_rollback` however many gates there are and however often they are looked at.
**Promotion.** Every gate must show by itself that the candidate is within its margin. A harmful candidate is beyond the
margin of some gate, and that gate lets it through with probability `false_promotion` at most: no share to be split.
"""

import enum
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from modelrollout.evidence.counts import Counts
from modelrollout.evidence.errors import EvidenceError
from modelrollout.evidence.gate import GateEvidence, GatePolicy, log_harm, log_safety, upper_bound
from modelrollout.evidence.logs import log_sum


class Verdict(enum.StrEnum):
    """What a gate says. Only `Fail` rolls back and only `Pass` promotes."""

    Pass = "Pass"
    Fail = "Fail"
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
    """One gate's part in a judgement, with its numbers. Logs are natural."""

    gate: str
    verdict: Verdict
    log_harm: float
    log_safety: float
    upper_bound: float
    candidate: Counts
    stable: Counts
    intervals: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """`log_harm` is ln of the weighted mean e-value; `culprit` is the gate with the largest part in a `Fail`."""

    verdict: Verdict
    log_harm: float
    harm_threshold: float
    safety_threshold: float
    culprit: str | None
    gates: tuple[GateVerdict, ...]


def judge(
    gates: Mapping[str, tuple[GatePolicy, GateEvidence]] | Iterable[tuple[GatePolicy, GateEvidence]],
    *,
    rates: ErrorRates,
) -> Judgement:
    """Judge all gates. Without any gate there is nothing that could earn a promotion: `NoData`."""
    pairs = list(gates.values() if isinstance(gates, Mapping) else gates)
    harm_threshold = math.log(1 / rates.false_rollback)
    safety_threshold = math.log(1 / rates.false_promotion)
    whole = math.fsum(policy.weight for policy, _ in pairs)
    parts = {policy.name: math.log(policy.weight / whole) + log_harm(evidence) for policy, evidence in pairs}
    if len(parts) != len(pairs):
        raise EvidenceError("Two gates have the same name.")
    joint = log_sum(parts.values()) if parts else 0.0
    culprit = max(parts, key=parts.__getitem__) if parts and joint >= harm_threshold else None

    def verdict_of(policy: GatePolicy, evidence: GateEvidence) -> Verdict:
        if culprit is not None and (policy.name == culprit or log_harm(evidence) >= harm_threshold):
            return Verdict.Fail
        if (evidence.candidate + evidence.pending.candidate).total == 0:
            return Verdict.NoData
        return Verdict.Pass if log_safety(evidence, policy) >= safety_threshold else Verdict.Insufficient

    verdicts = tuple(
        GateVerdict(
            gate=policy.name,
            verdict=verdict_of(policy, evidence),
            log_harm=log_harm(evidence),
            log_safety=log_safety(evidence, policy),
            upper_bound=upper_bound(evidence, false_promotion=rates.false_promotion),
            candidate=evidence.candidate,
            stable=evidence.stable,
            intervals=evidence.intervals,
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
    )


def _together(verdicts: set[Verdict]) -> Verdict:
    if verdicts == {Verdict.Pass}:
        return Verdict.Pass
    for verdict in (Verdict.Fail, Verdict.NoData):
        if verdict in verdicts:
            return verdict
    return Verdict.Insufficient if verdicts else Verdict.NoData
