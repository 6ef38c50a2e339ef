"""What the registry should say follows from the statuses alone."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

import pytest

from modelrollout.api.model import Model
from modelrollout.api.modeldeployment import ModelDeploymentStatus
from modelrollout.api.modelrevision import RevisionState, StateChange
from modelrollout.api.registry import Aliases, Follow, WrittenAlias, WrittenBack, WrittenTags
from modelrollout.plan.observation import RevisionView, Writing
from modelrollout.plan.write_back import Wish, difference, digest_of, wish
from tests.builders import NAME, NAMESPACE, ago, pinned, revision, spec

MODEL = Model(name="fraud", uri="models:/fraud/2")
LIVE = pinned("2", state=RevisionState.LIVE)
FORMER = pinned("1", state=RevisionState.SUPERSEDED)
STATUS = ModelDeploymentStatus(stable=LIVE.id, previous=FORMER.id)


def wanted(
    *views: RevisionView,
    model: Model | None = MODEL,
    status: ModelDeploymentStatus = STATUS,
    writing: Writing | None = None,
) -> Wish:
    revisions = {view.id: view for view in views or (LIVE, FORMER)}
    return wish(NAMESPACE, NAME, model=model, status=status, revisions=revisions, writing=writing or Writing())


def with_history(
    view: RevisionView, *changes: tuple[RevisionState, datetime], ended: str | None = None
) -> RevisionView:
    history = tuple(StateChange(state=state, at=at) for state, at in changes)
    lived = [at for state, at in changes if state is RevisionState.LIVE]
    updates = {
        "history": history,
        "state": history[-1].state,
        "live_at": lived[-1] if lived else None,
        "ended": ended,
    }
    return replace(view, status=view.status.model_copy(update=updates))


class TestAliases:
    def test_live_and_previous(self) -> None:
        assert wanted().aliases == {("fraud", "champion"): "2", ("fraud", "previous"): "1"}

    @pytest.mark.parametrize(
        ("aliases", "expected"),
        [
            (Aliases(champion="prod"), {("fraud", "prod"): "2", ("fraud", "previous"): "1"}),
            (Aliases(previous=""), {("fraud", "champion"): "2"}),
            (Aliases(champion="", previous=""), {}),
        ],
    )
    def test_names_of_the_spec(self, aliases: Aliases, expected: dict[tuple[str, str], str]) -> None:
        assert wanted(model=MODEL.model_copy(update={"aliases": aliases})).aliases == expected

    def test_names_of_the_operator(self) -> None:
        assert wanted(writing=Writing(champion="live", previous="")).aliases == {("fraud", "live"): "2"}

    def test_one_name_for_both_is_the_live_version(self) -> None:
        assert wanted(writing=Writing(champion="a", previous="a")).aliases == {("fraud", "a"): "2"}

    def test_one_that_is_followed_is_left_alone(self) -> None:
        model = Model(name="fraud", uri="models:/fraud@champion", follow=Follow.ALIAS)

        assert wanted(model=model).aliases == {("fraud", "previous"): "1"}

    def test_one_that_was_resolved_once_is_written(self) -> None:
        model = Model(name="fraud", uri="models:/fraud@champion")

        assert wanted(model=model).aliases[("fraud", "champion")] == "2"

    def test_a_version_from_elsewhere_has_none(self) -> None:
        plain = revision(spec("1"))

        assert wanted(plain, status=ModelDeploymentStatus(stable=plain.id)) == Wish()


class TestTags:
    PREFIX = f"modelrollout.{NAMESPACE}.{NAME}"

    def said(self, *views: RevisionView, version: str = "2", writing: Writing | None = None) -> dict[str, str]:
        tags = wanted(*views, writing=writing).tags["fraud", version]
        return {key.rpartition(".")[2]: value for key, value in tags.items() if value}

    def test_the_live_version(self) -> None:
        view = with_history(LIVE, (RevisionState.CANARY, ago(7200)), (RevisionState.LIVE, ago(3600)))

        assert self.said(view) == {
            "state": "Live",
            "liveAt": "2026-11-24T11:00:00Z",
            "periods": "2026-11-24T11:00:00Z/",
        }

    def test_one_that_came_back(self) -> None:
        changes = ((RevisionState.LIVE, ago(3600)), (RevisionState.ROLLED_BACK, ago(60)))
        view = with_history(LIVE, *changes, ended="RollbackRequested")

        assert self.said(view) == {
            "state": "RolledBack",
            "liveAt": "2026-11-24T11:00:00Z",
            "endedAt": "2026-11-24T11:59:00Z",
            "reason": "RollbackRequested",
            "periods": "2026-11-24T11:00:00Z/2026-11-24T11:59:00Z",
        }

    def test_which_version_was_live_on_a_day_though_it_was_live_twice(self) -> None:
        view = with_history(
            LIVE,
            (RevisionState.LIVE, ago(86400 * 5)),
            (RevisionState.SUPERSEDED, ago(86400 * 3)),
            (RevisionState.LIVE, ago(60)),
        )

        assert self.said(view)["periods"].split() == [
            "2026-11-19T12:00:00Z/2026-11-21T12:00:00Z",
            "2026-11-24T11:59:00Z/",
        ]

    def test_all_keys_are_said_so_that_none_is_left_over(self) -> None:
        keys = {"state", "liveAt", "endedAt", "reason", "periods"}

        assert {key for key in wanted().tags["fraud", "2"]} == {f"{self.PREFIX}.{key}" for key in keys}

    def test_a_cluster_has_keys_of_its_own(self) -> None:
        tags = wanted(writing=Writing(cluster="eu-1")).tags["fraud", "2"]

        assert f"modelrollout.eu-1.{NAMESPACE}.{NAME}.state" in tags

    def test_two_revisions_of_one_version_speak_with_one_voice(self) -> None:
        older = with_history(
            LIVE, (RevisionState.LIVE, ago(900)), (RevisionState.SUPERSEDED, ago(300)), ended="by version 2"
        )
        newer = replace(with_history(LIVE, (RevisionState.LIVE, ago(300))), id="0123456789")

        said = self.said(older, newer)

        assert said["state"] == "Live"
        assert len(said["periods"].split()) == 2

    @pytest.mark.parametrize("state", [RevisionState.PENDING, RevisionState.SHADOW, RevisionState.CANARY])
    def test_one_on_its_way_is_not_mentioned(self, state: RevisionState) -> None:
        assert wanted(pinned("2", state=state)).tags == {}


class TestDifference:
    def written(self, of: Wish, *, without: Iterable[tuple[str, str]] = ()) -> WrittenBack:
        return WrittenBack(
            aliases=tuple(
                WrittenAlias(model=model, alias=alias, version=version)
                for (model, alias), version in of.aliases.items()
                if (model, alias) not in without
            ),
            tags=tuple(
                WrittenTags(model=model, version=version, digest=digest_of(said))
                for (model, version), said in of.tags.items()
            ),
        )

    def test_what_was_written_is_not_written_again(self) -> None:
        assert not difference(wanted(), self.written(wanted()))

    def test_after_a_rollback_both_aliases_are_other_ones(self) -> None:
        back = wanted(status=ModelDeploymentStatus(stable=FORMER.id))

        found = difference(back, self.written(wanted()))

        assert found.aliases == {("fraud", "champion"): "1"}
        assert found.stale == {("fraud", "previous"): "1"}

    def test_one_that_is_followed_now_is_not_taken_away(self) -> None:
        model = Model(name="fraud", uri="models:/fraud@champion", follow=Follow.ALIAS)

        assert not difference(wanted(model=model), self.written(wanted()))
