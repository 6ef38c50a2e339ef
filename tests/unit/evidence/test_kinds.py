"""All kinds behind one interface, and another try of the same revision."""

import json
import math
from dataclasses import replace

import pytest

from modelrollout.evidence import (
    AgreementPolicy,
    Bins,
    Counts,
    ErrorRates,
    Evidence,
    EvidenceError,
    GateEvidence,
    GatePolicy,
    Interval,
    Level,
    Levels,
    LimitEvidence,
    LimitPolicy,
    MeanPolicy,
    Observed,
    Policy,
    ShapePolicy,
    Spread,
    Verdict,
    begin,
    judge,
    kinds,
    observe,
    read,
    retry,
)

RATES = ErrorRates(false_rollback=0.01, false_promotion=0.05)
COUNTS = GatePolicy(name="errors", ratio=1.0, tolerate=0.001, promote_within=0.02)
SHAPE = ShapePolicy(name="latency", tolerate=0.02, promote_within=0.05)
MEAN = MeanPolicy(name="temperature", tolerate=1.0, promote_within=3.0)
LIMIT = LimitPolicy(name="memory", high=0.9)
AGREEMENT = AgreementPolicy(name="agreement", beyond=0.02)
POLICIES: list[Policy] = [COUNTS, SHAPE, MEAN, AGREEMENT, LIMIT]

BAD = Interval(candidate=Counts(500, 50), stable=Counts(500, 1))
GOOD = Interval(candidate=Counts(500, 1), stable=Counts(500, 1))


def one_of(policy: Policy) -> Observed:
    match policy:
        case GatePolicy() | AgreementPolicy():
            return GOOD
        case ShapePolicy():
            bins = Bins(("0.5",), 100.0, (3.0,))
            return Spread(candidate=bins, stable=bins)
        case MeanPolicy():
            return Levels(1.0, 1.0, at=10.0)
        case LimitPolicy():
            return Level(0.5, at=10.0)


def fresh(policy: Policy) -> Evidence:
    return begin(policy, planned_seconds=3600, interval_seconds=5)


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_each_kind_is_observed_stored_read_and_judged(policy: Policy) -> None:
    assert judge([(policy, fresh(policy))], rates=RATES).verdict is Verdict.NoData
    evidence = observe(fresh(policy), policy, one_of(policy))
    assert evidence != fresh(policy)
    assert read(json.loads(json.dumps(evidence.to_dict()))) == read(evidence.to_dict())
    assert type(read(evidence.to_dict())) is type(evidence)
    (gate,) = judge([(policy, evidence)], rates=RATES).gates
    assert (gate.gate, gate.kind) == (policy.name, kinds.kind_of(evidence))
    assert gate.verdict in (Verdict.Insufficient, Verdict.Pass)


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_what_is_of_another_kind_is_refused(policy: Policy) -> None:
    for other in POLICIES:
        if other is not policy:
            if type(one_of(other)) is not type(one_of(policy)):  # requests and pairs are both counted in intervals
                with pytest.raises(EvidenceError, match="another kind"):
                    observe(fresh(policy), policy, one_of(other))
            with pytest.raises(EvidenceError, match="another kind"):
                observe(fresh(other), policy, one_of(policy))


def test_counts_are_stored_as_before_there_were_kinds() -> None:
    stored = observe(fresh(COUNTS), COUNTS, GOOD).to_dict()
    assert "kind" not in stored
    assert "carried" not in stored


@pytest.mark.parametrize("stored", [{"kind": "Other"}, {"kind": 3}, {}, [], None, "Counts"])
def test_what_no_operator_wrote_is_refused(stored: object) -> None:
    with pytest.raises(EvidenceError):
        read(stored)


def tried(*intervals: Interval) -> GateEvidence:
    evidence = fresh(COUNTS)
    for interval in intervals:
        evidence = observe(evidence, COUNTS, interval)
    assert isinstance(evidence, GateEvidence)
    return evidence


def after_retry(evidence: Evidence, *intervals: Interval) -> Verdict:
    again = read(json.loads(json.dumps(retry(evidence).to_dict())))
    for interval in intervals:
        again = observe(again, COUNTS, interval)
    return judge([(COUNTS, again)], rates=RATES).verdict


def test_another_try_goes_on_from_the_evidence_of_harm() -> None:
    """Neither half of the harm would do by itself; both together do."""
    half = Interval(candidate=Counts(60, 4), stable=Counts(300, 1))
    assert judge([(COUNTS, tried(half))], rates=RATES).verdict is Verdict.Insufficient
    assert after_retry(tried(half), half, half) is Verdict.Fail
    assert after_retry(tried(), half) is Verdict.Insufficient


def test_another_try_earns_safety_anew() -> None:
    assert judge([(COUNTS, tried(GOOD, GOOD))], rates=RATES).verdict is Verdict.Pass
    assert after_retry(tried(GOOD, GOOD)) is Verdict.NoData
    few = Interval(candidate=Counts(5, 0), stable=Counts(5, 0))
    assert after_retry(tried(GOOD, GOOD), few) is Verdict.Insufficient
    assert after_retry(tried(GOOD, GOOD), GOOD, GOOD) is Verdict.Pass


def test_what_was_known_before_does_not_roll_back_by_itself() -> None:
    assert judge([(COUNTS, tried(BAD))], rates=RATES).verdict is Verdict.Fail
    assert after_retry(tried(BAD)) is Verdict.NoData
    assert after_retry(tried(BAD), Interval(candidate=Counts(50, 5), stable=Counts(50, 0))) is Verdict.Fail


