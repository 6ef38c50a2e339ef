"""What a rollout costs others: queries to Prometheus, requests to the API server, bytes in its store. Counted exactly.

Virtual time and a simulated cluster; the policy is the one that people get when they say nothing about gates.
"""

from collections import Counter
from collections.abc import Iterable

import pytest

from modelrollout.adapters.queries import URL_LIMIT, PodSelector, family, split
from modelrollout.api.gates import Signal
from modelrollout.api.modeldeployment import ModelDeploymentSpec
from modelrollout.api.modelrevision import MAX_DECISIONS, MAX_HISTORY
from modelrollout.api.rollout import DEFAULT_GATES, CanaryStage, ShadowStage, SoakStage, Stage
from modelrollout.api.serving import Server
from modelrollout.runtime.cache import Family
from tests import builders
from tests.bench.canaries import applied, asked_in_a_minute, comparing, places
from tests.bench.sizes import size, weigh
from tests.bench.table import show
from tests.builders import NAME, NAMESPACE
from tests.faults.direct import Request
from tests.faults.scenarios import Scenario, play
from tests.faults.traffic import Behaviour
from tests.faults.world import World

USUAL = (
    Stage(shadow=ShadowStage()),
    Stage(canary=CanaryStage(weights=(5, 25, 50), hold_for="2m")),
    Stage(soak=SoakStage(hold_for="5m")),
)


def usual(version: str, *, stages: tuple[Stage, ...] = USUAL) -> ModelDeploymentSpec:
    """Intervals, warm-up and gates as they are by default; a canary of six minutes."""
    return builders.spec(version, stages=stages, gates=DEFAULT_GATES)


def with_alerts(spec: ModelDeploymentSpec) -> ModelDeploymentSpec:
    return spec.model_copy(update={"rollout": spec.rollout.model_copy(update={"alerts": (builders.pages(),)})})


GOOD = Scenario("good", usual("1"), usual("2"))
BAD_ONE = Scenario("bad", usual("1"), usual("3", stages=USUAL[1:]), Behaviour(errors=0.02))


# Prometheus


@pytest.mark.parametrize("rollouts", [1, 10, 100])
async def test_queries_of_a_tick_do_not_grow_with_the_number_of_rollouts(rollouts: int) -> None:
    """Two gates of two signals are two families, whoever asks: all of these rollouts are in a canary, in ten teams."""
    where = places(rollouts)
    async with World(requests_per_second=40) as world:
        await world.start()
        for version in ("1", "2"):
            await applied(world, comparing(version), where)
        asked = await asked_in_a_minute(world, where)
        ticks, queries = len({at for _, at in asked}), len(asked)
        show(
            f"Prometheus, {rollouts} active rollouts",
            ("ticks", "queries", "queries a tick", "longest query"),
            [(ticks, queries, queries / ticks, max(len(query) for query, _ in asked))],
        )
        assert ticks == 12
        assert queries == 2 * ticks


@pytest.mark.parametrize("rollouts", [1, 100])
async def test_alerts_cost_one_query_a_tick_whoever_has_policies(rollouts: int) -> None:
    """In a canary and in a soak, in ten teams; nobody asks before a rollout, and nobody after it."""
    where = places(rollouts)
    async with World(requests_per_second=40) as world:
        await world.start()
        await applied(world, with_alerts(comparing("1")), where)
        idle = len(world.prometheus.asked)
        await applied(world, with_alerts(comparing("2")), where)
        asked = await asked_in_a_minute(world, where)
        ticks, for_alerts = len({at for _, at in asked}), sum("ALERTS" in query for query, _ in asked)
        title = f"Prometheus, {rollouts} active rollouts with alerts"
        show(title, ("ticks", "queries", "for alerts", "when idle"), [(ticks, len(asked), for_alerts, idle)])
        assert (ticks, for_alerts, len(asked), idle) == (12, 12, 36, 0)


async def test_an_alert_that_is_watched_for_in_a_soak_costs_no_request_to_the_api_server() -> None:
    stages = (Stage(canary=CanaryStage(weights=(50,), hold_for="10s")), Stage(soak=SoakStage(hold_for="1h")))
    new = with_alerts(usual("2", stages=stages))
    async with World() as world:
        await Scenario("soak", usual("1"), new).begin(world)
        world.apply(new)
        await world.until(lambda: world.status().get("stage") == "Soak", within=600)
        await world.run(60)
        before = len(world.lines[0].log)
        world.prometheus.asked.clear()
        await world.run(600)
        requests, queries = len(world.lines[0].log) - before, len(world.prometheus.asked)
        show("Ten minutes of a soak with alerts", ("API requests", "queries"), [(requests, queries)])
        assert (requests, queries) == (0, 120)


def selectors(rollouts: int, *, teams: int, length: int) -> list[PodSelector]:
    return [PodSelector(f"team-{n % teams}", f"model-{n}".ljust(length, "x")) for n in range(rollouts)]


