"""What a rollout may cost its users, the first step of a busy service, and how long a quiet one will take."""

from dataclasses import replace
from datetime import timedelta

import pytest

from modelrollout.api.modeldeployment import ModelDeploymentSpec, StageName
from modelrollout.api.rollout import CanaryStage, Inconclusive, Pace, Stage
from modelrollout.plan import plan
from modelrollout.plan.gates import gathered, restored, stored
from modelrollout.plan.observation import CandidateEvidence, Observation, Reading, Unreadable
from tests.builders import FEW, GOOD, NOTHING, NOW, SHADOW, SOAK, Arms, ago, evidence, id_of, reading, rolling, spec

PACED = Stage(canary=CanaryStage(pace=Pace.EVIDENCE, hold_for="30s", error_budget=30))
V2 = spec("2", stages=(PACED, SOAK))


def limited(
    budget: float | None,
    *,
    on_inconclusive: Inconclusive = Inconclusive.PAUSE,
    stages: tuple[Stage, ...] = (PACED, SOAK),
) -> ModelDeploymentSpec:
    of = spec("2", stages=stages, on_inconclusive=on_inconclusive)
    return of.model_copy(update={"rollout": of.rollout.model_copy(update={"error_budget": budget})})


def known(of: ModelDeploymentSpec, *, spent: float = 0.0, seen: Arms = NOTHING) -> CandidateEvidence:
    return replace(evidence(seen, of=of, at=ago(5)), spent={"errors": spent}, rate_known=True)


def stepping(of: ModelDeploymentSpec, arms: Arms, *, spent: float = 0.0, weight: int = 1) -> Observation:
    given = rolling(of, StageName.CANARY, weight=weight)
    return replace(given, evidence=known(of, spent=spent), reading=reading(arms))


class TestRolloutBudget:
    ARMS: Arms = ((3, 0), (297, 0))
    """60 requests a second and nothing known: one percent may cost 3 requests in five seconds."""

    @pytest.mark.parametrize(
        ("budget", "spent", "weight"), [(None, 0, 10), (1000, 0, 10), (15, 0, 5), (100, 94, 2), (100, 99, 1)]
    )
    def test_what_is_left_bounds_the_next_step(self, budget: float | None, spent: float, weight: int) -> None:
        assert plan(stepping(limited(budget), self.ARMS, spent=spent), NOW).status.weight == weight

    def test_what_goes_wrong_beyond_the_tolerance_is_spent(self) -> None:
        of = limited(1000)
        planned = plan(stepping(of, ((100, 4), (1000, 10)), weight=10), NOW)
        assert planned.evidence is not None
        # 1.1 times 1 % and 0.1 points of 100 requests are tolerated: 1.2.
        assert planned.evidence.spent == {"errors": pytest.approx(2.8)}

    def test_a_candidate_that_does_well_spends_nothing(self) -> None:
        of = limited(100)
        planned = plan(stepping(of, ((4000, 0), (4000, 40)), spent=-5, weight=10), NOW)
        assert planned.evidence is not None
        assert planned.evidence.spent["errors"] < -5

    def test_copies_cost_users_nothing(self) -> None:
        of = limited(10, stages=(SHADOW, PACED, SOAK))
        given = replace(rolling(of, StageName.SHADOW), evidence=known(of), reading=reading(((100, 3), (100, 0))))
        planned = plan(given, NOW)
        assert planned.evidence is not None
        assert planned.evidence.spent == {"errors": 0.0}

    @pytest.mark.parametrize(
        ("policy", "expected"),
        [(Inconclusive.PAUSE, "Paused"), (Inconclusive.ROLLBACK, "RolledBack"), (Inconclusive.PROMOTE, "Progressing")],
    )
    def test_a_budget_that_is_spent_is_for_on_inconclusive(self, policy: Inconclusive, expected: str) -> None:
        of = limited(20, on_inconclusive=policy)
        planned = plan(stepping(of, FEW, spent=25, weight=10), NOW)
        conditions = {condition.type: condition for condition in planned.status.conditions}
        assert conditions[expected].status == "True"
        assert "rollout.errorBudget of 20 requests was spent" in conditions["Ready"].message

    def test_it_survives_a_restart(self) -> None:
        of = limited(100)
        written = stored(known(of, spent=12.5))
        assert restored(written, revision=id_of(of)).spent == {"errors": 12.5}

    def test_an_edited_policy_does_not_refill_it(self) -> None:
        of = limited(100)
        edited = of.model_copy(
            update={
                "rollout": of.rollout.model_copy(
                    update={"error_rates": of.rollout.error_rates.model_copy(update={"false_rollback": 0.02})}
                )
            }
        )
        after = gathered(
            rollout=edited.rollout,
            revision=id_of(of),
            evidence=known(of, spent=40),
            reading=Reading(at=NOW),
            split_changed_at=None,
            users_pay=True,
        )
        assert after.spent == {"errors": 40.0}


