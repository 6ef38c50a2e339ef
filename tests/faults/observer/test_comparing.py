"""What the observer says when versions agree, disagree, or do not answer."""

import asyncio
import gzip
import json
from pathlib import Path

import pytest
from aiohttp import web

from tests.faults.observer.world import CANDIDATE, LIVE, Behaviour, ObserverWorld, answer, question, saying

AGREEING = answer(label=[1], score=[0.5])
OTHER_LABEL = answer(label=[0], score=[0.5])


async def test_versions_that_say_the_same_agree(tmp_path: Path) -> None:
    async with ObserverWorld(tmp_path, live=saying(AGREEING), candidate=saying(AGREEING)) as world:
        assert [await world.send(question(1.0)) for _ in range(20)] == [202] * 20
        await world.settled(pairs=20)
        assert world.counts("pairs_total", "output", "result") == {
            ("", "agree"): 20,
            ("label", "agree"): 20,
            ("score", "agree"): 20,
        }
        assert world.counts("duration_seconds_count", "arm") == {"live": 20, "candidate": 20}
        assert world.requests == {"received": 20, "sampled": 20}
        assert await world.disagreements() == []


async def test_a_disagreement_is_counted_and_shown(tmp_path: Path) -> None:
    async with ObserverWorld(tmp_path, live=saying(AGREEING), candidate=saying(OTHER_LABEL)) as world:
        await world.send(question(12.5), headers={"x-request-id": "abc"})
        await world.settled(pairs=1)
        assert world.counts("pairs_total", "output", "result") == {
            ("", "disagree"): 1,
            ("label", "disagree"): 1,
            ("score", "agree"): 1,
        }
        (example,) = await world.disagreements()
        assert example["request"] == "abc"
        assert example["outputs"] == {"label": {"reason": "1 of 1 values differ", "live": [1], "candidate": [0]}}
        assert example["asked"]["inputs"][0]["data"] == [12.5]
        assert world.counts("pairs_total", "modeldeployment", "live", "candidate") == {("fraud", LIVE, CANDIDATE): 3}


async def test_what_is_to_be_hidden_is_not_shown(tmp_path: Path) -> None:
    observe = {"redact": ["amount", "label"]}
    async with ObserverWorld(tmp_path, live=saying(AGREEING), candidate=saying(OTHER_LABEL), observe=observe) as world:
        await world.send(question(12.5), path="/v2/models/fraud/infer?user=jane", headers={"authorization": "Bearer x"})
        await world.settled(pairs=1)
        shown = await world.page("/disagreements")
        assert "[redacted]" in shown
        for secret in ("12.5", "jane", "Bearer", '"live": [1]'):
            assert secret not in shown


async def test_the_live_version_is_compared_with_itself(tmp_path: Path) -> None:
    turns = 0

    async def wavering(_: web.Request) -> web.StreamResponse:
        nonlocal turns
        turns += 1
        return web.json_response(answer(label=[turns % 2]))

    async with ObserverWorld(tmp_path, live=wavering, candidate=saying(AGREEING), observe={"noiseShare": 1}) as world:
        for number in range(10):
            await world.send(question(number))
            await world.settled(pairs=number + 1)
        assert world.counts("noise_pairs_total", "output", "result") == {
            ("", "disagree"): 10,
            ("label", "disagree"): 10,
        }
        assert len(world.live.asked) == 20


@pytest.mark.parametrize("packed", [False, True])
async def test_the_same_body_reaches_both_without_credentials(tmp_path: Path, packed: bool) -> None:
    body = gzip.compress(question(3.25)) if packed else question(3.25)
    headers = {
        "authorization": "Bearer secret",
        "cookie": "session=1",
        "x-api-key": "k",
        "x-tenant": "north",
        "x-kept-token": "t",
        "host": "fraud.example.com-shadow:8080",
        "traceparent": "00-1-1-01",
        **({"content-encoding": "gzip"} if packed else {}),
    }
    async with ObserverWorld(
        tmp_path, live=saying(AGREEING), candidate=saying(AGREEING), observe={"keepHeaders": ["X-Kept-Token"]}
    ) as world:
        await world.send(body, headers=headers)
        await world.settled(pairs=1)
        assert world.candidate is not None
        for model in (world.live, world.candidate):
            ((seen, received),) = model.asked
            assert received == question(3.25)
            assert seen["x-tenant"] == "north"
            assert seen["x-kept-token"] == "t"
            assert seen["x-modelrollout-replay"] == "1"
            assert seen["host"] == "fraud.example.com:8080"
            assert not {"authorization", "cookie", "x-api-key", "traceparent"} & seen.keys()


