"""A rollout under way, with its evidence brought up to the newest reading: what every stage starts from."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from modelrollout.api.base import seconds
from modelrollout.api.modeldeployment import StageName
from modelrollout.api.modelrevision import DecisionRecord
from modelrollout.evidence import Judgement, Verdict
from modelrollout.plan.gates import gathered, judged, policy_digest
from modelrollout.plan.observation import CandidateEvidence, Observation, Reading, RevisionView, Unreadable
from modelrollout.plan.plan import Decision, Standing
from modelrollout.plan.records import progress_sentence

STALE_AFTER_INTERVALS = 3
"""Evidence that is older than this many intervals promotes nothing: it says what was, not what is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """A rollout of one candidate beside the stable revision, at one moment."""

    observation: Observation
    now: datetime
    candidate: RevisionView
    stable: RevisionView
    evidence: CandidateEvidence | None
    judgement: Judgement | None
    unread: str | None
    restarted: bool

    @property
    def replicas(self) -> int:
        return self.observation.spec.serving.replicas

    @property
    def requests_per_second(self) -> float:
        """What users send, by the newest reading; 0 where there is none or no traffic."""
        return self.evidence.requests_per_second if self.evidence else 0.0

    @property
    def learnt(self) -> bool:
        """Whether the newest reading has requests of both arms under the present weight."""
        if self.evidence is None or not self.evidence.both_served:
            return False
        changed = self.observation.status.weight_changed_at
        return changed is None or self.evidence.evaluated_at > changed

    @property
    def fresh(self) -> bool:
        if self.evidence is None or self.unread is not None:
            return False
        age = (self.now - self.evidence.evaluated_at).total_seconds()
        return age <= STALE_AFTER_INTERVALS * seconds(self.observation.spec.rollout.interval)

    @property
    def safe(self) -> bool:
        """Every gate has earned its promotion, and the data are of now."""
        return self.fresh and self.judgement is not None and self.judgement.verdict is Verdict.Pass

    def candidate_requests(self) -> float:
        """Requests that the least busy gate has seen of the candidate, over the whole rollout."""
        return min((gate.candidate.total for gate in self.judgement.gates), default=0.0) if self.judgement else 0.0

    def progress(self, doing: str) -> tuple[str, str]:
        """Reason and message while a stage compares. The reason tells apart why it holds, if it does."""
        if self.unread is not None:
            return "MetricsUnavailable", f"holding: {self.unread}"
        if self.judgement is None:
            return "WaitingForMetrics", "waiting for the first reading"
        if self.judgement.verdict is Verdict.NoData:
            return "NoData", "holding: no request of the candidate has been seen yet"
        return doing, progress_sentence(self.judgement)

    def stage_age(self) -> timedelta:
        return self.now - (self.observation.status.stage_started_at or self.now)

    def weight_age(self) -> timedelta:
        return self.now - (self.observation.status.weight_changed_at or self.now)

    def decision(
        self,
        *,
        stage: StageName,
        reason: str,
        message: str,
        weight: int = 0,
        capacity: int | None = None,
        mirror: bool = False,
        standing: Standing = Standing.WORKING,
        record: DecisionRecord | None = None,
        wake_at: datetime | None = None,
    ) -> Decision:
        """The candidate stays the candidate; only stage, weight and mirror are decided."""
        return Decision(
            stage=stage,
            stable=self.stable.id,
            candidate=self.candidate.id,
            standing=standing,
            reason=reason,
            message=message,
            weight=weight,
            capacity=weight if capacity is None else capacity,
            mirror=mirror,
            record=record,
            recorded_on=self.candidate.id if record else None,
            evidence=self.evidence,
            judgement=self.judgement,
            wake_at=wake_at,
        )


def assess(observation: Observation, *, candidate: RevisionView, stable: RevisionView, now: datetime) -> Situation:
    rollout = observation.spec.rollout
    before = observation.evidence if _is_of(observation.evidence, candidate) else None
    evidence = before
    unread = None
    match observation.reading:
        case Reading() as reading:
            evidence = gathered(
                rollout=rollout,
                revision=candidate.id,
                evidence=before,
                reading=reading,
                split_changed_at=observation.status.weight_changed_at,
            )
            rate, both = _traffic(observation, reading, before)
            evidence = replace(evidence, requests_per_second=rate, both_served=both)
            unread = next(iter(reading.missing.values()), None)
        case Unreadable(reason=reason):
            unread = f"Prometheus cannot be asked: {reason}"
        case None:
            pass
    current = evidence is not None and evidence.policy == policy_digest(rollout)
    return Situation(
        observation=observation,
        now=now,
        candidate=candidate,
        stable=stable,
        evidence=evidence,
        judgement=judged(rollout=rollout, evidence=evidence) if evidence and current else None,
        unread=unread,
        restarted=before is not None and evidence is not None and before.policy != evidence.policy,
    )


def _is_of(evidence: CandidateEvidence | None, candidate: RevisionView) -> bool:
    return evidence is not None and evidence.revision == candidate.id


def _traffic(observation: Observation, reading: Reading, before: CandidateEvidence | None) -> tuple[float, bool]:
    """Users' requests per second, and whether both arms served some.

    In shadow the candidate's requests are copies, so only the stable arm counts as what users send.
    """
    if before is None or not reading.intervals:
        return 0.0, False
    elapsed = (reading.at - before.evaluated_at).total_seconds()
    if elapsed <= 0:
        return 0.0, False
    busiest = max(reading.intervals.values(), key=lambda interval: interval.stable.total + interval.candidate.total)
    shadow = observation.status.stage is StageName.SHADOW
    users = busiest.stable.total + (0.0 if shadow else busiest.candidate.total)
    return users / elapsed, busiest.candidate.total > 0 and busiest.stable.total > 0