def test_while_the_harm_from_before_stands_nothing_is_promoted() -> None:
    mended = retry(tried(BAD))
    verdicts = []
    for _ in range(200):
        mended = observe(mended, COUNTS, GOOD)
        judgement = judge([(COUNTS, mended)], rates=RATES)
        verdicts.append(judgement.verdict)
        if judgement.verdict is Verdict.Pass:
            assert judgement.log_harm < judgement.harm_threshold
            break
        assert judgement.verdict is Verdict.Insufficient
    assert verdicts[-1] is Verdict.Pass
    assert len(verdicts) > 3, "safety alone would have been earned by then"


def a_bad_one(policy: Policy, *, number: int) -> Observed:
    """Worse than tolerated, by an amount that the number tells."""
    match policy:
        case GatePolicy() | AgreementPolicy():
            return Interval(candidate=Counts(50, 10 + number), stable=Counts(50, 1))
        case ShapePolicy():
            return Spread(candidate=Bins(("0.5",), 100.0, (10.0 + number,)), stable=Bins(("0.5",), 100.0, (3.0,)))
        case MeanPolicy():
            return Levels(9.0 + number / 7, 1.0 + number % 2, at=200.0 * number)
        case LimitPolicy():
            raise AssertionError("a limit bets on nothing")


ROLLS_BACK = AgreementPolicy(name="agreement", beyond=0.02, hold=False)


@pytest.mark.parametrize("policy", [COUNTS, SHAPE, MEAN, ROLLS_BACK], ids=lambda policy: policy.name)
def test_writing_down_what_was_known_before_is_no_new_evidence(policy: Policy) -> None:
    """However it is rounded: nothing was seen since, so nothing is rolled back for it."""
    evidence, harmful = fresh(policy), 0
    for number in range(1, 40):
        evidence = observe(evidence, policy, a_bad_one(policy, number=number))
        harmful += judge([(policy, evidence)], rates=RATES).verdict is Verdict.Fail
        again = read(json.loads(json.dumps(retry(read(evidence.to_dict())).to_dict())))
        assert judge([(policy, again)], rates=RATES).verdict is not Verdict.Fail
    assert harmful > 20


def test_each_betting_kind_keeps_its_stakes_and_a_limit_starts_anew() -> None:
    for policy in (COUNTS, SHAPE, MEAN):
        evidence = observe(fresh(policy), policy, one_of(policy))
        again = retry(evidence)
        assert kinds.log_harm(again) == pytest.approx(kinds.log_harm(evidence))
        assert kinds.carried(again) == kinds.log_harm(evidence)
        assert kinds.log_safety(again, policy) == 0
        assert read(json.loads(json.dumps(again.to_dict()))).to_dict() == again.to_dict()
    assert retry(observe(fresh(LIMIT), LIMIT, one_of(LIMIT))) == LimitEvidence()


@pytest.mark.parametrize(
    ("policy", "wrong"),
    [
        (SHAPE, {"edges": ["0.5", "0.5"]}),
        (SHAPE, {"both": 1}),
        (SHAPE, {"harmLogs": []}),
        (SHAPE, {"requests": [1, 2]}),
        (SHAPE, {"pending": [1]}),
        (MEAN, {"blocks": -1}),
        (MEAN, {"open": [1, 2]}),
        (MEAN, {"scale": math.nan}),
        (MEAN, {"first": [1, 2, 3, 4]}),
        (MEAN, {"more": 1}),
    ],
)
def test_a_damaged_state_is_refused(policy: Policy, wrong: dict[str, object]) -> None:
    stored = observe(fresh(policy), policy, one_of(policy)).to_dict()
    with pytest.raises(EvidenceError, match="Stored evidence"):
        read({**stored, **wrong})


def test_policies_need_sensible_numbers() -> None:
    for wrong in ({"tolerate": 0.1}, {"ratio": 0.0}, {"weight": 0.0}, {"both": True, "ratio": 1.1}):
        with pytest.raises(EvidenceError, match="Gate latency"):
            replace(SHAPE, **wrong)  # type: ignore[arg-type]
    for wrong in ({"tolerate": 3.0}, {"block_seconds": 0.0}, {"weight": -1.0}, {"promote_within": math.inf}):
        with pytest.raises(EvidenceError, match="Gate temperature"):
            replace(MEAN, **wrong)  # type: ignore[arg-type]


def test_until_a_shape_fails_it_is_told_by_the_edge_that_a_promotion_waits_for() -> None:
    """Half of all requests are beyond the first edge, so little is learnt there; the second is where it differs."""
    stable = Bins(("0.1", "0.5"), 100.0, (50.0, 1.0))
    evidence = fresh(SHAPE)
    for _ in range(5):
        candidate = Bins(("0.1", "0.5"), 100.0, (50.0, 2.0))
        evidence = observe(evidence, SHAPE, Spread(candidate=candidate, stable=stable))
    (waiting,) = judge([(SHAPE, evidence)], rates=RATES).gates
    assert (waiting.verdict, waiting.edge) == (Verdict.Insufficient, "0.1")
    assert waiting.candidate == Counts(500.0, 250.0)
    for _ in range(50):
        candidate = Bins(("0.1", "0.5"), 100.0, (50.0, 40.0))
        evidence = observe(evidence, SHAPE, Spread(candidate=candidate, stable=stable))
    (failed,) = judge([(SHAPE, evidence)], rates=RATES).gates
    assert (failed.verdict, failed.edge) == (Verdict.Fail, "0.5")
