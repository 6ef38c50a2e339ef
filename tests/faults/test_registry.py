"""The registry decides what is wanted and hears what came of it; whatever is wrong with it, traffic does not notice."""

from typing import Any

import pytest

from modelrollout.adapters.kubernetes import DEPLOYMENTS, MODEL_DEPLOYMENTS, MODEL_REVISIONS, JsonObject
from modelrollout.api.model import Model
from modelrollout.api.modeldeployment import ModelDeploymentSpec
from modelrollout.api.registry import Aliases, Follow
from modelrollout.api.rollout import Inconclusive, OfflineGate
from modelrollout.api.rolloutaction import Verb
from tests.builders import NAME, NAMESPACE
from tests.clock import settle
from tests.faults.direct import Moment, Request
from tests.faults.registry import registered
from tests.faults.scenarios import Kill
from tests.faults.traffic import Behaviour
from tests.faults.world import CANARY, SOAK, World, brisk

POLL = 31.0
"""Seconds after which an alias that is followed was looked at again."""


def asking(
    uri: str = "models:/fraud@champion",
    *,
    follow: bool = False,
    aliases: Aliases | None = None,
    changelog: str | None = None,
    image: str = "fraud:1",
    offline: tuple[OfflineGate, ...] = (),
    on_inconclusive: Inconclusive = Inconclusive.PAUSE,
    max_duration: str = "2h",
) -> ModelDeploymentSpec:
    plain = brisk("1", stages=(CANARY, SOAK), max_duration=max_duration)
    template = {"spec": {"containers": [{"name": "server", "image": image}]}}
    return plain.model_copy(
        update={
            "model": Model(
                name="fraud-classifier",
                uri=uri,
                follow=Follow.ALIAS if follow else None,
                aliases=aliases,
                changelog=changelog,
            ),
            "serving": plain.serving.model_copy(update={"template": template}),
            "rollout": plain.rollout.model_copy(update={"offline": offline, "on_inconclusive": on_inconclusive}),
        }
    )


FOLLOWING = asking("models:/fraud@staging", follow=True)


async def begun(world: World, spec: ModelDeploymentSpec, *, versions: int = 3) -> None:
    """Versions are registered, both aliases are on the first one, and it is live."""
    world.registry.register(*(registered(str(number)) for number in range(1, versions + 1)))
    world.registry.move("champion", "1")
    world.registry.move("staging", "1")
    world.apply(spec)
    await world.start()
    await live(world, "1")


async def live(world: World, version: str, *, within: float = 150) -> None:
    """This version serves users, no rollout is under way, and the registry was told all there is to tell."""
    await world.until(
        lambda: (
            (world.status().get("stage"), world.status().get("stableVersion")) == ("Live", version)
            and world.condition("RegistrySynced").get("status") == "True"
        ),
        within=within,
    )


def restarted(world: World) -> Any:
    """The process is killed, and its successor starts."""

    async def again() -> None:
        await world.end(world.processes[-1])
        await world.start()
        await settle()

    return again()


def revisions(world: World) -> dict[str, JsonObject]:
    """By the version of the registry."""
    return {body["spec"]["model"]["pin"]["version"]: body for body in world.store.all(MODEL_REVISIONS)}


def states(world: World) -> dict[str, str]:
    return {version: body["status"]["state"] for version, body in revisions(world).items()}


