"""What a long history costs: sixty versions, fifty of which are kept. Counted in objects, requests and bytes."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest_asyncio

from modelrollout.adapters.kubernetes import MODEL_REVISIONS, ROLLOUT_ACTIONS
from modelrollout.api.modeldeployment import ModelDeploymentSpec
from modelrollout.api.rollout import DEFAULT_GATES
from modelrollout.api.rolloutaction import Verb
from modelrollout.runtime.cache import WATCHED
from modelrollout.runtime.templates import WATCHED_TEMPLATES
from tests.bench.sizes import size, weigh
from tests.bench.table import show
from tests.builders import NAME, NAMESPACE
from tests.faults.scenarios import LIMIT_SECONDS
from tests.faults.store import RESOURCES
from tests.faults.world import World, brisk

KEPT = 50
VERSIONS = 60
EVERY = 10


def version(number: int, *, kept: int = KEPT) -> ModelDeploymentSpec:
    """Shadow, canary and soak with the gates that people get when they say nothing, half a minute long."""
    return brisk(str(number), gates=DEFAULT_GATES).model_copy(update={"revision_history_limit": kept})


@dataclass(frozen=True)
class Sample:
    """How things stand when so many versions have gone live, one after the other."""

    versions: int
    revisions: int
    objects: int
    largest: int
    listed: int
    status: int
    cached: int
    restart: Counter[str]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def samples() -> AsyncIterator[list[Sample]]:
    taken: list[Sample] = []
    async with World() as world:
        await world.start()
        for number in range(1, VERSIONS + 1):
            made = version(number)
            world.apply(made)
            await world.until(lambda made=made: world.is_live(made), within=LIMIT_SECONDS, step=2.0)  # type: ignore[misc]
            if number % EVERY == 0:
                await world.run(15)
                taken.append(await sample(world, number))
        yield taken


async def sample(world: World, versions: int) -> Sample:
    """With a restart, whose requests are counted until nothing is left to do."""
    await world.end(world.processes[-1])
    process = await world.start()
    await world.run(120)
    revisions = world.store.all(MODEL_REVISIONS)
    return Sample(
        versions=versions,
        revisions=len(revisions),
        objects=sum(len(world.store.look(kind)) for kind in RESOURCES if kind.plural != "events"),
        largest=max(size(body) for body in revisions),
        listed=size(revisions),
        status=size(world.status()),
        cached=weigh(process.cache.family((NAMESPACE, NAME)), set()),
        restart=Counter(f"{request.verb} {request.resource.plural}" for request in world.lines[-1].log),
    )


def test_a_long_history(samples: list[Sample]) -> None:
    """Objects and bytes stop growing at the limit; the ModelDeployment and each revision never grow."""
    rows = [
        (one.versions, one.revisions, one.objects, one.largest, one.listed, one.status, one.cached, one.restart.total())
        for one in samples
    ]
    columns = ("versions", "revisions", "objects", "largest", "list", "status", "cache", "requests of a restart")
    show(f"A history of versions, revisionHistoryLimit {KEPT}: objects, bytes, requests", columns, rows)
    first, last = samples[0], samples[-1]
    full = next(one for one in samples if one.versions == KEPT)

    assert [one.revisions for one in samples] == [min(KEPT, one.versions) for one in samples]
    assert last.objects == full.objects
    # Not to the byte: the names of later versions are a character longer.
    assert last.listed <= full.listed * 1.02
    assert last.cached <= full.cached * 1.02
    assert max(one.largest for one in samples) <= 8000
    assert full.listed <= KEPT * 8000
    assert last.status <= first.status + 10
    assert full.cached <= KEPT * 6_000


def test_a_restart_lists_each_kind_once_however_long_the_history_is(samples: list[Sample]) -> None:
    wanted = Counter(f"list {kind.plural}" for kind in (*WATCHED, *WATCHED_TEMPLATES))
    assert [one.restart for one in samples] == [wanted] * len(samples)


async def test_a_smaller_limit_removes_what_is_too_much_and_nothing_that_is_needed() -> None:
    async with World() as world:
        await world.start()
        for number in range(1, 7):
            made = version(number)
            world.apply(made)
            await world.until(lambda made=made: world.is_live(made), within=LIMIT_SECONDS, step=2.0)  # type: ignore[misc]
        before = len(world.lines[-1].log)

        world.apply(version(6, kept=2))
        await world.run(10)

        kept = {body["spec"]["model"]["version"] for body in world.store.all(MODEL_REVISIONS)}
        asked = world.lines[-1].log[before:]
        assert kept == {"6", "5"}
        assert len({str(request) for request in asked}) == 5  # four are removed, and the status is written
        assert len(asked) <= 6


async def test_answered_actions_are_bounded_too() -> None:
    """Each asks for what does not fit, so that nothing else happens."""
    async with World() as world:
        await world.start()
        world.apply(version(1))
        await world.until(lambda: world.is_live(version(1)), within=60)
        for number in range(1, 71):
            world.ask(Verb.RESUME, reason=f"number {number}")
            await world.run(1)
        kept, told = len(world.store.look(ROLLOUT_ACTIONS)), len(world.status()["actions"])
        show("Actions", ("asked", "kept", "in the status"), [(70, kept, told)])
        assert (kept, told) == (50, 10)
