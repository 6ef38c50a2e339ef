"""The gate before any traffic: whether the candidate keeps the contract that callers of the live version rely on.

What two documents say can be judged before there is a pod, so a broken contract costs none. What the pods themselves
say is asked for where the policy wants it, once they are ready. The outcome is kept with the revision: a process that
starts again neither judges nor asks a second time, and a gate that was passed stays open for the rest of the rollout.

The way back has no gate, and neither has a first version, which breaks nobody's requests.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from modelrollout.api.contract import (
    MAX_FINDINGS,
    Breaking,
    Contract,
    ContractCheck,
    ContractFinding,
    Judged,
    Severity,
)
from modelrollout.api.modeldeployment import ModelDeploymentSpec, StageName
from modelrollout.api.modelrevision import ModelRevisionSpec, Outcome, RevisionState
from modelrollout.api.sentences import sentence
from modelrollout.data.compatibility import Finding, breaking, compare
from modelrollout.data.skew import skew
from modelrollout.plan.canary import first_capacity
from modelrollout.plan.plan import Decision, Standing
from modelrollout.plan.records import record
from modelrollout.plan.review import approved
from modelrollout.plan.rollback import roll_back
from modelrollout.plan.situation import Situation

_TOLD = 4
"""Findings that a message tells; the revision keeps all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """`rejection` takes the candidate back; `held` keeps it where it is. With neither of them the gate is open.

    `for_a_person`: it is a person's to open, so the rollout's time does not run. `check` is what is to be written of
    it, where that is news.
    """

    rejection: Decision | None = None
    held: Decision | None = None
    for_a_person: bool = False
    check: ContractCheck | None = None

    def passing(self, decision: Decision) -> Decision:
        """A decision of somebody else's, with no copies of requests for a candidate that has not passed."""
        if self.held is not None:
            decision = replace(decision, mirror=False)
        return replace(decision, contract=self.check)


def contract_gate(situation: Situation) -> Gate:
    source = situation.observation.spec.contract
    if source is None or situation.observation.status.weight > 0:
        return Gate()
    check = situation.candidate.status.contract
    if check is None or not check.outcome.passed or check.against != situation.stable.id:
        judged = _documents(situation)
        if judged.check is None or judged.held is not None:
            return judged
        check = judged.check
    if not source.verify.wanted or check.verified_at is not None:
        return Gate(check=check)
    return _pods(situation, check)


def _documents(situation: Situation) -> Gate:
    findings = judge(situation.candidate.spec, live=situation.stable.spec)
    live = situation.stable.spec.model.version
    breach = _Breach(findings=findings, reason="ContractBroken", what=f"it breaks the contract of version {live}")
    if skewed(findings):
        what = "training and serving make its features differently"
        return _rejected(situation, replace(breach, reason="FeaturePipelineSkew", what=what), Judged.SKEWED)
    return _settled(situation, breach) if breaking(findings) else Gate(check=_check(situation, breach, Judged.KEPT))


def _pods(situation: Situation, check: ContractCheck) -> Gate:
    """What the candidate's pods say themselves. A review that comes first costs no pods, so they are asked after it."""
    observation, candidate = situation.observation, situation.candidate
    stage = observation.status.stage or StageName.CANARY
    if stage is StageName.REVIEW or not isinstance(_read(candidate.spec.contract, ""), Contract):
        return Gate(check=check)
    told_ = observation.verification
    if told_ is not None and told_.revision == candidate.id and told_.unanswered is None:
        if not breaking(told_.findings):
            return Gate(check=_verified(check, told_.findings, at=situation.now))
        what = "its pods do not serve what its contract says"
        breach = _Breach(findings=told_.findings, reason="ContractNotServed", what=what, verified_at=situation.now)
        return _settled(situation, breach)
    if candidate.ready == 0:
        reason, message = "WaitingForPods", f"0 of {situation.replicas} pods of the candidate are ready"
    elif told_ is None or told_.unanswered is None:
        reason, message = "VerifyingContract", "the candidate's pods are asked what they serve"
    else:
        reason, message = "ContractUnverified", f"holding: {told_.unanswered}"
    decision = situation.decision(
        stage=stage, reason=reason, message=message, capacity=first_capacity(observation.spec, stage)
    )
    return Gate(held=replace(decision, verify=candidate.ready > 0), check=check)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Breach:
    """Something that breaks, and how it is called. `verified_at`: when the pods told it, if it was they."""

    findings: tuple[Finding, ...]
    reason: str
    what: str
    verified_at: datetime | None = None


def _settled(situation: Situation, breach: _Breach) -> Gate:
    """What the policy says of a break."""
    source = situation.observation.spec.contract
    match source.breaking if source is not None else Breaking.REJECT:
        case Breaking.REJECT:
            return _rejected(situation, breach, Judged.BROKEN)
        case Breaking.REVIEW:
            return _reviewed(situation, breach)
        case Breaking.ALLOW:
            return _noted(situation, breach, Judged.ALLOWED, "contract.breaking is Allow")