class TestResolving:
    async def test_the_revision_keeps_what_the_registry_said(self) -> None:
        async with World() as world:
            await begun(world, asking())

            spec = revisions(world)["1"]["spec"]

        assert spec["model"] == {
            "name": "fraud-classifier",
            "version": "1",
            "uri": "models:/fraud@champion",
            "lineage": {"commit": "commit-1", "run": "mlflow:run-1"},
            "pin": {
                "version": "1",
                "artifactUri": "mlflow-artifacts:/1/fraud-1",
                "runId": "run-1",
                "digest": "1".rjust(64, "0"),
            },
        }
        assert spec["contract"] == {"inputs": [{"name": "amount", "type": "float"}]}
        assert spec["registry"]["signature"] is True

    async def test_its_pods_are_told_which_model_it_is(self) -> None:
        async with World() as world:
            await begun(world, asking())

            (deployment,) = world.store.all(DEPLOYMENTS)

        assert deployment["spec"]["template"]["spec"]["containers"][0]["env"] == [
            {"name": "MODEL_NAME", "value": "fraud-classifier"},
            {"name": "MODEL_VERSION", "value": "1"},
            {"name": "MODEL_URI", "value": "mlflow-artifacts:/1/fraud-1"},
        ]

    @pytest.mark.parametrize("uri", ["models:/fraud@champion", "models:/fraud/1"])
    async def test_the_same_spec_asks_once_whatever_happens_to_the_alias(self, uri: str) -> None:
        async with World() as world:
            await begun(world, asking(uri))
            before, asked = world.status()["stable"], [line for line in world.registry.log if "version" in line]

            world.registry.move("champion", "2")
            await world.run(100)
            await restarted(world)
            world.apply(asking(uri).model_copy(update={"revision_history_limit": 5}))
            await world.run(100)

            assert world.status()["stable"] == before
            assert world.status().get("candidate") is None
            assert [line for line in world.registry.log if "version" in line] == asked == ["version fraud 1"]

    async def test_another_image_keeps_the_model_and_another_model_is_asked_for_anew(self) -> None:
        async with World() as world:
            await begun(world, asking())
            world.registry.move("champion", "2")

            world.apply(asking(image="fraud:2"))
            await world.until(lambda: world.status().get("candidate") is not None, within=5)
            await world.until(lambda: world.status().get("candidate") is None, within=120)
            first = world.status()["stableVersion"]
            world.registry.move("champion", "2")
            world.apply(asking(image="fraud:2", changelog="the new one"))
            await live(world, "2")

            assert first == "1"

    @pytest.mark.parametrize(
        ("uri", "reason", "says"),
        [
            (
                "models:/fraud@nobody",
                "AliasMissing",
                "model fraud has no alias nobody in the registry; set it, or name",
            ),
            (
                "models:/nothing@champion",
                "ModelMissing",
                "model.uri models:/nothing@champion: there is no model nothing",
            ),
            ("models:/fraud/77", "ModelMissing", "model.uri models:/fraud/77: there is no version 77 of model fraud"),
        ],
    )
    async def test_a_first_install_that_cannot_resolve_says_why_and_goes_on_when_it_can(
        self, uri: str, reason: str, says: str
    ) -> None:
        async with World() as world:
            world.registry.register(registered("1"))
            world.apply(asking(uri))
            await world.start()
            await world.until(lambda: world.condition("Stalled").get("status") == "True", within=5)

            assert world.condition("Ready")["reason"] == world.condition("RegistrySynced")["reason"] == reason
            assert says in world.condition("Ready")["message"]
            assert world.store.all(DEPLOYMENTS) == []

            world.registry.register(registered("1", model="nothing"), registered("77"))
            world.registry.move("nobody", "1")
            world.registry.move("champion", "1", model="nothing")
            await world.until(lambda: world.status().get("stage") == "Live", within=POLL + 30)

    async def test_an_operator_without_a_registry_says_how_to_get_one(self) -> None:
        async with World() as world:
            world.registry = None  # type: ignore[assignment]
            world.apply(asking())
            await world.start()
            await world.until(lambda: world.condition("Stalled").get("status") == "True", within=5)

            assert world.condition("Ready")["reason"] == "RegistryNotConfigured"
            assert "start it with --mlflow URL, or name the artifact itself" in world.condition("Ready")["message"]

    async def test_a_new_spec_that_cannot_be_resolved_leaves_the_live_version_alone(self) -> None:
        async with World() as world:
            await begun(world, asking())
            before = world.store.all(DEPLOYMENTS)
            world.registry.goes_down()

            world.apply(asking("models:/fraud/2"))
            await world.run(100)

            assert world.store.all(DEPLOYMENTS) == before
            assert world.condition("Stalled")["reason"] == "RegistryUnavailable"
            world.registry.comes_back()
            await live(world, "2")