@pytest.mark.parametrize(
    ("live", "candidate", "arm", "kind"),
    [
        (saying(AGREEING), saying({"error": "no"}, status=500), "candidate", "status"),
        (saying({"error": "no"}, status=500), saying(AGREEING), "live", "status"),
        (saying({"error": "no"}, status=400), saying({"error": "no"}, status=400), "both", "status"),
        (saying(AGREEING), saying({"error": "no"}), "candidate", "unreadable"),
        (saying({}), saying(AGREEING), "live", "unreadable"),
    ],
)
async def test_where_there_is_nothing_to_compare_it_says_whose_fault_that_is(
    tmp_path: Path, live: Behaviour, candidate: Behaviour, arm: str, kind: str
) -> None:
    async with ObserverWorld(tmp_path, live=live, candidate=candidate) as world:
        await world.send(question(1.0))
        await world.settled(pairs=1)
        assert world.counts("failed_pairs_total", "arm", "kind") == {(arm, kind): 1}
        assert world.counts("pairs_total", "output") == {}


async def test_an_answer_that_does_not_come(tmp_path: Path) -> None:
    ended = asyncio.Event()

    async def never(_: web.Request) -> web.StreamResponse:
        await ended.wait()
        return web.Response()

    async with ObserverWorld(tmp_path, live=saying(AGREEING), candidate=never, observe={"timeout": "50ms"}) as world:
        await world.send(question(1.0))
        await world.settled(pairs=1)
        ended.set()
        assert world.counts("failed_pairs_total", "arm", "kind") == {("candidate", "timeout"): 1}
        assert (await world.disagreements())[0]["candidateFailed"] == "no answer in 0.05 s"


async def test_a_version_that_is_not_there(tmp_path: Path) -> None:
    async with ObserverWorld(tmp_path, live=saying(AGREEING), candidate=saying(AGREEING)) as world:
        assert world.candidate is not None
        await world.candidate.server.close()
        await world.send(question(1.0))
        await world.settled(pairs=1)
        assert world.counts("failed_pairs_total", "arm", "kind") == {("candidate", "connect"): 1}


async def test_a_version_that_breaks_off(tmp_path: Path) -> None:
    async def breaking(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"{")
        assert request.transport is not None
        request.transport.abort()
        return response

    async with ObserverWorld(tmp_path, live=saying(AGREEING), candidate=breaking) as world:
        await world.send(question(1.0))
        await world.settled(pairs=1)
        ((arm, kind),) = world.counts("failed_pairs_total", "arm", "kind")
        assert arm == "candidate"
        assert kind in ("connect", "unreadable")


async def test_what_is_no_inference_is_not_sent_again(tmp_path: Path) -> None:
    async with ObserverWorld(tmp_path, live=saying(AGREEING), candidate=saying(AGREEING)) as world:
        await world.send(path="/v2/health/ready", method="GET")
        await world.send(question(1.0), path="/v2/models/fraud/unload")
        await world.send(question(1.0), method="PUT")
        await world.send(question(1.0), method="DELETE")
        await world.send(question(1.0), headers={"x-modelrollout-replay": "1"})
        await world.send(b"amount=1", headers={"Content-Type": "application/x-www-form-urlencoded"})
        await world.settled()
        assert world.requests == {"received": 6, "skipped": 5, "unreadable": 1}
        assert world.counts("unreadable_total", "reason") == {"content type": 1}
        assert world.live.asked == []