def holds_at_start(spec: ModelDeploymentSpec, candidate: ModelRevisionSpec | None, *, live: ModelRevisionSpec) -> bool:
    """Whether the gate will hold a candidate that has no pods yet, so that it needs none."""
    if spec.contract is None or candidate is None:
        return False
    findings = judge(candidate, live=live)
    return skewed(findings) or (bool(breaking(findings)) and spec.contract.breaking is not Breaking.ALLOW)


def judge(candidate: ModelRevisionSpec, *, live: ModelRevisionSpec | None) -> tuple[Finding, ...]:
    """Everything that two revisions tell without being asked."""
    ours = _read(candidate.contract, "the candidate's contract")
    if not isinstance(ours, Contract):
        return (ours,)
    pipeline = skew(ours, candidate.serving.template)
    found = [pipeline] if pipeline is not None else []
    if live is not None:
        theirs = _read(live.contract, "the live version's contract")
        found += compare(live=theirs, candidate=ours) if isinstance(theirs, Contract) else [theirs]
    return tuple(sorted(found, key=lambda finding: finding.severity is Severity.NOTE))


def skewed(findings: tuple[Finding, ...]) -> bool:
    return any(finding.field == "featurePipeline" for finding in breaking(findings))


def _read(document: Mapping[str, Any] | None, whose: str) -> Contract | Finding:
    if document is None:
        why = "was not there when its revision was made; nothing was compared"
        return Finding(severity=Severity.NOTE, field="contract", message=f"{whose} {why}")
    try:
        return Contract.model_validate(document)
    except ValidationError as error:
        why = f"has a form of another time, and nothing was compared: {sentence(error)}"
        return Finding(severity=Severity.NOTE, field="contract", message=f"{whose} {why}")


def _check(situation: Situation, breach: _Breach, outcome: Judged) -> ContractCheck:
    return ContractCheck(
        against=situation.stable.id,
        outcome=outcome,
        findings=_kept(breach.findings),
        verified_at=breach.verified_at if outcome.passed else None,
    )


def _verified(check: ContractCheck, findings: tuple[Finding, ...], *, at: datetime) -> ContractCheck:
    known: ContractCheck = check.model_copy(
        update={"verified_at": at, "findings": (*check.findings, *_kept(findings))[:MAX_FINDINGS]}
    )
    return known


def _kept(findings: tuple[Finding, ...]) -> tuple[ContractFinding, ...]:
    return tuple(
        ContractFinding(
            severity=finding.severity, field=finding.field[:200], message=_cut(finding.message, longest=500)
        )
        for finding in findings[:MAX_FINDINGS]
    )


def _rejected(situation: Situation, breach: _Breach, outcome: Judged) -> Gate:
    version = situation.candidate.spec.model.version
    message = f"version {version} was rejected before any traffic: {breach.what}: {told(breach.findings)}"
    if outcome is Judged.BROKEN:
        message += "; for a break that is meant, set contract.breaking to Review or Allow and ask for a Retry"
    decision = roll_back(situation, reason=breach.reason, why="", state=RevisionState.REJECTED, message=message)
    return Gate(rejection=replace(decision, contract=_check(situation, breach, outcome)))


def _reviewed(situation: Situation, breach: _Breach) -> Gate:
    """It waits as long as it takes. The approval is the review stage's own, so one will do for both."""
    policy = situation.observation.spec.review
    approval = approved(situation, role=policy.role if policy else None)
    if approval is not None:
        why = f"approved by {approval.by}: {approval.reason}"
        return _noted(situation, breach, Judged.APPROVED, why, by=approval.by)
    version = situation.candidate.spec.model.version
    decision = situation.decision(
        stage=situation.observation.status.stage or StageName.CANARY,
        reason="ContractReview",
        message=f"version {version} waits for an approval, because {breach.what}: {told(breach.findings)}",
        standing=Standing.AWAITING_REVIEW,
    )
    held = replace(decision, verify=breach.verified_at is not None)
    return Gate(held=held, for_a_person=True, check=_check(situation, breach, Judged.AWAITING_REVIEW))


def _noted(situation: Situation, breach: _Breach, outcome: Judged, why: str, *, by: str | None = None) -> Gate:
    """A break that may pass is on record, in a plan of its own."""
    stage = situation.observation.status.stage or StageName.CANARY
    reason = f"ContractBreak{outcome}"
    message = f"{breach.what}, and it passes, {why}: {told(breach.findings)}"
    decision = situation.decision(
        stage=stage,
        reason=reason,
        message=message,
        record=record(
            at=situation.now, outcome=Outcome.ADVANCE, reason=reason, message=message, stage=stage, weight=0, by=by
        ),
    )
    held = replace(decision, resumed=by is not None)
    return Gate(held=held, for_a_person=True, check=_check(situation, breach, outcome))


def told(findings: tuple[Finding, ...]) -> str:
    broken = [str(finding) for finding in breaking(findings)]
    more = f"; and {len(broken) - _TOLD} more" if len(broken) > _TOLD else ""
    return "; ".join(broken[:_TOLD]) + more


def _cut(text: str, *, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