class TestFollowing:
    async def test_a_moved_alias_is_a_rollout(self) -> None:
        async with World() as world:
            await begun(world, FOLLOWING)

            world.registry.move("staging", "2")
            await live(world, "2")

            assert states(world) == {"1": "Superseded", "2": "Live"}

    async def test_a_move_during_a_rollout_is_the_new_target(self) -> None:
        async with World() as world:
            await begun(world, FOLLOWING)
            world.registry.move("staging", "2")
            await world.until(lambda: world.status().get("candidateVersion") == "2", within=POLL)
            await world.until(lambda: world.status().get("weight", 0) > 0, within=20)

            world.registry.move("staging", "3")
            await live(world, "3")

            assert states(world) == {"1": "Superseded", "2": "Superseded", "3": "Live"}

    async def test_one_request_for_a_model_and_period_however_many_follow_it(self) -> None:
        async with World() as world:
            world.registry.register(registered("1"))
            world.registry.move("staging", "1")
            for number in range(20):
                world.apply(FOLLOWING, name=f"fraud-{number}")
            await world.start()
            await world.until(
                lambda: all(world.status(f"fraud-{number}").get("stage") == "Live" for number in range(20)), within=60
            )
            await world.run(POLL)
            world.registry.log.clear()

            await world.run(10 * 30)

            assert world.registry.log == ["aliases fraud"] * 10

    async def test_a_rejected_version_stays_rejected_while_the_alias_is_on_it(self) -> None:
        async with World() as world:
            await begun(world, FOLLOWING)
            world.registry.move("staging", "2")
            await world.until(lambda: world.status().get("candidate") is not None, within=POLL)
            world.traffic.behaviours[world.status()["candidate"]] = Behaviour(errors=0.2)
            await world.until(lambda: world.condition("RolledBack").get("status") == "True", within=120)

            await restarted(world)
            await world.run(3 * POLL)

            assert (world.status()["stableVersion"], world.status().get("candidate")) == ("1", None)
            assert world.condition("RolledBack")["status"] == "True"
            assert world.registry.alias["fraud", "staging"] == "2", "a followed alias is people's to move"

            world.registry.move("staging", "1")
            await world.until(lambda: world.condition("Ready")["status"] == "True", within=POLL)

    async def test_following_the_alias_that_would_be_written_does_not_oscillate(self) -> None:
        async with World() as world:
            await begun(world, asking(follow=True))
            world.registry.move("champion", "2")
            await live(world, "2")
            world.registry.log.clear()

            world.ask(Verb.ROLLBACK)
            await world.until(lambda: world.status().get("stableVersion") == "1", within=60)
            await world.run(5 * POLL)

            assert world.status()["stableVersion"] == "1"
            assert world.status().get("candidate") is None
            assert world.registry.alias["fraud", "champion"] == "2"
            assert not [line for line in world.registry.writes if "alias fraud champion" in line]

    @pytest.mark.parametrize("fault", ["down", "hangs", "alias gone", "model gone"])
    async def test_a_silent_registry_is_no_news(self, fault: str) -> None:
        """Not for the live version, nor after a restart, and the condition says what is wrong."""
        async with World() as world:
            await begun(world, FOLLOWING)
            before = world.store.all(DEPLOYMENTS)
            break_(world, fault)

            await world.until(lambda: world.condition("RegistrySynced")["status"] == "False", within=3 * POLL)
            await restarted(world)
            await world.run(3 * POLL)

            assert world.store.all(DEPLOYMENTS) == before
            assert world.status()["stableVersion"] == "1"
            assert world.condition("Ready")["status"] == "True"
            assert world.condition("RegistrySynced")["status"] == "False"
            mend(world)
            await world.until(lambda: world.condition("RegistrySynced")["status"] == "True", within=3 * POLL)

    @pytest.mark.parametrize("fault", ["down", "hangs", "alias gone", "model gone"])
    async def test_a_registry_that_fails_in_the_middle_delays_no_rollout_and_no_rollback(self, fault: str) -> None:
        async with World() as world:
            await begun(world, FOLLOWING)
            world.registry.move("staging", "2")
            await world.until(lambda: world.status().get("weight", 0) > 0, within=2 * POLL)
            world.traffic.behaviours[world.status()["candidate"]] = Behaviour(errors=0.2)

            break_(world, fault)
            await world.until(lambda: world.condition("RolledBack").get("status") == "True", within=20)

            assert world.status()["stableVersion"] == "1"


def break_(world: World, fault: str) -> None:
    match fault:
        case "down":
            world.registry.goes_down()
        case "hangs":
            world.registry.hangs = 25
        case "alias gone":
            del world.registry.alias["fraud", "staging"]
        case "model gone":
            world.registry.versions.clear()


def mend(world: World) -> None:
    world.registry.comes_back()
    world.registry.register(registered("1"), registered("2"))
    world.registry.move("staging", "1")


