"""What must come of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from demo.kubectl import kubectl
from tests.e2e.case import Case
from tests.e2e.history import Object, State
from tests.e2e.manifests import NAME, Manifest
from tests.e2e.users import Seen
from tests.e2e.waiting import PATIENCE_SECONDS, Found, picture, until
from tests.kstatus import kstatus


class Then:
    def __init__(self, case: Case) -> None:
        self._case = case

    # How a rollout ends, and the way there

    def ends(self, outcome: str, *, version: str, name: str = NAME, seconds: float = PATIENCE_SECONDS) -> Object:
        """The next end of what was applied last: Live, RolledBack or Paused. `version` is the one that is live then."""
        reached = self._until(
            f"{name} ends {outcome} with {version} live", lambda: ended(self._case.answers(name)), seconds=seconds
        )
        status = reached["status"]
        found = (end_of(reached), status.get("stableVersion"))
        self._check(found == (outcome, version), f"the end was {found}, not {(outcome, version)}")
        took = time.monotonic() - self._case.changed_at
        self._case.note(f"{outcome} with {version} live after {took:.0f} s ({condition(reached, 'Ready')['message']})")
        return reached

    def comes_to(
        self,
        what: str,
        holds: Callable[[Object], object],
        *,
        name: str = NAME,
        seconds: float = PATIENCE_SECONDS,
    ) -> Object:
        """The first state since the last change for which `holds`; it may have passed already."""

        def first() -> Object | None:
            return next((state.found for state in self._case.answers(name) if holds(state.found)), None)

        return self._until(what, first, seconds=seconds)

    def comes_to_be(self, what: str, holds: Callable[[], bool]) -> None:
        """Anything that is not told by the object itself."""
        self._until(what, holds, every=1.0)

    def stays(self, what: str, holds: Callable[[Object], object], *, seconds: float, name: str = NAME) -> None:
        """Every state is like that for a while. The while is how long the test looks, nothing is measured by it."""
        already = len(self._case.answers(name))
        time.sleep(seconds)
        states = self._case.answers(name)[max(0, already - 1) :]
        broken = next((state.found for state in states if not holds(state.found)), None)
        self._check(broken is None, f"it did not stay so: {what}: {broken and broken['status']}")

    def passed_through(self, *stages: str, name: str = NAME) -> None:
        """The stages since the last change, each once, in this order and no others."""
        seen: list[str] = []
        for state in self._case.answers(name):
            if seen[-1:] != [state.status["stage"]]:
                seen.append(state.status["stage"])
        self._check(tuple(seen) == stages, f"the stages were {seen}, not {list(stages)}")

    def weights_only_grew(self, name: str = NAME) -> None:
        """No step back while there was a candidate."""
        states = self._case.answers(name)
        weights = [state.status["weight"] for state in states if state.status.get("candidate")]
        self._check(weights == sorted(weights), f"the weights were {weights}")

    # What users saw

    def users_saw_no_failure(self) -> None:
        seen = self._seen()
        failed = [users.what_failed() for users in self._case.users]
        self._check(seen.failed == 0, f"users saw {seen.failed} failures: {failed}")

    def users_saw_no_failure_since(self, what: str) -> None:
        """Since the last thing that was done, which is `what`."""
        since = self._case.seen() - self._case.seen_before
        self._case.note(f"failed requests since {what}: {since.failed} of {since.ok + since.failed}")
        self._check(since.failed == 0, f"{since.failed} requests failed since {what}")

    def users_saw_failures(self, *, at_most: int) -> None:
        seen = self._seen()
        self._check(seen.failed <= at_most, f"users saw {seen.failed} failures, more than {at_most}")

    def users_saw_nothing_of(self, version: str) -> None:
        seen = self._case.seen()
        self._check(not seen.by_version.get(version), f"users got answers of {version}: {seen.by_version}")

    def users_get_only(self, version: str) -> None:
        """Two seconds of answers are of this version; those before may still be of another that was on its way out."""

        def alone() -> bool:
            before = self._case.seen()
            time.sleep(2.0)
            now = self._case.seen() - before
            return {name for name, count in now.by_version.items() if count} == {version}

        self._until(f"users get answers of {version} alone", alone)

    # What is left

    def pods_are_gone(self, version: str) -> None:
        """Those of every revision of this version, with their Deployments and Services."""
        ids = ",".join(self._ids(version))
        labelled = ("-l", f"modelrollout.dev/revision in ({ids})", "-n", self._case.namespace)
        self._until(
            f"Deployment, Service and pods of {version} are gone",
            lambda: not kubectl("get", "deployments,services,pods", *labelled, "-o", "name").strip(),
            every=1.0,
        )

    def nothing_was_started(self, version: str) -> None:
        """No revision of this version ever had a Deployment that anything happened to."""
        names = tuple(states[0].found["metadata"]["name"] for states in self._case.revisions(version))
        self._check(bool(names), f"there is no revision of {version}")
        listed = self._case.fetch("events.events.k8s.io")["items"]
        told = [one["note"] for one in listed if one["regarding"]["kind"] in ("Deployment", "ReplicaSet", "Pod")]
        self._check(bool(told), "nothing is told of any pod, so that nothing can be missed")
        self._check(not [note for note in told if any(name in note for name in names)], f"{version} had pods: {told}")

    def pods(self, version: str) -> dict[str, int]:
        """Names and restarts of the pods of a version that are not on their way out."""
        listed = self._case.fetch("pods", "-l", f"modelrollout.dev/revision in ({','.join(self._ids(version))})")
        return {
            pod["metadata"]["name"]: sum(one["restartCount"] for one in pod["status"].get("containerStatuses", []))
            for pod in listed["items"]
            if not pod["metadata"].get("deletionTimestamp")
        }

    def nothing_is_left(self) -> None:
        kinds = "modeldeployments,modelrevisions,deployments,replicasets,services,httproutes,pods"
        self._until(
            "nothing is left in the namespace",
            lambda: not kubectl("get", kinds, "-n", self._case.namespace, "-o", "name").strip(),
            every=1.0,
        )

    def namespace_ends(self) -> None:
        kubectl("delete", "namespace", self._case.namespace, "--wait=true", "--timeout=120s", timeout=130)

    def weight_is_zero(self, version: str) -> None:
        """In the HTTPRoute itself: no mirror, and where it is named at all, then with weight 0 until its pods go."""
        names = [states[0].found["metadata"]["name"] for states in self._case.revisions(version)]
        (rule,) = self._case.fetch("httproute", NAME)["spec"]["rules"]
        weights = {backend["name"]: backend["weight"] for backend in rule["backendRefs"]}
        self._check(not rule.get("filters"), f"there is a mirror: {rule}")
        self._check(not any(weights.get(name) for name in names), f"{version} has a weight: {rule}")

    # What is on record

    def decisions(self, version: str) -> list[Object]:
        """Of the newest revision of this version, newest last."""
        status = self._case.revisions(version)[-1][-1].status
        decisions: list[Object] = status.get("decisions", [])
        return decisions

    def rolled_back_by_evidence(self, version: str, *, gate: str, by_more: bool = True) -> Object:
        """The record names the gate and has the numbers of both arms, the evidence and its threshold.

        `by_more`: the candidate had more of what counts; a shape can be another one by less, too.
        """
        record = self._until(
            f"the rollback of {version} is on record",
            lambda: next((one for one in self.decisions(version) if one["outcome"] == "RollBack"), None),
        )
        culprit = next(one for one in record["gates"] if one["name"] == gate)
        told = (record["reason"], record["verdict"], record["gate"], culprit["verdict"])
        self._check(told == ("EvidenceOfHarm", "Fail", gate, "Fail"), f"the record says {record}")
        arms = culprit["candidate"], culprit["stable"]
        self._check(all(arm["requests"] > 0 for arm in arms), f"an arm has no requests: {record}")
        more = _share(arms[0]) > _share(arms[1])
        self._check(more == by_more, f"the candidate had {'more' if more else 'less'}: {record}")
        self._check(record["harm"] >= record["harmThreshold"] > 0, f"harm is below its threshold: {record}")
        return record

    def events_are(self, *reasons: str, name: str = NAME) -> None:
        """Reasons of the ModelDeployment's Events, oldest first. They are posted after the status is written."""
        self._until(f"the events of {name} are {reasons}", lambda: self._events(name) == reasons, every=1.0)

    def state_of(self, version: str, state: str) -> None:
        """Lifecycle state of the newest revision of this version."""
        self._until(f"{version} is {state}", lambda: self._case.revisions(version)[-1][-1].status.get("state") == state)

    # What holds always: looked at over the whole of a test

    def the_object_is_as_applied(self, *, name: str = NAME) -> None:
        """Spec, labels and annotations are in each state what the user applied, byte for byte; only status is ours."""
        mine = [one for one in self._case.applied if one["metadata"]["name"] == name]
        by_generation = {one["metadata"]["generation"]: one for one in mine}
        for state in self._case.states(name):
            found = state.found
            given = by_generation.get(found["metadata"]["generation"])
            self._check(given is not None, f"a generation that nobody applied: {found['metadata']}")
            assert given is not None
            self._check(_users_part(found) == _users_part(given), f"{_users_part(found)} is not {_users_part(given)}")
            foreign = [
                manager
                for manager in found["metadata"]["managedFields"]
                if manager["manager"] == "modelrollout" and manager.get("subresource") != "status"
            ]
            self._check(not foreign, f"the operator owns more than status: {foreign}")

    def kstatus_was_right(self, name: str = NAME) -> None:
        """In every state that there was: in progress from the apply to the end, then current or failed."""
        for state in self._case.states(name):
            if not state.deleted:
                wanted, told = rightly(state), kstatus(state.found)
                self._check(told in wanted, f"kstatus says {told}, not {' or '.join(wanted)}: {state.status}")

    # Parts of the above

    def _events(self, name: str) -> tuple[str, ...]:
        listed = self._case.fetch("events.events.k8s.io")["items"]
        kind = "ModelDeployment"
        mine = [one for one in listed if (one["regarding"]["kind"], one["regarding"]["name"]) == (kind, name)]
        return tuple(one["reason"] for one in sorted(mine, key=lambda one: str(one["eventTime"])))

    def _ids(self, version: str) -> list[str]:
        """Short digests of the revisions with this version, as pods are labelled."""
        return [states[0].found["spec"]["digest"][:10] for states in self._case.revisions(version)]

    def _until(
        self, what: str, probe: Callable[[], Found | None], *, seconds: float = PATIENCE_SECONDS, every: float = 0.2
    ) -> Found:
        return until(what, probe, namespace=self._case.namespace, seconds=seconds, every=every)

    def _check(self, good: bool, otherwise: str) -> None:
        if not good:
            raise AssertionError(f"{otherwise}\n{picture(self._case.namespace)}")

    def _seen(self) -> Seen:
        seen = self._case.seen()
        versions = ", ".join(f"{version} {count}" for version, count in seen.by_version.items())
        self._case.note(f"users saw {seen.ok} answers ({versions}) and {seen.failed} failures")
        return seen


