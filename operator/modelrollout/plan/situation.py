"""A rollout under way, with its evidence brought up to the newest reading: what every stage starts from."""

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from modelrollout.api.base import seconds
from modelrollout.api.gates import Signal
from modelrollout.api.modeldeployment import StageName
from modelrollout.api.modelrevision import DecisionRecord, Outcome
from modelrollout.evidence import Interval, Judgement, Kind, Spread, Verdict
from modelrollout.plan.forecast import expected_verdict, pairs_left
from modelrollout.plan.gates import gathered, judged, policy_digest
from modelrollout.plan.observation import CandidateEvidence, Observation, Reading, RevisionView, Unreadable
from modelrollout.plan.plan import Decision, Standing
from modelrollout.plan.policies import REQUEST_SIGNALS
from modelrollout.plan.records import progress_sentence, record

STALE_AFTER_INTERVALS = 3
"""Evidence that is older than this many intervals promotes nothing: it says what was, not what is."""

_MEMORY_SECONDS = 120.0  # of the mean of the candidate's request rate: one interval of a quiet service tells little


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
        """Whether the newest reading has requests of both arms under the present weight, where requests are counted."""
        if self.evidence is None or (self.counting and not self.evidence.both_served):
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

    @property
    def counting(self) -> frozenset[str]:
        """Names of the gates that count requests."""
        gates = self.observation.spec.rollout.gates
        return frozenset(gate.name for gate in gates if gate.signal in REQUEST_SIGNALS)

    def candidate_requests(self) -> float | None:
        """Requests that the least busy gate has seen of the candidate; None where no gate counts requests."""
        counting = self.counting
        if not counting:
            return None
        gates = self.judgement.gates if self.judgement else ()
        return min((gate.candidate.total for gate in gates if gate.gate in counting), default=0.0)

    def upper_bound(self) -> float:
        """The largest share of requests that the candidate may still be spoiling; 1 while nothing is known."""
        counting = self.counting
        bounds = [
            gate.upper_bound
            for gate in (self.judgement.gates if self.judgement else ())
            if gate.gate in counting and gate.upper_bound is not None
        ]
        return max(bounds, default=1.0)

    def budget_left(self) -> float | None:
        """Requests that the canary may still spoil in this rollout; None where there is no such limit."""
        budget = self.observation.spec.rollout.error_budget
        if budget is None:
            return None
        spent = max(self.evidence.spent.values(), default=0.0) if self.evidence else 0.0
        return budget - max(0.0, spent)

    @property
    def expected_verdict_at(self) -> datetime | None:
        return expected_verdict(self.observation, evidence=self.evidence, judgement=self.judgement)

    def progress(self, doing: str) -> tuple[str, str]:
        """Reason and message while a stage compares. The reason tells apart why it holds, if it does."""
        if self.unread is not None:
            return "MetricsUnavailable", f"holding: {self.unread}"
        if self.judgement is None:
            return "WaitingForMetrics", "waiting for the first reading"
        if self.judgement.verdict is Verdict.NoData:
            return "NoData", f"holding: {self._nothing_seen(self.judgement)}"
        return doing, progress_sentence(self.judgement) + self._pairs_left(self.judgement) + self._how_long()

    def _pairs_left(self, judgement: Judgement) -> str:
        if self.evidence is None or judgement.verdict is not Verdict.Insufficient:
            return ""
        left = pairs_left(self.observation, evidence=self.evidence, judgement=judgement)
        return "".join(f"; gate {gate} needs about {pairs:.0f} more pairs" for gate, pairs in left.items())

    def _nothing_seen(self, judgement: Judgement) -> str:
        unseen = [gate for gate in judgement.gates if gate.verdict is Verdict.NoData]
        if all(gate.kind is Kind.AGREEMENT for gate in unseen) and unseen:
            observer = self.observation.observer
            away = "" if observer is not None and observer.ready else "; the observer is not ready"
            return f"gate {unseen[0].gate}: no answers have been compared yet{away}"
        return "no request of the candidate has been seen yet"

    def _how_long(self) -> str:
        """For whom it takes longer than the rollout may."""
        expected, started = self.expected_verdict_at, self.observation.status.rollout_started_at
        limit = self.observation.spec.rollout.max_duration
        if expected is None or started is None or (expected - started).total_seconds() <= seconds(limit):
            return ""
        hours = (expected - self.now).total_seconds() / 3600
        return f"; at this traffic it takes about {hours:.1f} h more, longer than maxDuration {limit} allows"

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
            expected_verdict_at=self.expected_verdict_at,
        )

    def advance(
        self,
        *,
        stage: StageName,
        reason: str,
        message: str,
        weight: int,
        capacity: int | None = None,
        recorded_as: str | None = None,
    ) -> Decision:
        """A step forward, on record with the numbers that led to it; under `reason`, or as `recorded_as`."""
        return self.decision(
            stage=stage,
            reason=reason,
            message=message,
            weight=weight,
            capacity=capacity,
            record=record(
                at=self.now,
                outcome=Outcome.ADVANCE,
                reason=recorded_as or reason,
                message=message,
                stage=stage,
                weight=weight,
                judgement=self.judgement,
            ),
        )