class TestWritingBack:
    async def test_aliases_and_tags_follow_a_promotion_and_a_rollback(self) -> None:
        async with World() as world:
            await begun(world, asking("models:/fraud/1"))
            assert world.registry.alias["fraud", "champion"] == "1"
            assert world.registry.said("1").keys() == {"state", "liveAt", "periods"}

            world.apply(asking("models:/fraud/2"))
            await live(world, "2")
            assert world.registry.alias["fraud", "champion"] == "2"
            assert world.registry.alias["fraud", "previous"] == "1"
            assert world.registry.said("1")["state"] == "Superseded"
            assert world.registry.said("1")["reason"] == "by version 2"

            await world.run(30)
            world.ask(Verb.ROLLBACK)
            await world.until(lambda: world.status()["stableVersion"] == "1", within=60)
            await world.run(5)

            assert world.registry.alias["fraud", "champion"] == "1"
            assert ("fraud", "previous") not in world.registry.alias
            said = world.registry.said("2")
            assert (said["state"], said["reason"]) == ("RolledBack", "RollbackRequested")
            assert said["liveAt"] < said["endedAt"]
            assert len(world.registry.said("1")["periods"].split()) == 2, "it was live twice"
            assert world.registry.said("1")["periods"].endswith("/"), "and is now"

    async def test_an_idle_deployment_costs_nothing(self) -> None:
        async with World() as world:
            await begun(world, asking())
            world.registry.log.clear()

            await world.run(3600)
            await restarted(world)
            await world.run(3600)

            assert world.registry.log == []

    async def test_own_alias_names_and_none(self) -> None:
        async with World() as world:
            await begun(world, asking("models:/fraud/1", aliases=Aliases(champion="prod", previous="")))
            world.apply(asking("models:/fraud/2", aliases=Aliases(champion="prod", previous="")))
            await live(world, "2")

            assert world.registry.alias == {
                ("fraud", "prod"): "2",
                ("fraud", "champion"): "1",
                ("fraud", "staging"): "1",
            }

    async def test_an_alias_that_somebody_else_moved_since_is_not_taken_away(self) -> None:
        async with World() as world:
            await begun(world, asking("models:/fraud/1", aliases=Aliases(champion="prod")))
            world.registry.move("prod", "3")

            world.apply(asking("models:/fraud/1", aliases=Aliases(champion="live")))
            await world.until(lambda: world.registry.alias.get(("fraud", "live")) == "1", within=10)
            await world.run(5)

            assert world.registry.alias["fraud", "prod"] == "3"

    @pytest.mark.parametrize("fault", ["down", "hangs"])
    async def test_a_registry_that_is_away_delays_no_promotion_and_is_told_when_it_is_back(self, fault: str) -> None:
        async with World() as world:
            await begun(world, asking("models:/fraud/1"))
            world.apply(asking("models:/fraud/2"))
            await world.until(lambda: world.status().get("candidate") is not None, within=10)

            break_(world, fault)
            await world.until(lambda: world.status().get("stableVersion") == "2", within=120)
            await world.until(lambda: world.condition("RegistrySynced")["status"] == "False", within=60)
            assert world.condition("Ready")["status"] == "True"
            assert world.condition("RegistrySynced")["reason"] == "RegistryUnavailable"
            assert world.registry.alias["fraud", "champion"] == "1"
            await restarted(world)

            world.registry.comes_back()
            await live(world, "2")
            assert world.registry.alias["fraud", "champion"] == "2"

    async def test_retries_become_rarer(self) -> None:
        async with World() as world:
            await begun(world, asking("models:/fraud/1"))
            world.registry.goes_down()
            world.apply(asking("models:/fraud/1", aliases=Aliases(champion="prod")))
            await world.run(120)
            world.registry.log.clear()

            await world.run(600)

            assert 9 <= len(world.registry.log) <= 14, "about one a minute"

    async def test_what_the_registry_refuses_is_said_and_the_rest_is_written(self) -> None:
        async with World() as world:
            world.registry.register(registered("1"))
            world.apply(asking("models:/fraud/1", aliases=Aliases(champion="latest")))
            await world.start()
            await world.until(lambda: world.condition("RegistrySynced").get("status") == "False", within=60)

            assert world.condition("RegistrySynced")["reason"] == "RegistryRefused"
            assert "reserved" in world.condition("RegistrySynced")["message"]
            assert world.registry.said("1")["state"] == "Live"

    async def test_a_version_that_was_deleted_from_the_registry_is_no_trouble(self) -> None:
        async with World() as world:
            await begun(world, asking("models:/fraud/1"))
            del world.registry.versions["fraud", "1"]

            world.apply(asking("models:/fraud/2", aliases=Aliases(previous="")))
            await live(world, "2")

    @pytest.mark.parametrize("moment", list(Moment))
    async def test_a_kill_between_telling_and_writing_it_down_tells_the_same_once_more(self, moment: Moment) -> None:
        async with World() as world:
            await begun(world, asking("models:/fraud/1"))
            kill = Kill(world, 1, moment)
            world.apply(asking("models:/fraud/2"))
            await world.until(lambda: world.status()["stage"] == "Soak", within=120)

            def after_telling(request: Request, when: Moment) -> None:
                if request.resource is MODEL_DEPLOYMENTS and world.registry.alias["fraud", "champion"] == "2":
                    kill(request, when)

            world.meddle = after_telling
            await world.until(lambda: kill.victim is not None, within=120, step=0.1)
            told = world.registry.writes
            await restarted(world)
            await live(world, "2")

            assert world.registry.alias["fraud", "champion"] == "2"
            assert states(world) == {"1": "Superseded", "2": "Live"}
            assert set(world.registry.writes) == set(told)

    async def test_without_a_registry_nothing_is_said_about_one(self) -> None:
        async with World() as world:
            world.apply(brisk("1"))
            await world.start()
            await world.until(lambda: world.is_live(brisk("1")), within=60)

            assert world.condition("RegistrySynced") == {}
            assert world.registry.log == []


