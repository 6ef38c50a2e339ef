"""After the promotion of the traffic: what turns bad in the soak goes back by itself, and what does not goes live."""

from modelrollout.api.modelrevision import StoredEvidence
from tests.builders import id_of
from tests.faults.scenarios import LATE, Scenario, play
from tests.faults.world import BAD, CANARY, HELD_BACK, SOAK, World, brisk, total

STEADY = Scenario("steady", brisk("1"), brisk("2", stages=(CANARY, HELD_BACK)))
UNWATCHED = Scenario("unwatched", brisk("1"), brisk("2", stages=(CANARY, SOAK)))


async def test_a_version_that_turns_bad_in_the_soak_is_taken_back_to_pods_that_are_warm() -> None:
    async with World() as world:
        await LATE.begin(world)
        old = set(world.traffic.pods(id_of(LATE.winner)))
        LATE.act(world)
        await world.until(lambda: world.status().get("stage") == "Soak", within=120)
        began = world.clock.monotonic()
        assert world.weight(LATE.new) == 80

        await world.until(lambda: world.status().get("stage") == "Live", within=60)

        assert world.weight(LATE.new) == 0
        record = world.revision(LATE.new)["status"]["decisions"][-1]
        assert (record["reason"], record["stage"], record["weight"], record["gate"]) == (
            "EvidenceOfHarm",
            "Soak",
            80,
            "errors",
        )
        assert world.condition("RolledBack")["status"] == "True"
        assert world.clock.monotonic() - began < 55  # and not when the soak is over
        assert set(world.traffic.pods(id_of(LATE.winner))) == old


async def test_a_good_version_goes_live_and_the_evidence_of_the_soak_is_that_of_the_canary_continued() -> None:
    async with World() as world:
        await STEADY.begin(world)
        STEADY.act(world)
        await world.until(lambda: world.status().get("stage") == "Soak", within=120)
        passed = StoredEvidence.model_validate(world.revision(STEADY.new)["status"]["evidence"])
        await play(STEADY, world)
        last = world.watchdog.last_evidence[world.revision(STEADY.new)["metadata"]["name"]]
        assert total(last, "candidate") > 2 * total(passed, "candidate")
        assert total(last, "stable") > total(passed, "stable")


async def test_a_restart_in_the_soak_goes_on_from_the_written_evidence() -> None:
    async with World() as world:
        await LATE.begin(world)
        LATE.act(world)
        await world.until(lambda: world.status().get("stage") == "Soak", within=120)
        await world.end(world.processes[0])
        await world.run(3)
        await world.start()
        await world.until(lambda: world.status().get("rejected") == id_of(LATE.new), within=55)
        assert world.revision(LATE.new)["status"]["decisions"][-1]["stage"] == "Soak"


async def test_without_a_holdback_nothing_is_asked_and_nothing_is_judged() -> None:
    """Traffic of one version has nothing to be compared with: README and docs/statistics.md say so."""
    async with World() as world:
        await UNWATCHED.begin(world)
        UNWATCHED.act(world)
        await world.until(lambda: world.status().get("stage") == "Soak", within=120)
        world.traffic.turn(id_of(UNWATCHED.new), BAD)
        world.prometheus.asked.clear()
        await world.until(lambda: world.is_live(UNWATCHED.new), within=60)
        assert world.prometheus.asked == []
