"""Alerts of a real Prometheus rule, by a real Alertmanager, take versions back; and those that must not, do not."""

from __future__ import annotations

import time
from datetime import datetime

import pytest
import requests

from modelrollout.api.rolloutaction import MAX_KEPT
from tests.e2e import alertmanager, monitoring
from tests.e2e.case import Case
from tests.e2e.history import Object
from tests.e2e.manifests import ERRORS, LONG_CANARY, SOAK, Manifest, manifest
from tests.e2e.then import Then
from tests.e2e.waiting import until

OPERATOR = "system:serviceaccount:modelrollout:modelrollout"
PAGES: Manifest = {"name": "pages", "match": {"severity": "page", "about": "pod"}}
SHARED: Manifest = {"name": "all", "match": {"severity": "page"}, "sharedWithLive": "RollBack"}
LENIENT: Manifest = {**ERRORS, "tolerate": {"points": 90}, "promoteWithin": {"points": 95}}
"""A gate that lets v3's errors pass: whatever takes it back here is an alert."""

SHORT: Manifest = {"canary": {"weights": [50], "holdFor": "4s"}}


def watched(version: str, *, alerts: Manifest = PAGES, **kinds: object) -> Manifest:
    made = manifest(version, gates=[LENIENT], **{"stages": [LONG_CANARY, SOAK], **kinds})  # type: ignore[arg-type]
    made["spec"]["rollout"]["alerts"] = [alerts]
    return made


def taken_back(case: Case, then: Then, version: str) -> Object:
    """The decision, and how long it took from the alert's start to weight 0 in the route."""
    then.ends("RolledBack", version="v1")
    then.weight_is_zero(version)
    record = next(one for one in then.decisions(version) if one["outcome"] == "RollBack")
    assert record["reason"] == "AlertFiring"
    assert record["alert"]["labels"]["namespace"] == case.namespace
    began, decided = (datetime.fromisoformat(text) for text in (record["alert"]["startsAt"], record["at"]))
    way = "Alertmanager" if record.get("by") else "the query"
    case.note(f"alert to weight 0: {(decided - began).total_seconds():.1f} s, by {way}")
    return record


def test_an_alert_about_the_candidate_takes_it_back(case: Case) -> None:
    given, when, then = case.steps()
    given.live(manifest("v1"))
    given.users()
    before = then.pods("v1")

    when.applied(watched("v3"))

    record = taken_back(case, then, "v3")
    then.passed_through("Canary", "Live")
    assert (record["alert"]["policy"], record["alert"]["name"]) == ("pages", "ModelErrors")
    (revision,) = case.revisions("v3")
    assert record["alert"]["labels"]["pod"].startswith(revision[-1].found["metadata"]["name"])
    then.users_get_only("v1")
    then.pods_are_gone("v3")
    assert then.pods("v1") == before
    then.events_are("Installed", *[one["reason"] for one in then.decisions("v3")])


def test_a_silenced_alert_does_nothing(case: Case) -> None:
    given, when, then = case.steps()
    given.live(manifest("v1"))
    given.users()
    with alertmanager.silenced(namespace=case.namespace):
        when.applied(watched("v3"))
        _fires(case, about="v3", state="suppressed")
        then.stays("it goes on", _in_canary, seconds=6)
    taken_back(case, then, "v3")


def test_an_alert_that_fired_before_the_rollout_does_nothing(case: Case) -> None:
    """It is about the namespace, and would count if it had started in time."""
    given, when, then = case.steps()
    given.live(watched("v3", alerts=SHARED))
    given.users()
    _fires(case, about=None, state="active")

    when.applied(watched("v2", alerts={**SHARED, "match": {"severity": "page", "about": "namespace"}}))

    then.comes_to("the canary has its share", lambda found: found["status"]["weight"] == 25)
    then.stays("it goes on", _in_canary, seconds=8)
    assert [one for one in alertmanager.known(case.namespace) if one["labels"]["about"] == "namespace"]


def test_an_alert_that_the_live_version_shares_does_nothing(case: Case) -> None:
    """The same model twice: both are ill, so that going back would help nobody."""
    given, when, then = case.steps()
    given.live(watched("v3"))
    given.users()
    _fires(case, about="v3", state="active")

    when.applied(watched("v3", environment={"SAME": "model"}))

    then.comes_to("the canary has its share", lambda found: found["status"]["weight"] == 25)
    until(
        "an alert fires for both",
        lambda: len({one["labels"]["pod"][:17] for one in _of_pods(case)}) == 2,
        namespace=case.namespace,
    )
    then.stays("it goes on", _in_canary, seconds=6)


