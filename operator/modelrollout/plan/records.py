"""Decision records: one readable sentence and all the numbers behind it."""

import math
from datetime import datetime
from typing import Any

from modelrollout.api.alerts import FiredAlert
from modelrollout.api.modelrevision import ArmCounts, DecisionRecord, EvidenceNumbers, GateRecord, Outcome
from modelrollout.evidence import Counts, GateVerdict, Judgement, Kind

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
        bound=None if verdict.upper_bound is None else round(verdict.upper_bound, 6),
        detail=_detail(verdict),
    )


def _detail(verdict: GateVerdict) -> str | None:
    """What was judged, where it is more or other than counts."""
    match verdict.kind:
        case Kind.SHAPE if verdict.edge is not None:
            return f"edge {verdict.edge}"[:200]
        case Kind.MEAN if verdict.values:
            candidate, stable = verdict.values
            return f"means {candidate:.6g} and {stable:.6g}"
        case Kind.AGREEMENT:
            return f"noise floor {percent(verdict.stable)}"
        case Kind.LIMIT if verdict.values:
            return f"value {verdict.values[0]:.6g}, by rule"
        case _:
            return None


def record(
    *,
    at: datetime,
    outcome: Outcome,
    reason: str,
    message: str,
    stage: str,
    weight: int,
    judgement: Judgement | None = None,
    by: str | None = None,
    alert: FiredAlert | None = None,
) -> DecisionRecord:
    """`by` is the person who asked for it, `alert` the one that led to it."""
    said = {"at": at, "outcome": outcome, "reason": reason, "message": cut(message), "stage": stage, "weight": weight}
    if judgement is None:
        return DecisionRecord(**said, by=by, alert=alert)
    return DecisionRecord(**said, by=by, alert=alert, **_numbers(judgement))


def numbers(judgement: Judgement) -> EvidenceNumbers:
    """What evidence says at a time when nothing is decided."""
    return EvidenceNumbers(**_numbers(judgement))


def _numbers(judgement: Judgement) -> dict[str, Any]:
    return {
        "verdict": judgement.verdict,
        "gate": judgement.culprit,
        "harm": _log(judgement.log_harm),
        "harm_threshold": _log(judgement.harm_threshold),
        "safety_threshold": _log(judgement.safety_threshold),
        "gates": tuple(_gate(verdict) for verdict in judgement.gates),
    }


def share(counts: Counts) -> str:
    """`12 of 800 (1.5 %)`."""
    return f"{counts.bad:.0f} of {counts.total:.0f} ({percent(counts)})"


def percent(counts: Counts) -> str:
    percent = 100 * counts.bad / counts.total if counts.total else 0.0
    return f"{percent:.0f} %" if percent >= 10 else f"{percent:.2g} %"


def harm_sentence(judgement: Judgement) -> str:
    """Which gate found harm, with both arms and the threshold that the evidence passed; or which limit was broken."""
    culprit = next(gate for gate in judgement.gates if gate.gate == judgement.culprit)
    if judgement.by_rule:
        return f"gate {culprit.gate}: {_seen(culprit)} is beyond its limit, a rule without an error rate"
    return (
        f"gate {culprit.gate}: {_seen(culprit)}; evidence of harm e^{judgement.log_harm:.1f} "
        f"reached its threshold e^{judgement.harm_threshold:.1f}"
    )


def disagreement_sentence(gate: GateVerdict, judgement: Judgement) -> str:
    """How often answers differ, how often the live version's own do, and the line that the evidence passed."""
    bound = f", at most {100 * gate.upper_bound:.2g} % beyond that" if gate.upper_bound is not None else ""
    return (
        f"gate {gate.gate}: {_seen(gate)}{bound}; evidence of disagreement e^{gate.log_harm:.1f} passed its line "
        f"e^{judgement.harm_threshold:.1f}"
    )


def _seen(gate: GateVerdict) -> str:
    match gate.kind:
        case Kind.COUNTS:
            return f"the candidate had {share(gate.candidate)} bad requests, the live version {share(gate.stable)}"
        case Kind.SHAPE:
            return (
                f"the candidate had {share(gate.candidate)} requests {_at(gate.edge or '')}, "
                f"the live version {share(gate.stable)}"
            )
        case Kind.MEAN:
            candidate, stable = gate.values or (math.nan, math.nan)
            return f"the candidate's mean was {candidate:.4g}, the live version's {stable:.4g}"
        case Kind.AGREEMENT:
            return (
                f"{share(gate.candidate)} of the candidate's answers differ from the live version's, "
                f"{share(gate.stable)} of those from each other"
            )
        case Kind.LIMIT:
            return f"the candidate's value {gate.values[0]:.4g}" if gate.values else "the candidate's value"


def _at(edge: str) -> str:
    """A number is a bound that requests are beyond; anything else is the name of a bin that they are in."""
    try:
        float(edge)
    except ValueError:
        return f"in {edge}"
    return f"beyond {edge}"


def progress_sentence(judgement: Judgement) -> str:
    """How far the evidence is, for the gate that is furthest from being safe."""
    bets = [gate for gate in judgement.gates if gate.kind is not Kind.LIMIT]
    if not bets:
        return f"{judgement.verdict}; {'; '.join(f'gate {gate.gate}: {_seen(gate)}' for gate in judgement.gates)}"
    slowest = min(bets, key=lambda gate: gate.log_safety)
    if slowest.kind is Kind.COUNTS:
        seen = f"candidate {share(slowest.candidate)} bad, live {share(slowest.stable)}"
    else:
        known = slowest.values or slowest.edge or (slowest.kind is Kind.AGREEMENT and slowest.intervals)
        seen = _seen(slowest) if known else "nothing to compare yet"
    return (
        f"{judgement.verdict}; gate {slowest.gate}: {seen}; "
        f"evidence of safety e^{slowest.log_safety:.1f} of e^{judgement.safety_threshold:.1f}"
    )
