"""One gate: what it tolerates, what is known so far, and how an interval adds to it.

`GateEvidence` holds all that a decision needs and nothing that grows: a stake for each harm bet, a pair of sums for
each safety bet, and totals. A restarted operator reads it back and goes on under the same guarantees, because the next
interval is "since the last reading", however long that was.

Ratio, margins and `phi` must stay the same while evidence is collected; a changed policy starts afresh.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from modelrollout.evidence import demands, harm, record, safety
from modelrollout.evidence.counts import Counts, Interval
from modelrollout.evidence.errors import EvidenceError
from modelrollout.evidence.logs import log, log_add, log_mean

_LEAST_REQUESTS = 1e-6  # less than this is float noise of an extrapolated counter, not a request
_NONE = Counts()
_EMPTY = Interval(candidate=_NONE, stable=_NONE)
_KEYS = (
    "plannedIntervals",
    "intervals",
    "phi",
    "harmLogs",
    "safetyLogs",
    "safetySlopes",
    "candidate",
    "stable",
    "history",
    "pending",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePolicy:
    """Two lines, both above `ratio` times the stable rate, as fractions of all requests.

    Up to `tolerate` the candidate is harmless; from `promote_within` on it is harmful; between them either end is
    right.
    """

    name: str
    ratio: float
    tolerate: float
    promote_within: float
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.ratio) and self.ratio >= 0):
            raise EvidenceError(f"Gate {self.name}: the ratio must be a number from 0 on, not {self.ratio}.")
        demands.margins(self.name, tolerate=self.tolerate, promote_within=self.promote_within, most=1)
        demands.weight(self.name, self.weight)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateEvidence:
    """What one gate has seen. `candidate` and `stable` are totals of the intervals that were judged.

    `harm_logs` are ln of the stakes in play; `safety_logs` and `safety_slopes` are the sums of the safety bets (before
    the division by `phi`); `history` is what the stable arm served before the rollout; `pending` waits for its other
    arm. `carried` is ln E_harm as an earlier rollout of the same revision left it, None in its first; it is
    written rounded up where the stakes are rounded down, so that writing alone is no new evidence.
    """

    planned_intervals: int
    phi: float = 1.0
    intervals: int = 0
    harm_logs: tuple[float, ...] = (-math.inf,) * len(harm.BETS)
    safety_logs: tuple[float, ...] = (0.0,) * len(safety.BETS)
    safety_slopes: tuple[float, ...] = (0.0,) * len(safety.BETS)
    candidate: Counts = _NONE
    stable: Counts = _NONE
    history: Counts = _NONE
    pending: Interval = _EMPTY
    carried: float | None = None

    def __post_init__(self) -> None:
        demands.intervals(planned=self.planned_intervals, phi=self.phi)

    def to_dict(self) -> dict[str, object]:
        """Plain JSON values, about 400 bytes.

        Logs and slopes are rounded down, so that storing never adds evidence of either kind: it takes less than 1e-6
        from ln E_harm and never lowers an upper bound. Counts are rounded to the nearest 1e-6.
        """
        state: dict[str, object] = {
            "plannedIntervals": self.planned_intervals,
            "intervals": self.intervals,
            "phi": self.phi,
            "harmLogs": [record.floor(value) for value in self.harm_logs] if self.intervals else [],
            "safetyLogs": [record.floor(value) for value in self.safety_logs],
            "safetySlopes": [record.floor(value) for value in self.safety_slopes],
            "candidate": record.pair(self.candidate),
            "stable": record.pair(self.stable),
            "history": record.pair(self.history),
            "pending": [*record.pair(self.pending.candidate), *record.pair(self.pending.stable)],
        }
        return state if self.carried is None else {**state, "carried": record.ceiling(self.carried)}

    @classmethod
    def from_dict(cls, stored: object) -> "GateEvidence":
        """Read back what `to_dict` wrote; anything else is refused with an EvidenceError."""
        fields = record.check_keys(stored, keys=_KEYS, optional=("carried",))
        carried = fields.get("carried")
        intervals = record.whole(fields["intervals"], field="intervals", least=0)
        pending = record.numbers(fields["pending"], field="pending", length=4)
        return cls(
            planned_intervals=record.whole(fields["plannedIntervals"], field="plannedIntervals", least=1),
            phi=record.number(fields["phi"], field="phi"),
            intervals=intervals,
            harm_logs=_stored_harm_logs(fields, intervals=intervals),
            safety_logs=record.numbers(fields["safetyLogs"], field="safetyLogs", length=len(safety.BETS)),
            safety_slopes=record.numbers(fields["safetySlopes"], field="safetySlopes", length=len(safety.BETS)),
            candidate=record.counts(fields["candidate"], field="candidate"),
            stable=record.counts(fields["stable"], field="stable"),
            history=record.counts(fields["history"], field="history"),
            pending=Interval(candidate=Counts(*pending[:2]), stable=Counts(*pending[2:])),
            carried=None if carried is None else record.number(carried, field="carried"),
        )


def _stored_harm_logs(fields: Mapping[str, object], *, intervals: int) -> tuple[float, ...]:
    expected = len(harm.BETS) if intervals else 0
    logs = record.numbers(fields["harmLogs"], field="harmLogs", length=expected)
    return logs or (-math.inf,) * len(harm.BETS)


def start(*, planned_intervals: int, phi: float = 1.0, history: Counts = _NONE) -> GateEvidence:
    """Nothing known yet.

    `planned_intervals`: how many looks the rollout may take, over which the second half of the stake is spread; `phi`:
    the dispersion of the stable pods, 1 if requests are independent; `history`: what the stable arm served before,
    which makes the first interval's bet sharper and is never needed.
    """
    return GateEvidence(planned_intervals=planned_intervals, phi=phi, history=history)


def update(evidence: GateEvidence, policy: GatePolicy, interval: Interval) -> GateEvidence:
    """Add one interval.

    An interval without requests changes nothing. One that lacks requests of one arm is kept in `pending` and becomes
    part of the next, so that quiet services lose no evidence; what to merge is decided by request numbers alone, never
    by outcomes, which is why the proofs still hold. With ratio 0 only the candidate's requests are needed.
    """
    merged = evidence.pending + interval
    if merged.candidate.total < _LEAST_REQUESTS or (policy.ratio and merged.stable.total < _LEAST_REQUESTS):
        return evidence if interval == _EMPTY else replace(evidence, pending=merged)
    intervals = evidence.intervals + 1
    stake = log(
        harm.invested(intervals, planned=evidence.planned_intervals)
        - harm.invested(evidence.intervals, planned=evidence.planned_intervals)
    )
    guess = harm.guess_rate(evidence.history + evidence.stable)
    gains = [
        harm.log_factor(bet, ratio=policy.ratio, tolerate=policy.tolerate, guess=guess, interval=merged)
        for bet in harm.BETS
    ]
    factors = [safety.log_factor(bet, ratio=policy.ratio, interval=merged) for bet in safety.BETS]
    return replace(
        evidence,
        intervals=intervals,
        harm_logs=tuple(
            log_add(kept, stake) + gain / evidence.phi for kept, gain in zip(evidence.harm_logs, gains, strict=True)
        ),
        safety_logs=tuple(kept + new for kept, (new, _) in zip(evidence.safety_logs, factors, strict=True)),
        safety_slopes=tuple(kept + new for kept, (_, new) in zip(evidence.safety_slopes, factors, strict=True)),
        candidate=evidence.candidate + merged.candidate,
        stable=evidence.stable + merged.stable,
        pending=_EMPTY,
    )


def discard_pending(evidence: GateEvidence) -> GateEvidence:
    """Forget the arm that waits for its counterpart: for a change of weight, across which intervals are not merged."""
    return replace(evidence, pending=_EMPTY)


def retried(evidence: GateEvidence) -> GateEvidence:
    """For another rollout of the same revision. The stakes stay, so that trying again is no way around the error rate;
    safety, and the requests that it takes, have to be earned anew. Served requests of the live version stay as history.
    """
    return replace(
        evidence,
        safety_logs=(0.0,) * len(safety.BETS),
        safety_slopes=(0.0,) * len(safety.BETS),
        candidate=_NONE,
        stable=_NONE,
        history=evidence.history + evidence.stable,
        pending=_EMPTY,
        carried=log_harm(evidence),
    )


def log_harm(evidence: GateEvidence) -> float:
    """ln E_harm: the mean of the stakes in play plus what is not yet in play; 0 at the start."""
    rest = 1 - harm.invested(evidence.intervals, planned=evidence.planned_intervals)
    return log_add(log_mean(evidence.harm_logs), log(rest))


def log_safety(evidence: GateEvidence, policy: GatePolicy) -> float:
    """ln E_safe against "the candidate is beyond `promote_within`"; 0 at the start."""
    return safety.log_evidence(**_safety_sums(evidence), excess=policy.promote_within)


def upper_bound(evidence: GateEvidence, *, false_promotion: float) -> float:
    """Upper bound of the excess p_c - ratio * p_s in [0, 1], good at all looks together; 1 if nothing is known."""
    return safety.upper_bound(**_safety_sums(evidence), false_promotion=false_promotion)


def safety_sums(evidence: GateEvidence, policy: GatePolicy) -> tuple[float, ...]:
    """ln E_safe of each bet by itself."""
    return safety.sums_at(policy.promote_within, **_safety_sums(evidence))


def _safety_sums(evidence: GateEvidence) -> dict[str, tuple[float, ...]]:
    return {
        "constants": tuple(value / evidence.phi for value in evidence.safety_logs),
        "slopes": tuple(value / evidence.phi for value in evidence.safety_slopes),
    }
