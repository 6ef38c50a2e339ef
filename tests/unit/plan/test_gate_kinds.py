"""Every signal from the manifest to the judgement, and what a decision says about it."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from modelrollout.api.gates import Direction, Gate, OnDisagreement, PromotionMargin, Queries, Signal, Tolerance
from modelrollout.api.modeldeployment import ModelDeploymentSpec, StageName
from modelrollout.api.modelrevision import Outcome
from modelrollout.api.rollout import DEFAULT_GATES, Rollout, ShadowStage, Stage
from modelrollout.evidence import (
    AgreementPolicy,
    Bins,
    Counts,
    GateVerdict,
    Interval,
    Judgement,
    Kind,
    Level,
    Levels,
    LimitPolicy,
    Observed,
    Spread,
    Verdict,
    kinds,
)
from modelrollout.plan import Plan, plan
from modelrollout.plan.gates import gathered, judged, policy_digest, restored, stored
from modelrollout.plan.observation import CandidateEvidence, Observation, Reading
from modelrollout.plan.policies import policy_of
from modelrollout.plan.records import harm_sentence
from tests.builders import BAD, CANARY, ERRORS, FEW, GOOD, NOW, PACED, SOAK, ago, id_of, interval, rolling, spec

PAIR = Queries(total='n{p="{{pods}}"}', bad='b{p="{{pods}}"}')
VALUE = Queries(value='v{p="{{pods}}"}')
GATES = {
    Signal.ERRORS: ERRORS,
    Signal.LATENCY: Gate(name="latency", signal=Signal.LATENCY),
    Signal.RESTARTS: Gate(name="restarts", signal=Signal.RESTARTS),
    Signal.SATURATION: Gate(name="memory", signal=Signal.SATURATION, query=VALUE, max=0.9, hold_for="10s"),
    Signal.QUALITY: Gate(name="quality", signal=Signal.QUALITY, query=PAIR),
    Signal.GAUGE: Gate(
        name="heat",
        signal=Signal.GAUGE,
        query=VALUE,
        worse=Direction.HIGHER,
        tolerate=Tolerance(amount=1),
        promote_within=PromotionMargin(amount=3),
        block="5s",
    ),
    Signal.DISTRIBUTION: Gate(name="classes", signal=Signal.DISTRIBUTION, query=Queries(buckets='h{p="{{pods}}"}')),
    Signal.OUTCOME: Gate(
        name="approved",
        signal=Signal.OUTCOME,
        worse=Direction.LOWER,
        query=Queries(total='n{p="{{pods}}"}', events='e{p="{{pods}}"}'),
    ),
    Signal.QUERY: Gate(name="refused", signal=Signal.QUERY, query=PAIR),
    Signal.AGREEMENT: Gate(name="same", signal=Signal.AGREEMENT, target=0.98, on_disagreement=OnDisagreement.ROLLBACK),
    Signal.THRESHOLD: Gate(name="lag", signal=Signal.THRESHOLD, query=VALUE, max=10, failures=2, of=3),
}
KINDS = {
    Signal.LATENCY: Kind.SHAPE,
    Signal.DISTRIBUTION: Kind.SHAPE,
    Signal.GAUGE: Kind.MEAN,
    Signal.AGREEMENT: Kind.AGREEMENT,
    Signal.SATURATION: Kind.LIMIT,
    Signal.THRESHOLD: Kind.LIMIT,
}


def observed(signal: Signal, *, good: bool, second: float) -> Observed:
    """What a gate of this signal reads in five seconds of a good or a bad candidate."""
    match KINDS.get(signal, Kind.COUNTS):
        case Kind.COUNTS | Kind.AGREEMENT:
            return interval(GOOD if good else BAD)
        case Kind.SHAPE:
            stable = Bins(("0.1", "0.5"), 4000.0, (400.0, 40.0))
            bad = Bins(("0.1", "0.5"), 4000.0, (400.0, 400.0))
            return Spread(candidate=stable if good else bad, stable=stable)
        case Kind.MEAN:
            return Levels(candidate=20.0 if good else 29.0, stable=20.0, at=second)
        case Kind.LIMIT:
            return Level(0.5 if good else 99.0, at=second)


def comparing(gate: Gate, *, good: bool, looks: int = 16) -> CandidateEvidence:
    """After so many readings of five seconds each."""
    of = spec("2", gates=(gate,))
    known: CandidateEvidence | None = None
    for look in range(looks):
        at = NOW - timedelta(seconds=5 * (looks - look))
        assert gate.signal is not None
        read = Reading(
            at=at, intervals={gate.name: observed(gate.signal, good=good, second=at.timestamp())} if look else {}
        )
        known = gathered(rollout=of.rollout, revision=id_of(of), evidence=known, reading=read, split_changed_at=None)
    assert known is not None
    return known


def decided(gate: Gate, *, good: bool) -> Plan:
    of = spec("2", gates=(gate,))
    return plan(rolling(of, StageName.CANARY, weight=50, seen=comparing(gate, good=good)), NOW)


def test_there_is_a_gate_of_every_signal() -> None:
    assert set(GATES) == set(Signal)


@pytest.mark.parametrize("signal", Signal)
def test_a_good_candidate_passes(signal: Signal) -> None:
    gate = GATES[signal]
    judgement = judged(rollout=spec("2", gates=(gate,)).rollout, evidence=comparing(gate, good=True))
    assert judgement.verdict is Verdict.Pass
    assert judgement.gates[0].kind is KINDS.get(signal, Kind.COUNTS)


@pytest.mark.parametrize("signal", Signal)
def test_a_bad_candidate_is_rolled_back_with_its_numbers(signal: Signal) -> None:
    planned = decided(GATES[signal], good=False)

    record = planned.revisions[id_of(spec("2"))].decisions[-1]
    by_rule = KINDS.get(signal) is Kind.LIMIT
    assert (record.outcome, record.verdict, record.gate) == (Outcome.ROLL_BACK, "Fail", GATES[signal].name)
    assert record.reason == ("LimitBroken" if by_rule else "EvidenceOfHarm")
    assert re.search(r"\d", record.message)
    assert ("a rule without an error rate" in record.message) is by_rule
    assert planned.status.weight == 0


@pytest.mark.parametrize("signal", Signal)
def test_evidence_is_written_and_read_back(signal: Signal) -> None:
    evidence = comparing(GATES[signal], good=True, looks=4)
    again = restored(stored(evidence), revision=evidence.revision)
    assert again.gates[GATES[signal].name].to_dict() == evidence.gates[GATES[signal].name].to_dict()


@pytest.mark.parametrize("signal", Signal)
def test_the_policy_s_digest_changes_with_every_field(signal: Signal) -> None:
    def digest(gate: Gate) -> str:
        return policy_digest(Rollout().model_copy(update={"gates": (gate,)}))

    gate = GATES[signal]
    assert digest(gate) == digest(gate.model_copy(update={}))
    changes: dict[str, object] = {"weight": 2.0, "over": "1s"}
    if signal in (Signal.SATURATION, Signal.THRESHOLD):
        changes |= {"max": 0.1, "query": Queries(value='w{p="{{pods}}"}')}
    if signal is Signal.GAUGE:
        changes |= {"block": "7m", "worse": Direction.LOWER, "tolerate": Tolerance(amount=2)}
    if signal is Signal.AGREEMENT:
        changes |= {"target": 0.99, "output": "label", "on_disagreement": OnDisagreement.HOLD}
    for field, value in changes.items():
        assert digest(gate.model_copy(update={field: value})) != digest(gate), field


def test_the_digest_of_a_policy_without_new_fields_is_what_it_was() -> None:
    """Evidence that an operator before this one wrote goes on."""
    assert policy_digest(Rollout()) == "b8bc5c90d46a3d45"
    assert policy_digest(Rollout(gates=(ERRORS,))) == "fcaba93e7d80b6a0"


def test_defaults_lie_inside_each_other() -> None:
    for gate in GATES.values():
        policy = policy_of(gate)
        if not isinstance(policy, LimitPolicy | AgreementPolicy):
            assert policy.tolerate < policy.promote_within
    assert [gate.signal for gate in DEFAULT_GATES] == [Signal.ERRORS, Signal.LATENCY]


def test_a_gate_that_counts_no_requests_bounds_no_weight() -> None:
    """Restarts are few and their minutes fewer; the weight follows the gate that counts requests."""
    both = (ERRORS, GATES[Signal.RESTARTS], GATES[Signal.GAUGE])
    given = _paced(both, {"errors": interval(GOOD), "restarts": interval(((1, 0), (1, 0)))})
    assert plan(given, NOW).status.weight == 50


def _paced(gates: tuple[Gate, ...], read: dict[str, Observed], *, weight_since: float = 600) -> Observation:
    of = spec("2", gates=gates, stages=(PACED, SOAK))
    first = gathered(
        rollout=of.rollout, revision=id_of(of), evidence=None, reading=Reading(at=ago(10)), split_changed_at=None
    )
    known = gathered(
        rollout=of.rollout,
        revision=id_of(of),
        evidence=first,
        reading=Reading(at=ago(5), intervals=read),
        split_changed_at=None,
    )
    given = rolling(of, StageName.CANARY, weight=1, weight_since=weight_since)
    return replace(given, evidence=known, reading=Reading(at=NOW, intervals=read))


def test_where_no_gate_counts_requests_the_weight_grows_step_by_step_as_time_passes() -> None:
    heat: dict[str, Observed] = {"heat": Levels(20.0, 20.0, at=NOW.timestamp())}
    gates = (GATES[Signal.GAUGE],)
    assert plan(_paced(gates, heat, weight_since=30), NOW).status.weight == 2
    assert plan(_paced(gates, heat, weight_since=29), NOW).status.weight == 1


def test_where_no_gate_counts_requests_a_shadow_asks_for_none() -> None:
    gate = GATES[Signal.THRESHOLD]
    stages = (Stage(shadow=ShadowStage(min_requests=500, hold_for="30s")), CANARY, SOAK)
    of = spec("2", gates=(gate,), stages=stages)
    given = rolling(of, StageName.SHADOW, seen=comparing(gate, good=True))
    assert plan(given, NOW).status.stage is StageName.CANARY


def test_a_limit_that_was_never_seen_promotes_nothing() -> None:
    of = spec("2", gates=(ERRORS, GATES[Signal.THRESHOLD]))
    known = gathered(
        rollout=of.rollout, revision=id_of(of), evidence=None, reading=Reading(at=ago(5)), split_changed_at=None
    )
    read = Reading(at=NOW, intervals={"errors": interval(GOOD)}, missing={"lag": "gate lag: nothing"})
    given = replace(rolling(of, StageName.CANARY, weight=50), evidence=known, reading=read)
    planned = plan(given, NOW)
    assert planned.status.stage is StageName.CANARY
    assert planned.status.conditions[0].reason == "MetricsUnavailable"


def test_gates_of_all_kinds_are_judged_together() -> None:
    """Nine good gates and one bad one: the bad one is named, whatever it is."""
    of: ModelDeploymentSpec = spec("2", gates=tuple(GATES.values()))
    for culprit in Signal:
        known: CandidateEvidence | None = None
        for look in range(40):
            at = NOW - timedelta(seconds=5 * (40 - look))
            read = {
                gate.name: observed(signal, good=signal is not culprit, second=at.timestamp())
                for signal, gate in GATES.items()
                if look
            }
            known = gathered(
                rollout=of.rollout,
                revision=id_of(of),
                evidence=known,
                reading=Reading(at=at, intervals=read),
                split_changed_at=None,
            )
        assert known is not None
        judgement = judged(rollout=of.rollout, evidence=known)
        assert (judgement.verdict, judgement.culprit) == (Verdict.Fail, GATES[culprit].name)
        assert isinstance(read["errors"], Interval)
        assert {gate.verdict for gate in judgement.gates if gate.gate != judgement.culprit} == {Verdict.Pass}


@pytest.mark.parametrize(("edge", "told"), [("0.5", "beyond 0.5"), ("0.5..1", "in 0.5..1"), ("missing", "in missing")])
def test_requests_are_beyond_a_bound_and_in_a_bin(edge: str, told: str) -> None:
    counted = Counts(total=100, bad=40)
    seen = GateVerdict(
        gate="scores",
        verdict=Verdict.Fail,
        log_harm=9,
        log_safety=0,
        upper_bound=0.1,
        candidate=counted,
        stable=counted,
        intervals=9,
        kind=Kind.SHAPE,
        edge=edge,
    )
    judgement = Judgement(
        verdict=Verdict.Fail, log_harm=9, harm_threshold=5, safety_threshold=5, culprit="scores", gates=(seen,)
    )
    assert f"had 40 of 100 (40 %) requests {told}, the live version" in harm_sentence(judgement)


def test_a_message_names_the_edge_or_the_means() -> None:
    assert "requests beyond 0.5" in decided(GATES[Signal.LATENCY], good=False).records[-1].message
    assert "mean was 29, the live version's 20" in decided(GATES[Signal.GAUGE], good=False).records[-1].message
    record = decided(GATES[Signal.THRESHOLD], good=False).records[-1]
    assert "the candidate's value 99 is beyond its limit" in record.message
    assert record.gates[0].detail == "value 99, by rule"
    assert record.gates[0].bound is None


def test_little_evidence_of_any_kind_is_insufficient_and_says_something() -> None:
    for signal, gate in GATES.items():
        if KINDS.get(signal) is Kind.LIMIT:
            continue
        of = spec("2", gates=(gate,))
        given = rolling(
            of, StageName.CANARY, weight=5, seen=FEW if signal not in KINDS else comparing(gate, good=True, looks=2)
        )
        judgement = plan(given, NOW).judgement
        assert judgement is not None
        if judgement.verdict is not Verdict.Pass:
            assert f"gate {gate.name}: " in plan(given, NOW).status.conditions[0].message
    assert kinds.kind_of(comparing(GATES[Signal.GAUGE], good=True).gates["heat"]) is Kind.MEAN
