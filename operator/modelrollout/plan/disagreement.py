"""Disagreement: the candidate answers differently, which is no harm by itself. A person looks at examples and says.

It waits as long as it takes, and everything stays as it is meanwhile: evidence is gathered, harm rolls back. Approve
accepts what was found, and the stage goes on; Promote goes to all traffic; Reject and Rollback take the candidate back.
"""

from modelrollout.api.modeldeployment import StageName
from modelrollout.api.modelrevision import Outcome
from modelrollout.api.observer import METRICS_PORT, service_name
from modelrollout.evidence import GateVerdict, Verdict
from modelrollout.plan.observation import Observation
from modelrollout.plan.plan import Decision, Standing
from modelrollout.plan.records import disagreement_sentence, record
from modelrollout.plan.review import awaited
from modelrollout.plan.situation import Situation

REASON = "Disagreement"


def disagreement(situation: Situation) -> Decision | None:
    """None where every gate agrees, or a person has accepted that it does not."""
    status, judgement = situation.observation.status, situation.judgement
    found = _found(situation)
    if judgement is None or not found or status.stage not in (StageName.SHADOW, StageName.CANARY):
        return None
    shadow = status.stage is StageName.SHADOW
    told = waiting_since_told(situation.observation)
    message = "; ".join(disagreement_sentence(gate, judgement) for gate in found)
    message = f"{message}; {_examples(situation.observation)}; approve, promote, reject or roll back"
    return situation.decision(
        stage=status.stage,
        reason=REASON,
        message=message,
        weight=status.weight,
        capacity=100 if shadow else status.weight,
        mirror=shadow,
        standing=Standing.AWAITING_REVIEW,
        record=None
        if told or situation.restarted
        else record(
            at=situation.now,
            outcome=Outcome.PAUSE,
            reason=REASON,
            message=message,
            stage=status.stage,
            weight=status.weight,
            judgement=judgement,
        ),
    )


def disagreeing(observation: Observation, situation: Situation | None) -> tuple[str, ...]:
    """Gates whose disagreement an approval would accept now."""
    if situation is None or not waiting_since_told(observation):
        return ()
    return tuple(gate.gate for gate in _found(situation))


def waiting_since_told(observation: Observation) -> bool:
    """Whether people have been told of a disagreement that waits for them."""
    return awaited(observation) == REASON


def _found(situation: Situation) -> list[GateVerdict]:
    gates = situation.judgement.gates if situation.judgement else ()
    return [gate for gate in gates if gate.verdict is Verdict.Disagreement]


def _examples(observation: Observation) -> str:
    path = f"/api/v1/namespaces/{observation.namespace}/services/{service_name(observation.name)}:{METRICS_PORT}/proxy"
    return f"examples: kubectl get --raw {path}/disagreements"
