"""From the policy in the spec and a reading to a judgement.

Policy and evidence belong together: the digest of gates and error rates is kept with the evidence, and evidence that
was gathered under another policy is not continued, because changing margins half-way would void the guarantee.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from modelrollout.api.base import seconds
from modelrollout.api.gates import Gate, TemplateRef
from modelrollout.api.gates.signals import USUAL
from modelrollout.api.gatetemplate import GateTemplateSpec
from modelrollout.api.modelrevision import FrozenTemplate, StoredEvidence, StoredGate
from modelrollout.api.rollout import Rollout
from modelrollout.evidence import (
    ErrorRates,
    Evidence,
    EvidenceError,
    Interval,
    Judgement,
    Observed,
    begin,
    forget_pending,
    judge,
    observe,
    read,
    retry,
)
from modelrollout.plan.observation import CandidateEvidence, Reading
from modelrollout.plan.policies import REQUEST_SIGNALS, counts_policy, policy_of

_FIRST_FIELDS = frozenset({"name", "signal", "over", "tolerate", "promote_within", "weight", "ratio", "points"})
"""Those that gates had when digests were first written. Others count where they are set, so that a digest stays."""


def policy_digest(rollout: Rollout) -> str:
    """Changes with anything that the guarantee depends on: gates and error rates, not stages or budgets."""
    policy = {
        "gates": [_identity(gate) for gate in rollout.gates],
        "errorRates": rollout.error_rates.model_dump(mode="json"),
    }
    return hashlib.sha256(json.dumps(policy, sort_keys=True).encode()).hexdigest()[:16]


def _identity(gate: Gate) -> dict[str, Any]:
    dumped = _without_later_nulls(gate.model_dump(mode="json"))
    return {**dumped, "ratio": gate.ratio} if gate.signal in USUAL else dumped


def _without_later_nulls(value: dict[str, Any]) -> dict[str, Any]:
    kept = {key: part for key, part in value.items() if part is not None or key in _FIRST_FIELDS}
    return {key: _without_later_nulls(part) if isinstance(part, dict) else part for key, part in kept.items()}


def gathered(
    *,
    rollout: Rollout,
    revision: str,
    evidence: CandidateEvidence | None,
    reading: Reading,
    split_changed_at: datetime | None,
    templates: Mapping[TemplateRef, GateTemplateSpec] | None = None,
    users_pay: bool = False,
) -> CandidateEvidence:
    """`evidence` with `reading` added to it; from nothing where there is none of this revision under this policy.

    An arm that still waits for its counterpart is forgotten when the split of traffic changed in between. `users_pay`:
    whether the candidate's requests are those of users, so that what it spoils counts against the budget.
    """
    policy = policy_digest(rollout)
    dispersions = reading.dispersions
    told: Mapping[str, str] = {name: str(dispersion) for name, dispersion in dispersions.items()}
    known: Mapping[str, Evidence] = {}
    intervals: Mapping[str, Observed] = {}
    spent: Mapping[str, float] = evidence.spent if evidence is not None and evidence.revision == revision else {}
    if evidence is not None and evidence.revision == revision and evidence.policy == policy:
        known, intervals, told = evidence.gates, reading.intervals, evidence.dispersions
        if split_changed_at is not None and evidence.evaluated_at < split_changed_at:
            known = {name: forget_pending(gate) for name, gate in known.items()}
    gates: dict[str, Evidence] = {}
    for gate in rollout.gates:
        wanted = policy_of(gate)
        before = known.get(gate.name) or begin(
            wanted,
            planned_seconds=seconds(rollout.max_duration) + _held_back(rollout),
            interval_seconds=seconds(rollout.interval),
            phi=dispersions[gate.name].phi if gate.name in dispersions else 1.0,
        )
        observed = intervals.get(gate.name)
        gates[gate.name] = before if observed is None else observe(before, wanted, observed)
    if rollout.error_budget is not None and users_pay:
        spent = {gate.name: spent.get(gate.name, 0.0) + _cost(gate, intervals.get(gate.name)) for gate in rollout.gates}
    return CandidateEvidence(
        revision=revision,
        policy=policy,
        evaluated_at=reading.at,
        gates=gates,
        templates=dict(templates or {}),
        dispersions=told,
        spent=spent,
    )


def _held_back(rollout: Rollout) -> float:
    """Seconds of a soak in which the comparison goes on; a part of the stake is kept for faults that show then."""
    soak = next((stage.soak for stage in rollout.stages if stage.soak), None)
    return seconds(soak.hold_for) if soak is not None and soak.holdback else 0.0


def _cost(gate: Gate, observed: Observed | None) -> float:
    """Bad requests of the candidate above what is tolerated of it, in one interval; less than 0 where it did better."""
    if gate.signal not in REQUEST_SIGNALS or not isinstance(observed, Interval) or observed.stable.total <= 0:
        return 0.0
    policy = counts_policy(gate)
    tolerated = policy.ratio * observed.stable.bad / observed.stable.total + policy.tolerate
    return observed.candidate.bad - observed.candidate.total * tolerated


def judged(*, rollout: Rollout, evidence: CandidateEvidence, accepted: Collection[str] = ()) -> Judgement:
    """`accepted` are gates whose disagreement a person has accepted."""
    rates = ErrorRates(
        false_rollback=rollout.error_rates.false_rollback, false_promotion=rollout.error_rates.false_promotion
    )
    pairs = [(policy_of(gate), evidence.gates[gate.name]) for gate in rollout.gates]
    return judge(pairs, rates=rates, accepted=accepted)


def stored(evidence: CandidateEvidence) -> StoredEvidence:
    return StoredEvidence(
        policy=evidence.policy,
        evaluated_at=evidence.evaluated_at,
        gates=tuple(
            StoredGate(
                name=name,
                state=gate.to_dict(),
                dispersion=evidence.dispersions.get(name),
                spent=_rounded(evidence.spent.get(name)),
            )
            for name, gate in evidence.gates.items()
        ),
        templates=tuple(
            FrozenTemplate(kind=ref.kind, name=ref.name, spec=template.model_dump(mode="json", exclude_none=True))
            for ref, template in evidence.templates.items()
        ),
    )


def _rounded(spent: float | None) -> float | None:
    return None if spent is None else round(spent, 3)


def restored(stored: StoredEvidence, *, revision: str) -> CandidateEvidence:
    """Raises EvidenceError when the status holds something that no operator wrote."""
    try:
        templates = {
            TemplateRef(kind=frozen.kind, name=frozen.name): GateTemplateSpec.model_validate(frozen.spec)
            for frozen in stored.templates
        }
    except ValidationError as error:
        raise EvidenceError(f"A gate template in it cannot be read: {error.errors()[0]['msg']}") from error
    return CandidateEvidence(
        revision=revision,
        policy=stored.policy,
        evaluated_at=stored.evaluated_at,
        gates={gate.name: read(gate.state) for gate in stored.gates},
        templates=templates,
        dispersions={gate.name: gate.dispersion for gate in stored.gates if gate.dispersion is not None},
        spent={gate.name: gate.spent for gate in stored.gates if gate.spent is not None},
    )


def tried_again(stored_evidence: StoredEvidence | None, *, rollout: Rollout, at: datetime) -> StoredEvidence | None:
    """What another rollout of the same revision begins with: its evidence of harm, if it is of the same policy."""
    if stored_evidence is None or stored_evidence.policy != policy_digest(rollout):
        return None
    try:
        evidence = restored(stored_evidence, revision="")
    except EvidenceError:
        return None
    again = CandidateEvidence(
        revision="",
        policy=evidence.policy,
        evaluated_at=at,
        gates={name: retry(gate) for name, gate in evidence.gates.items()},
        templates=evidence.templates,
        dispersions=evidence.dispersions,
    )
    return stored(again)
