"""Which alerts count, against which version, and what they bring about."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.api.alerts import AlertPolicy, SharedAlert
from modelrollout.api.modeldeployment import ModelDeploymentStatus, Pause, Promotion, StageName
from modelrollout.api.modelrevision import Outcome, RevisionState
from modelrollout.api.revision import child_name
from modelrollout.api.rolloutaction import Answer, Verb
from modelrollout.plan import Plan, plan
from modelrollout.plan.actions import ApplyRoute, ApplyWorkload
from modelrollout.plan.alarm import watched
from modelrollout.plan.alerts import ROLLING, About, Complaint, Firing, Selector, about, complaint
from modelrollout.plan.observation import Observation, Unreadable
from tests.builders import (
    FEW,
    NAME,
    NAMESPACE,
    NOW,
    ago,
    asked,
    firing,
    id_of,
    live,
    pages,
    rolling,
    spec,
    superseded,
)

V1, V2, V3 = spec("1"), spec("2", alerts=(pages(),)), spec("3")
CHILD, LIVE_CHILD = child_name(NAME, id_of(V2)), child_name(NAME, id_of(V1))
IN_CANARY = rolling(V2, StageName.CANARY, live=V1, weight=25, seen=FEW)
ANY_STAGE = [rolling(V2, stage, live=V1, weight=100 * (stage is StageName.SOAK)) for stage in ROLLING]


def promoted(
    policy: AlertPolicy, *, seconds_ago: float, started: float = 3600, candidate_before: bool = True
) -> Observation:
    """Version 2 is live since then, by a rollout that began so many seconds ago; version 1 was live before it."""
    of = spec("2", alerts=(policy,))
    given = live(of)
    promotion = Promotion(at=ago(seconds_ago), rollout_started_at=ago(started))
    status = given.status.model_copy(update={"promotion": promotion if candidate_before else None})
    former = superseded(V1, live_at=ago(90_000))
    return replace(given, status=status, revisions={**given.revisions, former.id: former})


def fires(given: Observation, *alerts: Firing) -> Plan:
    """By the query."""
    return plan(replace(given, firing=alerts), NOW)


def sent(given: Observation, alert: Firing, *, expires_at: datetime | None = None) -> Plan:
    """By the receiver."""
    by = "system:serviceaccount:modelrollout:modelrollout"
    return plan(replace(given, actions=(asked(Verb.ROLLBACK, by=by, alert=alert, expires_at=expires_at),)), NOW)


def rolled_back(planned: Plan) -> bool:
    return planned.status.rejected == id_of(V2) and planned.status.candidate is None


class TestMatching:
    @pytest.mark.parametrize(
        ("policy", "labels", "matches"),
        [
            (pages(), {"severity": "page"}, True),
            (pages(), {"severity": "pager"}, False),
            (pages(), {}, False),
            (pages(match={"severity": "page", "team": "fraud"}), {"severity": "page"}, False),
            (pages(match={"severity": "page", "silent": ""}), {"severity": "page"}, True),
            (pages(match={}, match_regex={"severity": "page|critical"}), {"severity": "critical"}, True),
            (pages(match={}, match_regex={"severity": "page"}), {"severity": "pages"}, False),
            (pages(match={"severity": "page"}, match_regex={"team": ".*"}), {"severity": "page"}, True),
            (pages(match={"severity": "page"}, match_regex={"team": ".+"}), {"severity": "page"}, False),
            (pages(match={"severity": 'p"} or vector(1) #'}), {"severity": "page"}, False),
        ],
    )
    def test_labels(self, policy: AlertPolicy, labels: dict[str, str], matches: bool) -> None:
        assert Selector.of(policy).matches(labels) is matches

    def test_an_expression_that_others_choke_on_takes_no_time(self) -> None:
        """With backtracking this would not end."""
        selector = Selector.of(pages(match={}, match_regex={"alertname": "((a+)+)+b"}))
        assert not selector.matches({"alertname": "a" * 200})


class TestAttribution:
    @pytest.mark.parametrize(
        ("labels", "whose"),
        [
            ({"pod": f"{CHILD}-7d9x-abcde"}, About.CANDIDATE),
            ({"exported_pod": f"{CHILD}-7d9x-abcde", "pod": "kube-state-metrics-0"}, About.CANDIDATE),
            ({"service": CHILD}, About.CANDIDATE),
            ({"deployment": CHILD}, About.CANDIDATE),
            ({"revision": id_of(V2)}, About.CANDIDATE),
            ({"modelrollout_dev_name": NAME, "modelrollout_dev_revision": id_of(V2)}, About.CANDIDATE),
            ({"envoy_cluster_name": f"{NAMESPACE}_{CHILD}_8080", "namespace": "gateways"}, About.CANDIDATE),
            ({"pod": f"{LIVE_CHILD}-7d9x-abcde"}, About.LIVE),
            ({"envoy_cluster_name": f"{NAMESPACE}_{LIVE_CHILD}_8080", "namespace": "gateways"}, About.LIVE),
            ({"pod": f"{CHILD}-7d9x-abcde", "service": LIVE_CHILD}, About.BOTH),
            ({}, About.BOTH),
            ({"modeldeployment": NAME}, About.BOTH),
            ({"service": NAME}, About.BOTH),
            ({"pod": "postgres-0"}, About.BOTH),
            ({"revision": "main"}, About.BOTH),
            ({"namespace": "", "pod": f"{CHILD}-7d9x-abcde"}, About.BOTH),
            ({"pod": f"{NAME}-0123456789-7d9x-abcde"}, About.NEITHER),
            ({"modeldeployment": "credit", "pod": f"{CHILD}-7d9x-abcde"}, About.NEITHER),
            ({"namespace": "lending", "pod": f"{CHILD}-7d9x-abcde"}, About.NEITHER),
            ({"namespace": "gateways"}, About.NEITHER),
            ({"envoy_cluster_name": f"lending_{CHILD}_8080", "namespace": "gateways"}, About.NEITHER),
        ],
        ids=str,
    )
    def test_labels(self, labels: dict[str, str], whose: About) -> None:
        assert about({"namespace": NAMESPACE, **labels}, watched(IN_CANARY)) is whose

    def test_a_deployment_whose_name_begins_alike_is_another(self) -> None:
        other = replace(watched(IN_CANARY), name="fraud-eu")
        assert about({"namespace": NAMESPACE, "pod": f"{CHILD}-7d9x-abcde"}, other) is About.BOTH

    @given(st.dictionaries(st.sampled_from(["pod", "service", "revision", "deployment"]), st.text(max_size=60)))
    def test_no_text_in_a_label_is_taken_for_a_version(self, labels: dict[str, str]) -> None:
        whose = about({"namespace": NAMESPACE, **labels}, watched(IN_CANARY))
        assert whose in (About.BOTH, About.NEITHER)


class TestCandidate:
    @pytest.mark.parametrize("way", [fires, sent], ids=["by the query", "by the receiver"])
    @pytest.mark.parametrize("given_", ANY_STAGE, ids=lambda given: str(given.status.stage))
    def test_it_is_taken_back_from_any_stage_and_weight_0_comes_first(self, given_: Observation, way: object) -> None:
        planned: Plan = way(given_, firing(of=V2))  # type: ignore[operator]

        assert rolled_back(planned)
        assert planned.revisions[id_of(V2)].state is RevisionState.ROLLED_BACK
        route = planned.actions[0] if planned.actions and isinstance(planned.actions[0], ApplyRoute) else None
        weights = {backend.service: backend.weight for backend in route.route.backends} if route else {}
        assert weights.get(CHILD, 0) == 0
        assert route is not None or given_.status.weight == 0

    def test_the_record_has_the_alert_with_its_labels_and_start(self) -> None:
        alert = firing("FraudErrors", of=V2, since=42, team="fraud")

        record = fires(IN_CANARY, alert).revisions[id_of(V2)].decisions[-1]

        assert (record.outcome, record.reason) == (Outcome.ROLL_BACK, "AlertFiring")
        assert record.alert is not None
        assert (record.alert.policy, record.alert.name) == ("pages", "FraudErrors")
        assert (record.alert.labels, record.alert.starts_at) == (alert.labels, ago(42))
        assert record.message == (
            "version 2 was rolled back from Canary at weight 25 %: alert FraudErrors is firing since 11:59:18 "
            f"(entry pages: severity=page, namespace=payments, pod={CHILD}-7d9x-abcde)"
        )

    def test_it_is_told_as_an_event_and_counted_as_a_decision(self) -> None:
        planned = fires(IN_CANARY, firing(of=V2))

        assert [(notice.reason, notice.warning) for notice in planned.notices] == [("AlertFiring", True)]
        assert [(record.outcome, record.reason) for record in planned.records] == [("RollBack", "AlertFiring")]

    @pytest.mark.parametrize("since", [600.001, 3600])
    def test_one_that_fired_before_the_rollout_does_nothing(self, since: float) -> None:
        assert not rolled_back(fires(IN_CANARY, firing(of=V2, since=since)))

    def test_one_that_fires_since_the_rollout_began_counts(self) -> None:
        assert rolled_back(fires(IN_CANARY, firing(of=V2, since=600)))

    @pytest.mark.parametrize(
        "alerts",
        [
            (firing(of=V2, severity="warning"),),
            (firing(of=V1),),
            (firing(of=V3),),
            (firing(),),
            (firing(of=V2, namespace="lending"),),
            (firing(of=V2), firing(of=V1)),
        ],
        ids=["not named", "of live", "of another", "of both", "elsewhere", "shared by a sister"],
    )
    def test_what_is_not_about_the_candidate_alone_does_nothing(self, alerts: tuple[Firing, ...]) -> None:
        assert not rolled_back(fires(IN_CANARY, *alerts))

    @pytest.mark.parametrize("alerts", [(firing(),), (firing(of=V2), firing(of=V1))])
    def test_what_is_shared_counts_where_the_user_says_so(self, alerts: tuple[Firing, ...]) -> None:
        policy = pages(shared=SharedAlert.ROLL_BACK)
        given = rolling(spec("2", alerts=(policy,)), StageName.CANARY, live=V1, weight=25, seen=FEW)

        assert rolled_back(fires(given, *alerts))

    def test_one_of_live_alone_never_takes_the_candidate_back(self) -> None:
        policy = pages(shared=SharedAlert.ROLL_BACK)
        given = rolling(spec("2", alerts=(policy,)), StageName.CANARY, live=V1, weight=25, seen=FEW)

        assert not rolled_back(fires(given, firing(of=V1)))

    def test_another_entry_may_count_what_the_first_ignores(self) -> None:
        policies = (pages(), pages(name="all", shared=SharedAlert.ROLL_BACK))
        given = rolling(spec("2", alerts=policies), StageName.CANARY, live=V1, weight=25, seen=FEW)

        record = fires(given, firing()).revisions[id_of(V2)].decisions[-1]

        assert record.alert is not None
        assert record.alert.policy == "all"

    def test_it_waits_for_nobody(self) -> None:
        """Neither for Prometheus, nor for a person, nor for what the spec refers to."""
        paused = Pause(by="alice", reason="lunch", at=ago(30))
        status = IN_CANARY.status.model_copy(update={"paused": paused})
        given = replace(
            IN_CANARY,
            status=status,
            reading=Unreadable("gone"),
            wanted=replace(IN_CANARY.wanted, missing=("ConfigMissing", "there is no ConfigMap")),
        )

        assert rolled_back(fires(given, firing(of=V2)))

    def test_after_it_the_same_alert_does_nothing_more(self) -> None:
        first = fires(IN_CANARY, firing(of=V2))
        after = replace(IN_CANARY, status=first.status)

        again = fires(after, firing(of=V2))

        assert (again.status.stage, again.records) == (StageName.LIVE, ())
        assert not again.wants_alerts


class TestSent:
    def test_it_is_answered_with_what_was_done(self) -> None:
        planned = sent(IN_CANARY, firing(of=V2))

        (answer,) = planned.answers
        assert (answer.outcome, answer.action) == (Answer.APPLIED, Verb.ROLLBACK)
        assert "alert Errors is firing since" in answer.message
        record = planned.revisions[id_of(V2)].decisions[-1]
        assert record.by == "system:serviceaccount:modelrollout:modelrollout"
        assert record.alert is not None

    @pytest.mark.parametrize(
        ("alert", "why"),
        [
            (firing(of=V3), "its labels name neither the candidate nor the live version"),
            (firing(of=V2, severity="info"), "no entry of rollout.alerts names it"),
            (firing(of=V2, since=601), "and the rollout began after that, at 11:50:00"),
            (firing(of=V1), "it is about the live version, and another one is being rolled out"),
            (firing(), "its labels do not say which version it is about, and entry pages ignores what is shared"),
        ],
    )
    def test_what_does_not_count_any_more_is_refused_with_the_reason(self, alert: Firing, why: str) -> None:
        planned = sent(IN_CANARY, alert)

        assert planned.answers[0].outcome is Answer.REFUSED
        assert why in planned.answers[0].message
        assert not rolled_back(planned)

    def test_what_live_has_as_well_by_the_query_is_refused(self) -> None:
        planned = sent(replace(IN_CANARY, firing=(firing(of=V1),)), firing(of=V2))

        assert "the live version has it as well" in planned.answers[0].message
        assert not rolled_back(planned)

    def test_what_nobody_answered_in_time_has_expired(self) -> None:
        planned = sent(IN_CANARY, firing(of=V2), expires_at=ago(1))

        assert planned.answers[0].outcome is Answer.EXPIRED
        assert not rolled_back(planned)

    def test_after_the_rollback_there_is_nothing_left_that_it_is_about(self) -> None:
        after = replace(IN_CANARY, status=fires(IN_CANARY, firing(of=V2)).status)

        planned = sent(after, firing(of=V2))

        assert planned.answers[0].outcome is Answer.REFUSED
        assert planned.records == ()


class TestWindow:
    HOUR = pages(window="1h")

    def test_the_live_version_is_taken_back_within_it(self) -> None:
        planned = fires(promoted(self.HOUR, seconds_ago=3599), firing(of=V2))

        assert planned.status.stage is StageName.ROLLBACK
        assert (planned.status.candidate, planned.status.rejected) == (id_of(V1), id_of(V2))
        assert ApplyWorkload(revision=id_of(V1), replicas=3) in planned.actions
        record = planned.revisions[id_of(V2)].decisions[-1]
        assert record.reason == "AlertFiring"
        assert record.alert is not None

    @pytest.mark.parametrize(
        ("given_", "alert"),
        [
            (promoted(HOUR, seconds_ago=3600), firing(of=V2)),
            (promoted(pages(), seconds_ago=1), firing(of=V2)),
            (promoted(HOUR, seconds_ago=10, started=100), firing(of=V2, since=101)),
            (promoted(HOUR, seconds_ago=10), firing()),
            (promoted(HOUR, seconds_ago=10), firing(of=V1)),
            (promoted(HOUR, seconds_ago=10, candidate_before=False), firing(of=V2)),
        ],
        ids=["over", "none", "fired before the rollout", "of both", "of the one before", "not promoted"],
    )
    def test_else_it_stays(self, given_: Observation, alert: Firing) -> None:
        assert fires(given_, alert).status.stage is StageName.LIVE

    def test_what_fired_in_the_soak_and_is_heard_after_it_counts(self) -> None:
        planned = sent(promoted(self.HOUR, seconds_ago=10), firing(of=V2, since=60))

        assert planned.status.stage is StageName.ROLLBACK

    def test_without_a_version_before_it_stays_and_says_so(self) -> None:
        given = promoted(self.HOUR, seconds_ago=10)
        alone = replace(given, revisions={id_of(V2): given.revisions[id_of(V2)]})

        assert fires(alone, firing(of=V2)).status.stage is StageName.LIVE
        assert "no version was live before this one" in sent(alone, firing(of=V2)).answers[0].message

    def test_it_is_looked_at_once_more_when_the_window_ends_and_then_no_more(self) -> None:
        within, after = promoted(self.HOUR, seconds_ago=3000), promoted(self.HOUR, seconds_ago=3600)

        assert plan(within, NOW).wants_alerts
        assert plan(within, NOW).requeue_after == pytest.approx(600)
        assert not plan(after, NOW).wants_alerts
        assert plan(after, NOW).requeue_after is None

    def test_a_promotion_is_remembered_with_the_start_of_its_rollout(self) -> None:
        soaked = rolling(spec("2", alerts=(self.HOUR,)), StageName.SOAK, live=V1, weight=100, since=700, started=2000)

        planned = plan(soaked, NOW)

        assert planned.status.promotion == Promotion(at=NOW, rollout_started_at=ago(2000))
        assert planned.wants_alerts

    def test_what_was_brought_back_has_no_window(self) -> None:
        """Or an alert that is not about a version at all would take back one after the other."""
        begun = fires(promoted(self.HOUR, seconds_ago=10), firing(of=V2))
        back = replace(
            promoted(self.HOUR, seconds_ago=10),
            status=begun.status,
            revisions={
                id_of(V2): promoted(self.HOUR, seconds_ago=10).revisions[id_of(V2)],
                id_of(V1): replace(
                    superseded(V1, live_at=ago(90_000), replicas=3),
                ),
            },
        )

        arrived = plan(back, NOW)

        assert (arrived.status.stable, arrived.status.promotion) == (id_of(V1), None)
        assert not arrived.wants_alerts


class TestListening:
    def test_nobody_listens_without_a_policy(self) -> None:
        assert not plan(rolling(V3, StageName.CANARY, live=V1, weight=25, seen=FEW), NOW).wants_alerts

    def test_nobody_listens_while_nothing_is_rolled_out(self) -> None:
        assert not plan(live(V2), NOW).wants_alerts

    @pytest.mark.parametrize("given_", ANY_STAGE[:3], ids=lambda given: str(given.status.stage))
    def test_a_rollout_listens_in_every_stage(self, given_: Observation) -> None:
        assert plan(given_, NOW).wants_alerts


@given(
    since=st.floats(min_value=-60, max_value=7200),
    started=st.floats(min_value=0, max_value=7200),
    promoted_ago=st.floats(min_value=0, max_value=7200),
    window=st.sampled_from([None, "1m", "30m", "2h"]),
    stage=st.sampled_from([*ROLLING, StageName.LIVE, StageName.INSTALL, StageName.ROLLBACK]),
    shared=st.sampled_from(list(SharedAlert)),
    whose=st.sampled_from([V1, V2, V3, None]),
)
def test_whatever_it_is_about_and_whenever_it_fired(
    since: float,
    started: float,
    promoted_ago: float,
    window: str | None,
    stage: StageName,
    shared: SharedAlert,
    whose: object,
) -> None:
    """An alert that counts is of the version that it takes back, began after its rollout, and is within its time.

    One that is shared has a person asked, where that is wanted, while a rollout is under way.
    """
    rolls = stage in ROLLING
    status = ModelDeploymentStatus(
        stage=stage,
        stable=id_of(V1) if rolls else id_of(V2),
        candidate=id_of(V2) if rolls else None,
        rollout_started_at=ago(started) if rolls else None,
        promotion=None if rolls else Promotion(at=ago(promoted_ago), rollout_started_at=ago(started)),
    )
    of = replace(watched(IN_CANARY), policies=(pages(window=window, shared=shared),), status=status)

    answer = complaint(firing(of=whose, since=since), of, now=NOW)  # type: ignore[arg-type]

    in_window = (
        stage is StageName.LIVE
        and window is not None
        and timedelta(seconds=promoted_ago)
        < {
            "1m": timedelta(minutes=1),
            "30m": timedelta(minutes=30),
            "2h": timedelta(hours=2),
        }.get(window, timedelta())
    )
    about_it = whose is V2 or (whose is None and shared is SharedAlert.ROLL_BACK)
    reviewed = whose is None and shared is SharedAlert.REVIEW and rolls
    counts = (about_it or reviewed) and ago(since) >= ago(started) and (rolls or in_window)
    assert isinstance(answer, Complaint) is counts
    if isinstance(answer, Complaint):
        assert answer.review is reviewed
        assert answer.revision == id_of(V2)
        assert of.listens(NOW)
