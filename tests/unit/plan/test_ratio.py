"""Without a route the ratio of ready pods behind one Service is the share of traffic."""

from dataclasses import replace
from datetime import timedelta

import pytest

from modelrollout.api.modeldeployment import StageName
from modelrollout.plan import plan
from modelrollout.plan.actions import ApplyEntry, ApplyWorkload, RemoveRoute
from modelrollout.plan.observation import Observation, RevisionView, ServiceView
from tests.builders import (
    CANARY,
    FEW,
    GOOD,
    NOW,
    SOAK,
    evidence,
    id_of,
    live,
    reading,
    rolling,
    selector,
    spec,
)

V1, V2 = spec("1", route=False), spec("2", route=False)


def test_the_candidate_is_no_part_of_the_service_before_it_has_a_share() -> None:
    planned = plan(live(V2, live=V1), NOW)

    assert not any(isinstance(action, ApplyEntry) for action in planned.actions)
    assert planned.status.weight == 0


def test_the_service_spans_both_when_the_candidate_s_first_pod_is_ready() -> None:
    waiting = plan(rolling(V2, StageName.CANARY, replicas=1, ready=0), NOW)
    ready = plan(rolling(V2, StageName.CANARY, replicas=1), NOW)

    assert waiting.actions == ()
    assert ready.actions == (ApplyEntry(selector=selector(), port=8080),)
    assert ready.status.weight == 5


def test_the_live_version_keeps_all_of_its_pods_beside_the_candidate() -> None:
    planned = plan(rolling(spec("2", route=False, replicas=9), StageName.CANARY, weight=5, replicas=1, seen=FEW), NOW)

    assert planned.actions == ()


NINE = spec("2", route=False, replicas=9)


def stepping() -> Observation:
    """5 % of nine pods' traffic was held long enough, and a reading came."""
    given = rolling(NINE, StageName.CANARY, weight=5, replicas=1)
    before = evidence(FEW, of=NINE, at=NOW - timedelta(seconds=5))
    return replace(given, evidence=before, reading=reading(FEW))


def with_candidate_of(*, replicas: int, ready: int) -> dict[str, RevisionView]:
    given = rolling(NINE, StageName.CANARY, weight=5, replicas=replicas, ready=ready)
    return dict(given.revisions)


def test_a_step_asks_for_the_pods_that_make_the_ratio() -> None:
    planned = plan(stepping(), NOW)

    assert planned.actions == (ApplyWorkload(revision=id_of(NINE), replicas=3),)
    assert planned.status.weight == 5


def test_the_message_says_the_share_that_the_pods_really_give() -> None:
    of = spec("2", route=False, replicas=9)

    message = plan(rolling(of, StageName.CANARY, weight=5, replicas=1, since=30, seen=FEW), NOW).status.conditions[0]

    assert message.message.startswith("the ratio of pods gives the candidate 10 % of the traffic; ")


def test_more_pods_than_the_first_share_needs_get_no_traffic_until_they_are_gone() -> None:
    """Left from a rollout that was reverted a moment ago, or from a shadow whose route was removed."""
    of = spec("2", route=False, replicas=9)

    planned = plan(rolling(of, StageName.CANARY, replicas=9), NOW)

    assert planned.actions == (ApplyWorkload(revision=id_of(of), replicas=1),)


def test_all_of_the_traffic_goes_by_the_selector_when_the_canary_has_passed() -> None:
    planned = plan(rolling(V2, StageName.CANARY, weight=50, seen=GOOD, both_served=True), NOW)

    assert planned.actions == (ApplyEntry(selector=selector(id_of(V2)), port=8080),)
    assert (planned.status.stage, planned.status.weight) == ("Soak", 100)


def test_the_canary_passes_only_when_the_candidate_has_as_many_pods_as_the_live_version() -> None:
    of = spec("2", route=False, replicas=9)

    planned = plan(rolling(of, StageName.CANARY, weight=50, replicas=8, seen=GOOD, both_served=True), NOW)

    assert planned.actions == (ApplyWorkload(revision=id_of(of), replicas=9),)
    assert planned.status.stage is StageName.CANARY


def test_pods_that_are_lost_in_the_soak_bring_the_old_version_back_beside_them() -> None:
    given = rolling(V2, StageName.SOAK, weight=100, since=60, ready=2)
    given = replace(given, entry=ServiceView(selector=selector(id_of(V2)), port=8080))

    assert plan(given, NOW).actions == (ApplyEntry(selector=selector(), port=8080),)


def test_a_revert_takes_the_candidate_out_by_the_selector() -> None:
    given = rolling(V2, StageName.CANARY, weight=25, replicas=1, seen=FEW)

    planned = plan(replace(given, spec=V1, target=id_of(V1)), NOW)

    assert planned.actions == (ApplyEntry(selector=selector(id_of(V1)), port=8080),)


@pytest.mark.parametrize("weight", [0, 5])
def test_a_route_that_is_taken_away_in_the_middle_leaves_the_candidate_its_small_share_at_most(weight: int) -> None:
    of = spec("2", route=False, replicas=9, stages=(CANARY, SOAK))
    stage = StageName.CANARY if weight else StageName.SHADOW
    old = spec("1", replicas=9)
    given = rolling(spec("2", replicas=9), stage, weight=weight, live=old, seen=FEW)

    planned = plan(replace(given, spec=of, evidence=evidence(FEW, of=of)), NOW)

    assert planned.actions[0] == RemoveRoute()
    assert ApplyWorkload(revision=id_of(of), replicas=1) in planned.actions
    assert not any(isinstance(action, ApplyEntry) for action in planned.actions)


def test_the_pods_of_a_step_stay_while_they_start() -> None:
    """Their own events are planned for without a reading, and must not scale them down again."""
    asked = replace(stepping(), revisions=with_candidate_of(replicas=3, ready=1))

    first = plan(asked, NOW)
    again = plan(replace(asked, status=first.status, evidence=first.evidence, reading=None), NOW)

    assert first.status.conditions[0].reason == "WaitingForPods"
    assert first.actions == again.actions == ()


def test_the_next_weight_is_on_record_when_its_pods_are_ready() -> None:
    planned = plan(replace(stepping(), revisions=with_candidate_of(replicas=3, ready=3)), NOW)

    assert planned.actions == ()
    assert planned.status.weight == 25
