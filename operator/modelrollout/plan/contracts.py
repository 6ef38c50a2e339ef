"""The gate before any traffic: whether the candidate keeps the contract that callers of the live version rely on.

What two documents say can be judged before there is a pod, so a broken contract costs none. The outcome is kept with
the revision: a process that starts again does not judge a second time, and a gate that was passed stays open for the
rest of the rollout.

The way back has no gate, and neither has a first version, which breaks nobody's requests.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
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
    observation = situation.observation
    source, status = observation.spec.contract, observation.status
    if source is None or status.weight > 0:
        return Gate()
    known = situation.candidate.status.contract
    if known is not None and known.outcome.passed and known.against == situation.stable.id:
        return Gate()
    findings = judge(situation.candidate.spec, live=situation.stable.spec)
    if skewed(findings):
        return _rejected(situation, findings, Judged.SKEWED)
    if not breaking(findings):
        return Gate(check=_check(situation, findings, Judged.KEPT))
    match source.breaking:
        case Breaking.REJECT:
            return _rejected(situation, findings, Judged.BROKEN)
        case Breaking.REVIEW:
            return _reviewed(situation, findings)
        case Breaking.ALLOW:
            return _noted(situation, findings, Judged.ALLOWED, "contract.breaking is Allow")


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


def _check(situation: Situation, findings: tuple[Finding, ...], outcome: Judged) -> ContractCheck:
    return ContractCheck(
        against=situation.stable.id,
        outcome=outcome,
        findings=tuple(
            ContractFinding(
                severity=finding.severity, field=finding.field[:200], message=_cut(finding.message, longest=500)
            )
            for finding in findings[:MAX_FINDINGS]
        ),
    )


def _rejected(situation: Situation, findings: tuple[Finding, ...], outcome: Judged) -> Gate:
    version = situation.candidate.spec.model.version
    if outcome is Judged.SKEWED:
        reason, what = "FeaturePipelineSkew", "training and serving make its features differently"
        remedy = ""
    else:
        reason, what = "ContractBroken", f"it breaks the contract of version {situation.stable.spec.model.version}"
        remedy = "; for a break that is meant, set contract.breaking to Review or Allow and ask for a Retry"
    message = f"version {version} was rejected before any traffic: {what}: {told(findings)}{remedy}"
    decision = roll_back(situation, reason=reason, why="", state=RevisionState.REJECTED, message=message)
    check = _check(situation, findings, outcome)
    return Gate(rejection=replace(decision, contract=check))


def _reviewed(situation: Situation, findings: tuple[Finding, ...]) -> Gate:
    """It waits as long as it takes. The approval is the review stage's own, so one will do for both."""
    policy = situation.observation.spec.review
    approval = approved(situation, role=policy.role if policy else None)
    if approval is not None:
        return _noted(
            situation, findings, Judged.APPROVED, f"approved by {approval.by}: {approval.reason}", by=approval.by
        )
    version = situation.candidate.spec.model.version
    check = _check(situation, findings, Judged.AWAITING_REVIEW)
    decision = situation.decision(
        stage=situation.observation.status.stage or StageName.CANARY,
        reason="ContractReview",
        message=f"version {version} waits for an approval, because it breaks the contract of version "
        f"{situation.stable.spec.model.version}: {told(findings)}",
        standing=Standing.AWAITING_REVIEW,
    )
    return Gate(held=decision, for_a_person=True, check=check)


def _noted(
    situation: Situation, findings: tuple[Finding, ...], outcome: Judged, why: str, *, by: str | None = None
) -> Gate:
    """A break that may pass is on record, in a plan of its own."""
    check = _check(situation, findings, outcome)
    stage = situation.observation.status.stage or StageName.CANARY
    reason = f"ContractBreak{outcome}"
    message = f"the contract is broken and passes, {why}: {told(findings)}"
    decision = situation.decision(
        stage=stage,
        reason=reason,
        message=message,
        record=record(
            at=situation.now, outcome=Outcome.ADVANCE, reason=reason, message=message, stage=stage, weight=0, by=by
        ),
    )
    return Gate(held=replace(decision, resumed=by is not None), for_a_person=True, check=check)


def told(findings: tuple[Finding, ...]) -> str:
    broken = [str(finding) for finding in breaking(findings)]
    more = f"; and {len(broken) - _TOLD} more" if len(broken) > _TOLD else ""
    return "; ".join(broken[:_TOLD]) + more


def _cut(text: str, *, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