class TestFirstStep:
    def at_zero(self, stable_requests: float | None, *, of: ModelDeploymentSpec = V2) -> Observation:
        """A canary without a shadow before it, whose live version served so many requests in five seconds."""
        given = rolling(of, StageName.CANARY, weight=0)
        if stable_requests is None:
            return replace(given, reading=reading(NOTHING))
        before = evidence(NOTHING, of=of, at=ago(5))
        return replace(given, evidence=before, reading=reading(((0, 0), (stable_requests, 0))))

    def test_it_waits_until_the_live_version_s_traffic_is_known(self) -> None:
        planned = plan(self.at_zero(None), NOW)
        assert planned.status.weight == 0
        assert planned.status.conditions[0].reason == "WaitingForMetrics"
        assert "request rate" in planned.status.conditions[0].message
        unread = replace(self.at_zero(None), reading=Unreadable("refused"))
        assert plan(unread, NOW).status.conditions[0].reason == "MetricsUnavailable"

    @pytest.mark.parametrize(("per_second", "weight"), [(0, 1), (12, 50), (60, 10), (300, 2), (400, 1), (5000, 1)])
    def test_it_is_as_large_as_the_budget_allows(self, per_second: float, weight: int) -> None:
        """Nothing is known of the candidate, so all of its requests may go wrong: 30 of them in an interval."""
        of = spec("2", stages=(PACED, SOAK), replicas=2)
        given = self.at_zero(per_second * 5, of=of)
        assert plan(given, NOW).status.weight == weight

    def test_a_very_busy_service_is_told_that_even_the_smallest_step_is_beyond_the_budget(self) -> None:
        planned = plan(self.at_zero(5000 * 5), NOW)
        message = planned.records[-1].message
        assert "even 1 % of 5000 requests/s may cost 250 requests in an interval, more than errorBudget 30" in message
        assert "shadow stage" in message
        assert "may cost" not in plan(self.at_zero(60 * 5), NOW).records[-1].message

    def test_fixed_weights_begin_at_once(self) -> None:
        fixed = spec("2", stages=(Stage(canary=CanaryStage(weights=(5, 25))), SOAK))
        assert plan(self.at_zero(None, of=fixed), NOW).status.weight == 5


class TestExpectedVerdict:
    def comparing(self, arms: Arms, *, looks: int = 10, started: float = 600) -> Observation:
        """A canary at half of the traffic that reads this every five seconds."""
        of = spec("2", stages=(Stage(canary=CanaryStage(weights=(50,), hold_for="30s")), SOAK))
        given = rolling(of, StageName.CANARY, weight=50, since=started)
        for look in range(looks):
            at = NOW - timedelta(seconds=5 * (looks - 1 - look))
            planned = plan(replace(given, reading=reading(arms, at=at)), at)
            given = replace(given, status=planned.status, evidence=planned.evidence)
        return given

    def test_it_is_in_the_status_and_comes_nearer(self) -> None:
        given = self.comparing(((20, 0), (20, 0)))
        expected = given.status.expected_verdict_at
        assert expected is not None
        assert NOW < expected < NOW + timedelta(minutes=30)
        assert expected.microsecond == 0

    def test_half_the_traffic_takes_longer(self) -> None:
        busy = self.comparing(((20, 0), (20, 0))).status.expected_verdict_at
        quiet = self.comparing(((2, 0), (2, 0))).status.expected_verdict_at
        assert busy is not None
        assert quiet is not None
        assert quiet - NOW > 5 * (busy - NOW)

    def test_a_quiet_service_is_told_that_it_takes_longer_than_the_rollout_may(self) -> None:
        given = self.comparing(((0.01, 0), (0.01, 0)))
        planned = plan(replace(given, reading=reading(((0.01, 0), (0.01, 0)), at=NOW + timedelta(seconds=5))), NOW)
        assert "longer than maxDuration 2h allows" in given.status.conditions[0].message
        assert planned.status.rejected is None

    def test_without_traffic_there_is_none(self) -> None:
        assert self.comparing(NOTHING).status.expected_verdict_at is None

    def test_it_ends_with_the_comparison(self) -> None:
        given = self.comparing(GOOD, looks=8)
        assert given.status.stage is StageName.SOAK
        assert given.status.expected_verdict_at is None
