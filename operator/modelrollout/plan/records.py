"""Decision records: one readable sentence and all the numbers behind it."""

import math
from datetime import datetime

from modelrollout.api.modelrevision import ArmCounts, DecisionRecord, GateRecord, Outcome
from modelrollout.evidence import Counts, GateVerdict, Judgement

_LARGEST_LOG = 700.0  # JSON has no infinity; e^700 is past any threshold

LONGEST_MESSAGE = 2000
"""Characters that a record keeps of a message. A pod or Prometheus may say more, and no decision may fail for that."""


def cut(message: str) -> str:
    return message if len(message) <= LONGEST_MESSAGE else message[: LONGEST_MESSAGE - 1] + "…"


def _arm(counts: Counts) -> ArmCounts:
    return ArmCounts(requests=round(counts.total, 3), bad=round(counts.bad, 3))


def _log(value: float) -> float:
    return round(max(-_LARGEST_LOG, min(_LARGEST_LOG, value)), 3) if not math.isnan(value) else 0.0


def _gate(verdict: GateVerdict) -> GateRecord:
    return GateRecord(
        name=verdict.gate,
        verdict=verdict.verdict,
        candidate=_arm(verdict.candidate),
        stable=_arm(verdict.stable),
        harm=_log(verdict.log_harm),
        safety=_log(verdict.log_safety),
        bound=round(verdict.upper_bound, 6),
    )


def record(
    *,
    at: datetime,
    outcome: Outcome,
    reason: str,
    message: str,
    stage: str,
    weight: int,
    judgement: Judgement | None = None,
) -> DecisionRecord:
    message = cut(message)
    if judgement is None:
        return DecisionRecord(at=at, outcome=outcome, reason=reason, message=message, stage=stage, weight=weight)
    return DecisionRecord(
        at=at,
        outcome=outcome,
        reason=reason,
        message=message,
        stage=stage,
        weight=weight,
        verdict=judgement.verdict,
        gate=judgement.culprit,
        harm=_log(judgement.log_harm),
        harm_threshold=_log(judgement.harm_threshold),
        safety_threshold=_log(judgement.safety_threshold),
        gates=tuple(_gate(verdict) for verdict in judgement.gates),
    )


def share(counts: Counts) -> str:
    """`12 of 800 (1.5 %)`."""
    percent = 100 * counts.bad / counts.total if counts.total else 0.0
    return f"{counts.bad:.0f} of {counts.total:.0f} ({percent:.2g} %)"


def harm_sentence(judgement: Judgement) -> str:
    """Which gate found harm, with both arms and the threshold that the evidence passed."""
    culprit = next(gate for gate in judgement.gates if gate.gate == judgement.culprit)
    return (
        f"gate {culprit.gate}: the candidate had {share(culprit.candidate)} bad requests, "
        f"the live version {share(culprit.stable)}; evidence of harm e^{judgement.log_harm:.1f} "
        f"reached its threshold e^{judgement.harm_threshold:.1f}"
    )


def progress_sentence(judgement: Judgement) -> str:
    """How far the evidence is, for the gate that is furthest from being safe."""
    slowest = min(judgement.gates, key=lambda gate: gate.log_safety)
    return (
        f"{judgement.verdict}; gate {slowest.gate}: candidate {share(slowest.candidate)} bad, "
        f"live {share(slowest.stable)}; "
        f"evidence of safety e^{slowest.log_safety:.1f} of e^{judgement.safety_threshold:.1f}"
    )