def test_within_the_window_the_version_before_comes_back(case: Case) -> None:
    given, when, then = case.steps()
    given.live(manifest("v1"))
    given.users()
    when.applied(watched("v2", alerts={**PAGES, "window": "10m"}, stages=[SHORT, {"soak": {"for": "1s"}}]))
    then.ends("Live", version="v2")
    (pod, *_) = then.pods("v2")

    alertmanager.send([_alert(case, pod)])

    then.comes_to("v1 is live again", lambda found: found["status"].get("stableVersion") == "v1")
    then.users_get_only("v1")
    record = then.decisions("v2")[-1]
    assert (record["reason"], record["stage"]) == ("AlertFiring", "Live")
    then.users_saw_no_failure()


@pytest.mark.alone
def test_with_nobody_who_sends_it_the_query_finds_it(case: Case) -> None:
    """Alertmanager is asked for silences, and does not answer either."""
    given, when, then = case.steps()
    given.live(manifest("v1"))
    given.users()
    with monitoring.stopped("alertmanager"):
        when.applied(watched("v3"))
        record = taken_back(case, then, "v3")
        assert "by" not in record
        assert case.fetch("rolloutactions")["items"] == []


@pytest.mark.alone
def test_a_storm_of_a_thousand_alerts_is_one_rollback(case: Case) -> None:
    """Half of them in one payload, half in one each; Prometheus knows of none, so that all of it is the receiver's."""
    given, when, then = case.steps()
    given.live(manifest("v1"))
    given.users()
    when.applied(watched("v2"))
    then.comes_to("the canary has its share", lambda found: found["status"]["weight"] == 25)
    (pod, *_) = then.pods("v2")
    before, memory = _reconciles(case), _memory(case)
    storm = [_alert(case, pod, number=str(number)) for number in range(500)]
    storm += [_alert(case, pod, alertname=f"Storm{number}") for number in range(500)]
    began = time.monotonic()

    alertmanager.send(storm)

    record = taken_back(case, then, "v2")
    assert record["by"] == OPERATOR
    then.users_get_only("v1")
    then.users_saw_no_failure()
    actions = case.fetch("rolloutactions")["items"]
    case.note(f"{time.monotonic() - began:.1f} s, {len(actions)} actions, {_reconciles(case) - before:.0f} reconciles")
    until("all of them were answered", lambda: _unsent(case) == 0, namespace=case.namespace, every=1.0)
    case.note(f"memory of the replicas before and after: {memory} and {_memory(case)} MiB")
    assert len(actions) <= MAX_KEPT, "those that came before the first was decided, and no more than are kept"
    assert len([one for one in then.decisions("v2") if one["outcome"] == "RollBack"]) == 1
    assert _reconciles(case) - before <= 200


def _alert(case: Case, pod: str, *, alertname: str = "Storm", **labels: str) -> dict[str, str]:
    told = {"alertname": alertname, "severity": "page", "about": "pod", "namespace": case.namespace, "pod": pod}
    return {**told, **labels}


def _in_canary(found: Object) -> bool:
    return bool(found["status"]["stage"] == "Canary") and not found["status"].get("rejected")


def _of_pods(case: Case) -> list[Object]:
    return [one for one in alertmanager.known(case.namespace) if one["labels"]["about"] == "pod"]


def _fires(case: Case, *, about: str | None, state: str) -> None:
    """Alertmanager has an alert about a pod, or else about the namespace, in this state."""
    wanted = "pod" if about else "namespace"
    until(
        f"an alert about the {wanted} is {state}",
        lambda: any(
            one["labels"]["about"] == wanted and one["status"]["state"] == state
            for one in alertmanager.known(case.namespace)
        ),
        namespace=case.namespace,
        every=0.5,
    )


def _metric(case: Case, query: str) -> list[float]:
    answer = requests.get(f"{case.world.prometheus}/api/v1/query", params={"query": query}, timeout=10)
    answer.raise_for_status()
    return [float(one["value"][1]) for one in answer.json()["data"]["result"]]


def _reconciles(case: Case) -> float:
    return sum(_metric(case, 'sum(modelrollout_reconcile_total{namespace="modelrollout"})'))


def _memory(case: Case) -> list[int]:
    found = _metric(case, 'process_resident_memory_bytes{namespace="modelrollout",pod=~"modelrollout-.*"}')
    return [round(value / 2**20) for value in found]


def _unsent(case: Case) -> float:
    """Payloads that Alertmanager had to send again in the last seconds, by the operator's own count."""
    refused = 'sum(increase(modelrollout_alert_requests_total{namespace="modelrollout",code=~"5.."}[5s]))'
    return sum(_metric(case, refused))
