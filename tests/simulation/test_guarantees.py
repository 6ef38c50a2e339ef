"""The stated error rates, seen in simulated rollouts.

A guarantee "at most alpha" is tested by counting: of N rollouts at most the 99.9 % quantile of Binomial(N, alpha) may
err, over all of a group and, with that 0.1 % shared out evenly, in each of its cells. Seeds are fixed, so a failure is
a change of the code and not bad luck. Run with `-s` to read the measured shares.
"""

import itertools
import random
import statistics
from collections.abc import Callable

import pytest

from modelrollout.evidence import GateEvidence, GatePolicy, Verdict, log_harm, log_safety
from tests.simulation.rollouts import RATES, Truth, binomial, first_crossing, paced_rollout, quantile

STABLE_RATES = (0.001, 0.01, 0.05, 0.45, 0.9)
LOADS = (1.0, 10.0, 100.0, 1000.0)
CELLS = tuple(itertools.product(STABLE_RATES, LOADS))
RUNS_PER_CELL = 100  # 20 cells: 2000 rollouts a group
GROWING = tuple(weight for weight in (1, 5, 10, 25, 50) for _ in range(8))  # a look every 30 s for 20 minutes
DOUBT = 0.001
MENU = (1, 2, 5, 10, 25, 50, 100)


def policy(*, ratio: float = 1.1, tolerate: float = 0.001, promote_within: float = 0.005) -> GatePolicy:
    return GatePolicy(name="errors", ratio=ratio, tolerate=tolerate, promote_within=promote_within)


def check(
    name: str,
    *,
    truth: Callable[[float, float], Truth],
    gate: GatePolicy,
    log_evidence: Callable[[GateEvidence], float],
    error_rate: float,
) -> None:
    """Count wrong crossings in every cell and hold them against the stated rate."""
    rng = random.Random(f"{name}, seed 1")
    wrong = {}
    for stable_rate, load in CELLS:
        schedule = [(truth(stable_rate, load), weight) for weight in GROWING]
        wrong[stable_rate, load] = sum(
            first_crossing(rng, gate, schedule=schedule, log_evidence=log_evidence, error_rate=error_rate) is not None
            for _ in range(RUNS_PER_CELL)
        )
    runs = RUNS_PER_CELL * len(CELLS)
    share, worst = sum(wrong.values()) / runs, max(wrong, key=wrong.__getitem__)
    print(f"\n{name}: {share:.2%} of {runs} (limit {error_rate:.0%}), worst cell {wrong[worst]} % at {worst}", end=" ")
    assert sum(wrong.values()) <= quantile(1 - DOUBT, of=runs, rate=error_rate)
    assert wrong[worst] <= quantile(1 - DOUBT / len(CELLS), of=RUNS_PER_CELL, rate=error_rate)


@pytest.mark.parametrize(
    ("name", "gate", "ratio", "points", "shocks"),
    [
        ("equal to stable", policy(tolerate=0.0), 1.0, 0.0, (1.0,)),
        ("exactly on the ratio", policy(tolerate=0.0), 1.1, 0.0, (1.0,)),
        ("exactly on the margin", policy(ratio=1.0, tolerate=0.02, promote_within=0.05), 1.0, 0.02, (1.0,)),
        ("exactly on both, shared shocks", policy(tolerate=0.001), 1.1, 0.001, (0.2, 1.0, 1.0, 1.1)),
        ("exactly on an absolute limit", policy(ratio=0.0, tolerate=0.05, promote_within=0.1), 0.0, 0.05, (1.0,)),
    ],
)
def test_harmless_candidates_are_rarely_rolled_back(
    name: str, gate: GatePolicy, ratio: float, points: float, shocks: tuple[float, ...]
) -> None:
    check(
        f"false rollback, {name}",
        truth=lambda rate, load: Truth(
            stable_rate=rate, ratio=ratio, points=points, requests_per_second=load, shocks=shocks
        ),
        gate=gate,
        log_evidence=log_harm,
        error_rate=RATES.false_rollback,
    )


@pytest.mark.parametrize("shocks", [(1.0,), (0.2, 1.0, 1.0)], ids=["steady", "shared shocks"])
def test_harmful_candidates_are_rarely_promoted_even_if_never_rolled_back(shocks: tuple[float, ...]) -> None:
    gate = policy()
    check(
        "false promotion, exactly at the margin",
        truth=lambda rate, load: Truth(
            stable_rate=rate, ratio=1.1, points=0.005, requests_per_second=load, shocks=shocks
        ),
        gate=gate,
        log_evidence=lambda evidence: log_safety(evidence, gate),
        error_rate=RATES.false_promotion,
    )


