"""Whatever happens, and in whatever order: the rules that nothing may break.

Hypothesis edits the spec, starts and breaks pods, lets time pass, gives and withholds readings, and kills the operator
between any two actions. Every plan on the way is checked, and so is the world after it.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from modelrollout.api.alerts import SharedAlert
from modelrollout.api.contract import Breaking
from modelrollout.api.group import LABEL_REVISION
from modelrollout.api.modeldeployment import ModelDeploymentSpec, StageName
from modelrollout.api.modelrevision import Outcome, RevisionState
from modelrollout.api.rollout import CanaryStage, Inconclusive, OfflineGate, Pace, ShadowStage, SoakStage, Stage
from modelrollout.api.rolloutaction import Answer, Verb
from modelrollout.data.compatibility import breaking
from modelrollout.evidence import Verdict
from modelrollout.plan import Observation, Plan, plan
from modelrollout.plan.actions import ApplyRoute, ApplyWorkload, RemoveWorkload
from modelrollout.plan.alarm import watched
from modelrollout.plan.alerts import ROLLING, Complaint, complaint, names_of_live
from modelrollout.plan.contracts import judge
from modelrollout.plan.observation import Trouble
from modelrollout.plan.pods import MODEL_TROUBLE
from modelrollout.plan.shape import DRAIN
from modelrollout.plan.shared import unanswered
from tests.builders import ERRORS, LATENCY, REVIEW, counted, firing, id_of, pages, spec
from tests.property.plan.world import World

SHADOW = Stage(shadow=ShadowStage(min_requests=200, hold_for="10s"))
FIXED = Stage(canary=CanaryStage(weights=(10, 50), hold_for="10s"))
PACED = Stage(canary=CanaryStage(pace=Pace.EVIDENCE, hold_for="10s", error_budget=5))
SOAK = Stage(soak=SoakStage(hold_for="30s"))
HELD_BACK = Stage(soak=SoakStage(hold_for="30s", holdback=20))

POLICIES: Sequence[dict[str, Any]] = (
    {"stages": (SHADOW, FIXED, SOAK)},
    {"stages": (SHADOW, PACED, SOAK)},
    {"stages": (FIXED, SOAK), "gates": (ERRORS, LATENCY)},
    {"stages": (PACED,), "max_duration": "2m"},
    {"stages": (SHADOW, FIXED, SOAK), "max_duration": "1m", "on_inconclusive": Inconclusive.ROLLBACK},
    {"stages": (SHADOW, PACED, SOAK), "max_duration": "1m", "on_inconclusive": Inconclusive.PROMOTE},
    {"stages": (SHADOW, REVIEW, FIXED, SOAK)},
    {"stages": (FIXED, SOAK), "offline": (OfflineGate(metric="f1", tolerate=0.01),), "max_duration": "1m"},
    {"stages": (FIXED, HELD_BACK)},
    {"stages": (PACED, HELD_BACK), "gates": (ERRORS, LATENCY), "max_duration": "30s"},
    {"stages": (FIXED, HELD_BACK), "max_duration": "1m", "on_inconclusive": Inconclusive.PROMOTE},
    {"stages": (SHADOW, FIXED, SOAK), "alerts": (pages(window="1m"),)},
    {"stages": (FIXED, SOAK), "alerts": (pages(window="2m", shared=SharedAlert.ROLL_BACK),)},
    {"stages": (SHADOW, FIXED, SOAK), "breaking": Breaking.REJECT},
    {"stages": (FIXED, SOAK), "breaking": Breaking.REVIEW},
    {"stages": (SHADOW, FIXED, SOAK), "alerts": (pages(shared=SharedAlert.REVIEW),), "max_duration": "1m"},
)
REVIEWING = len(POLICIES) - 1
AMOUNT, AGE = {"name": "amount", "type": "float"}, {"name": "age", "type": "int"}
CONTRACTS: dict[str, dict[str, Any]] = {
    "1": {"inputs": [AMOUNT]},
    "2": {"inputs": [AMOUNT, AGE]},
    "3": {"inputs": [AMOUNT, {**AGE, "required": False}]},
}
"""Of the policies that say what becomes of a break: 2 breaks the others', and 1 drops what the others take."""
VERSIONS = ("1", "2", "3")
IDS = {version: id_of(spec(version)) for version in VERSIONS}
EARNED = {"CanaryPassed": "Pass", "PromotedInconclusive": None, "PromotedByPerson": None}
"""What must be on the record of a version before it is promoted, with the verdict that it must have."""
BACKWARDS = (Verb.ROLLBACK, Verb.REJECT)
JUDGED = {"ShadowPassed": "Pass", "CanaryPassed": "Pass", "EvidenceOfHarm": "Fail"}


