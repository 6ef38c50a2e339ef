"""The soak is watched: by limits and by the pods themselves, and with a holdback by the comparison, which goes on."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from modelrollout.api.gates import Gate, Queries, Signal
from modelrollout.api.modeldeployment import StageName
from modelrollout.api.modelrevision import Outcome, RevisionState
from modelrollout.api.rollout import Inconclusive, SoakStage, Stage
from modelrollout.api.rolloutaction import Answer, Verb
from modelrollout.evidence import Level
from modelrollout.plan import plan
from modelrollout.plan.actions import ApplyRoute, ApplyWorkload
from modelrollout.plan.gates import gathered
from modelrollout.plan.observation import Observation, Reading, Unreadable
from modelrollout.plan.watch import is_watched, watched
from tests.builders import (
    BAD,
    CANARY,
    ERRORS,
    FEW,
    GOOD,
    HELD_BACK,
    LATENCY,
    NOW,
    SOAK,
    asked,
    counted,
    evidence,
    id_of,
    reading,
    rolling,
    route,
    spec,
)

V1 = spec("1")
HELD = spec("2", stages=(CANARY, HELD_BACK))
LIMIT = Gate(name="queue", signal=Signal.THRESHOLD, query=Queries(value='queue{pod=~"{{pods}}"}'), max=100)
LIMITED = spec("2", stages=(CANARY, SOAK), gates=(ERRORS, LIMIT))

IN_SOAK = {
    Signal.ERRORS: (True, False),
    Signal.QUALITY: (True, False),
    Signal.OUTCOME: (True, False),
    Signal.QUERY: (True, False),
    Signal.DISTRIBUTION: (True, False),
    Signal.GAUGE: (True, False),
    Signal.LATENCY: (False, False),
    Signal.AGREEMENT: (False, False),
    Signal.RESTARTS: (False, False),
    Signal.AGREEMENT: (False, False),
    Signal.SATURATION: (True, True),
    Signal.THRESHOLD: (True, True),
}
"""Whether a gate is looked at in a soak with a holdback, and in one without."""


def soaking(of: Any = HELD, *, weight: int = 95, since: float = 60) -> Observation:
    """After a canary in which only the first gate had something to count."""
    earlier = reading(GOOD, at=NOW - timedelta(seconds=1))
    begun = gathered(rollout=of.rollout, revision=id_of(of), evidence=None, reading=earlier, split_changed_at=None)
    known = gathered(
        rollout=of.rollout, revision=id_of(of), evidence=begun, reading=reading(GOOD), split_changed_at=None
    )
    return rolling(of, StageName.SOAK, weight=weight, since=since, seen=known)


def seen_now(given: Observation, found: Reading) -> Observation:
    """`found` comes an interval after what is known."""
    assert given.evidence is not None
    earlier = replace(given.evidence, evaluated_at=NOW - timedelta(seconds=5))
    return replace(given, evidence=earlier, reading=found)


class TestWhatIsWatched:
    @pytest.mark.parametrize(("signal", "in_soak"), IN_SOAK.items())
    def test_a_gate_in_the_soak(self, signal: Signal, in_soak: tuple[bool, bool]) -> None:
        gate = ERRORS.model_copy(update={"signal": signal})
        for stage, wanted in zip((HELD_BACK, SOAK), in_soak, strict=True):
            of = spec("2", stages=(CANARY, stage))
            of = of.model_copy(update={"rollout": of.rollout.model_copy(update={"gates": (gate,)})})
            assert watched(of, StageName.SOAK).rollout.gates == ((gate,) if wanted else ())
            assert is_watched(of, StageName.SOAK) is wanted

    def test_every_signal_is_in_the_table(self) -> None:
        assert IN_SOAK.keys() == set(Signal)

    @pytest.mark.parametrize("stage", [StageName.SHADOW, StageName.CANARY])
    def test_all_gates_are_while_versions_are_compared(self, stage: StageName) -> None:
        of = spec("2", gates=(ERRORS, LATENCY))
        assert watched(of, stage) == of

    @pytest.mark.parametrize("stage", [None, *(set(StageName) - {StageName.SHADOW, StageName.CANARY, StageName.SOAK})])
    def test_none_is_in_any_other_stage(self, stage: StageName | None) -> None:
        assert not is_watched(HELD, stage)


class TestHoldback:
    def test_a_share_stays_on_the_old_version_and_both_keep_all_of_their_pods(self) -> None:
        passed = plan(rolling(HELD, StageName.CANARY, weight=50, seen=GOOD, both_served=True), NOW)

        assert (passed.status.stage, passed.status.weight) == (StageName.SOAK, 95)
        assert ApplyRoute(route(V1, HELD, weight=95)) in passed.actions
        assert not any(isinstance(action, ApplyWorkload) for action in passed.actions)
        assert passed.wants_readings

    def test_traffic_waits_for_pods_that_can_carry_all_of_it(self) -> None:
        of = spec("2", stages=(HELD_BACK,), replicas=10)
        waiting = plan(rolling(of, StageName.SOAK, replicas=10, ready=9), NOW)
        ready = plan(rolling(of, StageName.SOAK), NOW)

        assert (waiting.status.weight, ready.status.weight) == (0, 95)
        assert ready.status.conditions[0].message == "95 % of the traffic goes to the candidate"

    def test_evidence_goes_on_where_the_canary_left_it(self) -> None:
        before = counted(soaking().evidence)

        planned = plan(seen_now(soaking(), reading(FEW)), NOW)

        after = counted(planned.evidence)
        assert (after.candidate.total, after.stable.total) == (
            before.candidate.total + FEW[0][0],
            before.stable.total + FEW[1][0],
        )

    def test_a_part_of_the_stake_is_kept_for_the_soak(self) -> None:
        """Two hours and ten minutes in intervals of five seconds."""
        assert counted(evidence(FEW, of=HELD)).planned_intervals == 1560
        assert counted(evidence(FEW, of=spec("2"))).planned_intervals == 1440

    def test_harm_takes_it_back_by_weights_alone(self) -> None:
        planned = plan(seen_now(soaking(), reading(BAD)), NOW)

        assert planned.actions == (ApplyRoute(route(V1, HELD)),)
        assert (planned.status.stage, planned.status.stable, planned.status.rejected) == (
            StageName.LIVE,
            id_of(V1),
            id_of(HELD),
        )
        record = planned.revisions[id_of(HELD)].decisions[-1]
        assert (record.outcome, record.reason, record.gate) == (Outcome.ROLL_BACK, "EvidenceOfHarm", "errors")
        assert "from Soak at weight 95 %" in record.message
        assert planned.revisions[id_of(HELD)].state is RevisionState.ROLLED_BACK

    def test_the_new_version_gets_the_rest_when_it_is_live(self) -> None:
        planned = plan(soaking(since=600), NOW)

        assert planned.status.stage is StageName.LIVE
        assert planned.actions[0] == ApplyRoute(route(HELD, V1))

    @pytest.mark.parametrize(("held_back", "weight"), [(None, 100), (20, 80)])
    def test_an_edit_of_it_moves_the_share_and_the_soak_begins_anew(self, held_back: int | None, weight: int) -> None:
        edited = Stage(soak=SoakStage(hold_for="10m", holdback=held_back))

        planned = plan(soaking(spec("2", stages=(CANARY, edited)), since=599), NOW)

        assert (planned.status.weight, planned.status.weight_changed_at) == (weight, NOW)

    def test_a_soak_at_the_canarys_last_weight_takes_its_whole_time_all_the_same(self) -> None:
        of = spec("2", stages=(CANARY, Stage(soak=SoakStage(hold_for="10m", holdback=50))))
        given = soaking(of, weight=50, since=599)
        assert given.status.weight_changed_at is not None
        earlier = given.status.model_copy(update={"weight_changed_at": NOW - timedelta(hours=1)})

        assert plan(replace(given, status=earlier), NOW).status.stage is StageName.SOAK

    def test_a_person_may_end_the_soak(self) -> None:
        planned = plan(replace(soaking(), actions=(asked(Verb.PROMOTE),)), NOW)

        assert planned.status.stage is StageName.LIVE
        assert planned.status.actions[-1].outcome is Answer.APPLIED


class TestWithoutHoldback:
    def test_a_comparison_ends_with_the_canary(self) -> None:
        """All requests are the candidate's: what the old version did before would be no fair measure."""
        planned = plan(soaking(spec("2", stages=(CANARY, SOAK)), weight=100), NOW)

        assert not planned.wants_readings
        assert planned.status.conditions[0].reason == "Soaking"

    def test_a_broken_limit_takes_it_back(self) -> None:
        level = Reading(at=NOW, intervals={"queue": Level(value=250, at=NOW.timestamp())})

        planned = plan(seen_now(soaking(LIMITED, weight=100), level), NOW)

        record = planned.revisions[id_of(LIMITED)].decisions[-1]
        assert (record.outcome, record.reason, record.gate) == (Outcome.ROLL_BACK, "LimitBroken", "queue")
        assert planned.actions[0] == ApplyRoute(route(V1, LIMITED))

    def test_one_that_is_kept_lets_it_go_live(self) -> None:
        level = Reading(at=NOW, intervals={"queue": Level(value=50, at=NOW.timestamp())})
        given = seen_now(soaking(LIMITED, weight=100, since=600), level)

        assert plan(soaking(LIMITED, weight=100), NOW).wants_readings
        assert plan(given, NOW).status.stage is StageName.LIVE


