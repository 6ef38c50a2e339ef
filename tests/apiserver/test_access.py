"""Who may do what: every role with every right, and what the API server says to those who have not got it."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from modelrollout.api.rolloutaction import Verb
from tests.apiserver.corpus_files import good
from tests.apiserver.kubectl import Kubectl
from tests.apiserver.people import OPERATOR, PEOPLE, Person, Right, aggregated

READ = ("get", "list", "watch")
WRITE = ("create", "update", "patch", "delete", "deletecollection")
VERBS = tuple(verb.value.lower() for verb in Verb)
KINDS = ("modeldeployments", "modelrevisions", "rolloutactions", "gatetemplates", "clustergatetemplates")
WITH_STATUS = ("modeldeployments", "modelrevisions", "rolloutactions")
FOREIGN = ("configmaps", "secrets", "services", "pods", "deployments", "networkpolicies", "roles", "rolebindings")


def each(verbs: tuple[str, ...], *resources: str) -> set[Right]:
    return {(verb, resource) for verb in verbs for resource in resources}


EVERY_RIGHT = sorted(
    each((*READ, *WRITE), *KINDS)
    | each((*READ, *WRITE), *(f"{kind}/status" for kind in WITH_STATUS))
    | each((*VERBS, "approve-model-risk", "alert"), *KINDS)
)
SEES = each(READ, "modeldeployments", "modelrevisions", "rolloutactions", "gatetemplates", "clustergatetemplates")
ASKS = {("create", "rolloutactions")}
EDITS = (
    SEES
    | ASKS
    | each(WRITE, "modeldeployments", "gatetemplates")
    | each(("reject", "promote", "pause", "resume", "rollback", "retry"), "modeldeployments")
)
RIGHTS = {
    "vera": SEES,
    "otto": SEES | ASKS | each(("pause", "resume", "rollback", "reject"), "modeldeployments"),
    "anna": SEES | ASKS | each(("approve", "reject"), "modeldeployments"),
    "emil": EDITS,
    "ines": SEES,
    "edda": EDITS,
    "adam": EDITS,
    "noah": set(),
}
OF_THE_OPERATOR = (
    SEES
    | {("create", "modelrevisions"), ("patch", "modelrevisions"), ("delete", "modelrevisions")}
    | {("create", "rolloutactions"), ("delete", "rolloutactions"), ("alert", "modeldeployments")}
    | {("patch", f"{kind}/status") for kind in WITH_STATUS}
    | each(READ, "configmaps", "services", "pods", "deployments")
    | each(("create", "patch"), "configmaps", "services", "deployments", "networkpolicies")
    | each(("delete",), "services", "deployments")
)

MAY_ASK = {
    "otto": {"Pause", "Resume", "Rollback", "Reject"},
    "anna": {"Approve", "Reject"},
    "emil": {"Reject", "Promote", "Pause", "Resume", "Rollback", "Retry"},
    "edda": {"Reject", "Promote", "Pause", "Resume", "Rollback", "Retry"},
    "adam": {"Reject", "Promote", "Pause", "Resume", "Rollback", "Retry"},
}
BY_THE_CLUSTER = "a cluster administrator grants it, by binding the ClusterRole modelrollout-approver"
BY_THE_NAMESPACE = "an administrator of namespace payments grants it, by binding the ClusterRole modelrollout-"
GRANTED = {
    "Approve": BY_THE_CLUSTER,
    "Promote": BY_THE_NAMESPACE + "editor",
    "Retry": BY_THE_NAMESPACE + "editor",
    "Reject": BY_THE_NAMESPACE + "on-call",
    "Pause": BY_THE_NAMESPACE + "on-call",
    "Resume": BY_THE_NAMESPACE + "on-call",
    "Rollback": BY_THE_NAMESPACE + "on-call",
}


def ahead(**length: float) -> str:
    return f"{datetime.now(UTC) + timedelta(**length):%Y-%m-%dT%H:%M:%SZ}"


def action(name: str, by: str, asked: str, **fields: Any) -> dict[str, Any]:
    """Approvals are bound to a candidate and end tomorrow, if nothing else is said."""
    bound = {"candidateDigest": "ab" * 32, "expiresAt": ahead(days=1)} if asked == "Approve" else {}
    return {
        "apiVersion": "modelrollout.dev/v1alpha1",
        "kind": "RolloutAction",
        "metadata": {"name": name.lower()},
        "spec": {"deployment": "fraud", "action": asked, "requestedBy": by, "reason": "why not", **bound, **fields},
    }


class TestRights:
    @pytest.mark.parametrize("name", RIGHTS)
    def test_a_role_has_its_rights_and_no_others(self, people: Kubectl, name: str) -> None:
        """A RoleBinding gives rights in its namespace; objects of the whole cluster take a ClusterRoleBinding."""
        person = Person(people, name)
        namespaced = [right for right in EVERY_RIGHT if not right[1].startswith("cluster")]
        of_the_cluster = [right for right in EVERY_RIGHT if right not in namespaced]

        assert person.rights(namespaced) == RIGHTS[name] & set(namespaced)
        assert person.rights(of_the_cluster, namespace=None) == set()
        assert person.rights(namespaced, namespace="lending") == set()

    def test_every_role_is_in_the_table(self) -> None:
        assert PEOPLE.keys() | {"noah"} == RIGHTS.keys()

    def test_templates_of_the_cluster_are_seen_by_who_is_bound_in_the_cluster(self, people: Kubectl) -> None:
        people("create", "clusterrolebinding", "cora", "--clusterrole=modelrollout-viewer", "--user=cora")

        assert Person(people, "cora").rights(EVERY_RIGHT, namespace=None) == SEES

    def test_the_operator_has_its_rights_and_no_others(self, people: Kubectl) -> None:
        """No Secret, no spec of a ModelDeployment, no action of its own, no role."""
        asked = sorted({*EVERY_RIGHT, *each((*READ, *WRITE), *FOREIGN)})

        assert Person(people, OPERATOR).rights(asked) == OF_THE_OPERATOR

    def test_an_administrator_of_a_namespace_makes_people_on_call_and_nobody_an_approver(self, people: Kubectl) -> None:
        adam = Person(people, "adam")
        for role in ("viewer", "on-call", "editor"):
            assert (
                adam.attempt("create", "rolebinding", role, f"--clusterrole=modelrollout-{role}", "--user=nora") is None
            )
        refused = adam.attempt("create", "rolebinding", "own", "--clusterrole=modelrollout-approver", "--user=adam")
        assert refused is not None
        assert "attempting to grant RBAC permissions not currently held" in refused

    def test_a_platform_team_adds_to_a_role_by_a_label(self, people: Kubectl) -> None:
        logs = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "logs", "labels": {"rbac.modelrollout.dev/aggregate-to-on-call": "true"}},
            "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
        }
        people.apply(logs)
        aggregated(people)

        assert Person(people, "otto").rights([("get", "pods")]) == {("get", "pods")}
        assert Person(people, "vera").rights([("get", "pods")]) == set()


class TestAsking:
    @pytest.mark.parametrize("name", MAY_ASK)
    def test_who_holds_the_verb_is_heard_and_others_are_told_which_right_is_missing(
        self, people: Kubectl, name: str
    ) -> None:
        person = Person(people, name)
        for verb in Verb:
            said = person.creates(action(f"{name}-{verb}", name, verb))
            if verb in MAY_ASK[name]:
                assert said is None
            else:
                word = verb.lower()
                assert said is not None
                assert said.endswith(
                    f"denied request: {name} may not {word} ModelDeployment payments/fraud: it takes the verb {word} "
                    f"on modeldeployments.modelrollout.dev; {GRANTED[verb]}"
                )

    @pytest.mark.parametrize("name", ["vera", "ines", "noah"])
    def test_who_may_only_look_asks_for_nothing(self, people: Kubectl, name: str) -> None:
        said = Person(people, name).creates(action("look", name, "Pause"))
        assert said is not None
        assert f'User "{name}" cannot create resource "rolloutactions"' in said

    def test_a_forged_author_is_refused(self, people: Kubectl) -> None:
        said = Person(people, "otto").creates(action("forged", "anna", "Pause"))
        assert said is not None
        assert said.endswith("spec.requestedBy must be your own user name: it is anna, and you are otto")

    def test_the_administrator_of_the_cluster_speaks_for_himself_alone_as_well(self, people: Kubectl) -> None:
        said = people.attempt("create", "-f", "-", stdin=json.dumps(action("forged", "otto", "Pause"))).stderr.strip()
        assert said.endswith("spec.requestedBy must be your own user name: it is otto, and you are admin")

    @pytest.mark.parametrize(
        ("asked", "fields", "sentence"),
        [
            ("Approve", {"expiresAt": ahead(days=-1)}, "spec.expiresAt must lie in the future: it is "),
            ("Approve", {"expiresAt": ahead(days=8)}, "spec.expiresAt of an approval must lie at most 7 days ahead"),
            ("Reject", {"expiresAt": "2020-01-01T00:00:00z"}, "spec.expiresAt must lie in the future: it is 2020"),
            ("Reject", {"expiresAt": "2020-01-01T00:00:00Z"}, "spec.expiresAt must lie in the future: it is 2020"),
            ("Approve", {"candidateDigest": "abc"}, "spec.candidateDigest in body should be at least 64 chars long"),
            ("Approve", {"expiresAt": "tomorrow"}, 'spec.expiresAt in body must be of type date-time: "tomorrow"'),
            ("Approve", {"role": "model-risk"}, "as model-risk: it takes the verb approve-model-risk on modeldeploy"),
        ],
        ids=["expired", "for too long", "expired in small letters", "rejection", "short", "in words", "role"],
    )
    def test_an_approval_that_does_not_hold_is_refused(
        self, people: Kubectl, asked: str, fields: dict[str, str], sentence: str
    ) -> None:
        said = Person(people, "anna").creates(action("bad", "anna", asked, **fields))
        assert said is not None
        assert sentence in said
        assert "resulted in error" not in said

    @pytest.mark.parametrize("field", ["candidateDigest", "expiresAt"])
    def test_an_approval_names_its_candidate_and_its_end(self, people: Kubectl, field: str) -> None:
        body = action("unbound", "anna", "Approve")
        del body["spec"][field]
        said = Person(people, "anna").creates(body)
        assert said is not None
        assert "an approval names the candidate that it is for and when it expires" in said

    @pytest.mark.parametrize(("asked", "days"), [("Approve", 6.9), ("Pause", 30)])
    def test_an_end_in_time_is_taken(self, people: Kubectl, asked: str, days: float) -> None:
        name = "anna" if asked == "Approve" else "otto"
        assert Person(people, name).creates(action(f"ends-{asked}", name, asked, expiresAt=ahead(days=days))) is None

    def test_a_role_is_a_verb_of_its_own(self, people: Kubectl) -> None:
        _lets_ask(people, "rita")
        _grant(people, "rita", verb="approve-model-risk")
        rita = Person(people, "rita")
        in_role = action("in-role", "rita", "Approve", role="model-risk")
        said = rita.creates(in_role)
        assert said is not None
        assert "rita may not approve ModelDeployment payments/fraud: it takes the verb approve on" in said

        people("create", "rolebinding", "rita-approves", "--clusterrole=modelrollout-approver", "--user=rita")
        assert rita.creates(in_role) is None
        other = rita.creates(action("other-role", "rita", "Approve", role="legal"))
        assert other is not None
        assert other.endswith(
            "rita may not approve ModelDeployment payments/fraud as legal: it takes the verb approve-legal on "
            "modeldeployments.modelrollout.dev; a cluster administrator grants it, with a Role of its own"
        )

    def test_a_right_for_one_object_is_for_no_other(self, people: Kubectl) -> None:
        _lets_ask(people, "nina")
        _grant(people, "nina", verb="pause", only="fraud")
        nina = Person(people, "nina")

        assert nina.creates(action("own", "nina", "Pause")) is None
        other = nina.creates(action("other", "nina", "Pause", deployment="credit"))
        assert other is not None
        assert "nina may not pause ModelDeployment payments/credit: it takes the verb pause on" in other

    def test_a_right_in_one_namespace_is_for_no_other(self, people: Kubectl) -> None:
        """Who may create actions in another namespace, and holds no verb there, is told by the policy."""
        body = action("elsewhere", "otto", "Pause")
        otto = Person(people, "otto")
        plain = otto.attempt("create", "-n", "lending", "-f", "-", body=body)
        assert plain is not None
        assert (
            'cannot create resource "rolloutactions" in API group "modelrollout.dev" in the namespace "lending"'
            in plain
        )

        _lets_ask(replace(people, namespace="lending"), "otto")
        told = otto.attempt("create", "-n", "lending", "-f", "-", body=body)
        assert told is not None
        assert "otto may not pause ModelDeployment lending/fraud: it takes the verb pause on" in told


class TestTheRecord:
    """An action stays as it was asked. What came of it is the operator's to say."""

    SENTENCE = "an action is a record and cannot be changed; make a new one instead"

    def test_nobody_of_the_namespace_edits_or_removes_one(self, people: Kubectl) -> None:
        assert Person(people, "emil").creates(action("kept", "emil", "Pause")) is None
        for name in PEOPLE:
            edited = Person(people, name).attempt("patch", "mact", "kept", "--type=merge", '-p={"spec":{"reason":"-"}}')
            assert edited is not None
            assert f'User "{name}" cannot patch resource "rolloutactions"' in edited
            removed = Person(people, name).attempt("delete", "mact", "kept")
            assert removed is not None
            assert f'User "{name}" cannot delete resource "rolloutactions"' in removed

    def test_not_even_the_administrator_of_the_cluster_edits_one(self, people: Kubectl) -> None:
        assert Person(people, "emil").creates(action("fixed", "emil", "Pause")) is None
        for patch in ({"reason": "-"}, {"requestedBy": "admin"}, {"action": "Promote"}):
            done = people.attempt_patch("mact", "fixed", {"spec": patch})
            assert self.SENTENCE in done.stderr

    def test_only_the_operator_answers(self, people: Kubectl) -> None:
        assert Person(people, "emil").creates(action("answered", "emil", "Pause")) is None
        for name in PEOPLE:
            said = Person(people, name).answers("answered", {"outcome": "Applied"})
            assert said is not None
            assert f'User "{name}" cannot patch resource "rolloutactions/status"' in said
        assert Person(people, OPERATOR).answers("answered", {"outcome": "Refused"}) is None
        assert people.get("mact", "answered")["status"] == {"outcome": "Refused"}

    def test_the_operator_asks_for_nothing_of_its_own_and_edits_no_deployment(self, people: Kubectl) -> None:
        people.apply(good("minimal"))
        operator = Person(people, OPERATOR)
        for verb in Verb:
            asked = operator.creates(action(f"own-{verb}", OPERATOR, verb))
            assert asked is not None
            assert f"{OPERATOR} may not {verb.lower()} ModelDeployment payments/fraud: it takes the verb" in asked
        edited = operator.attempt("patch", "mdep", "minimal", "--type=merge", '-p={"spec":{"serving":{"replicas":9}}}')
        assert edited is not None
        assert 'cannot patch resource "modeldeployments"' in edited


