"""What people ask for, on real pods with real users: approve, pause, promote, and back again from wherever it is."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta

from demo.kubectl import kubectl
from tests.e2e.case import Case
from tests.e2e.history import Object
from tests.e2e.manifests import CANARY, LONG_CANARY, NAME, SHADOW, SOAK, manifest
from tests.e2e.then import Then, condition

REVIEW: Object = {"review": {}}
LONG_SOAK: Object = {"soak": {"for": "10m"}}
SHORT_SOAK: Object = {"soak": {"for": "1s"}}


def test_rollback_in_the_soak_is_a_change_of_weights(case: Case) -> None:
    given, when, then = case.steps()
    given.live(manifest("v1"))
    given.users()
    before = then.pods("v1")
    when.applied(manifest("v2", stages=[CANARY, LONG_SOAK]))
    then.comes_to("all traffic is on v2", lambda found: found["status"]["weight"] == 100)
    then.users_get_only("v2")
    case.note(f"kubectl model status in the soak:\n{case.model('status', NAME)}")
    began = time.monotonic()

    answer = when.typed("rollback", reason="the numbers look wrong")

    _weight_is_zero_after(case, then, "v2", began)
    assert answer["status"]["outcome"] == "Applied"
    then.comes_to("v2 is rejected", lambda found: found["status"].get("rejected"))
    then.ends("RolledBack", version="v1")
    then.users_get_only("v1")
    then.users_saw_no_failure_since("`kubectl model rollback`")
    then.users_saw_no_failure()
    assert then.pods("v1") == before, "the same pods, kept warm"
    record = then.decisions("v2")[-1]
    assert (record["outcome"], record["reason"]) == ("RollBack", "RollbackRequested")
    assert record["by"] == answer["spec"]["requestedBy"]
    told = case.model("why", NAME)
    case.note(f"kubectl model why:\n{told}")
    assert f"{record['by']} asked for it." in " ".join(told.split())
    then.pods_are_gone("v2")


def test_rollback_of_what_is_live_brings_the_pods_back_first(case: Case) -> None:
    given, when, then = case.steps()
    given.live(manifest("v1"))
    given.users()
    when.applied(manifest("v2", stages=[CANARY, SHORT_SOAK]))
    then.ends("Live", version="v2")
    then.pods_are_gone("v1")
    began = time.monotonic()

    answer = when.typed("rollback", reason="fraud is up")

    then.comes_to("v2 is rejected", lambda found: found["status"].get("rejected"))
    then.comes_to("v1 is live again", lambda found: found["status"].get("stableVersion") == "v1" and _at_rest(found))
    _weight_is_zero_after(case, then, "v2", began)
    assert answer["status"]["outcome"] == "Applied"
    then.ends("RolledBack", version="v1")
    then.users_get_only("v1")
    then.users_saw_no_failure_since("`kubectl model rollback`")
    then.users_saw_no_failure()
    then.state_of("v2", "RolledBack")
    then.state_of("v1", "Live")
    then.stays("v2 stays back while the spec names it", lambda found: not found["status"].get("candidate"), seconds=5)
    _history_reads_well(case)

    when.typed("retry", reason="the data was wrong, not the model")

    then.comes_to("v2 is tried again", lambda found: found["status"].get("candidateVersion") == "v2")


def test_nothing_of_a_candidate_reaches_users_before_a_person_approves_it(case: Case) -> None:
    given, when, then = case.steps()
    given.live(manifest("v1"))
    given.users()
    when.applied(manifest("v2", stages=[SHADOW, REVIEW, CANARY, SOAK]))
    waiting = then.comes_to("it waits for a person", lambda found: _is(found, "AwaitingReview"))
    assert condition(waiting, "AwaitingReview")["message"] == "version v2 waits for an approval"
    then.stays("it waits", lambda found: found["status"]["stage"] == "Review", seconds=5)
    then.users_saw_nothing_of("v2")
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat(timespec="seconds").replace("+00:00", "Z")

    foreign = when.asked("Approve", candidateDigest="0" * 64, expiresAt=soon)
    right = when.typed("approve", reason="checked the card")

    assert foreign["status"]["outcome"] == "Refused"
    assert "it is about revision 0000000000" in foreign["status"]["message"]
    assert right["status"]["outcome"] == "Applied"
    then.ends("Live", version="v2")
    then.passed_through("Shadow", "Review", "Canary", "Soak", "Live")
    then.users_saw_no_failure()
    assert "Approved" in [one["reason"] for one in then.decisions("v2")]


def test_pause_resume_and_promote(case: Case) -> None:
    given, when, then = case.steps()
    given.live(manifest("v1"))
    given.users()
    when.applied(manifest("v2", stages=[LONG_CANARY, SHORT_SOAK]))
    then.comes_to("the canary has its share", lambda found: found["status"]["weight"] == 25)

    case.note(f"kubectl model status in the canary:\n{case.model('status', NAME)}")
    when.typed("pause", reason="fire drill")
    paused = then.ends("Paused", version="v1")
    assert "fire drill" in condition(paused, "Paused")["message"]
    assert f"kubectl model resume {NAME} -n {case.namespace} --reason 'WHY'" in case.model("queue")
    when.typed("resume", reason="the drill is over")
    then.comes_to("it goes on", lambda found: found["status"].get("resumedAt") and not _is(found, "Paused"))
    when.typed("promote", reason="it has to be today")

    then.comes_to("v2 is live", lambda found: found["status"].get("stableVersion") == "v2")
    then.users_get_only("v2")
    then.users_saw_no_failure()
    reasons = [one["reason"] for one in then.decisions("v2")]
    assert [one for one in reasons if one != "WeightIncreased"] == [
        "RolloutStarted",
        "PausedByPerson",
        "Resumed",
        "PromotedByPerson",
        "AllTraffic",
        "Promoted",
    ]


def test_a_config_map_edit_that_breaks_the_model_is_rolled_back(case: Case) -> None:
    """The ConfigMap says which model the server loads: v3 fails on some inputs."""
    given, when, then = case.steps()
    when.config_map("settings", model="v1")
    made = _configured(manifest("v1", stages=[CANARY, SOAK]))
    given.live(made)
    given.users()
    before = then.pods("v1")
    live = case.revisions("v1")[-1][-1].found["spec"]["digest"]

    when.config_map("settings", model="v3")

    then.comes_to("the edit is rolled out", lambda found: found["status"].get("candidate"))
    contents = set()
    while not case.states()[-1].status.get("rejected"):
        contents |= {_reads(case, pod) for pod in before}
        time.sleep(0.5)
    then.ends("RolledBack", version="v1")
    assert contents == {"v1"}, "what the live pods read all the while"
    assert then.pods("v1").items() >= before.items()
    then.users_get_only("v1")
    broken = next(states[-1] for states in case.revisions("v1") if states[-1].found["spec"]["digest"] != live)
    assert "config: ConfigMap settings: model: v1 → v3" in broken.status["changes"]["entries"]
    assert broken.status["state"] == "RolledBack"

    when.config_map("settings", model="v1")

    then.comes_to("the old content is the old revision", lambda found: _is(found, "Ready"))
    copies = case.fetch("configmaps", "-l", "modelrollout.dev/name=biopsy")["items"]
    assert sorted((one["immutable"], one["data"]["model"]) for one in copies) == [(True, "v1"), (True, "v3")]


def _configured(made: Object) -> Object:
    spec = made["spec"]
    spec["config"] = {"configMapRefs": ["settings"]}
    pod = spec["serving"]["template"]["spec"]
    server = pod["containers"][0]
    chosen = {"valueFrom": {"configMapKeyRef": {"name": "settings", "key": "model"}}}
    server["env"] = [{"name": "MODEL_VERSION", **chosen}]
    server["volumeMounts"] = [{"name": "settings", "mountPath": "/etc/settings"}]
    pod["volumes"] = [{"name": "settings", "configMap": {"name": "settings"}}]
    return made


def _reads(case: Case, pod: str) -> str:
    return case.execute(pod, "cat", "/etc/settings/model").strip()


def _weight_is_zero_after(case: Case, then: Then, version: str, began: float) -> None:
    then.comes_to("its weight is 0", lambda found: found["status"].get("rejected") and not found["status"]["weight"])
    state = next(one for one in case.states() if one.at >= began and one.status.get("rejected") and _at_rest(one.found))
    then.weight_is_zero(version)
    case.note(f"from `kubectl model rollback` to all traffic on the version before: {state.at - began:.1f} s")


def _at_rest(found: Object) -> bool:
    return not found["status"].get("candidate")


def _is(found: Object, kind: str) -> bool:
    return bool(condition(found, kind)["status"] == "True")


def _history_reads_well(case: Case) -> None:
    """`kubectl get mrev` and `kubectl model history` are histories of production."""
    table = kubectl("get", "mrev", "-n", case.namespace)
    case.note(f"kubectl get mrev:\n{table}")
    assert table.count("RolledBack") == 1
    assert "RollbackRequested" in table
    told = case.model("history", NAME)
    case.note(f"kubectl model history:\n{told}")
    stints = json.loads(case.model("history", NAME, "-o", "json"))
    assert [(one["version"], one["state"], one["ended"]) for one in stints] == [
        ("v1", "Live", None),
        ("v2", "RolledBack", "RollbackRequested"),
        ("v1", "Superseded", None),
    ]
    assert all(one["liveFor"] for one in stints)
