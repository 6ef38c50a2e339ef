"""The page that Alertmanager sends to, over real connections: who is let in, what is read, and what is answered."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from modelrollout.adapters.kubernetes import Forbidden, Unreachable
from modelrollout.runtime import receiver
from modelrollout.runtime.filing import Filed
from modelrollout.runtime.payload import MAX_ALERTS, Payload, PayloadError, TooManyAlertsError, read
from modelrollout.runtime.receiver import Allowance, Receiver
from tests.clock import ManualClock

TOKEN = "s3cret"
RIGHT = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
ALERT = {
    "status": "firing",
    "labels": {"alertname": "Errors", "severity": "page"},
    "annotations": {"summary": "errors"},
    "startsAt": "2026-11-24T13:00:00.5+01:00",
    "endsAt": "0001-01-01T00:00:00Z",
    "generatorURL": "http://prometheus/graph",
    "fingerprint": "3d6b7a",
}


def payload(*alerts: Any, **others: Any) -> bytes:
    """As Alertmanager sends it, version 4."""
    body = {"version": "4", "groupKey": "{}", "truncatedAlerts": 0, "status": "firing", "receiver": "modelrollout"}
    return json.dumps({**body, "alerts": list(alerts or [ALERT]), **others}).encode()


class Site:
    """The receiver, and what it handed on."""

    def __init__(self, folder: Path) -> None:
        self.token_file = folder / "token"
        self.token_file.write_text(f"{TOKEN}\n")
        self.clock = ManualClock()
        self.taken: list[Payload] = []
        self.codes: list[int] = []
        self.answer: Filed | Exception = Filed(actions=("payments/fraud-alert-1",))
        self.waits: asyncio.Event | None = None
        self.entered: asyncio.Queue[Payload] = asyncio.Queue()

    async def take(self, payload: Payload) -> Filed:
        self.taken.append(payload)
        self.entered.put_nowait(payload)
        if self.waits is not None:
            await self.waits.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def __aenter__(self) -> "Site":
        self.receiver = Receiver(
            self.take,
            token_file=self.token_file,
            clock=self.clock,
            port=0,
            host="127.0.0.1",
            on_request=self.codes.append,
        )
        await self.receiver.__aenter__()
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()
        await self.receiver.__aexit__()

    async def post(
        self, body: bytes = b"", headers: Mapping[str, str] = RIGHT, path: str = "/alerts"
    ) -> tuple[int, Any]:
        url = f"http://127.0.0.1:{self.receiver.port}{path}"
        async with self._session.post(url, data=body or payload(), headers=headers) as response:
            text = await response.text()
            return response.status, json.loads(text) if response.content_type == "application/json" else text


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with Site(tmp_path) as made:
        yield made


async def test_what_is_kept_is_acknowledged(site: Site) -> None:
    assert await site.post() == (200, {"filed": ["payments/fraud-alert-1"]})
    (taken,) = site.taken
    (alert,) = taken.firing
    assert (alert.labels, alert.starts_at.isoformat()) == (ALERT["labels"], "2026-11-24T12:00:00.500000+00:00")
    assert site.codes == [200]


class TestWho:
    @pytest.mark.parametrize(
        "authorization",
        [
            None,
            "",
            "Bearer",
            "Bearer ",
            "Bearer s3cre",
            "Bearer s3cret2",
            f"Basic {TOKEN}",
            TOKEN,
            "Bearer S3CRET",
            "Bearer é",
        ],
    )
    async def test_without_the_token_nothing_is_read(self, site: Site, authorization: str | None) -> None:
        headers = {"Content-Type": "application/json"}
        if authorization is not None:
            headers["Authorization"] = authorization
        code, said = await site.post(headers=headers)
        assert code == 401
        assert TOKEN not in said["error"]
        assert site.taken == []

    async def test_a_scheme_is_written_in_any_case(self, site: Site) -> None:
        assert (await site.post(headers={**RIGHT, "Authorization": f"bearer {TOKEN}"}))[0] == 200

    async def test_a_token_is_exchanged_without_a_restart_and_two_can_be_right(self, site: Site) -> None:
        site.token_file.write_text(f"{TOKEN}\nnew\n")
        for token in (TOKEN, "new"):
            assert (await site.post(headers={**RIGHT, "Authorization": f"Bearer {token}"}))[0] == 200
        site.token_file.write_text("new")
        assert (await site.post())[0] == 401

    @pytest.mark.parametrize("content", [None, "", "\n \n"])
    async def test_without_a_token_in_the_file_everybody_is_to_come_again(
        self, site: Site, content: str | None
    ) -> None:
        site.token_file.unlink()
        if content is not None:
            site.token_file.write_text(content)
        code, said = await site.post(headers={**RIGHT, "Authorization": "Bearer "})
        assert code == 503
        assert "there is no token in" in said["error"]
        assert site.taken == []

    async def test_other_pages_and_methods_are_not_there(self, site: Site) -> None:
        assert (await site.post(path="/metrics"))[0] == 404
        assert site.taken == []


class TestWhat:
    @pytest.mark.parametrize(
        "body",
        [
            b"{",
            b"[]",
            b"null",
            b"\xff\xfe",
            b"{}",
            json.dumps({"version": "4"}).encode(),
            json.dumps({"version": "3", "alerts": []}).encode(),
            json.dumps({"version": "4", "alerts": {"a": 1}}).encode(),
            b"[" * 100_000,
        ],
        ids=["cut", "a list", "null", "no text", "empty", "no alerts", "version 3", "an object of alerts", "deep"],
    )
    async def test_garbage_is_refused_with_what_was_expected(self, site: Site, body: bytes) -> None:
        code, said = await site.post(body)
        assert code == 400
        assert "this is no webhook payload of version 4" in said["error"]
        assert len(said["error"]) < 700
        assert site.taken == []

    @pytest.mark.parametrize(
        "headers",
        [
            {"Content-Type": "text/plain"},
            {"Content-Type": "application/x-www-form-urlencoded"},
            {"Content-Encoding": "gzip"},
        ],
    )
    async def test_another_type_or_coding_is_refused(self, site: Site, headers: dict[str, str]) -> None:
        assert (await site.post(headers={**RIGHT, **headers}))[0] == 415
        assert site.taken == []

    @pytest.mark.parametrize("told", [True, False], ids=["as its length says", "in chunks"])
    async def test_an_oversized_body_is_refused(self, site: Site, told: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(80):
                yield b" " * 64 * 1024

        body: Any = io.BytesIO(b" " * (receiver.MAX_BODY_BYTES + 1)) if told else chunks()
        try:
            code, said = await site.post(body)
        except aiohttp.ClientError:
            code, said = 413, {"error": "max_alerts"}  # it hung up before all of it was sent
        assert code == 413
        assert "max_alerts" in said["error"]
        assert site.taken == []
        assert (await site.post())[0] == 200, "and the next one is served"

    async def test_too_many_alerts_are_refused_with_the_setting_that_mends_it(self, site: Site) -> None:
        code, said = await site.post(payload(*[ALERT] * (MAX_ALERTS + 1)))
        assert (code, said) == (
            413,
            {"error": "1001 alerts are more than 1000; set max_alerts: 1000 in webhook_configs"},
        )

    async def test_one_alert_that_cannot_be_read_does_not_hide_the_others(self, site: Site) -> None:
        bad = [7, {}, {**ALERT, "labels": {"alertname": 7}}, {**ALERT, "startsAt": "soon"}, {**ALERT, "status": "odd"}]
        assert (await site.post(payload(*bad, ALERT)))[0] == 200
        (taken,) = site.taken
        assert (len(taken.firing), taken.invalid) == (1, 5)


class TestHowMuch:
    async def test_a_body_that_does_not_arrive_is_not_waited_for(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(receiver, "BODY_SECONDS", 0.1)
        reader, writer = await asyncio.open_connection("127.0.0.1", site.receiver.port)
        lines = [
            "POST /alerts HTTP/1.1",
            "Host: here",
            "Content-Length: 1000",
            *(f"{name}: {value}" for name, value in RIGHT.items()),
        ]
        writer.write("\r\n".join([*lines, "", "{"]).encode())
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        await writer.wait_closed()
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"it took too long" in answer
        assert site.taken == []

    async def test_more_than_some_at_once_are_to_come_again(self, site: Site) -> None:
        site.waits = asyncio.Event()
        under_way = [asyncio.create_task(site.post()) for _ in range(receiver.AT_ONCE)]
        for _ in under_way:
            await site.entered.get()
        assert (await site.post())[0] == 503
        site.waits.set()
        assert {code for code, _ in await asyncio.gather(*under_way)} == {200}
        assert (await site.post())[0] == 200

    async def test_more_than_some_a_second_are_to_come_again(self, site: Site) -> None:
        codes = [(await site.post())[0] for _ in range(int(receiver.BURST) + 5)]
        assert codes == [200] * int(receiver.BURST) + [503] * 5
        site.clock.advance(1)
        assert (await site.post())[0] == 200

    async def test_who_has_no_token_takes_no_place_from_who_has(self, site: Site) -> None:
        for _ in range(int(receiver.BURST) + 5):
            await site.post(headers={"Content-Type": "application/json"})
        assert (await site.post())[0] == 200

    def test_an_allowance_fills_up_to_its_burst(self) -> None:
        clock = ManualClock()
        allowance = Allowance(clock, per_second=2, burst=3)
        assert [allowance.take() for _ in range(4)] == [True, True, True, False]
        clock.advance(0.5)
        assert [allowance.take() for _ in range(2)] == [True, False]
        clock.advance(3600)
        assert [allowance.take() for _ in range(4)] == [True, True, True, False]


class TestAgain:
    @pytest.mark.parametrize(
        "answer",
        [Filed(again=True), Unreachable(0, "x", "no answer"), Forbidden(403, "Forbidden", "no right"), TimeoutError()],
        ids=["another waits", "no API server", "no right", "too slow"],
    )
    async def test_what_is_not_kept_is_to_be_sent_again(self, site: Site, answer: Filed | Exception) -> None:
        site.answer = answer
        code, _ = await site.post()
        assert code == 503
        site.answer = Filed()
        assert await site.post() == (200, {"filed": []})


def test_resolved_ones_are_told_apart() -> None:
    found = read(payload(ALERT, {**ALERT, "status": "resolved"}))
    assert (len(found.firing), len(found.resolved), found.invalid) == (1, 1, 0)


def test_overlong_labels_are_left_out() -> None:
    labels = {"alertname": "Errors", "query": "x" * 201, "y" * 101: "z"}
    assert read(payload({**ALERT, "labels": labels})).firing[0].labels == {"alertname": "Errors"}


def test_errors_are_of_one_family() -> None:
    assert issubclass(TooManyAlertsError, PayloadError)
