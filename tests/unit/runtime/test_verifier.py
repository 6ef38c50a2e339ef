"""Candidates are asked what they serve: beside the reconciles, again while nobody answers, and never once they have."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from modelrollout.adapters.modelserver import NoAnswer, Refusal
from modelrollout.api.contract import Contract, Verify
from modelrollout.runtime.queue import Key
from modelrollout.runtime.verifier import Question, Verifier
from tests.clock import ManualClock
from tests.faults.modelserver import MemoryModelServer

KEY: Key = ("payments", "fraud")
CONTRACT = Contract.model_validate(
    {
        "inputs": [{"name": "x", "type": "float"}],
        "outputs": [{"name": "y", "type": "float"}],
        "example": {"x": 1.5},
    }
)
METADATA: dict[str, Any] = {
    "inputs": [{"name": "x", "datatype": "FP64", "shape": [-1]}],
    "outputs": [{"name": "y", "datatype": "FP64", "shape": [-1]}],
}
ANSWER: dict[str, Any] = {"outputs": [{"name": "y", "datatype": "FP64", "shape": [1], "data": [0.5]}]}


def question(revision: str = "aaaaaaaaaa", *, served: bool = True, example: bool = False) -> Question:
    verify = Verify(served=served, example=example)
    return Question(revision=revision, url="http://fraud", model="fraud", contract=CONTRACT, verify=verify)


class Place:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.server = MemoryModelServer()
        self.woken: list[Key] = []
        self.verifier = Verifier(self.server, self.clock, self.woken.append)


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    made = Place()
    yield made
    await made.verifier.close()


async def test_who_answers_is_asked_once_and_the_rollout_is_woken(place: Place) -> None:
    place.server.metadata_of["fraud"] = METADATA
    for _ in range(3):
        place.verifier.ask(KEY, question())
        await place.clock.run(100)

    told = place.verifier.told(KEY, "aaaaaaaaaa")
    assert told is not None
    assert (told.findings, told.unanswered) == ((), None)
    assert place.server.asked == [("metadata", "http://fraud")]
    assert place.woken == [KEY]


async def test_who_does_not_answer_is_asked_again_less_and_less_often_and_wakes_once(place: Place) -> None:
    place.verifier.ask(KEY, question())
    await place.clock.run(1)
    first = place.verifier.told(KEY, "aaaaaaaaaa")
    assert first is not None
    assert first.unanswered == "nobody is there"
    await place.clock.run(300)
    asked = len(place.server.asked)
    assert 7 <= asked <= 10
    assert place.woken == [KEY]

    place.server.metadata_of["fraud"] = METADATA
    await place.clock.run(61)

    told = place.verifier.told(KEY, "aaaaaaaaaa")
    assert told is not None
    assert told.unanswered is None
    assert place.woken == [KEY, KEY]


async def test_a_difference_is_a_finding(place: Place) -> None:
    place.server.metadata_of["fraud"] = {**METADATA, "outputs": []}
    place.verifier.ask(KEY, question())
    await place.clock.run(1)

    told = place.verifier.told(KEY, "aaaaaaaaaa")
    assert told is not None
    assert [one.field for one in told.findings] == ["outputs[y]"]


async def test_the_example_is_sent_where_it_is_wanted(place: Place) -> None:
    place.server.metadata_of["fraud"] = METADATA
    place.server.answers_of["fraud"] = ANSWER
    place.verifier.ask(KEY, question(example=True))
    await place.clock.run(1)

    told = place.verifier.told(KEY, "aaaaaaaaaa")
    assert told is not None
    assert told.findings == ()
    assert place.server.bodies == [{"inputs": [{"name": "x", "datatype": "FP64", "shape": [1, 1], "data": [1.5]}]}]


async def test_a_server_that_declares_something_else_is_not_sent_the_example(place: Place) -> None:
    place.server.metadata_of["fraud"] = {**METADATA, "outputs": []}
    place.server.answers_of["fraud"] = Refusal(500, "it broke")
    place.verifier.ask(KEY, question(example=True))
    await place.clock.run(1)

    told = place.verifier.told(KEY, "aaaaaaaaaa")
    assert told is not None
    assert (len(told.findings), told.unanswered, place.server.bodies) == (1, None, [])


@pytest.mark.parametrize(
    ("failure", "unanswered", "found_after"),
    [
        (Refusal(400, "it is wrong"), False, 0),
        (Refusal(500, "it broke"), True, 10),
        (Refusal(503, "it loads"), True, None),
        (Refusal(429, "too many"), True, None),
        (NoAnswer("no answer within 10 s"), True, None),
    ],
)
async def test_a_model_that_fails_on_its_example_is_told_from_a_server_that_is_not_there_yet(
    place: Place, failure: NoAnswer, unanswered: bool, found_after: float | None
) -> None:
    place.server.metadata_of["fraud"] = METADATA
    place.server.answers_of["fraud"] = failure
    place.verifier.ask(KEY, question(example=True))
    await place.clock.run(1)
    first = place.verifier.told(KEY, "aaaaaaaaaa")
    assert first is not None
    assert (first.unanswered is not None) == unanswered

    await place.clock.run(100)

    told = place.verifier.told(KEY, "aaaaaaaaaa")
    assert told is not None
    assert bool(told.findings) == (found_after is not None)


async def test_a_server_that_does_not_know_the_model_is_told_with_the_remedy(place: Place) -> None:
    place.server.metadata_of["fraud"] = Refusal(404, "GET … answers 404: no such model")
    place.verifier.ask(KEY, question())
    await place.clock.run(1)

    told = place.verifier.told(KEY, "aaaaaaaaaa")
    assert told is not None
    assert told.unanswered is not None
    assert "contract.verify.model says what the server calls the model" in told.unanswered


async def test_what_is_known_is_of_one_candidate(place: Place) -> None:
    place.server.metadata_of["fraud"] = METADATA
    place.verifier.ask(KEY, question())
    await place.clock.run(1)

    assert place.verifier.told(KEY, "bbbbbbbbbb") is None
    place.verifier.ask(KEY, question("bbbbbbbbbb"))
    assert place.verifier.told(KEY, "aaaaaaaaaa") is None
    await place.clock.run(1)
    assert place.verifier.told(KEY, "bbbbbbbbbb") is not None


async def test_nobody_is_asked_any_more_once_the_rollout_is_over(place: Place) -> None:
    place.verifier.ask(KEY, question())
    await place.clock.run(1)
    asked = len(place.server.asked)

    place.verifier.forget(KEY)
    await place.clock.run(300)

    assert len(place.server.asked) == asked
    assert place.verifier.told(KEY, "aaaaaaaaaa") is None


async def test_eight_are_asked_at_once_and_the_others_wait(place: Place) -> None:
    at_once = most = 0
    going_on = asyncio.Event()

    class Slow(MemoryModelServer):
        async def metadata(self, url: str, model: str) -> Any:
            nonlocal at_once, most
            at_once += 1
            most = max(most, at_once)
            await going_on.wait()
            at_once -= 1
            return METADATA

    verifier = Verifier(Slow(), place.clock, place.woken.append)
    for number in range(20):
        verifier.ask(("payments", f"m{number}"), question())
    await place.clock.run(1)
    assert most == 8
    going_on.set()
    await place.clock.run(1)
    assert len(place.woken) == 20
    await verifier.close()