class CheckedWorld(World):
    """Checks every plan, and what is done of it."""

    def reconcile(self, *, cut_after: int | None = None) -> Plan:
        observed, before = self.observe(), self.shares()
        assert plan(observed, self.now) == plan(observed, self.now), "a plan follows from what is observed alone"
        planned = super().reconcile(cut_after=cut_after)
        self._removes_nothing_that_serves(observed, planned)
        self._leaves_the_live_pods(observed, planned)
        self._never_raises_traffic_beyond_capacity(planned, before)
        if cut_after is None:
            self._gives_no_more_than_ready_pods_carry(planned)
            self._leaves_records_with_numbers(planned)
            self._promotes_what_earned_it(observed, planned)
            self._answers_each_action_once(observed, planned)
            self._gives_no_pods_to_one_that_is_evaluated(planned)
        if cut_after is None or cut_after > 0:
            self._takes_harm_back_first(observed, planned)
            self._takes_back_what_an_alert_is_about(observed, planned)
            self._goes_back_at_once_when_asked(observed, planned)
            self._lets_no_broken_contract_in(observed, planned)
        if cut_after is None:
            self._holds_while_a_person_is_asked_about_an_alert(observed, planned)
        return planned

    def _removes_nothing_that_serves(self, observed: Observation, planned: Plan) -> None:
        removed = {action.revision for action in planned.actions if isinstance(action, RemoveWorkload)}
        kept = {observed.status.stable, planned.status.stable, planned.status.candidate}
        assert not removed & kept
        assert not removed & {id for id, share in self.shares().items() if share > 0}

    def _leaves_the_live_pods(self, observed: Observation, planned: Plan) -> None:
        asked = [
            a.replicas for a in planned.actions if isinstance(a, ApplyWorkload) and a.revision == observed.status.stable
        ]
        assert all(replicas == self.spec.serving.replicas for replicas in asked)

    def _never_raises_traffic_beyond_capacity(self, planned: Plan, before: dict[str, float]) -> None:
        candidate = planned.status.candidate
        if candidate and self.route is not None:
            weight = self.weight(candidate)
            assert weight <= max(self._carried(candidate), round(100 * before.get(candidate, 0)))

    def _gives_no_more_than_ready_pods_carry(self, planned: Plan) -> None:
        candidate = planned.status.candidate
        if candidate:
            assert self.weight(candidate) <= self._carried(candidate)
            if self.route is not None and self.route.mirror is not None:
                assert self._carried(candidate) == 100

    def _carried(self, id: str) -> int:
        view = self.revisions.get(id)
        return min(100, 100 * view.ready // self.spec.serving.replicas) if view else 0

    def _takes_harm_back_first(self, observed: Observation, planned: Plan) -> None:
        candidate, stable = observed.candidate, observed.stable
        if candidate is None or stable is None or candidate.id != observed.target:
            return
        found = planned.judgement is not None and planned.judgement.verdict is Verdict.Fail
        crashes = any(pod.trouble in MODEL_TROUBLE for pod in candidate.pods)
        shared = any(pod.trouble in MODEL_TROUBLE for pod in stable.pods)
        if found or (crashes and not shared):
            assert self.shares().get(candidate.id, 0.0) == 0.0
            assert planned.status.rejected == candidate.id

    def _takes_back_what_an_alert_is_about(self, observed: Observation, planned: Plan) -> None:
        """At once, unless the same plan has heard somebody's wish; and never without an alert that counts."""
        of = watched(observed)
        of_live = names_of_live(observed.firing, of)
        answers = [complaint(alert, of, now=self.now, of_live=of_live) for alert in observed.firing]
        counting = {answer.revision for answer in answers if isinstance(answer, Complaint) and not answer.review}
        waiting = [action for action in observed.actions if action.spec.alert is not None and not action.answered]
        if any(record.reason == "AlertFiring" for record in planned.records):
            assert counting or waiting
        heard = planned.status.actions != observed.status.actions
        if observed.status.candidate in counting and observed.stable is not None and not heard:
            assert planned.status.rejected == observed.status.candidate
            assert self.shares().get(observed.status.candidate or "", 0.0) == 0.0

    def _holds_while_a_person_is_asked_about_an_alert(self, observed: Observation, planned: Plan) -> None:
        """It goes on when that person says so, and back for any other reason."""
        before, after = observed.status, planned.status
        if not unanswered(observed) or before.stage not in ROLLING:
            return
        assert after.stable == before.stable
        if before.candidate != after.candidate:
            return
        if after.reviews:
            assert (after.stage, after.weight) == (before.stage, before.weight)
            assert after.resumed_at == before.resumed_at or before.paused is not None
        else:
            assert any(one.action is Verb.APPROVE for one in after.actions if one not in before.actions)

    def _lets_no_broken_contract_in(self, observed: Observation, planned: Plan) -> None:
        candidate, stable = observed.candidate, observed.stable
        if observed.spec.contract is None or candidate is None or stable is None or observed.status.weight > 0:
            return
        check = candidate.status.contract
        let_in = check is not None and check.outcome.passed and check.against == stable.id
        going_back = observed.status.stage is StageName.ROLLBACK
        if let_in or going_back or not breaking(judge(candidate.spec, live=stable.spec)):
            return
        if planned.status.candidate == candidate.id:
            assert planned.status.weight == 0
            assert not [one for one in planned.actions if isinstance(one, ApplyRoute) and one.route.mirror is not None]

    def _answers_each_action_once(self, observed: Observation, planned: Plan) -> None:
        before = {answer.uid: answer for answer in observed.status.actions}
        after = [answer.uid for answer in planned.status.actions]
        assert len(set(after)) == len(after)
        assert all(before.get(answer.uid, answer) == answer for answer in planned.status.actions)
        assert len(set(after) - set(before)) <= 1

    def _goes_back_at_once_when_asked(self, observed: Observation, planned: Plan) -> None:
        """Whatever the rollout was doing, with or without Prometheus."""
        known = {answer.uid for answer in observed.status.actions}
        fresh = [one for one in planned.status.actions if one.uid not in known and one.outcome is Answer.APPLIED]
        if any(one.action in BACKWARDS for one in fresh) and planned.status.candidate != observed.status.candidate:
            assert self.shares().get(observed.status.candidate or "", 0.0) == 0.0

    def _gives_no_pods_to_one_that_is_evaluated(self, planned: Plan) -> None:
        if planned.status.stage == "Evaluate":
            candidate = planned.status.candidate
            asked = [a for a in planned.actions if isinstance(a, ApplyWorkload) and a.revision == candidate]
            assert all(action.replicas == 0 for action in asked)
            assert self.shares().get(candidate or "", 0.0) == 0.0

    def _leaves_records_with_numbers(self, planned: Plan) -> None:
        for status in planned.revisions.values():
            for record in status.decisions:
                assert len(record.message.split()) >= 4
                if record.reason in JUDGED and "taken out of the policy" not in record.message:
                    assert record.verdict == JUDGED[record.reason]
                    assert all(gate.candidate.requests > 0 and gate.stable.requests > 0 for gate in record.gates)
                    assert None not in (record.harm, record.harm_threshold, record.safety_threshold)

    def _promotes_what_earned_it(self, observed: Observation, planned: Plan) -> None:
        new = planned.status.stable
        if new is None or observed.status.stable in (None, new):
            return
        assert self._carried(new) == 100
        if observed.status.stage == "Rollback":
            return
        decisions = planned.revisions[new].decisions
        started = max(i for i, record in enumerate(decisions) if record.reason == "RolloutStarted")
        earned = [record for record in decisions[started:] if record.reason in EARNED]
        assert earned, "promoted, and nothing on its record says why"
        assert all(EARNED[record.reason] in (None, record.verdict) for record in earned)
        assert decisions[-1].outcome is Outcome.PROMOTE


class AnyRollout(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.version, self.policy, self.replicas, self.routed = "1", 0, 3, True
        self.world = CheckedWorld(self.spec())
        self.rejected: str | None = None

    def spec(self) -> ModelDeploymentSpec:
        policy = POLICIES[self.policy]
        contract = CONTRACTS[self.version] if "breaking" in policy else None
        return spec(self.version, replicas=self.replicas, route=self.routed, contract=contract, **policy)

    def edit(self) -> None:
        self.world.edit(self.spec())
        if self.rejected != IDS[self.version]:
            self.rejected = None

    # Given

    @initialize(
        routed=st.booleans(),
        policy=st.integers(0, len(POLICIES) - 1),
        replicas=st.sampled_from([1, 3, 10]),
        begun=st.sampled_from(["nothing", "live", "rolling", "rolling", "rolling"]),
        seconds=st.sampled_from([5, 15, 25, 40, 60]),
    )
    def something_has_begun(self, routed: bool, policy: int, replicas: int, begun: str, seconds: float) -> None:
        """Nothing yet, a first version that is live, or a second one on its way for so many seconds."""
        self.routed, self.policy, self.replicas = routed, policy, replicas
        self.world = CheckedWorld(self.spec(), requests_per_second=100)
        if begun != "nothing":
            self.world.run(15)
        if begun == "rolling":
            self.version = "2"
            self.edit()
            for planned in self.world.run(seconds):
                self._remember(planned)

    # When

    @rule(version=st.sampled_from(VERSIONS))
    def somebody_names_a_version(self, version: str) -> None:
        self.version = version
        self.edit()

    @precondition(lambda self: self.world.status.stable_version)
    @rule()
    def somebody_reverts(self) -> None:
        self.version = self.world.status.stable_version or "1"
        self.edit()

    @rule(replicas=st.sampled_from([1, 2, 3, 10]))
    def somebody_scales(self, replicas: int) -> None:
        self.replicas = replicas
        self.edit()

    @rule(policy=st.integers(0, len(POLICIES) - 1))
    def somebody_edits_the_policy(self, policy: int) -> None:
        self.policy = policy
        self.edit()

    @rule(
        verb=st.sampled_from(Verb),
        back_to=st.sampled_from((None, None, *VERSIONS)),
        about=st.sampled_from((None, None, *VERSIONS)),
        seconds=st.sampled_from([-1, 30, 600]),
    )
    def somebody_asks(self, verb: Verb, back_to: str | None, about: str | None, seconds: float) -> None:
        """For something that fits or does not, about one version or whichever, in time or too late."""
        about = about or (self.version if verb is Verb.APPROVE else None)
        target = spec(back_to) if back_to and verb is Verb.ROLLBACK else None
        expires = self.world.now + timedelta(seconds=seconds)
        self.world.ask(verb, about=spec(about) if about else None, back_to=target, expires_at=expires)

    @rule(
        version=st.sampled_from((*VERSIONS, None)),
        seconds_ago=st.sampled_from([0, 5, 60, 600]),
        sent=st.booleans(),
    )
    def an_alert_fires(self, version: str | None, seconds_ago: float, sent: bool) -> None:
        """About a version or about nobody in particular; it is sent, or found by the query until it is over."""
        alert = firing(of=spec(version) if version else None)
        alert = replace(alert, starts_at=self.world.now - timedelta(seconds=seconds_ago))
        if sent:
            self.world.ask(Verb.ROLLBACK, alert=alert)
        else:
            self.world.firing.append(alert)

    @rule()
    def all_alerts_are_over(self) -> None:
        self.world.firing.clear()

    @rule()
    def pods_start(self) -> None:
        self.world.start_pods()

    @rule(version=st.sampled_from(VERSIONS), trouble=st.sampled_from(Trouble))
    def pods_break(self, version: str, trouble: Trouble) -> None:
        self.world.trouble(IDS[version], trouble)

    @rule()
    def pods_are_mended(self) -> None:
        self.world.mend()

    @rule(version=st.sampled_from(VERSIONS), share=st.sampled_from([0.0, 0.001, 0.3, 1.0]))
    def a_version_is_this_bad(self, version: str, share: float) -> None:
        self.world.bad_share[IDS[version]] = share

    @rule(version=st.sampled_from(VERSIONS), f1=st.sampled_from([0.5, 0.9]))
    def a_version_is_evaluated(self, version: str, f1: float) -> None:
        self.world.metrics[IDS[version]] = {"f1": f1}

    @rule(seconds=st.sampled_from([0.5, 5, 12, 31, 120]))
    def time_passes(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    @rule()
    def prometheus_answers(self) -> None:
        self.world.read()

    @rule()
    def prometheus_cannot_be_asked(self) -> None:
        self.world.fail_to_read()

    @rule(requests=st.sampled_from([0, 3, 100, 5000]))
    def users_come_and_go(self, requests: float) -> None:
        self.world.requests_per_second = requests

    @rule()
    def the_operator_restarts(self) -> None:
        self.world.forget()

    @rule(seconds=st.sampled_from([20, 60, 90]), version=st.sampled_from(VERSIONS))
    def a_version_is_named_and_all_goes_its_way(self, version: str, seconds: float) -> None:
        self.somebody_names_a_version(version)
        self.all_goes_its_way_for_a_while(seconds)

    @rule(actions=st.integers(0, 4))
    def the_operator_is_killed_in_the_middle_of_a_plan(self, actions: int) -> None:
        self.world.reconcile(cut_after=actions)

    @rule()
    def the_operator_plans(self) -> None:
        self._remember(self.world.reconcile())

    @rule()
    def the_operator_comes_to_rest(self) -> None:
        for planned in self.world.settle():
            self._remember(planned)

    @rule(seconds=st.sampled_from([5, 10, 20, 40]))
    def all_goes_its_way_for_a_while(self, seconds: float) -> None:
        for planned in self.world.run(seconds):
            self._remember(planned)

    def _remember(self, planned: Plan) -> None:
        """A person may try a version again, and may go back to any that was live."""
        if planned.status.rejected is None or self.rejected in (planned.status.stable, planned.status.candidate):
            self.rejected = None
        for id, status in planned.revisions.items():
            if status.state in (RevisionState.ROLLED_BACK, RevisionState.REJECTED) and id == IDS[self.version]:
                self.rejected = id

    # Then

    @invariant()
    def some_backend_always_has_all_of_the_weight_once_something_is_live(self) -> None:
        if self.world.status.stable is None:
            return
        if self.routed:
            assert self.world.route is not None
            assert sum(backend.weight for backend in self.world.route.backends) == 100
        assert self.world.entry is not None
        only = self.world.entry.selector.get(LABEL_REVISION)
        assert only is None or self.world.revisions[only].workload is not None

    @invariant()
    def the_mirror_never_points_at_another_than_the_candidate(self) -> None:
        mirror = self.world.route.mirror if self.world.route else None
        assert mirror is None or self.world.id_of(mirror.service) == self.world.status.candidate

    @invariant()
    def the_live_version_has_pods(self) -> None:
        stable = self.world.revisions.get(self.world.status.stable or "")
        if stable is not None:
            assert stable.workload is not None
            assert stable.workload.replicas > 0

    @invariant()
    def a_rolled_back_version_gets_nothing_until_the_spec_names_another(self) -> None:
        if self.rejected:
            assert self.world.shares().get(self.rejected, 0.0) == 0.0
            assert self.world.status.candidate != self.rejected

    @invariant()
    def evidence_never_has_more_requests_than_there_were(self) -> None:
        known = self.world.observe().evidence
        if known is not None:
            for name in known.gates:
                gate = counted(known, name)
                assert gate.candidate.total <= self.world.served(known.revision) * (1 + 1e-9) + 1e-5

    def teardown(self) -> None:
        """However it got here: left alone, it comes to rest, and pods that serve nobody are drained and then go."""
        self.world.settle()
        self.world.pass_time(11)
        self.world.settle()
        roles = (self.world.status.stable, self.world.status.candidate)
        for view in self.world.revisions.values():
            if view.id not in roles and view.workload is not None:
                assert view.status.traffic_ended_at is not None
                assert self.world.now - view.status.traffic_ended_at < DRAIN


class AnyReviewedAlert(AnyRollout):
    """A rollout under way, and alerts that are about neither version alone, which have a person asked."""

    @initialize(
        routed=st.booleans(),
        policy=st.just(REVIEWING),
        replicas=st.sampled_from([1, 3]),
        begun=st.just("rolling"),
        seconds=st.sampled_from([5, 15, 25, 40, 60]),
    )
    def something_has_begun(self, routed: bool, policy: int, replicas: int, begun: str, seconds: float) -> None:
        super().something_has_begun(routed=routed, policy=policy, replicas=replicas, begun=begun, seconds=seconds)
        self.an_alert_of_both_fires()

    @rule()
    def an_alert_of_both_fires(self) -> None:
        self.an_alert_fires(version=None, seconds_ago=0, sent=False)

    @rule()
    def somebody_approves(self) -> None:
        self.somebody_asks(verb=Verb.APPROVE, back_to=None, about=self.version, seconds=600)


EXAMPLES = {AnyRollout: 250, AnyReviewedAlert: 50}
for machine, examples in EXAMPLES.items():
    machine.TestCase.settings = settings(
        max_examples=examples,
        stateful_step_count=30,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
TestAnyRollout = AnyRollout.TestCase
TestAnyReviewedAlert = AnyReviewedAlert.TestCase
