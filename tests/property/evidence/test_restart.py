"""A rollout that is killed and resumed from its stored state decides as one that was not, up to merged intervals.

The operator writes its evidence now and then and forgets everything else when it dies. The next one reads the counters
at the recorded time again, so that what it sees first is one interval from there to now. Hence a rollout with deaths
must be the same as one without them whose intervals happened to be that long.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelrollout.api.modelrevision import StoredEvidence
from modelrollout.api.rollout import Rollout
from modelrollout.evidence import Counts, Interval, Judgement, start
from modelrollout.evidence.dispersion import Dispersion
from modelrollout.plan.gates import gathered, judged, policy_digest, restored, stored
from modelrollout.plan.observation import CandidateEvidence, Reading
from tests.builders import counted

BEGIN = datetime(2026, 11, 24, 12, tzinfo=UTC)
REVISION = "0123456789"
ROLLOUT = Rollout.model_validate({"interval": "30s", "maxDuration": "20m"})
GATES = [gate.name for gate in ROLLOUT.gates]
ROUNDING = 1e-4  # of ln E: each of at most 40 stores rounds down by less than 1e-6


@st.composite
def served(draw: st.DrawFn) -> Interval:
    """Rates from nothing wrong to nothing right, so that all verdicts occur; at times an arm is quiet."""
    arms = []
    for largest in (400, 3000):
        total = draw(st.integers(0, largest))
        bad = draw(st.sampled_from([0.0, 0.001, 0.01, 0.05, 0.5, 1.0])) * total
        arms.append(Counts(total, float(round(bad))))
    return Interval(candidate=arms[0], stable=arms[1])


looks = st.fixed_dictionaries({gate: served() for gate in GATES})


@dataclass(frozen=True)
class Tick:
    """One look: what was served since the one before, and what happens after it was judged."""

    intervals: Mapping[str, Interval]
    written: bool
    killed: bool


ticks = st.builds(Tick, intervals=looks, written=st.booleans(), killed=st.booleans())


def beginning(phi: float) -> CandidateEvidence:
    known = Dispersion(phi=phi, history=Counts(10_000, 50))
    gates = {gate: start(planned_intervals=40, phi=known.phi, history=known.history) for gate in GATES}
    return CandidateEvidence(revision=REVISION, policy=policy_digest(ROLLOUT), evaluated_at=BEGIN, gates=gates)


def add(evidence: CandidateEvidence, intervals: Mapping[str, Interval], *, number: int) -> CandidateEvidence:
    reading = Reading(at=BEGIN + timedelta(seconds=30 * number), intervals=intervals)
    return gathered(rollout=ROLLOUT, revision=REVISION, evidence=evidence, reading=reading, split_changed_at=None)


def write(evidence: CandidateEvidence) -> str:
    return stored(evidence).model_dump_json(by_alias=True)


def read(text: str) -> CandidateEvidence:
    return restored(StoredEvidence.model_validate_json(text), revision=REVISION)


def merged(intervals: Sequence[Mapping[str, Interval]]) -> dict[str, Interval]:
    """One interval of each gate in place of several: what the difference of cumulative counters over them is."""
    whole = dict(intervals[0])
    for more in intervals[1:]:
        whole = {gate: whole[gate] + more[gate] for gate in whole}
    return whole


def with_deaths(seen: Sequence[Tick], *, phi: float) -> list[tuple[CandidateEvidence, list[Mapping[str, Interval]]]]:
    """The evidence after each tick, and the intervals that it rests on: those that were not interrupted, merged."""
    evidence = beginning(phi)
    status = write(evidence)
    in_status: list[Mapping[str, Interval]] = []
    in_memory: list[Mapping[str, Interval]] = []
    unseen: list[Mapping[str, Interval]] = []  # since the counters that the state in memory includes
    states = []
    for number, tick in enumerate(seen, start=1):
        unseen.append(tick.intervals)
        since = merged(unseen)
        evidence, unseen = add(evidence, since, number=number), []
        in_memory = [*in_memory, since]
        states.append((evidence, in_memory))
        if tick.written:
            status, in_status = write(evidence), in_memory
        if tick.killed:
            unseen = list(seen_since(seen, number=number, status_at=read(status).evaluated_at))
            evidence, in_memory = read(status), in_status
    return states


def seen_since(seen: Sequence[Tick], *, number: int, status_at: datetime) -> Sequence[Mapping[str, Interval]]:
    """What was served between the recorded time and now."""
    first = round((status_at - BEGIN) / timedelta(seconds=30))
    return [tick.intervals for tick in seen[first:number]]


def without_deaths(intervals: Sequence[Mapping[str, Interval]], *, phi: float) -> Judgement:
    evidence = beginning(phi)
    for number, look in enumerate(intervals, start=1):
        evidence = add(evidence, look, number=number)
    return judged(rollout=ROLLOUT, evidence=evidence)


def is_near_a_line(judgement: Judgement) -> bool:
    """Where rounding may decide."""
    harm = abs(judgement.log_harm - judgement.harm_threshold)
    own = [abs(gate.log_harm - judgement.harm_threshold) for gate in judgement.gates]
    safety = [abs(gate.log_safety - judgement.safety_threshold) for gate in judgement.gates]
    return min(harm, *own, *safety) < ROUNDING


@given(st.lists(ticks, min_size=1, max_size=12), st.sampled_from([1.0, 1.5, 9.0]))
@settings(deadline=None, max_examples=150)
def test_deaths_only_merge_intervals(seen: list[Tick], phi: float) -> None:
    for evidence, rests_on in with_deaths(seen, phi=phi):
        judgement = judged(rollout=ROLLOUT, evidence=evidence)
        undisturbed = without_deaths(rests_on, phi=phi)
        assert judgement.log_harm == pytest.approx(undisturbed.log_harm, abs=ROUNDING)
        for gate, other in zip(judgement.gates, undisturbed.gates, strict=True):
            assert gate.log_safety == pytest.approx(other.log_safety, abs=ROUNDING)
            assert (gate.candidate, gate.stable, gate.intervals) == (other.candidate, other.stable, other.intervals)
        if not is_near_a_line(undisturbed):
            assert [gate.verdict for gate in judgement.gates] == [gate.verdict for gate in undisturbed.gates]
            assert judgement.culprit == undisturbed.culprit


@given(st.lists(ticks, min_size=1, max_size=12))
@settings(deadline=None, max_examples=100)
def test_nothing_is_lost_or_counted_twice(seen: list[Tick]) -> None:
    for number, (evidence, _) in enumerate(with_deaths(seen, phi=1.0), start=1):
        served = merged([tick.intervals for tick in seen[:number]])
        for gate in evidence.gates:
            known = counted(evidence, gate)
            assert known.candidate + known.pending.candidate == served[gate].candidate
            assert known.stable + known.pending.stable == served[gate].stable


@given(st.lists(looks, min_size=1, max_size=12))
@settings(deadline=None, max_examples=50)
def test_a_state_that_was_written_and_read_often_adds_no_evidence(seen: list[Mapping[str, Interval]]) -> None:
    evidence = beginning(1.5)
    for number, look in enumerate(seen, start=1):
        evidence = read(write(add(evidence, look, number=number)))
    judgement, undisturbed = judged(rollout=ROLLOUT, evidence=evidence), without_deaths(seen, phi=1.5)
    assert undisturbed.log_harm - ROUNDING <= judgement.log_harm <= undisturbed.log_harm + 1e-9
    assert write(evidence) == write(read(write(evidence)))
    assert json.loads(write(evidence))["policy"] == policy_digest(ROLLOUT)
