"""Is the candidate worse? Pure statistics: counts in, verdicts out.

    counters → Counts → Interval → update(GateEvidence) → judge → Judgement

`counters` turns raw counters into what each arm served; `harm` and `safety` are the two bets on it, with their proofs;
`gate` keeps what one gate has seen; `verdict` judges all gates together; `pace` says how much traffic comes next.
Nothing here reads a clock or the world. Rates and error rates are fractions of one, weights are percent.
"""

from modelrollout.evidence.counters import carry, difference, readings
from modelrollout.evidence.counts import Counts, Interval
from modelrollout.evidence.errors import EvidenceError
from modelrollout.evidence.gate import (
    GateEvidence,
    GatePolicy,
    discard_pending,
    log_harm,
    log_safety,
    start,
    update,
    upper_bound,
)
from modelrollout.evidence.pace import next_weight
from modelrollout.evidence.verdict import ErrorRates, GateVerdict, Judgement, Verdict, judge

__all__ = [
    "Counts",
    "ErrorRates",
    "EvidenceError",
    "GateEvidence",
    "GatePolicy",
    "GateVerdict",
    "Interval",
    "Judgement",
    "Verdict",
    "carry",
    "difference",
    "discard_pending",
    "judge",
    "log_harm",
    "log_safety",
    "next_weight",
    "readings",
    "start",
    "update",
    "upper_bound",
]
