"""When a comparison will end well, if traffic and evidence go on as they are: what a quiet service is told."""

from datetime import datetime, timedelta

from modelrollout.api.base import seconds
from modelrollout.api.gates import Signal
from modelrollout.api.modeldeployment import StageName
from modelrollout.evidence import Judgement, Verdict, seconds_left
from modelrollout.plan.observation import CandidateEvidence, Observation, PodView
from modelrollout.plan.policies import policy_of

_LONGEST = timedelta(days=365)


def expected_verdict(
    observation: Observation, *, evidence: CandidateEvidence | None, judgement: Judgement | None
) -> datetime | None:
    """The slowest gate's time, counted from the newest reading.

    None outside a comparison, and while a gate cannot tell or will never be safe.
    """
    status = observation.status
    if evidence is None or judgement is None or status.stage not in (StageName.SHADOW, StageName.CANARY):
        return None
    if judgement.verdict is Verdict.Fail:
        return None
    split = 1.0 if status.stage is StageName.SHADOW else status.weight / (100 - min(99, status.weight))
    pods = sum(1 for pod in _candidate_pods(observation) if pod.ready_since is not None)
    longest = 0.0
    for gate in observation.spec.rollout.gates:
        left = seconds_left(
            evidence.gates[gate.name],
            policy_of(gate),
            threshold=judgement.safety_threshold,
            per_second=pods / 60 if gate.signal is Signal.RESTARTS else evidence.candidate_per_second,
            split=split or 0.01,
        )
        if left is None:
            return None
        longest = max(longest, left)
    if longest > _LONGEST.total_seconds():
        return None
    # No sooner than the next reading, and in whole seconds: nobody needs more of a forecast.
    soonest = seconds(observation.spec.rollout.interval) if longest else 0.0
    return (evidence.evaluated_at + timedelta(seconds=round(max(longest, soonest)))).replace(microsecond=0)


def _candidate_pods(observation: Observation) -> tuple[PodView, ...]:
    return observation.candidate.pods if observation.candidate else ()
