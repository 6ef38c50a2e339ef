"""Is the candidate worse? Pure statistics: counts in, verdicts out.

    counters → Counts → Interval → update(GateEvidence) → judge → Judgement

`counters` turns raw counters into what each arm served; `harm` and `safety` are the two bets on it, with their proofs;
`gate` keeps what one gate of counts has seen; `kinds` holds it and the other kinds (`shape`, `mean`, `agreement`,
`limit`) behind one interface; `verdict` judges all gates together; `pace` says how much traffic comes next.
Nothing here reads a clock or the world. Rates and error rates are fractions of one, weights are percent.
"""

from modelrollout.evidence.agreement import AgreementEvidence, AgreementPolicy
from modelrollout.evidence.bins import MAX_EDGES, Bins, Spread, difference_of_bins
from modelrollout.evidence.counters import carry, difference, readings
from modelrollout.evidence.counts import Counts, Interval
from modelrollout.evidence.errors import EvidenceError
from modelrollout.evidence.forecast import requests_left, seconds_left
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
from modelrollout.evidence.kinds import (
    Evidence,
    Kind,
    Observed,
    Policy,
    begin,
    forget_pending,
    observe,
    read,
)
from modelrollout.evidence.kinds import retry as retry
from modelrollout.evidence.limit import Level, LimitEvidence, LimitPolicy
from modelrollout.evidence.mean import Levels, MeanEvidence, MeanPolicy
from modelrollout.evidence.pace import next_weight
from modelrollout.evidence.shape import ShapeEvidence, ShapePolicy
from modelrollout.evidence.verdict import ErrorRates, GateVerdict, Judgement, Verdict, judge

__all__ = [
    "MAX_EDGES",
    "AgreementEvidence",
    "AgreementPolicy",
    "Bins",
    "Counts",
    "ErrorRates",
    "Evidence",
    "EvidenceError",
    "GateEvidence",
    "GatePolicy",
    "GateVerdict",
    "Interval",
    "Judgement",
    "Kind",
    "Level",
    "Levels",
    "LimitEvidence",
    "LimitPolicy",
    "MeanEvidence",
    "MeanPolicy",
    "Observed",
    "Policy",
    "ShapeEvidence",
    "ShapePolicy",
    "Spread",
    "Verdict",
    "begin",
    "carry",
    "difference",
    "difference_of_bins",
    "discard_pending",
    "forget_pending",
    "judge",
    "log_harm",
    "log_safety",
    "next_weight",
    "observe",
    "read",
    "readings",
    "requests_left",
    "retry",
    "seconds_left",
    "start",
    "update",
    "upper_bound",
]
