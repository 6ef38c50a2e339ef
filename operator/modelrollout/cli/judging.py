"""The evidence that is in a revision's status, judged by the operator's own code: what a live view shows between two
decisions.

The one place where `kubectl model status` needs the API types and the statistics; it is imported only while a rollout
compares.
"""

from typing import Any

from pydantic import ValidationError

from modelrollout.api.modeldeployment import ModelDeploymentSpec
from modelrollout.api.modelrevision import Outcome, StoredEvidence
from modelrollout.cli.objects import Deployment, Revision
from modelrollout.evidence import EvidenceError
from modelrollout.plan.gates import judged, policy_digest, restored
from modelrollout.plan.records import record
from modelrollout.plan.templates import resolve


def numbers(deployment: Deployment, candidate: Revision) -> dict[str, Any] | str:
    """As a DecisionRecord has them, with `at` of the evidence; or why there are none."""
    if candidate.evidence is None:
        return "no evidence has been written yet"
    try:
        spec = ModelDeploymentSpec.model_validate(deployment.spec)
        evidence = restored(StoredEvidence.model_validate(candidate.evidence), revision=candidate.id)
        known = resolve(spec, frozen=evidence.templates, find=lambda ref: f"{ref} is not among the evidence")
        if known.unresolved is not None or policy_digest(known.spec.rollout) != evidence.policy:
            return "the evidence is of another policy than the spec has now; the operator begins anew"
        judgement = judged(rollout=known.spec.rollout, evidence=evidence)
    except (ValidationError, EvidenceError) as error:
        said = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        return f"the evidence is not of this version of kubectl-model ({said}); install that of the operator"
    made = record(
        at=evidence.evaluated_at,
        outcome=Outcome.RESTART,
        reason="Now",
        message="",
        stage=deployment.stage,
        weight=deployment.weight,
        judgement=judgement,
    )
    return made.model_dump(mode="json", by_alias=True, exclude={"outcome", "reason", "message", "by"})
