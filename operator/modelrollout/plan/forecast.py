"""When a comparison will end well, if traffic and evidence go on as they are: what a quiet service is told."""

from datetime import datetime, timedelta

from modelrollout.api.base import seconds
from modelrollout.api.gates import Signal
from modelrollout.api.modeldeployment import StageName
from modelrollout.evidence import (
    AgreementEvidence,
    AgreementPolicy,
    Judgement,
    Verdict,
    requests_left,
    seconds_left,
)
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
    if judgement.verdict in (Verdict.Fail, Verdict.Disagreement):
        return None
    split = 1.0 if status.stage is StageName.SHADOW else status.weight / (100 - min(99, status.weight))
    pods = sum(1 for pod in _candidate_pods(observation) if pod.ready_since is not None)
    passed = {gate.gate for gate in judgement.gates if gate.verdict is Verdict.Pass}
    longest = 0.0
    for gate in observation.spec.rollout.gates:
        if gate.name in passed:
            continue
        match gate.signal:
            case Signal.RESTARTS:
                rate = pods / 60
            case Signal.AGREEMENT:
                rate = evidence.pairs_per_second
            case _:
                rate = evidence.candidate_per_second
        left = seconds_left(
            evidence.gates[gate.name],
            policy_of(gate),
            threshold=judgement.safety_threshold,
            per_second=rate,
            split=_pairs_split(observation) if gate.signal is Signal.AGREEMENT else split or 0.01,
        )
        if left is None:
            return None
        longest = max(longest, left)
    if longest > _LONGEST.total_seconds():
        return None
    # No sooner than the next reading, and in whole seconds: nobody needs more of a forecast.
    soonest = seconds(observation.spec.rollout.interval) if longest else 0.0
    return (evidence.evaluated_at + timedelta(seconds=round(max(longest, soonest)))).replace(microsecond=0)


def pairs_left(observation: Observation, *, evidence: CandidateEvidence, judgement: Judgement) -> dict[str, float]:
    """Pairs of answers that gates still need, as things go on; without those that cannot tell or need none."""
    found = {}
    for gate in observation.spec.rollout.gates:
        held, policy = evidence.gates[gate.name], policy_of(gate)
        if isinstance(held, AgreementEvidence) and isinstance(policy, AgreementPolicy):
            left = requests_left(held, policy, threshold=judgement.safety_threshold, split=_pairs_split(observation))
            if left:
                found[gate.name] = left
    return found


def _pairs_split(observation: Observation) -> float:
    """Pairs for each noise pair, as the observer is told to make them."""
    observe = observation.spec.observe
    return 1 / observe.noise_share if observe is not None and observe.noise_share else 10.0


def _candidate_pods(observation: Observation) -> tuple[PodView, ...]:
    return observation.candidate.pods if observation.candidate else ()