@pytest.mark.parametrize(
    ("stable_rate", "ratio", "load", "least_share", "most_seconds", "runs"),
    [
        (0.01, 5.0, 100.0, 0.99, 30, 200),
        (0.01, 2.0, 100.0, 0.99, 300, 200),
        (0.001, 5.0, 100.0, 0.99, 240, 200),
        (0.001, 5.0, 10.0, 0.84, 1800, 60),
        (0.001, 2.0, 100.0, 0.74, 2010, 60),
        (0.05, 1.5, 100.0, 0.99, 270, 100),
    ],
)
def test_harmful_candidates_are_found(
    stable_rate: float, ratio: float, load: float, least_share: float, most_seconds: int, runs: int
) -> None:
    """At a weight of 10 % within an hour, tolerance 1.1 times. Share and median delay are those of earlier measurements
    with a dispersion above one, so they must be reached here, where requests are independent."""
    rng = random.Random(3)
    truth = Truth(stable_rate=stable_rate, ratio=ratio, requests_per_second=load)
    found = [
        interval * truth.interval_seconds
        for _ in range(runs)
        if (
            interval := first_crossing(
                rng,
                policy(tolerate=0.0),
                schedule=[(truth, 10)] * 120,
                log_evidence=log_harm,
                error_rate=RATES.false_rollback,
            )
        )
    ]
    share, delay = len(found) / runs, statistics.median(found)
    print(f"\nx{ratio} at {stable_rate:.1%}, {load:.0f} rps: found {share:.1%}, median {delay:.0f} s", end=" ")
    assert share >= least_share
    assert delay <= most_seconds


def test_a_fault_that_appears_late_is_found_soon() -> None:
    rng = random.Random(4)
    good = Truth(stable_rate=0.01, requests_per_second=100.0)
    bad = Truth(stable_rate=0.01, ratio=3.0, requests_per_second=100.0)
    crossings = [
        first_crossing(
            rng,
            policy(tolerate=0.0),
            schedule=[(good, 10)] * 60 + [(bad, 10)] * 60,
            log_evidence=log_harm,
            error_rate=RATES.false_rollback,
        )
        for _ in range(100)
    ]
    delays = [(crossing - 60) * good.interval_seconds for crossing in crossings if crossing is not None]
    print(f"\nx3 from minute 30: found {len(delays)} %, median {statistics.median(delays):.0f} s later", end=" ")
    assert len(delays) >= 99
    assert 0 < statistics.median(delays) <= 150


@pytest.mark.parametrize(
    ("name", "truth", "expected", "least_share", "most_seconds", "most_excess"),
    [
        ("good, 0.1 %", Truth(stable_rate=0.001, requests_per_second=100.0), Verdict.Pass, 0.99, 120, 0),
        ("good, 1 %", Truth(stable_rate=0.01, requests_per_second=100.0), Verdict.Pass, 0.99, 210, 0),
        ("good, 1 %, quiet", Truth(stable_rate=0.01, requests_per_second=10.0), Verdict.Pass, 0.96, 1005, 0),
        ("+2 points", Truth(stable_rate=0.001, points=0.02, requests_per_second=100.0), Verdict.Fail, 0.99, 90, 12),
        ("x5", Truth(stable_rate=0.01, ratio=5.0, requests_per_second=100.0), Verdict.Fail, 0.99, 90, 20),
        ("x2", Truth(stable_rate=0.01, ratio=2.0, requests_per_second=100.0), Verdict.Fail, 0.95, 270, 73),
        ("half fail", Truth(stable_rate=0.001, points=0.499, requests_per_second=100.0), Verdict.Fail, 0.99, 30, 16),
    ],
)
def test_rollouts_paced_by_evidence_end_well(
    name: str, truth: Truth, expected: Verdict, least_share: float, most_seconds: int, most_excess: float
) -> None:
    rng = random.Random(5)
    runs = 100
    outcomes = [
        paced_rollout(rng, truth, policy(), menu=MENU, error_budget=30, planned_intervals=120) for _ in range(runs)
    ]
    ended = [outcome for outcome in outcomes if outcome.verdict is expected]
    share = len(ended) / runs
    seconds = statistics.median(outcome.seconds for outcome in ended)
    excess = statistics.median(outcome.excess_errors for outcome in ended)
    print(f"\npaced, {name}: {expected} {share:.0%}, median {seconds:.0f} s, {excess:.1f} excess errors", end=" ")
    assert share >= least_share
    assert seconds <= most_seconds
    assert excess <= most_excess


@pytest.mark.parametrize("stable_rate", [0.001, 0.01])
def test_paced_rollouts_at_the_margin_are_rarely_promoted(stable_rate: float) -> None:
    rng = random.Random(6)
    runs = 1000
    truth = Truth(stable_rate=stable_rate, ratio=1.1, points=0.005, requests_per_second=100.0)
    promoted = sum(
        paced_rollout(rng, truth, policy(), menu=MENU, error_budget=30, planned_intervals=120).verdict is Verdict.Pass
        for _ in range(runs)
    )
    print(f"\npaced, exactly at the margin, base {stable_rate:.1%}: promoted {promoted / runs:.1%}", end=" ")
    assert promoted <= quantile(1 - DOUBT, of=runs, rate=RATES.false_promotion)


@pytest.mark.parametrize(("of", "rate"), [(40, 0.3), (3000, 0.001), (2700, 0.45), (500, 0.99)])
def test_the_simulated_requests_are_binomial(of: int, rate: float) -> None:
    """Mean and variance of 20 000 draws within five standard errors."""
    rng = random.Random(7)
    draws = [binomial(rng, of=of, rate=rate) for _ in range(20_000)]
    mean, variance = of * rate, of * rate * (1 - rate)
    assert statistics.fmean(draws) == pytest.approx(mean, abs=5 * (variance / 20_000) ** 0.5)
    assert statistics.variance(draws) == pytest.approx(variance, rel=0.06)
