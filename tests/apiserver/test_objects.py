"""What the API server makes of our objects once it took them: defaults, subresources, columns, what it keeps."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from modelrollout.api.base import ApiType
from modelrollout.api.conditions import Condition, ConditionType
from modelrollout.api.modeldeployment import (
    MAX_ANSWERS,
    AnsweredAction,
    Approval,
    ModelDeployment,
    ModelDeploymentStatus,
    Pause,
    StageName,
)
from modelrollout.api.modelrevision import (
    MAX_CHANGES,
    MAX_DECISIONS,
    MAX_HISTORY,
    ArmCounts,
    Changes,
    DecisionRecord,
    EvidenceNumbers,
    GateRecord,
    ModelRevision,
    ModelRevisionStatus,
    Outcome,
    RevisionState,
    StateChange,
    StoredEvidence,
    StoredGate,
)
from modelrollout.api.registry import MAX_ALIASES, MAX_WRITTEN, WrittenAlias, WrittenBack, WrittenTags
from modelrollout.api.revision import digest
from modelrollout.api.rollout import DEFAULT_GATES, ErrorRates
from modelrollout.api.rolloutaction import Answer, RolloutAction, RolloutActionStatus, Verb
from tests.apiserver.corpus_files import good
from tests.apiserver.kubectl import Kubectl

AT = datetime(2026, 10, 5, 12, 30, 15, 250000, tzinfo=UTC)
STATUS = "--subresource=status"
UNSEEN = {"observedGeneration": 0}
MAX_GATES = 16
ETCD_LIMIT = 1536 * 1024


def named(name: str, manifest: str = "minimal") -> dict[str, Any]:
    return good(manifest) | {"metadata": {"name": name}}


def dumped(part: ApiType) -> dict[str, Any]:
    return part.model_dump(mode="json", by_alias=True, exclude_none=True)


def refusal(kubectl: Kubectl, kind: str, name: str, patch: dict[str, Any], *options: str) -> str:
    done = kubectl.attempt_patch(kind, name, patch, *options)
    assert done.returncode != 0, f"accepted: {done.stdout}"
    return done.stderr


class TestDefaults:
    def test_what_users_leave_out_appears(self, kubectl: Kubectl) -> None:
        spec = kubectl.apply(named("defaults"))["spec"]
        serving = spec["serving"]
        assert (serving["pattern"], serving["replicas"], serving["port"]) == ("Online", 1, 8080)
        rollout = spec["rollout"]
        assert rollout.pop("gates") == [dumped(gate) for gate in DEFAULT_GATES]
        assert rollout.pop("errorRates") == dumped(ErrorRates())
        assert rollout == {"interval": "5s", "warmup": "60s", "maxDuration": "2h", "onInconclusive": "Pause"}

    def test_stages_take_their_own(self, kubectl: Kubectl) -> None:
        stages = kubectl.apply(named("stages", "empty-stages-take-defaults"))["spec"]["rollout"]["stages"]
        assert stages == [
            {"shadow": {"minRequests": 500, "holdFor": "30s"}},
            {"canary": {"holdFor": "30s", "errorBudget": 30}},
            {"soak": {"for": "10m"}},
        ]

    @pytest.mark.parametrize("manifest", ["minimal", "full", "empty-stages-take-defaults", "replica-ratio"])
    def test_the_operator_reads_the_same_from_the_manifest_and_from_the_server(
        self, kubectl: Kubectl, manifest: str
    ) -> None:
        body = named(f"read-{manifest}", manifest)
        written, stored = ModelDeployment.read(body), ModelDeployment.read(kubectl.apply(body))
        assert stored == written
        assert digest(stored.spec.model, stored.spec.serving) == digest(written.spec.model, written.spec.serving)

    def test_nothing_is_added_to_the_content(self, kubectl: Kubectl) -> None:
        body = named("content", "full")
        stored = kubectl.apply(body)["spec"]
        assert stored["model"] == body["spec"]["model"]
        assert stored["serving"]["template"] == body["spec"]["serving"]["template"]

    def test_status_gets_none_but_that_nobody_has_looked_at_it(self, kubectl: Kubectl) -> None:
        kubectl.apply(named("bare-status"))
        stored = kubectl.patch("mdep", "bare-status", {"status": {"stage": "Install"}}, STATUS)
        assert stored["status"] == UNSEEN | {"stage": "Install"}


class TestStatusSubresource:
    def test_a_status_write_leaves_spec_and_generation(self, kubectl: Kubectl) -> None:
        before = kubectl.apply(named("status-write"))
        patch = {"spec": {"serving": {"replicas": 9}}, "status": {"stage": "Canary", "weight": 5}}
        after = kubectl.patch("mdep", "status-write", patch, STATUS)
        assert after["status"] == UNSEEN | {"stage": "Canary", "weight": 5}
        assert after["spec"] == before["spec"]
        assert after["metadata"]["generation"] == before["metadata"]["generation"] == 1

    def test_a_spec_write_leaves_the_status(self, kubectl: Kubectl) -> None:
        kubectl.apply(named("spec-write"))
        before = kubectl.patch("mdep", "spec-write", {"status": {"stage": "Live"}}, STATUS)
        after = kubectl.patch(
            "mdep", "spec-write", {"spec": {"serving": {"replicas": 9}}, "status": {"stage": "Canary"}}
        )
        assert after["status"] == before["status"] == UNSEEN | {"stage": "Live"}
        assert after["spec"]["serving"]["replicas"] == 9
        assert after["metadata"]["generation"] == 2

    @pytest.mark.parametrize(
        ("status", "sentence"),
        [
            ({"weight": 101}, "status.weight: Invalid value: 101: weight in body should be less than or equal to 100"),
            ({"stage": "Lost"}, 'status.stage: Unsupported value: "Lost"'),
            ({"stable": "v7"}, "stable in body should be at least 10 chars long"),
            ({"conditions": [{"type": "Ready", "status": "Maybe"}]}, 'Unsupported value: "Maybe"'),
        ],
        ids=["weight", "stage", "revision", "condition"],
    )
    def test_a_status_out_of_bounds_is_refused(self, kubectl: Kubectl, status: dict[str, Any], sentence: str) -> None:
        kubectl.apply(named("bounds"))
        assert sentence in refusal(kubectl, "mdep", "bounds", {"status": status}, STATUS)


class TestRevision:
    SENTENCE = (
        "spec: a revision is its content and cannot be changed; apply a new version in the ModelDeployment instead"
    )

    @pytest.mark.parametrize(
        "change",
        [
            {"deployment": "other"},
            {"model": {"changelog": "better than ever"}},
            {"serving": {"port": 9090}},
            {"serving": {"template": {"spec": {"containers": [{"name": "server", "image": "fraud-server:8"}]}}}},
            {"serving": {"template": {"spec": {"hostNetwork": True}}}},
            {"serving": {"template": {"metadata": {"labels": {"team": "risk"}}}}},
            {"serving": {"template": {"spec": None}}},
        ],
        ids=["deployment", "model", "port", "image", "added-field", "added-label", "removed-field"],
    )
    def test_its_content_cannot_be_changed(self, kubectl: Kubectl, change: dict[str, Any]) -> None:
        body = good("revision") | {"metadata": {"name": "immutable"}}
        before = kubectl.apply(body)
        assert self.SENTENCE in refusal(kubectl, "mrev", "immutable", {"spec": change})
        assert kubectl.get("mrev", "immutable")["spec"] == before["spec"] == body["spec"]

    def test_labels_and_status_can(self, kubectl: Kubectl) -> None:
        kubectl.apply(good("revision") | {"metadata": {"name": "labelled"}})
        assert kubectl.patch("mrev", "labelled", {"metadata": {"labels": {"kept": "yes"}}})["metadata"]["labels"]
        assert kubectl.patch("mrev", "labelled", {"status": {"state": "Live"}}, STATUS)["status"]["state"] == "Live"


class TestAction:
    SENTENCE = "spec: an action is a record and cannot be changed; make a new one instead"

    @pytest.mark.parametrize(
        "change",
        [
            {"deployment": "other"},
            {"action": "Reject", "role": None},
            {"requestedBy": "olga@example.com"},
            {"reason": "for another reason"},
            {"candidateDigest": "f" * 64},
            {"role": None},
            {"expiresAt": "2027-10-06T12:00:00Z"},
        ],
        ids=["deployment", "action", "author", "reason", "digest", "role", "end"],
    )
    def test_what_it_asks_for_cannot_be_changed(self, kubectl: Kubectl, change: dict[str, Any]) -> None:
        body = good("approval") | {"metadata": {"name": "immutable"}}
        kubectl.apply(body)
        assert self.SENTENCE in refusal(kubectl, "mact", "immutable", {"spec": change})
        assert kubectl.get("mact", "immutable")["spec"] == body["spec"]

    def test_its_answer_comes_back_as_it_was(self, kubectl: Kubectl) -> None:
        kubectl.apply(good("action") | {"metadata": {"name": "answered"}})
        status = RolloutActionStatus(outcome=Answer.REFUSED, message="m" * 2000, at=AT)
        stored = kubectl.patch("mact", "answered", {"status": dumped(status)}, STATUS)
        assert RolloutAction.read(stored).status == status


class TestKubectl:
    def test_columns_of_a_deployment(self, kubectl: Kubectl) -> None:
        kubectl.apply(named("columns"))
        ready = Condition(
            type=ConditionType.READY,
            status="False",
            reason="RollingOut",
            last_transition_time=AT,
            message="canary at 5 %",
        )
        status = ModelDeploymentStatus(
            stage=StageName.CANARY,
            weight=5,
            stable_version="6",
            candidate_version="7",
            expected_verdict_at=AT,
            conditions=(ready,),
        )
        kubectl.patch("mdep", "columns", {"status": dumped(status)}, STATUS)
        header, row = kubectl("get", "mdep", "columns").splitlines()
        assert header.split() == ["NAME", "STAGE", "WEIGHT", "LIVE", "CANDIDATE", "READY", "AGE"]
        assert row.split()[:-1] == ["columns", "Canary", "5", "6", "7", "False"]
        wide_header, wide_row = kubectl("get", "mdep", "columns", "-o", "wide").splitlines()
        wide = dict(zip(wide_header.split(), wide_row.split(), strict=True))
        assert (wide["REASON"], wide["VERDICT"]) == ("RollingOut", "2026-10-05T12:30:15.250000Z")

    def test_columns_of_a_revision(self, kubectl: Kubectl) -> None:
        kubectl.apply(good("revision") | {"metadata": {"name": "columns"}})
        ended = {"state": "RolledBack", "liveFor": "3d4h", "ended": "GateFailed"}
        kubectl.patch("mrev", "columns", {"status": ended}, STATUS)
        header, row = kubectl("get", "mrev", "columns").splitlines()
        assert header.split() == ["NAME", "DEPLOYMENT", "VERSION", "STATE", "LIVE", "FOR", "ENDED", "AGE"]
        assert row.split()[:-1] == ["columns", "fraud", "7", "RolledBack", "3d4h", "GateFailed"]

    def test_columns_of_an_action(self, kubectl: Kubectl) -> None:
        kubectl.apply(good("action") | {"metadata": {"name": "columns"}})
        kubectl.patch("mact", "columns", {"status": {"outcome": "Refused", "message": "no"}}, STATUS)
        header, row = kubectl("get", "mact", "columns").splitlines()
        assert header.split() == ["NAME", "DEPLOYMENT", "ACTION", "BY", "OUTCOME", "AGE"]
        assert row.split()[:-1] == ["columns", "fraud", "Pause", "anna@example.com", "Refused"]

    def test_the_category_names_all_kinds(self, kubectl: Kubectl) -> None:
        kubectl.apply(named("category"))
        kubectl.apply(good("revision") | {"metadata": {"name": "category"}})
        kubectl.apply(good("action") | {"metadata": {"name": "category"}})
        names = kubectl("get", "modelrollout", "-o", "name").split()
        assert "modeldeployment.modelrollout.dev/category" in names
        assert "modelrevision.modelrollout.dev/category" in names
        assert "rolloutaction.modelrollout.dev/category" in names

    def test_explain_explains(self, kubectl: Kubectl) -> None:
        assert "How often the evidence is looked at" in kubectl("explain", "mdep.spec.rollout.interval")


class TestServerSideApply:
    def test_two_managers_share_the_gates_and_the_containers(self, kubectl: Kubectl) -> None:
        body = named("shared")
        body["spec"]["rollout"] = {"gates": [{"name": "errors", "signal": "Errors"}]}
        other: dict[str, Any] = {key: body[key] for key in ("apiVersion", "kind", "metadata")}
        other["spec"] = {
            "rollout": {"gates": [{"name": "latency", "signal": "Latency", "over": "250ms"}]},
            "serving": {"template": {"spec": {"containers": [{"name": "log-shipper", "image": "log-shipper:2"}]}}},
        }
        for manager, manifest in (("team", body), ("platform", other), ("team", body)):
            kubectl("apply", "--server-side", f"--field-manager={manager}", "-f", "-", stdin=json.dumps(manifest))
        spec = kubectl.get("mdep", "shared")["spec"]
        assert [gate["name"] for gate in spec["rollout"]["gates"]] == ["errors", "latency"]
        assert [c["name"] for c in spec["serving"]["template"]["spec"]["containers"]] == ["server", "log-shipper"]


class TestFullStatus:
    """At its maximum a status must still be stored, come back as it was, and leave room for the rest of the object."""

    def test_of_a_deployment(self, kubectl: Kubectl, capsys: pytest.CaptureFixture[str]) -> None:
        kubectl.apply(named("full-status", "full"))
        status = ModelDeploymentStatus(
            observed_generation=3,
            stage=StageName.CANARY,
            stable="0123456789",
            stable_version="6" * 60,
            candidate="abcdef0123",
            candidate_version="7" * 60,
            weight=50,
            rollout_started_at=AT,
            stage_started_at=AT + timedelta(minutes=5),
            weight_changed_at=AT + timedelta(minutes=7),
            rejected="fedcba9876",
            previous="0fedcba987",
            paused=Pause(by="p" * 256, reason="m" * 2000, at=AT),
            resumed_at=AT,
            approval=Approval(by="p" * 256, role="r" * 253, reason="m" * 2000, digest="ab" * 32, at=AT, expires_at=AT),
            actions=(
                AnsweredAction(
                    uid="u" * 36,
                    name="n" * 253,
                    action=Verb.ROLLBACK,
                    by="p" * 256,
                    outcome=Answer.APPLIED,
                    message="m" * 2000,
                    at=AT,
                ),
            )
            * MAX_ANSWERS,
            expected_verdict_at=AT,
            registry=WrittenBack(
                aliases=(WrittenAlias(model="m" * 200, alias="a" * 200, version="6" * 60),) * MAX_ALIASES,
                tags=(WrittenTags(model="m" * 200, version="6" * 60, digest="0" * 16),) * MAX_WRITTEN,
                at=AT,
            ),
            replicas=6,
            ready_replicas=6,
            conditions=tuple(
                Condition(
                    type=f"Type{number}",
                    status="Unknown",
                    reason="R" * 120,
                    message="m" * 4000,
                    observed_generation=3,
                    last_transition_time=AT,
                )
                for number in range(12)
            ),
        )
        wire = dumped(status)
        stored = kubectl.patch("mdep", "full-status", {"status": wire}, STATUS)
        assert stored["status"] == wire
        assert ModelDeployment.read(stored).status == status
        self._report(capsys, "ModelDeployment", stored)

    def test_of_a_revision(self, kubectl: Kubectl, capsys: pytest.CaptureFixture[str]) -> None:
        kubectl.apply(good("revision") | {"metadata": {"name": "full-status"}})
        counts = ArmCounts(requests=123456789.123456, bad=1234567.654321)
        records = tuple(
            GateRecord(
                name="g" * 63,
                verdict="Insufficient",
                candidate=counts,
                stable=counts,
                harm=-123.456,
                safety=-12.345678901234567,
                bound=0.12345678901234567,
            )
            for _ in range(MAX_GATES)
        )
        decision = DecisionRecord(
            at=AT,
            outcome=Outcome.ROLL_BACK,
            reason="R" * 200,
            message="m" * 2000,
            stage="Canary",
            weight=50,
            verdict="Fail",
            gate="g" * 63,
            harm=4.605170185988092,
            harm_threshold=4.605170185988092,
            safety_threshold=2.995732273553991,
            gates=records,
        )
        sums = [-1234.567891] * 7
        state = {"plannedIntervals": 1440, "intervals": 1439, "phi": 1.25, "harmLogs": sums, "safetyLogs": sums}
        status = ModelRevisionStatus(
            state=RevisionState.ROLLED_BACK,
            history=tuple(StateChange(state=RevisionState.CANARY, at=AT) for _ in range(MAX_HISTORY)),
            live_at=AT,
            live_for="d" * 200,
            ended="R" * 200,
            traffic_ended_at=AT,
            changes=Changes(since="6" * 60, entries=("c" * 4000,) * MAX_CHANGES),
            evidence=StoredEvidence(
                policy="p" * 64,
                evaluated_at=AT,
                gates=tuple(
                    StoredGate(name=f"gate-{n}", state=state | {"pending": [0, 1.5]}) for n in range(MAX_GATES)
                ),
                numbers=EvidenceNumbers(
                    verdict="Insufficient",
                    gate="g" * 63,
                    harm=4.605170185988092,
                    harm_threshold=4.605170185988092,
                    safety_threshold=2.995732273553991,
                    gates=records,
                ),
            ),
            decisions=(decision,) * MAX_DECISIONS,
        )
        wire = dumped(status)
        stored = kubectl.patch("mrev", "full-status", {"status": wire}, STATUS)
        assert stored["status"] == wire
        assert ModelRevision.read(stored).status == status
        self._report(capsys, "ModelRevision", stored)

    @staticmethod
    def _report(capsys: pytest.CaptureFixture[str], kind: str, stored: dict[str, Any]) -> None:
        size = len(json.dumps(stored["status"], separators=(",", ":")))
        with capsys.disabled():
            print(f"\nfull status of a {kind}: {size / 1024:.1f} KiB")
        assert size < ETCD_LIMIT / 4
