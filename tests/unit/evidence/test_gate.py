"""One gate: policies, what an interval changes, and the stored form."""

import json
import math
from typing import Any

import pytest

from modelrollout.evidence import (
    Counts,
    EvidenceError,
    GateEvidence,
    GatePolicy,
    Interval,
    discard_pending,
    harm,
    log_harm,
    log_safety,
    start,
    update,
    upper_bound,
)

ERRORS = GatePolicy(name="errors", ratio=1.1, tolerate=0.001, promote_within=0.005)
LIMIT = GatePolicy(name="latency", ratio=0.0, tolerate=0.05, promote_within=0.1)
NORMAL = Interval(candidate=Counts(300, 3), stable=Counts(2700, 27))


def grown(intervals: int = 50) -> GateEvidence:
    evidence = start(planned_intervals=120, phi=1.2, history=Counts(100_000, 1_000))
    for number in range(intervals):
        evidence = update(evidence, ERRORS, Interval(candidate=Counts(300, 2 + number % 3), stable=Counts(2700, 27)))
    return update(evidence, ERRORS, Interval(candidate=Counts(), stable=Counts(4, 0)))


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"ratio": -0.1}, "ratio must be"),
        ({"ratio": math.inf}, "ratio must be"),
        ({"tolerate": 0.005}, "margins must obey"),
        ({"tolerate": -0.001}, "margins must obey"),
        ({"promote_within": 1.1}, "margins must obey"),
        ({"promote_within": math.nan}, "margins must obey"),
        ({"weight": 0.0}, "weight must be"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(fields: dict[str, float], sentence: str) -> None:
    sound: dict[str, Any] = {"name": "errors", "ratio": 1.0, "tolerate": 0.001, "promote_within": 0.005}
    with pytest.raises(EvidenceError, match=f"Gate errors: the {sentence}"):
        GatePolicy(**sound | fields)


@pytest.mark.parametrize(("planned", "phi"), [(0, 1.0), (10, 0.9), (10, math.nan)])
def test_a_start_that_makes_no_sense_is_refused(planned: int, phi: float) -> None:
    with pytest.raises(EvidenceError):
        start(planned_intervals=planned, phi=phi)


def test_nothing_is_known_at_the_start() -> None:
    evidence = start(planned_intervals=10)
    assert log_harm(evidence) == 0
    assert log_safety(evidence, ERRORS) == 0
    assert upper_bound(evidence, false_promotion=0.05) == 1


def test_a_first_interval_of_one_bad_request_each() -> None:
    """Half of the stake is in play: E = 1/2 + 1/2 * mean of L, here with ratio 0 and so L = R / (1 + 0.05 (R - 1))."""
    evidence = update(start(planned_intervals=10), LIMIT, Interval(candidate=Counts(1, 1), stable=Counts()))
    mean = sum(bet / (1 + 0.05 * (bet - 1)) for bet in (1.15, 1.4, 2, 3, 5, 10, 30)) / 7
    assert math.exp(log_harm(evidence)) == pytest.approx(0.5 + 0.5 * mean)


def test_the_guess_was_fixed_before_the_interval() -> None:
    """A guess that peeked at the interval would not be a bet."""
    first = Interval(candidate=Counts(100, 1), stable=Counts(900, 9))
    evidence = update(start(planned_intervals=1, history=Counts(1000, 20)), ERRORS, first)
    later = update(evidence, ERRORS, NORMAL)
    for bet, before, after in zip(harm.BETS, evidence.harm_logs, later.harm_logs, strict=True):
        gain = harm.log_factor(bet, ratio=1.1, tolerate=0.001, guess=harm.guess_rate(Counts(1900, 29)), interval=NORMAL)
        assert after - before == pytest.approx(gain)


def test_an_empty_interval_changes_nothing() -> None:
    evidence = grown()
    assert update(evidence, ERRORS, Interval(candidate=Counts(), stable=Counts())) == evidence


@pytest.mark.parametrize(
    "half", [Interval(candidate=Counts(5, 1), stable=Counts()), Interval(candidate=Counts(), stable=Counts(50, 1))]
)
def test_an_interval_of_one_arm_waits_for_the_other(half: Interval) -> None:
    evidence = update(start(planned_intervals=10), ERRORS, NORMAL)
    waiting = update(evidence, ERRORS, half)
    assert discard_pending(waiting) == evidence
    assert (log_harm(waiting), log_safety(waiting, ERRORS)) == (log_harm(evidence), log_safety(evidence, ERRORS))
    assert update(waiting, ERRORS, NORMAL) == update(evidence, ERRORS, half + NORMAL)


def test_an_absolute_limit_needs_no_stable_requests() -> None:
    evidence = update(start(planned_intervals=10), LIMIT, Interval(candidate=Counts(100, 60), stable=Counts()))
    assert evidence.intervals == 1
    assert log_harm(evidence) > math.log(100)


def test_dispersion_divides_the_evidence() -> None:
    trusting = update(start(planned_intervals=1), LIMIT, Interval(candidate=Counts(1, 1), stable=Counts()))
    doubting = update(start(planned_intervals=1, phi=2.0), LIMIT, Interval(candidate=Counts(1, 1), stable=Counts()))
    assert doubting.harm_logs == pytest.approx([value / 2 for value in trusting.harm_logs])
    assert log_safety(doubting, LIMIT) > log_safety(trusting, LIMIT)  # a bad request is evidence against safety


@pytest.mark.parametrize("evidence", [start(planned_intervals=10), grown(1), grown()])
def test_evidence_survives_storage(evidence: GateEvidence) -> None:
    stored = json.loads(json.dumps(evidence.to_dict()))
    read = GateEvidence.from_dict(stored)
    assert read.to_dict() == stored
    assert log_harm(read) == pytest.approx(log_harm(evidence), abs=1e-6)
    assert log_safety(read, ERRORS) == pytest.approx(log_safety(evidence, ERRORS), abs=1e-5)
    assert (read.candidate, read.stable, read.pending) == (evidence.candidate, evidence.stable, evidence.pending)


def test_stored_evidence_is_small() -> None:
    assert len(json.dumps(grown(500).to_dict(), separators=(",", ":"))) <= 450


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"phi": None}, "finite number as phi"),
        ({"phi": "1"}, "finite number as phi"),
        ({"phi": True}, "finite number as phi"),
        ({"phi": 0.5}, "phi must be a number from 1"),
        ({"intervals": 1.5}, "whole number from 0 on as intervals"),
        ({"intervals": 0}, "list of 0 numbers as harmLogs"),
        ({"plannedIntervals": 0}, "whole number from 1 on as plannedIntervals"),
        ({"harmLogs": [1, 2]}, "list of 7 numbers as harmLogs"),
        ({"safetyLogs": [0, 0, 0, 0, math.nan]}, "finite number as safetyLogs"),
        ({"safetySlopes": "12345"}, "list of 5 numbers as safetySlopes"),
        ({"candidate": [1, 2]}, "more bad requests"),
        ({"pending": [0, 0]}, "list of 4 numbers as pending"),
        ({"color": "red"}, "does not know: color"),
    ],
)
def test_stored_evidence_that_was_tampered_with_is_refused(change: dict[str, object], sentence: str) -> None:
    with pytest.raises(EvidenceError, match=sentence):
        GateEvidence.from_dict(grown().to_dict() | change)


def test_stored_evidence_that_lacks_something_is_refused() -> None:
    stored = grown().to_dict()
    del stored["phi"], stored["candidate"]
    with pytest.raises(EvidenceError, match="lacks candidate, phi"):
        GateEvidence.from_dict(stored)
    with pytest.raises(EvidenceError, match="must be an object"):
        GateEvidence.from_dict([])
