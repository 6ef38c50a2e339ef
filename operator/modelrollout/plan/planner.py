"""Which stage decides. A table of situations, not a ladder of special cases: the first line that fits is the one."""

from dataclasses import replace
from datetime import datetime

from modelrollout.api.modeldeployment import StageName
from modelrollout.api.modelrevision import Outcome
from modelrollout.plan.alarm import alarmed
from modelrollout.plan.asked import asked
from modelrollout.plan.canary import canary
from modelrollout.plan.contracts import contract_gate
from modelrollout.plan.disagreement import disagreement
from modelrollout.plan.evaluate import evaluate
from modelrollout.plan.install import install
from modelrollout.plan.live import content_missing, live, rolled_back, stable_unknown
from modelrollout.plan.observation import Observation, RevisionView
from modelrollout.plan.pause import paused
from modelrollout.plan.plan import Decision, Plan, Standing
from modelrollout.plan.pods import finding
from modelrollout.plan.records import record
from modelrollout.plan.requests import heed, noted
from modelrollout.plan.review import review
from modelrollout.plan.rollback import harmed, inconclusive, used_up
from modelrollout.plan.shadow import shadow
from modelrollout.plan.shape import shape
from modelrollout.plan.shared import questioned, shared_alert
from modelrollout.plan.situation import Situation, assess
from modelrollout.plan.soak import soak
from modelrollout.plan.start import start
from modelrollout.plan.turn_back import turning_back


def plan(observation: Observation, now: datetime) -> Plan:
    heeded = heed(observation, now)
    heeded = replace(heeded, observation=questioned(heeded.observation, now))
    decision = None
    if heeded.decides and heeded.action is not None:
        answer = asked(heeded.observation, heeded.action.spec, now)
        if isinstance(answer, str):
            heeded = heeded.refused(answer)
        else:
            decision = answer
    if decision is None:
        decision = noted(heeded, _decide(heeded.observation, now), now)
    return shape(heeded.observation, decision, now, answers=heeded.told(decision, now))


def _decide(observation: Observation, now: datetime) -> Decision:
    status = observation.status
    if status.stage is StageName.ROLLBACK and observation.candidate is not None:
        return turning_back(observation, to=observation.candidate, now=now)
    back = alarmed(observation, now)
    if back is not None:
        return back
    if observation.wanted.missing is not None and observation.target != status.candidate:
        return content_missing(observation, *observation.wanted.missing, waits=observation.wanted.waits)
    if status.stable is None:
        return install(observation, now)
    if observation.target == status.stable:
        return live(observation, now)
    if observation.target == status.rejected:
        return rolled_back(observation)
    candidate, stable = observation.candidate, observation.stable
    if stable is None:
        return stable_unknown(observation)
    if status.candidate != observation.target or candidate is None:
        return start(observation, now)
    return _roll_out(observation, candidate=candidate, stable=stable, now=now)


def _roll_out(observation: Observation, *, candidate: RevisionView, stable: RevisionView, now: datetime) -> Decision:
    situation = assess(observation, candidate=candidate, stable=stable, now=now)
    back = harmed(situation)
    if back is not None:
        return back
    gate = contract_gate(situation)
    if gate.rejection is not None:
        return gate.rejection
    held = paused(situation) or (gate.held if gate.for_a_person else None)
    held = held or shared_alert(situation) or disagreement(situation)
    if held is not None:
        return gate.passing(held)
    comparing = observation.status.stage in (StageName.SHADOW, StageName.CANARY)
    unresolved = observation.unresolved if comparing else None
    decision = gate.held or (_unresolved(situation, unresolved) if unresolved else _stage(situation))
    why = used_up(situation)
    if why is not None:
        decision = inconclusive(situation, decision, why=why)
    if decision.record is None and situation.restarted:
        decision = _note_restart(situation, decision)
    return _stalled(situation, gate.passing(decision))


def _unresolved(situation: Situation, why: str) -> Decision:
    """A gate that names a template which is not there, or does not fit: nothing moves until somebody mends it."""
    status = situation.observation.status
    shadow = status.stage is StageName.SHADOW
    return situation.decision(
        stage=status.stage or StageName.CANARY,
        reason="GateTemplateMissing",
        message=f"holding: {why}",
        weight=status.weight,
        capacity=100 if shadow else status.weight,
        mirror=shadow,
        standing=Standing.STALLED,
    )


def _stage(situation: Situation) -> Decision:
    match situation.observation.status.stage:
        case StageName.EVALUATE:
            return evaluate(situation)
        case StageName.SHADOW:
            return shadow(situation)
        case StageName.REVIEW:
            return review(situation)
        case StageName.CANARY:
            return canary(situation)
        case StageName.SOAK:
            return soak(situation)
        case _:
            return start(situation.observation, situation.now)


def _stalled(situation: Situation, decision: Decision) -> Decision:
    """Surroundings that keep the candidate's pods from starting hold the rollout, with their reason."""
    trouble = finding(situation.candidate, situation.stable)
    if trouble is None or decision.standing is not Standing.WORKING or decision.reason != "WaitingForPods":
        return decision
    return replace(decision, standing=Standing.STALLED, reason=trouble.trouble, message=trouble.message)


def _note_restart(situation: Situation, decision: Decision) -> Decision:
    message = "gates or error rates were edited during the rollout: evidence starts again under the new policy"
    return replace(
        decision,
        reason="EvidenceRestarted",
        message=message,
        record=record(
            at=situation.now,
            outcome=Outcome.RESTART,
            reason="EvidenceRestarted",
            message=message,
            stage=decision.stage,
            weight=decision.weight,
        ),
        recorded_on=situation.candidate.id,
    )