def condition(found: Object, kind: str) -> Object:
    conditions: list[Object] = found.get("status", {}).get("conditions", [])
    return next((one for one in conditions if one["type"] == kind), {"status": "Unknown", "reason": "", "message": ""})


def ended(answers: Sequence[State]) -> Object | None:
    """The newest of them if it is an end."""
    return answers[-1].found if answers and end_of(answers[-1].found) else None


def end_of(found: Object) -> str | None:
    """How it ended, by its conditions; None while it has not."""
    if condition(found, "Ready")["status"] == "True":
        return "Live"
    return next((kind for kind in ("RolledBack", "Paused") if condition(found, kind)["status"] == "True"), None)


def rightly(state: State) -> tuple[str, ...]:
    """What a tool that knows nothing of us should say, told from stage, candidate and rejected alone."""
    found, status = state.found, state.status
    if found["metadata"].get("deletionTimestamp"):
        return ("Terminating",)
    if status.get("observedGeneration") != found["metadata"]["generation"]:
        return ("InProgress",)
    if status.get("rejected"):
        return ("Failed",)
    if status.get("candidate") or status.get("stage") != "Live":
        return ("InProgress", "Failed") if condition(found, "Stalled")["status"] == "True" else ("InProgress",)
    if status["stableVersion"] != found["spec"]["model"].get("version", status["stableVersion"]):
        return ("InProgress", "Failed")  # what was asked for cannot even be made
    return ("Current", "InProgress")


def _users_part(found: Manifest) -> Manifest:
    metadata = found["metadata"]
    return {
        "spec": found["spec"],
        "labels": metadata.get("labels"),
        "annotations": metadata.get("annotations"),
        "finalizers": metadata.get("finalizers"),
        "ownerReferences": metadata.get("ownerReferences"),
    }


def _share(arm: Object) -> float:
    return float(arm["bad"]) / float(arm["requests"])