@pytest.mark.parametrize(("length", "most"), [(12, 369), (20, 241), (40, 128)])
def test_where_one_query_becomes_two(length: int, most: int) -> None:
    """By length of the deployments' names: so many fit into one URL."""
    by_errors = family(Server.MLSERVER, Signal.ERRORS)
    fitting = next(n for n in range(1, 2000) if len(split(by_errors, selectors(n, teams=10, length=length))) > 1) - 1
    show("One query for", ("length of names", "rollouts", "bytes"), [(length, fitting, URL_LIMIT)])
    assert fitting == most


async def test_idle_deployments_are_not_asked_about() -> None:
    async with World() as world:
        await GOOD.begin(world)
        world.prometheus.asked.clear()
        await world.run(3600)
        assert world.prometheus.asked == []


# The API server


def by_kind(requests: Iterable[Request]) -> Counter[str]:
    return Counter(f"{request.verb} {request.resource.plural}" for request in requests)


@pytest.mark.parametrize(("scenario", "most"), [(GOOD, 75), (BAD_ONE, 30)], ids=["good", "bad"])
async def test_requests_of_a_whole_rollout_are_writes_and_few(scenario: Scenario, most: int) -> None:
    async with World() as world:
        await scenario.begin(world)
        before, began = len(world.lines[0].log), world.clock.monotonic()
        await play(scenario, world, within=3600)
        requests, minutes = world.lines[0].log[before:], (world.clock.monotonic() - began) / 60
    counts = by_kind(requests)
    title = f"API requests of a {scenario.name} rollout ({minutes:.1f} minutes, until the old pods are gone)"
    show(title, ("request", "times"), [*sorted(counts.items()), ("all", counts.total())])
    assert all(request.is_write for request in requests)
    assert len(requests) <= most
    assert counts["apply deployments"] <= 3


async def test_requests_of_a_canary_a_minute_are_within_the_budget() -> None:
    """Ten minutes of a canary in which nothing is decided; the Lease is the operator's, not a rollout's."""
    async with World(requests_per_second=40) as world:
        await Scenario("endless", comparing("1"), comparing("2")).begin(world)
        world.apply(comparing("2"))
        await world.until(lambda: world.status().get("weight") == 5, within=120)
        await world.run(120)
        before = len(world.lines[0].log)
        await world.run(600)
        assert (world.status()["stage"], world.status()["weight"]) == ("Canary", 5)
        requests = world.lines[0].log[before:]
        counts = by_kind(requests)
        rows = [*((name, count / 10) for name, count in sorted(counts.items())), ("all", len(requests) / 10)]
        show("API requests a minute of one rollout in a canary", ("request", "a minute"), rows)
        assert len(requests) / 10 <= 8


async def test_requests_of_an_idle_and_of_a_rolled_back_deployment_are_none() -> None:
    async with World() as world:
        await BAD_ONE.begin(world)
        await world.run(60)
        before = len(world.lines[0].log)
        await world.run(3600)
        idle = len(world.lines[0].log) - before
        await play(BAD_ONE, world)
        await world.run(60)
        before = len(world.lines[0].log)
        await world.run(3600)
        rolled_back = len(world.lines[0].log) - before
        show("API requests in an hour", ("deployment", "requests"), [("idle", idle), ("rolled back", rolled_back)])
        assert (idle, rolled_back) == (0, 0)


# Bytes


async def test_bytes_of_the_status_of_a_revision() -> None:
    async with World() as world:
        await GOOD.begin(world)
        await play(GOOD, world, within=3600)
        typical = world.revision(GOOD.new)["status"]
        largest = max(typical["decisions"], key=size)
        full = {
            **typical,
            "decisions": [{**largest, "message": "m" * 300}] * MAX_DECISIONS,
            "history": [typical["history"][0]] * MAX_HISTORY,
        }
        whole = size(world.status())
        rows = [
            ("evidence of two gates", size(typical["evidence"])),
            ("largest decision", size(largest)),
            (f"revision, {len(typical['decisions'])} decisions", size(typical)),
            (f"revision, full: {MAX_DECISIONS} decisions of long words", size(full)),
            ("deployment", whole),
        ]
        show("Bytes of status, as JSON", ("what", "bytes"), rows)
        sums = {part: value for part, value in typical["evidence"].items() if part != "numbers"}
        assert size(sums) <= 1200
        assert size(typical["evidence"]["numbers"]) <= 500, "the same for people, who need no sums"
        assert size(typical) <= 6000
        assert size(full) <= 32_000
        assert whole <= 3000


async def test_objects_and_bytes_in_the_cache_of_one_rollout() -> None:
    async with World(requests_per_second=40) as world:
        await Scenario("endless", comparing("1"), comparing("2")).begin(world)
        world.apply(comparing("2"))
        await world.until(lambda: world.status().get("weight") == 5, within=120)
        family_: Family = world.processes[0].cache.family((NAMESPACE, NAME))
        parts = (family_.revisions, family_.workloads, family_.services, family_.pods, family_.routes)
        objects = 1 + sum(len(views) for views in parts)
        held = weigh(family_, set())
        show("The cache of one rollout", ("objects", "bytes"), [(objects, held)])
        assert objects == 1 + 2 + 2 + 3 + len(family_.pods) + 1
        assert held <= 64_000