ALERT = {"policy": "pages", "name": "Errors", "labels": {"severity": "page"}, "startsAt": "2026-11-24T12:00:00Z"}


class TestAlerts:
    def test_the_operator_hands_on_an_alert(self, people: Kubectl) -> None:
        body = action("heard", OPERATOR, "Rollback", alert=ALERT, expiresAt=ahead(minutes=5))
        assert Person(people, OPERATOR).creates(body) is None
        again = Person(people, OPERATOR).creates(body)
        assert again is not None
        assert "already exists" in again

    def test_an_alert_asks_for_nothing_but_a_rollback(self, people: Kubectl) -> None:
        said = Person(people, OPERATOR).creates(action("heard-promote", OPERATOR, "Promote", alert=ALERT))
        assert said is not None
        assert "alert asks for a Rollback of the version that it is about" in said

    @pytest.mark.parametrize("name", ["otto", "emil", "adam"])
    def test_nobody_else_invents_one(self, people: Kubectl, name: str) -> None:
        """Not even who may roll back: an alert on record was one."""
        said = Person(people, name).creates(action("invented", name, "Rollback", alert=ALERT))
        assert said is not None
        assert said.endswith(
            f"{name} may not alert ModelDeployment payments/fraud: it takes the verb alert on "
            "modeldeployments.modelrollout.dev; the operator alone holds it, for what Alertmanager sends"
        )

    def test_it_is_no_way_to_speak_for_others(self, people: Kubectl) -> None:
        said = Person(people, OPERATOR).creates(action("for-otto", "otto", "Rollback", alert=ALERT))
        assert said is not None
        assert "spec.requestedBy must be your own user name" in said


def _grant(people: Kubectl, person: str, *, verb: str, only: str | None = None) -> None:
    """A verb on the namespace's ModelDeployments, or on one of them. kubectl's own command knows no verbs of ours."""
    rule: dict[str, Any] = {"apiGroups": ["modelrollout.dev"], "resources": ["modeldeployments"], "verbs": [verb]}
    if only is not None:
        rule["resourceNames"] = [only]
    name = f"{person}-{verb}"
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": name}, "rules": [rule]}
    people.apply(role)
    people("create", "rolebinding", name, f"--role={name}", f"--user={person}")


def _lets_ask(people: Kubectl, person: str) -> None:
    """The right to create actions, and no verb."""
    name = f"{person}-asks"
    people("create", "role", name, "--verb=create", "--resource=rolloutactions.modelrollout.dev")
    people("create", "rolebinding", name, f"--role={name}", f"--user={person}")
