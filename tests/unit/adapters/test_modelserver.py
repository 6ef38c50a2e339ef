"""A model server over HTTP: what it says, and every way in which it does not."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from modelrollout.adapters.modelserver import MAX_ANSWER_BYTES, HttpModelServer, NoAnswer, Refusal

METADATA = {"name": "fraud", "inputs": [], "outputs": []}


async def metadata(request: web.Request) -> web.StreamResponse:
    match request.match_info["model"]:
        case "fraud v2/x":
            return web.json_response(METADATA)
        case "away":
            raise web.HTTPNotFound(text="no such\n   model")
        case "elsewhere":
            raise web.HTTPFound("http://example.com/")
        case "list":
            return web.json_response([METADATA])
        case "deep":
            return web.Response(text="[" * 200_000)
        case "long":
            return web.Response(body=b"x" * (MAX_ANSWER_BYTES + 1))
        case "slow":
            response = web.StreamResponse()
            await response.prepare(request)
            while True:
                await response.write(b" ")
        case _:
            return web.Response(text="not json")


async def infer(request: web.Request) -> web.Response:
    return web.json_response({"outputs": (await request.json())["inputs"]})


@pytest.fixture
async def url() -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/v2/models/{model}", metadata)
    app.router.add_post("/v2/models/{model}/infer", infer)
    async with TestServer(app) as running:
        yield str(running.make_url("")).rstrip("/")


@pytest.fixture
async def server() -> AsyncIterator[HttpModelServer]:
    async with HttpModelServer(timeout_seconds=5.0) as made:
        yield made


async def test_metadata_and_answers_are_json_objects(server: HttpModelServer, url: str) -> None:
    body: dict[str, Any] = {"inputs": [{"name": "x"}]}

    assert await server.metadata(url, "fraud v2/x") == METADATA
    assert await server.infer(url, "fraud", body) == {"outputs": body["inputs"]}


@pytest.mark.parametrize(
    ("model", "status", "told"),
    [("away", 404, "answers 404: no such model"), ("elsewhere", 302, "answers 302")],
)
async def test_a_status_of_error_is_a_refusal_and_redirects_are_not_followed(
    server: HttpModelServer, url: str, model: str, status: int, told: str
) -> None:
    with pytest.raises(Refusal, match=told) as refused:
        await server.metadata(url, model)
    assert refused.value.status == status


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("list", "the answer is no JSON object"),
        ("text", "the answer is no JSON"),
        ("deep", "the answer is no JSON"),
        ("long", "the answer is longer than 4 MiB"),
        ("slow", "longer than 4 MiB|no answer within 5 s"),
    ],
)
async def test_what_cannot_be_read_is_no_answer(server: HttpModelServer, url: str, model: str, told: str) -> None:
    with pytest.raises(NoAnswer, match=told):
        await server.metadata(url, model)


async def test_a_server_that_is_not_there_is_no_answer(server: HttpModelServer) -> None:
    with pytest.raises(NoAnswer, match=r"GET http://127\.0\.0\.1:1/v2/models/fraud: "):
        await server.metadata("http://127.0.0.1:1", "fraud")
