"""From the policy in the spec and a reading to a judgement.

Policy and evidence belong together: the digest of gates and error rates is kept with the evidence, and evidence that
was gathered under another policy is not continued, because changing margins half-way would void the guarantee.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime

from modelrollout.api.base import seconds
from modelrollout.api.gates import Gate
from modelrollout.api.modelrevision import StoredEvidence, StoredGate
from modelrollout.api.rollout import Rollout
from modelrollout.evidence import (
    ErrorRates,
    GateEvidence,
    GatePolicy,
    Interval,
    Judgement,
    discard_pending,
    judge,
    start,
    update,
)
from modelrollout.plan.observation import CandidateEvidence, Reading


def policy_of(gate: Gate) -> GatePolicy:
    return GatePolicy(
        name=gate.name,
        ratio=gate.ratio,
        tolerate=gate.tolerate_points / 100,
        promote_within=gate.margin_points / 100,
        weight=gate.weight,
    )


def policy_digest(rollout: Rollout) -> str:
    """Changes with anything that the guarantee depends on: gates and error rates, not stages or budgets."""
    policy = {
        "gates": [{**gate.model_dump(mode="json"), "ratio": gate.ratio} for gate in rollout.gates],
        "errorRates": rollout.error_rates.model_dump(mode="json"),
    }
    return hashlib.sha256(json.dumps(policy, sort_keys=True).encode()).hexdigest()[:16]


def gathered(
    *,
    rollout: Rollout,
    revision: str,
    evidence: CandidateEvidence | None,
    reading: Reading,
    split_changed_at: datetime | None,
) -> CandidateEvidence:
    """`evidence` with `reading` added to it; from nothing where there is none of this revision under this policy.

    An arm that still waits for its counterpart is forgotten when the split of traffic changed in between.
    """
    policy = policy_digest(rollout)
    known: Mapping[str, GateEvidence] = {}
    intervals: Mapping[str, Interval] = {}
    if evidence is not None and evidence.revision == revision and evidence.policy == policy:
        known, intervals = evidence.gates, reading.intervals
        if split_changed_at is not None and evidence.evaluated_at < split_changed_at:
            known = {name: discard_pending(gate) for name, gate in known.items()}
    looks = max(1, round(seconds(rollout.max_duration) / seconds(rollout.interval)))
    gates = {}
    for gate in rollout.gates:
        before = known.get(gate.name) or start(planned_intervals=looks)
        interval = intervals.get(gate.name)
        gates[gate.name] = update(before, policy_of(gate), interval) if interval else before
    return CandidateEvidence(revision=revision, policy=policy, evaluated_at=reading.at, gates=gates)


def judged(*, rollout: Rollout, evidence: CandidateEvidence) -> Judgement:
    rates = ErrorRates(
        false_rollback=rollout.error_rates.false_rollback, false_promotion=rollout.error_rates.false_promotion
    )
    pairs = [(policy_of(gate), evidence.gates[gate.name]) for gate in rollout.gates]
    return judge(pairs, rates=rates)


def stored(evidence: CandidateEvidence) -> StoredEvidence:
    return StoredEvidence(
        policy=evidence.policy,
        evaluated_at=evidence.evaluated_at,
        gates=tuple(StoredGate(name=name, state=gate.to_dict()) for name, gate in evidence.gates.items()),
    )


def restored(stored: StoredEvidence, *, revision: str) -> CandidateEvidence:
    """Raises EvidenceError when the status holds something that no operator wrote."""
    return CandidateEvidence(
        revision=revision,
        policy=stored.policy,
        evaluated_at=stored.evaluated_at,
        gates={gate.name: GateEvidence.from_dict(gate.state) for gate in stored.gates},
    )
