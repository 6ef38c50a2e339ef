"""Pairs of answers: what a disagreement does, and what it does not."""

import json
import math

import pytest

from modelrollout.evidence import (
    AgreementEvidence,
    AgreementPolicy,
    Counts,
    ErrorRates,
    EvidenceError,
    GatePolicy,
    Interval,
    Verdict,
    agreement,
    begin,
    judge,
    kinds,
    observe,
    retry,
    seconds_left,
)
from modelrollout.evidence.bursts import PRIOR, Bursts
from modelrollout.evidence.forecast import requests_left

RATES = ErrorRates(false_rollback=0.01, false_promotion=0.05)
HOLD = AgreementPolicy(name="agreement", beyond=0.02)
ROLL_BACK = AgreementPolicy(name="agreement", beyond=0.02, hold=False)
ERRORS = GatePolicy(name="errors", ratio=1.1, tolerate=0.001, promote_within=0.005)


def pairs(disagreeing: float, *, of: float = 100, noise: float = 0, of_noise: float = 10) -> Interval:
    return Interval(candidate=Counts(of, disagreeing), stable=Counts(of_noise, noise))


def after(interval: Interval, looks: int, *, policy: AgreementPolicy = HOLD) -> AgreementEvidence:
    evidence = agreement.start(planned_intervals=720)
    for _ in range(looks):
        evidence = agreement.update(evidence, policy, interval)
    return evidence


def verdict(evidence: AgreementEvidence, *, policy: AgreementPolicy = HOLD, accepted: tuple[str, ...] = ()) -> Verdict:
    return judge([(policy, evidence)], rates=RATES, accepted=accepted).verdict


def test_a_disagreement_waits_for_a_person_and_is_no_harm() -> None:
    judgement = judge([(HOLD, after(pairs(40), 10))], rates=RATES)
    (gate,) = judgement.gates
    assert judgement.verdict is gate.verdict is Verdict.Disagreement
    assert (judgement.log_harm, judgement.culprit) == (0.0, None)
    assert gate.log_harm >= judgement.harm_threshold
    assert (gate.candidate, gate.stable) == (Counts(1000, 400), Counts(100, 0))


def test_it_hides_no_harm_that_another_gate_finds() -> None:
    errors = begin(ERRORS, planned_seconds=3600, interval_seconds=5)
    errors = observe(errors, ERRORS, Interval(candidate=Counts(500, 100), stable=Counts(500, 1)))
    judgement = judge([(HOLD, after(pairs(40), 10)), (ERRORS, errors)], rates=RATES)
    assert (judgement.verdict, judgement.culprit) == (Verdict.Fail, "errors")


def test_it_takes_no_part_of_the_other_gates_budget() -> None:
    errors = begin(ERRORS, planned_seconds=3600, interval_seconds=5)
    errors = observe(errors, ERRORS, Interval(candidate=Counts(500, 20), stable=Counts(500, 1)))
    alone = judge([(ERRORS, errors)], rates=RATES).log_harm
    assert judge([(HOLD, after(pairs(40), 10)), (ERRORS, errors)], rates=RATES).log_harm == alone


def test_where_the_user_says_so_it_is_harm_like_any_other() -> None:
    judgement = judge([(ROLL_BACK, after(pairs(40), 10, policy=ROLL_BACK))], rates=RATES)
    assert (judgement.verdict, judgement.culprit) == (Verdict.Fail, "agreement")


def test_a_person_who_accepts_it_lets_it_pass() -> None:
    assert verdict(after(pairs(40), 10), accepted=("agreement",)) is Verdict.Pass


def test_acceptance_is_of_what_was_found_and_of_nothing_that_is_not_known_yet() -> None:
    assert verdict(after(pairs(3), 1), accepted=("agreement",)) is Verdict.Insufficient


def test_what_was_found_stays_found_when_later_pairs_agree() -> None:
    evidence = after(pairs(40), 10)
    for _ in range(300):
        evidence = agreement.update(evidence, HOLD, pairs(0))
    assert verdict(evidence) is Verdict.Disagreement


def test_pairs_that_agree_are_safe() -> None:
    assert verdict(after(pairs(0), 20)) is Verdict.Pass


def test_what_live_disagrees_with_itself_is_not_held_against_the_candidate() -> None:
    assert verdict(after(pairs(20, noise=20, of_noise=100), 200)) is Verdict.Pass
    assert verdict(after(pairs(20, noise=0, of_noise=100), 200)) is Verdict.Disagreement


def test_nothing_is_known_before_the_first_pair() -> None:
    assert verdict(agreement.start(planned_intervals=720)) is Verdict.NoData


def test_pairs_without_a_noise_pair_wait_for_one_and_are_not_lost() -> None:
    waiting = agreement.update(agreement.start(planned_intervals=720), HOLD, pairs(1, of_noise=0))
    assert (waiting.pairs, waiting.pending.candidate) == (Counts(), Counts(100, 1))
    assert verdict(waiting) is Verdict.Insufficient
    assert agreement.update(waiting, HOLD, pairs(1)).pairs == Counts(200, 2)


def test_another_rollout_of_the_same_revision_has_to_find_it_again() -> None:
    again = retry(after(pairs(40), 10))
    assert isinstance(again, AgreementEvidence)
    assert verdict(again) is Verdict.NoData
    assert verdict(agreement.update(again, HOLD, pairs(0))) is Verdict.Insufficient
    assert verdict(agreement.update(again, HOLD, pairs(40))) is Verdict.Disagreement


def test_what_is_stored_is_read_back() -> None:
    evidence = after(pairs(7, noise=1), 37)
    assert kinds.read(json.loads(json.dumps(evidence.to_dict()))).to_dict() == evidence.to_dict()
    assert len(json.dumps(evidence.to_dict(), separators=(",", ":"))) < 800


def test_stored_evidence_of_another_shape_is_refused() -> None:
    with pytest.raises(EvidenceError, match="bursts"):
        kinds.read({**after(pairs(7), 3).to_dict(), "bursts": [[1]]})


@pytest.mark.parametrize("beyond", [0.0, 1.0, -0.1])
def test_a_line_at_an_end_is_refused(beyond: float) -> None:
    with pytest.raises(EvidenceError, match="between 0 and 1"):
        AgreementPolicy(name="agreement", beyond=beyond)


def test_phi_is_learnt_from_what_came_before_and_divides_what_comes_after() -> None:
    quiet, bursting = Bursts(), Bursts()
    assert quiet.phi == PRIOR
    for number in range(160):
        quiet = quiet.add(Counts(100, 4 + number % 3))
        bursting = bursting.add(Counts(100, 50 if number % 10 == 0 else 0))
    assert quiet.phi < 1.5
    assert bursting.phi > 20


def test_what_is_even_in_short_blocks_and_not_in_long_ones_counts() -> None:
    slow = Bursts()
    for number in range(320):
        slow = slow.add(Counts(100, 10 if number // 16 % 2 else 2))
    assert slow.phi > 8


def test_a_forecast_in_pairs_comes_true() -> None:
    evidence = after(pairs(0), 3)
    left = requests_left(evidence, HOLD, threshold=math.log(20), split=10)
    assert left is not None
    looks = 0
    while verdict(evidence) is not Verdict.Pass:
        evidence, looks = agreement.update(evidence, HOLD, pairs(0)), looks + 1
    assert left == pytest.approx(100 * looks, abs=100)
    assert seconds_left(after(pairs(0), 3), HOLD, threshold=math.log(20), per_second=0, split=10) is None
