"""What is kept of versions: when each was live, for how long, why it ended, what was new in it, and for how many."""

from dataclasses import replace
from datetime import timedelta

import pytest

from modelrollout.api.config import ConfigCopy, RevisionConfig
from modelrollout.api.durations import told
from modelrollout.api.model import Lineage
from modelrollout.api.modeldeployment import StageName
from modelrollout.api.modelrevision import MAX_CHANGES, RevisionState
from modelrollout.api.rolloutaction import MAX_KEPT, Verb
from modelrollout.plan import Plan, plan
from modelrollout.plan.actions import RemoveRequest, RemoveRevision
from modelrollout.plan.changes import changes
from modelrollout.plan.observation import ConfigMapView, Observation, RevisionView
from tests.builders import (
    BAD,
    FEW,
    NOW,
    ago,
    asked,
    evidence,
    id_of,
    live,
    reading,
    revision,
    revision_spec,
    rolling,
    spec,
    superseded,
)

V1, V2, V3 = spec("1"), spec("2"), spec("3")
DIGEST = "ab" * 32


class TestLifetime:
    def test_a_promoted_version_is_live_from_then_on_and_the_other_was_live_for_so_long(self) -> None:
        given = rolling(V2, StageName.SOAK, weight=100, since=600)
        old = given.revisions[id_of(V1)]
        since = replace(old, status=old.status.model_copy(update={"live_at": NOW - timedelta(days=3, hours=4)}))

        planned = plan(replace(given, revisions={**given.revisions, old.id: since}), NOW)

        new, old_status = planned.revisions[id_of(V2)], planned.revisions[id_of(V1)]
        assert (new.live_at, new.live_for, new.ended) == (NOW, None, None)
        assert (old_status.live_for, old_status.ended) == ("3d4h", "by version 2")

    def test_a_version_that_was_rolled_back_says_why(self) -> None:
        known = evidence(FEW, of=V2, at=NOW - timedelta(seconds=5))
        given = replace(rolling(V2, StageName.CANARY, weight=25), evidence=known, reading=reading(BAD))

        ended = plan(given, NOW).revisions[id_of(V2)]

        assert (ended.ended, ended.live_at, ended.live_for) == ("EvidenceOfHarm (errors)", None, None)

    def test_a_candidate_that_another_took_the_place_of_says_which(self) -> None:
        given = rolling(V2, StageName.CANARY, weight=25)

        planned = plan(replace(given, spec=V3, target=id_of(V3)), NOW)

        assert planned.revisions[id_of(V2)].ended == "by version 3"

    @pytest.mark.parametrize(
        ("seconds", "shown"),
        [(0, "0s"), (42, "42s"), (61, "1m1s"), (3600, "1h"), (3661, "1h1m"), (90061, "1d1h"), (86400 * 400, "400d")],
    )
    def test_spans_are_told_in_their_two_largest_units(self, seconds: int, shown: str) -> None:
        assert told(timedelta(seconds=seconds)) == shown


class TestChanges:
    def test_the_person_s_own_words_come_first(self) -> None:
        model = V2.model.model_copy(update={"changelog": "retrained on October"})

        made = changes(revision_spec(V2.model_copy(update={"model": model})), before=revision_spec(V1))

        assert made.since == "1"
        assert made.entries == (
            "retrained on October",
            "model.version: 1 → 2",
            "model.uri: image://fraud/1 → image://fraud/2",
            "serving.template.spec.containers[server].image: fraud:1 → fraud:2",
        )

    def test_the_first_version_differs_from_nothing(self) -> None:
        made = changes(revision_spec(V1), before=None)

        assert (made.since, made.entries) == (None, ())

    def test_configuration_lineage_and_documents_are_told_by_name(self) -> None:
        copy = ConfigCopy(name="settings", digest=DIGEST, copy_name="fraud-config-abababab")
        before = revision_spec(V1).model_copy(update={"contract": {"inputs": [{"name": "amount", "type": "int"}]}})
        after = before.model_copy(
            update={
                "config": RevisionConfig(config_maps=(copy,)),
                "model": before.model.model_copy(update={"lineage": Lineage(commit="9f2c1aa")}),
                "contract": {"inputs": [{"name": "amount", "type": "float"}]},
            }
        )

        made = changes(after, before=before)

        assert made.entries == (
            "model.lineage: {…} added",
            "config: ConfigMap settings added",
            "contract.inputs[amount].type: int → float",
        )

    def test_configuration_is_told_key_by_key_where_its_content_is_known(self) -> None:
        copies = [ConfigCopy(name="settings", digest=d * 32, copy_name=f"fraud-config-{d}") for d in ("ab", "cd")]
        before, after = (
            revision_spec(V1).model_copy(update={"config": RevisionConfig(config_maps=(copy,))}) for copy in copies
        )
        old = ConfigMapView(
            name="fraud-config-ab",
            data={"threshold": "0.8", "rules.json": '{\n"a": 1}', "mode": "strict", "kept": "as it was"},
            binary_data={"table": "AAA="},
        )
        new = ConfigMapView(
            name="settings",
            data={"threshold": "0.9", "rules.json": '{\n"a": 2}', "limit": "5", "kept": "as it was"},
            binary_data={"table": "AAB="},
        )

        known = changes(after, before=before, contents={"settings": (old, new)})
        unknown = changes(after, before=before)

        assert known.entries == (
            "config: ConfigMap settings: limit added",
            "config: ConfigMap settings: mode removed",
            "config: ConfigMap settings: rules.json changed",
            "config: ConfigMap settings: threshold: 0.8 → 0.9",
            "config: ConfigMap settings: table changed",
        )
        assert unknown.entries == ("config: ConfigMap settings changed",)

    def test_a_change_of_everything_stays_short(self) -> None:
        many = {"spec": {"containers": [{"name": "server", "image": "x" * 5000}], **{f"f{n}": n for n in range(200)}}}

        made = changes(revision_spec(spec("2", template=many)), before=revision_spec(V1))

        assert len(made.entries) == MAX_CHANGES
        assert made.entries[-1] == "and 164 more changes"
        assert max(len(entry) for entry in made.entries) <= 300

    def test_it_is_made_with_the_revision_and_never_again(self) -> None:
        begun = plan(live(V2, live=V1), NOW)
        first = begun.revisions[id_of(V2)].changes
        assert first is not None
        given = rolling(V2, StageName.CANARY, live=V3, weight=25)
        known = replace(
            given.revisions[id_of(V2)], status=begun.revisions[id_of(V2)].model_copy(update={"traffic_ended_at": None})
        )

        later = plan(replace(given, revisions={**given.revisions, known.id: known}), NOW)

        assert "model.version: 1 → 2" in first.entries
        assert later.revisions[id_of(V2)].changes == first


