"""Writes that the API server refuses, answers too late or answers not at all: the rollout ends as if nothing was."""

from collections import Counter
from collections.abc import Callable

import pytest

from modelrollout.adapters.kubernetes import ApiError, Conflict, TooManyRequests, Unreachable
from tests.faults.direct import Moment, Request
from tests.faults.scenarios import BAD_ONE, GOOD, SCENARIOS, Scenario, differences, play, recorded
from tests.faults.world import World

REFUSALS: dict[str, tuple[Moment, Callable[[], ApiError]]] = {
    "conflict": (Moment.BEFORE, lambda: Conflict(409, "Conflict", "the object has been modified")),
    "too-many-requests": (Moment.BEFORE, lambda: TooManyRequests(429, "TooManyRequests", "", retry_after_seconds=3)),
    "internal-error": (Moment.BEFORE, lambda: Unreachable(500, "InternalError", "etcdserver: leader changed")),
    "timeout-after-commit": (Moment.AFTER, lambda: Unreachable(504, "Timeout", "request did not complete in time")),
    "lost-answer": (Moment.AFTER, lambda: Unreachable(0, "ServerDisconnectedError", "Server disconnected")),
}


class EverySecond:
    """The first write of an object goes wrong, the second does not, and so on."""

    def __init__(self, moment: Moment, error: Callable[[], ApiError]) -> None:
        self._moment = moment
        self._error = error
        self._count: Counter[tuple[str, str]] = Counter()
        self.raised = 0

    def __call__(self, request: Request, moment: Moment) -> None:
        place = (request.resource.plural, request.name)
        self._count[place] += moment is Moment.BEFORE
        if moment is self._moment and self._count[place] % 2 == 1:
            self.raised += 1
            raise self._error()


@pytest.mark.parametrize("kind", list(REFUSALS))
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
async def test_every_second_write_goes_wrong_and_the_end_is_the_same(scenario: Scenario, kind: str) -> None:
    writes, undisturbed = await recorded(scenario)
    async with World() as world:
        await scenario.begin(world)
        meddle = world.meddle = EverySecond(*REFUSALS[kind])
        await play(scenario, world)
        assert meddle.raised >= len({(write.resource, write.name) for write in writes if write.verb != "create"})
        assert not differences(world.picture(), undisturbed)


@pytest.mark.parametrize("kind", ["conflict", "lost-answer"])
@pytest.mark.parametrize("scenario", [GOOD, BAD_ONE], ids=lambda scenario: scenario.name)
async def test_any_single_write_goes_wrong_and_the_end_is_the_same(scenario: Scenario, kind: str) -> None:
    writes, undisturbed = await recorded(scenario)
    at, error = REFUSALS[kind]
    wrong = []
    for number, request in enumerate(writes, start=1):
        async with World() as world:
            await scenario.begin(world)
            count = 0

            def meddle(_: Request, moment: Moment, number: int = number) -> None:
                nonlocal count
                count += moment is Moment.BEFORE
                if count == number and moment is at:
                    raise error()

            world.meddle = meddle
            try:
                await play(scenario, world)
                assert not differences(world.picture(), undisturbed)
            except AssertionError as failure:
                wrong.append(f"write {number}, {request}: {str(failure).splitlines()[0]}")
    assert not wrong, f"{len(wrong)} of {len(writes)}:\n" + "\n".join(wrong)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
async def test_a_server_that_refuses_all_for_a_while_delays_the_end_and_nothing_else(scenario: Scenario) -> None:
    _, undisturbed = await recorded(scenario)
    async with World() as world:
        await scenario.begin(world)
        began = world.clock.monotonic()

        def meddle(_: Request, moment: Moment) -> None:
            if 2 <= world.clock.monotonic() - began < 32 and moment is Moment.BEFORE:
                raise Unreachable(503, "ServiceUnavailable", "apiserver is shutting down")

        world.meddle = meddle
        await play(scenario, world)
        assert not differences(world.picture(), undisturbed)