async def test_a_share_is_chosen_by_the_id_and_so_the_same_everywhere(tmp_path: Path) -> None:
    observe = {"sample": {"perSecond": 200, "share": 0.3}}
    async with ObserverWorld(tmp_path, live=saying(AGREEING), candidate=saying(AGREEING), observe=observe) as world:
        for _ in range(2):
            for number in range(40):
                await world.send(question(1.0), headers={"x-request-id": f"id-{number}"})
        await world.settled()
        ids = [headers["x-request-id"] for headers, _ in world.live.asked]
        assert sorted(set(ids)) == sorted(ids[: len(ids) // 2])
        assert 4 <= len(set(ids)) <= 20
        assert world.requests["skipped"] == 80 - len(ids)


async def test_no_more_than_the_rate_are_sampled(tmp_path: Path) -> None:
    observe = {"sample": {"perSecond": 0.001}}
    async with ObserverWorld(tmp_path, live=saying(AGREEING), candidate=saying(AGREEING), observe=observe) as world:
        for _ in range(10):
            await world.send(question(1.0))
        await world.settled(pairs=1)
        assert world.requests == {"received": 10, "sampled": 1, "skipped": 9}


async def test_settings_that_change_are_followed(tmp_path: Path) -> None:
    async with ObserverWorld(tmp_path, live=saying(AGREEING), candidate=saying(OTHER_LABEL)) as world:
        await world.send(question(1.0))
        await world.settled(pairs=1)
        world.write(observe={**world.observe, "compare": [{"output": "score"}]})
        world.read_again()
        await world.send(question(1.0))
        await world.settled(pairs=2)
        assert world.counts("pairs_total", "output", "result") == {
            ("", "disagree"): 1,
            ("label", "disagree"): 1,
            ("", "agree"): 1,
            ("score", "agree"): 2,
        }


async def test_another_candidate_begins_at_nothing(tmp_path: Path) -> None:
    async with ObserverWorld(tmp_path, live=saying(AGREEING), candidate=saying(OTHER_LABEL)) as world:
        await world.send(question(1.0))
        await world.settled(pairs=1)
        world.write(candidate={"revision": "3" * 10, "url": world.live.url})
        world.read_again()
        assert world.counts("pairs_total", "candidate") == {}
        assert await world.disagreements() == []
        await world.send(question(1.0))
        await world.settled(pairs=1)
        assert set(world.counts("pairs_total", "candidate")) == {"3" * 10}


CONTRACT = {"inputs": [{"name": "amount", "type": "float", "range": {"min": 0}}], "outputs": []}
REFERENCE = {
    "rows": 10,
    "inputs": [{"name": "amount", "spread": "number", "edges": [0, 10], "ratios": [1]}],
    "outputs": [{"name": "score", "spread": "number", "edges": [0, 0.5, 1], "ratios": [0.5, 0.5]}],
}


async def test_inputs_are_counted_for_the_candidate_and_outputs_for_both(tmp_path: Path) -> None:
    live, candidate = answer(score=[0.75]), answer(score=[0.25])
    async with ObserverWorld(tmp_path, live=saying(live), candidate=saying(candidate)) as world:
        world.write(contract=CONTRACT, reference=REFERENCE)
        world.read_again()
        await world.send(question(5.0))
        await world.send(question(-1.0))
        await world.settled(pairs=2)
        assert world.data("violations_total", "revision", "feature", "rule") == {(CANDIDATE, "amount", "range"): 1}
        assert world.data("values_total", "revision", "kind", "bin") == {
            (CANDIDATE, "input", "0..10"): 1,
            (CANDIDATE, "input", "out_of_range"): 1,
            (LIVE, "output", "0.5..1"): 2,
            (CANDIDATE, "output", "0..0.5"): 2,
        }


async def test_after_the_promotion_inputs_are_counted_and_nothing_is_sent(tmp_path: Path) -> None:
    observe = {"monitoring": {"share": 1.0}}
    async with ObserverWorld(tmp_path, live=saying(AGREEING), candidate=None, observe=observe) as world:
        world.write(contract=CONTRACT, reference=REFERENCE)
        world.read_again()
        await world.send(question(5.0, 7.0))
        await world.send(b"{")
        await world.settled()
        assert world.data("rows_total", "revision", "kind") == {(LIVE, "input"): 2}
        assert world.data("unreadable_total", "revision", "kind") == {(LIVE, "input"): 1}
        assert world.live.asked == []


async def test_a_contract_that_cannot_be_used_costs_no_comparison(tmp_path: Path) -> None:
    async with ObserverWorld(tmp_path, live=saying(AGREEING), candidate=saying(AGREEING)) as world:
        world.write(contract={"inputs": [{"name": "amount", "type": "complex"}]})
        world.read_again()
        await world.send(question(5.0))
        await world.settled(pairs=1)
        assert world.data("rows_total", "kind") == {}


async def test_without_a_candidate_nothing_is_sent(tmp_path: Path) -> None:
    async with ObserverWorld(tmp_path, live=saying(AGREEING), candidate=None) as world:
        await world.send(question(1.0))
        await world.settled()
        assert world.live.asked == []
        assert world.requests == {"received": 1, "skipped": 1}


async def test_settings_that_cannot_be_read_change_nothing_and_are_told(tmp_path: Path) -> None:
    async with ObserverWorld(tmp_path, live=saying(AGREEING), candidate=saying(AGREEING)) as world:
        world.write(observe={"sideEffects": "Some"})
        assert world.file.changed() is None
        assert world.file.problem is not None
        assert "observe.sideEffects: Input should be 'None'" in world.file.problem
        await world.send(question(1.0))
        await world.settled(pairs=1)


async def test_streamed_answers_of_language_models(tmp_path: Path) -> None:
    async def streaming(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for text in ("It is", " Paris."):
            event = {"choices": [{"index": 0, "delta": {"content": text}}]}
            await response.write(f"data: {json.dumps(event)}\n\n".encode())
        await response.write(b"data: [DONE]\n\n")
        return response

    whole = saying({"choices": [{"index": 0, "message": {"content": "I'm sorry, I can't."}, "finish_reason": "stop"}]})
    async with ObserverWorld(tmp_path, live=streaming, candidate=whole, observe={"protocol": "OpenAI"}) as world:
        await world.send(b'{"messages": []}', path="/v1/chat/completions")
        await world.settled(pairs=1)
        assert world.counts("pairs_total", "output", "result") == {
            ("", "disagree"): 1,
            ("refusal", "disagree"): 1,
            ("length", "agree"): 1,
        }