class TestPrometheusAwayAtTheEnd:
    def blind(self, *, over: float, of: Any = HELD) -> Observation:
        """So many seconds after the end of the soak."""
        return replace(soaking(of, since=600 + over), reading=Unreadable("connection refused"))

    def held(self, choice: Inconclusive) -> Any:
        return spec("2", stages=(CANARY, HELD_BACK), on_inconclusive=choice)

    def test_the_old_version_stays_warm_for_as_long_as_a_comparison_may_take(self) -> None:
        planned = plan(self.blind(over=60), NOW)

        assert (planned.status.stage, planned.status.weight) == (StageName.SOAK, 95)
        ready = planned.status.conditions[0]
        assert (ready.reason, ready.message) == (
            "MetricsUnavailable",
            "the soak is over, but not without a look: holding: Prometheus cannot be asked: connection refused",
        )
        assert planned.requeue_after == pytest.approx(7200 - 60)

    def test_a_reading_ends_it(self) -> None:
        assert plan(seen_now(soaking(since=660), reading(FEW)), NOW).status.stage is StageName.LIVE

    @pytest.mark.parametrize(
        ("choice", "stage", "reason"),
        [
            (Inconclusive.PAUSE, StageName.SOAK, "Inconclusive"),
            (Inconclusive.ROLLBACK, StageName.LIVE, "Inconclusive"),
            (Inconclusive.PROMOTE, StageName.LIVE, "PromotedInconclusive"),
        ],
    )
    def test_then_the_policy_decides(self, choice: Inconclusive, stage: StageName, reason: str) -> None:
        of = self.held(choice)

        planned = plan(self.blind(over=7200, of=of), NOW)

        assert (planned.status.stage, planned.status.conditions[0].reason) == (stage, reason)
        assert (planned.status.stable == id_of(of)) is (choice is Inconclusive.PROMOTE)
        assert (planned.status.rejected == id_of(of)) is (choice is Inconclusive.ROLLBACK)

    def test_a_pause_is_a_persons_to_end(self) -> None:
        paused = plan(self.blind(over=7200), NOW).status
        seen = replace(seen_now(soaking(since=7800), reading(FEW)), status=paused)

        assert plan(seen, NOW).status.stage is StageName.SOAK
        resumed = replace(seen, actions=(asked(Verb.RESUME),))
        later = replace(resumed, status=plan(resumed, NOW).status, actions=())
        assert plan(later, NOW).status.stage is StageName.LIVE

    def test_a_template_that_went_away_holds_it_too(self) -> None:
        given = replace(seen_now(soaking(since=660), reading(FEW)), unresolved="there is no GateTemplate strict")

        assert plan(given, NOW).status.stage is StageName.SOAK