F1 = OfflineGate(metric="f1", tolerate=0.01)


class TestOffline:
    async def rolled(self, world: World, *, old: float | None, new: float | None, **policy: Any) -> None:
        """Version 1 is live with one f1, and version 2 with another is asked for."""
        for version, value in (("1", old), ("2", new)):
            world.registry.register(registered(version, metrics={} if value is None else {"f1": value}))
        world.apply(asking("models:/fraud/1", offline=(F1,), **policy))
        await world.start()
        await live(world, "1")
        world.apply(asking("models:/fraud/2", offline=(F1,), **policy))

    async def test_a_worse_one_gets_no_pod(self) -> None:
        async with World() as world:
            pods = []
            world.store.listeners.append(
                lambda change: pods.append(change.body["spec"]["replicas"]) if change.resource is DEPLOYMENTS else None
            )
            await self.rolled(world, old=0.91, new=0.88)
            await world.until(lambda: states(world).get("2") == "Rejected", within=10)
            first_install = [3]

            assert [count for count in pods if count] == first_install * len([count for count in pods if count])
            (record,) = [one for one in revisions(world)["2"]["status"]["decisions"] if one["reason"] == "OfflineWorse"]
            assert "f1 of the candidate is 0.88, of the live version 0.91; higher is better" in record["message"]
            assert (record["verdict"], record["gate"]) == ("Fail", "f1")
            assert world.condition("RolledBack")["status"] == "True"
            await world.run(100)
            assert world.status()["stableVersion"] == "1"
            assert world.registry.said("2")["state"] == "Rejected"

    async def test_one_that_is_as_good_goes_on(self) -> None:
        async with World() as world:
            await self.rolled(world, old=0.91, new=0.9)
            await live(world, "2")

            changes = revisions(world)["2"]["status"]["changes"]["entries"]
            assert "metric f1: 0.91 → 0.9" in changes
            reasons = [one["reason"] for one in revisions(world)["2"]["status"]["decisions"]]
            assert reasons[:2] == ["RolloutStarted", "OfflinePassed"]

    async def test_a_metric_that_is_logged_later_is_waited_for(self) -> None:
        async with World() as world:
            await self.rolled(world, old=0.91, new=None)
            await world.run(100)
            assert (world.status()["stage"], world.condition("Ready")["reason"]) == ("Evaluate", "NoData")
            assert "the registry has no metric f1 of version 2; log it" in world.condition("Ready")["message"]

            world.registry.register(registered("2", metrics={"f1": 0.95}))
            await live(world, "2")

    @pytest.mark.parametrize(
        ("choice", "state"),
        [(Inconclusive.PAUSE, "Evaluating"), (Inconclusive.ROLLBACK, "Rejected"), (Inconclusive.PROMOTE, "Live")],
    )
    async def test_after_its_time_the_policy_decides(self, choice: Inconclusive, state: str) -> None:
        async with World() as world:
            await self.rolled(world, old=0.91, new=None, on_inconclusive=choice, max_duration="1m")

            await world.until(lambda: states(world).get("2") == state, within=240)
            await world.run(90)

            assert states(world)["2"] == state
            assert (world.condition("Paused")["status"] == "True") is (choice is Inconclusive.PAUSE)

    async def test_models_that_come_from_no_registry_hold(self) -> None:
        def plain(version: str) -> ModelDeploymentSpec:
            spec = brisk(version, stages=(CANARY, SOAK))
            return spec.model_copy(update={"rollout": spec.rollout.model_copy(update={"offline": (F1,)})})

        async with World() as world:
            world.apply(plain("1"))
            await world.start()
            await world.until(lambda: world.status().get("stage") == "Live", within=60)
            world.apply(plain("2"))
            await world.run(100)

            assert (world.status()["stage"], world.condition("Ready")["reason"]) == ("Evaluate", "NoData")
            assert "no metric f1 of version 2 and version 1" in world.condition("Ready")["message"]
            assert (
                world.store.get(DEPLOYMENTS, NAMESPACE, f"{NAME}-{world.status()['candidate']}")["spec"]["replicas"]
                == 0
            )