def removed(planned: Plan) -> set[str]:
    return {action.revision for action in planned.actions if isinstance(action, RemoveRevision)}


def with_history(given: Observation, *former: RevisionView, limit: int) -> Observation:
    return replace(
        given,
        spec=given.spec.model_copy(update={"revision_history_limit": limit}),
        revisions={**given.revisions, **{view.id: view for view in former}},
    )


class TestLimit:
    OLD = tuple(
        replace(
            superseded(spec(f"old-{number}"), live_at=ago(100_000 - number)),
            created_at=ago(200_000 - number),
        )
        for number in range(5)
    )

    def history(self, *ended: float) -> tuple[RevisionView, ...]:
        """Of the old ones, each with the time since its part ended."""
        return tuple(
            replace(
                view,
                status=view.status.model_copy(
                    update={"history": (view.status.history[0].model_copy(update={"at": ago(seconds)}),)}
                ),
            )
            for view, seconds in zip(self.OLD, ended, strict=False)
        )

    def test_the_oldest_of_what_is_over_go_first(self) -> None:
        former = self.history(500, 400, 300, 200, 100)

        planned = plan(with_history(live(V3), *former, limit=3), NOW)

        assert removed(planned) == {former[0].id, former[1].id, former[2].id}

    def test_nothing_goes_within_the_limit(self) -> None:
        assert removed(plan(with_history(live(V3), *self.history(5, 4, 3, 2, 1), limit=6), NOW)) == set()

    def test_the_live_one_the_one_before_it_and_the_rejected_one_stay_whatever_the_limit(self) -> None:
        former = self.history(500, 400, 300, 200, 100)
        bad = revision(V2, replicas=None, state=RevisionState.ROLLED_BACK)
        given = with_history(live(V2, live=V1), *former, bad, limit=2)
        rejected = replace(given, status=given.status.model_copy(update={"rejected": id_of(V2)}))

        gone = removed(plan(rejected, NOW))

        assert gone == {view.id for view in former[:4]}, "the fifth was live last before the present one"

    def test_one_that_soaks_and_one_that_still_has_pods_stay(self) -> None:
        soaking = rolling(V2, StageName.SOAK, weight=100, since=60)
        draining = superseded(spec("old-9"), live_at=ago(200_000), replicas=3)

        gone = removed(plan(with_history(soaking, *self.history(500, 400), draining, limit=2), NOW))

        assert gone == {self.OLD[0].id}

    def test_revisions_of_a_way_back_stay(self) -> None:
        former = self.history(500, 400, 300, 200, 100)
        given = with_history(live(V3), *former, limit=2)

        oldest = spec("old-0")
        planned = plan(replace(given, actions=(asked(Verb.ROLLBACK, back_to=oldest),)), NOW)

        assert planned.status.candidate == id_of(oldest)
        assert id_of(oldest) not in removed(planned)


def test_only_the_newest_answered_actions_are_kept_and_none_that_waits() -> None:
    answered = [
        asked(Verb.PAUSE, number=number, created_at=ago(1000 - number), answered=True) for number in range(MAX_KEPT + 2)
    ]
    waiting = asked(Verb.PAUSE, number=999, created_at=ago(5000))

    planned = plan(replace(live(V1), actions=(*answered, waiting)), NOW)

    gone = [action for action in planned.actions if isinstance(action, RemoveRequest)]
    assert gone == [RemoveRequest(name="fraud-pause-0"), RemoveRequest(name="fraud-pause-1")]