def assess(observation: Observation, *, candidate: RevisionView, stable: RevisionView, now: datetime) -> Situation:
    rollout = observation.spec.rollout
    before = observation.evidence if _is_of(observation.evidence, candidate) else None
    evidence = before
    unread = None
    match observation.reading:
        case Reading() if observation.unresolved is not None:
            unread = observation.unresolved  # under half of a policy nothing is gathered
        case Reading() as reading:
            evidence = gathered(
                rollout=rollout,
                revision=candidate.id,
                evidence=before,
                reading=reading,
                split_changed_at=observation.status.weight_changed_at,
                templates=observation.templates,
                users_pay=observation.status.stage is StageName.CANARY,
            )
            traffic = _traffic(observation, reading, before)
            evidence = replace(
                evidence,
                requests_per_second=traffic.users,
                candidate_per_second=traffic.candidate,
                rate_known=traffic.known,
                both_served=traffic.both,
                pairs_per_second=traffic.pairs,
            )
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
        judgement=judged(rollout=rollout, evidence=evidence, accepted=accepted(observation, candidate))
        if evidence and current
        else None,
        unread=unread,
        restarted=before is not None and evidence is not None and before.policy != evidence.policy,
    )


def situation_of(observation: Observation, now: datetime) -> Situation | None:
    """None where no rollout is under way, or a version of it is gone."""
    candidate, stable = observation.candidate, observation.stable
    if candidate is None or stable is None or candidate.id == stable.id:
        return None
    return assess(observation, candidate=candidate, stable=stable, now=now)


def accepted(observation: Observation, candidate: RevisionView) -> tuple[str, ...]:
    """Gates whose disagreement a person has accepted of this candidate."""
    approval = observation.status.approval
    return approval.accepts if approval is not None and approval.digest == candidate.spec.digest else ()


def _is_of(evidence: CandidateEvidence | None, candidate: RevisionView) -> bool:
    return evidence is not None and evidence.revision == candidate.id


@dataclass(frozen=True, slots=True, kw_only=True)
class _Traffic:
    """Requests and pairs of answers per second, whether both arms served, and whether this is known at all."""

    users: float = 0.0
    candidate: float = 0.0
    both: bool = False
    known: bool = False
    pairs: float = 0.0


def _traffic(observation: Observation, reading: Reading, before: CandidateEvidence | None) -> _Traffic:
    """Of the busiest gate that counts requests.

    In shadow the candidate's requests are copies, so only the stable arm counts as what users send.
    """
    signals = {gate.name: gate.signal for gate in observation.spec.rollout.gates}
    served = [
        (observed.candidate.total, observed.stable.total)
        for name, observed in reading.intervals.items()
        if isinstance(observed, Interval | Spread) and signals.get(name, Signal.ERRORS) in REQUEST_SIGNALS
    ]
    elapsed = (reading.at - before.evaluated_at).total_seconds() if before is not None else 0.0
    if before is not None and elapsed <= 0:  # the same reading once more, between two ticks
        return _Traffic(
            users=before.requests_per_second,
            candidate=before.candidate_per_second,
            both=before.both_served,
            known=before.rate_known,
            pairs=before.pairs_per_second,
        )
    if before is None:
        return _Traffic()
    compared = [
        observed.candidate.total
        for name, observed in reading.intervals.items()
        if isinstance(observed, Interval) and signals.get(name) is Signal.AGREEMENT
    ]
    pairs = max(compared, default=0.0) / elapsed
    if before.pairs_per_second:
        fresh = 1 - math.exp(-elapsed / _MEMORY_SECONDS)
        pairs = before.pairs_per_second + fresh * (pairs - before.pairs_per_second)
    if not served:
        return _Traffic(pairs=pairs)
    candidate, stable = max(served, key=sum)
    shadow = observation.status.stage is StageName.SHADOW
    share = 1 - math.exp(-elapsed / _MEMORY_SECONDS) if before.rate_known else 1.0
    return _Traffic(
        users=(stable + (0.0 if shadow else candidate)) / elapsed,
        candidate=before.candidate_per_second + share * (candidate / elapsed - before.candidate_per_second),
        both=candidate > 0 and stable > 0,
        known=True,
        pairs=pairs,
    )
