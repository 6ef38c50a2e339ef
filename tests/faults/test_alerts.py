"""Alerts from where they are received to the decision, with kills, replays, storms and servers that are away."""

import asyncio
import json
import random
import socket
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from modelrollout.adapters.kubernetes import (
    EVENTS,
    MODEL_DEPLOYMENTS,
    ROLLOUT_ACTIONS,
    Unreachable,
)
from modelrollout.adapters.prometheus import PrometheusUnavailable, Series
from modelrollout.api.alerts import SharedAlert
from modelrollout.api.revision import child_name
from modelrollout.api.rolloutaction import Verb
from modelrollout.plan.alerts import Firing
from modelrollout.runtime.cache import Cache
from modelrollout.runtime.directory import LISTED_FOR_SECONDS, Directory
from modelrollout.runtime.filing import Filed, Filing
from modelrollout.runtime.payload import Payload, read
from tests.builders import NAME, NAMESPACE, id_of, pages
from tests.faults.direct import Line, Moment
from tests.faults.scenarios import ASKING, FOUND, OPERATOR, SENT, SHARED, Alarmed, Kill, Scenario, approve
from tests.faults.server import Refusal
from tests.faults.wired import PATIENCE_SECONDS, Wired
from tests.faults.world import CANARY, SOAK, World, brisk

V1, NEW = brisk("1"), SENT.new


class Replica:
    """A receiver's filing, beside whoever leads; `cache` is the leader's, or that of a standby, which is empty."""

    def __init__(self, world: World, cache: Cache | None = None) -> None:
        self.line = Line(world.store, lambda request, moment: world.meddle(request, moment))
        directory = Directory(api=self.line, cache=cache or Cache(), clock=world.clock, namespace=None)
        self.results: Counter[str] = Counter()
        self.filing = Filing(
            api=self.line, directory=directory, clock=world.clock, account=OPERATOR, on_alerts=self._count
        )

    def _count(self, result: str, count: int) -> None:
        self.results[result] += count

    async def take(self, *alerts: Firing, resolved: Iterable[Firing] = ()) -> Filed:
        return await self.filing.take(Payload(firing=alerts, resolved=tuple(resolved)))


def actions(world: World) -> list[dict[str, Any]]:
    return world.store.all(ROLLOUT_ACTIONS)


def rolled_back(world: World) -> bool:
    return world.status().get("rejected") == id_of(NEW) and world.weight(NEW) == 0


def reasons(world: World) -> list[str]:
    return [decision["reason"] for decision in world.revision(NEW)["status"]["decisions"]]


async def begun(world: World, scenario: Alarmed = SENT) -> Firing:
    """An endless canary; the alert about its candidate that starts now."""
    await scenario.begin(world)
    return scenario.alert(world)


@pytest.mark.parametrize("leads", [True, False], ids=["the leader", "a standby"])
async def test_an_alert_that_either_replica_hears_brings_the_weight_to_0(leads: bool) -> None:
    async with World() as world:
        alert = await begun(world)
        replica = Replica(world, world.processes[0].cache if leads else None)
        filed = await replica.take(alert)
        await world.run(0.5)
        assert rolled_back(world)
        (action,) = actions(world)
        assert filed.actions == (f"{NAMESPACE}/{action['metadata']['name']}",)
        assert action["status"]["outcome"] == "Applied"
        assert reasons(world)[-1] == "AlertFiring"
        record = world.revision(NEW)["status"]["decisions"][-1]
        assert (record["by"], record["alert"]["labels"]) == (OPERATOR, alert.labels)
        assert "AlertFiring" in [event["reason"] for event in world.store.all(EVENTS)]


@pytest.mark.parametrize("moment", list(Moment))
async def test_a_kill_between_hearing_and_deciding_loses_nothing(moment: Moment) -> None:
    """The action is made, and everybody dies: whoever comes next finds it."""
    async with World() as world:
        alert = await begun(world)
        await world.end(world.processes[-1])
        replica = Replica(world)
        world.meddle = lambda request, at: replica.line.die() if at is moment else None
        hearing = asyncio.create_task(replica.take(alert))
        await world.run(3)
        assert not hearing.done(), "nobody was told that it was kept"
        hearing.cancel()
        world.meddle = lambda *_: None
        if moment is Moment.BEFORE:
            assert actions(world) == []
            await Replica(world).take(alert)  # Alertmanager sends again what was not acknowledged
        await world.start()
        await world.run(1)
        assert rolled_back(world)
        assert len(actions(world)) == 1


async def test_a_kill_at_the_first_write_of_the_decision_ends_in_the_same_decision() -> None:
    async with World() as world:
        alert = await begun(world)
        replica = Replica(world)
        kill = Kill(world, 2, Moment.BEFORE)  # the first is the replica's own
        world.meddle = kill
        await replica.take(alert)
        await world.run(1)
        assert world.lines[-1].is_dead
        await world.end(world.processes[-1])
        world.meddle = lambda *_: None
        await world.start()
        await world.run(1)
        assert rolled_back(world)
        assert reasons(world).count("AlertFiring") == 1


async def test_the_same_payload_again_and_again_and_to_both_is_one_action_and_one_decision() -> None:
    async with World() as world:
        alert = await begun(world)
        leader, standby = Replica(world, world.processes[0].cache), Replica(world)
        answers = await asyncio.gather(*(replica.take(alert) for replica in (leader, standby, leader, standby)))
        await world.run(LISTED_FOR_SECONDS)
        later = [await leader.take(alert), await standby.take(alert)]
        await world.run(5)
        assert len({answer.actions for answer in answers}) == 1
        assert all(answer == Filed() for answer in later), "there is nothing left that it could be about"
        assert len(actions(world)) == 1
        assert reasons(world).count("AlertFiring") == 1
        assert rolled_back(world)


async def test_what_was_already_found_by_the_query_is_not_decided_again_when_it_is_sent() -> None:
    async with World() as world:
        alert = await begun(world, FOUND)
        world.prometheus.alerts.append(alert)
        standby = Replica(world)
        await standby.take()  # it has a list of a moment ago
        await world.run(2)
        assert rolled_back(world)
        await standby.take(alert)
        await world.run(2)
        assert reasons(world).count("AlertFiring") == 1
        assert [action["status"]["outcome"] for action in actions(world)] in ([], ["Refused"])


async def test_an_api_server_that_refuses_is_told_to_the_sender_who_sends_again() -> None:
    async with World() as world:
        alert = await begun(world)
        replica = Replica(world)

        def refuse(*_: object) -> None:
            raise Unreachable(500, "Injected", "the server has its reasons")

        world.meddle = refuse
        with pytest.raises(Unreachable):
            await replica.take(alert)
        world.meddle = lambda *_: None
        await replica.take(alert)
        await world.run(1)
        assert rolled_back(world)


async def test_an_alert_that_is_over_before_anybody_looked_does_nothing() -> None:
    async with World() as world:
        alert = await begun(world)
        await world.end(world.processes[-1])
        replica = Replica(world)
        await replica.take(alert)
        await world.run(10)
        await replica.take(resolved=[alert])
        await world.start()
        await world.run(10)
        assert world.weight(NEW) == 10
        (action,) = actions(world)
        assert action["status"]["outcome"] == "Refused"
        assert action["status"]["message"] == "the alert was over before it was looked at"
        assert replica.results["withdrawn"] == 1


async def test_what_nobody_looked_at_for_minutes_has_expired() -> None:
    async with World() as world:
        alert = await begun(world)
        await world.end(world.processes[-1])
        await Replica(world).take(alert)
        await world.run(301)
        await world.start()
        await world.run(5)
        assert world.weight(NEW) == 10
        assert actions(world)[0]["status"]["outcome"] == "Expired"


async def test_one_that_starts_anew_is_another_one() -> None:
    """The first was refused, because it was over; the second is judged by itself."""
    async with World() as world:
        alert = await begun(world)
        replica = Replica(world)
        await world.end(world.processes[-1])
        await replica.take(alert)
        await replica.take(resolved=[alert])
        await world.run(10)
        await world.start()
        await replica.take(SENT.alert(world))
        await world.run(1)
        assert rolled_back(world)
        assert sorted(action["status"]["outcome"] for action in actions(world)) == ["Applied", "Refused"]


async def test_what_is_about_nobody_costs_nothing() -> None:
    async with World() as world:
        alert = await begun(world)
        replica = Replica(world, world.processes[0].cache)
        world.lines[0].log.clear()
        others = [
            Firing({**alert.labels, "severity": "info"}, alert.starts_at),
            Firing({**alert.labels, "namespace": "lending"}, alert.starts_at),
            Firing({**alert.labels, "pod": "postgres-0"}, alert.starts_at),
        ]
        assert await replica.take(*others) == Filed()
        await world.clock.run(0)
        assert (replica.line.log, replica.results["ignored"]) == ([], 3)
        assert actions(world) == []


async def test_prometheus_away_holds_up_no_alert() -> None:
    async with World() as world:
        alert = await begun(world)

        async def away(query: str, at: datetime) -> tuple[Series, ...]:
            raise PrometheusUnavailable("connection refused")

        world.prometheus.instant = away  # type: ignore[method-assign]
        await world.run(5)
        assert world.condition("Ready")["reason"] == "MetricsUnavailable"
        await Replica(world).take(alert)
        await world.run(0.5)
        assert rolled_back(world)


class TestStorm:
    """A thousand alerts at once, about one candidate: counted, not timed."""

    def alerts(self, world: World, *, count: int = 1000) -> list[Firing]:
        alert = SENT.alert(world)
        made = [Firing({**alert.labels, "alertname": f"Errors{n}"}, alert.starts_at) for n in range(count)]
        random.Random(7).shuffle(made)
        return made

    async def test_in_one_payload_is_one_action(self) -> None:
        async with World() as world:
            await begun(world)
            replica, alerts = Replica(world), self.alerts(world)
            before = _reconciles(world)
            for _ in range(3):
                await replica.take(*alerts)
            await world.run(1)
            assert rolled_back(world)
            assert len(actions(world)) == 1
            assert _reconciles(world) - before <= 8

    async def test_in_a_thousand_payloads_to_two_replicas_is_an_action_or_two(self) -> None:
        async with World() as world:
            await begun(world)
            replicas, alerts = (Replica(world, world.processes[0].cache), Replica(world)), self.alerts(world)
            before, writes = _reconciles(world), len(world.lines[0].log)
            again = list(enumerate(alerts))
            while again:
                answers = [(number, alert, await replicas[number % 2].take(alert)) for number, alert in again]
                again = [(number, alert) for number, alert, answer in answers if answer.again]
                await world.run(1)
            assert rolled_back(world)
            assert len(actions(world)) <= 2, "one of each replica, at most"
            assert _reconciles(world) - before <= 12
            assert len(world.lines[0].log) - writes <= 12
            assert reasons(world).count("AlertFiring") == 1

    async def test_found_by_the_query_is_one_decision(self) -> None:
        async with World() as world:
            await begun(world)
            world.prometheus.alerts += self.alerts(world)
            world.prometheus.asked.clear()
            before, writes = _reconciles(world), len(world.lines[0].log)
            await world.run(30)
            assert rolled_back(world)
            assert reasons(world).count("AlertFiring") == 1
            assert _reconciles(world) - before <= 10
            assert len(world.lines[0].log) - writes <= 12
            assert len([query for query, _ in world.prometheus.asked if "ALERTS" in query]) <= 2

    async def test_about_nothing_that_is_rolled_out_makes_nobody_look(self) -> None:
        """Alerts that fired before: each tick tells them, and each look at them decides nothing and writes nothing."""
        async with World() as world:
            early = Firing({"alertname": "Errors", "severity": "page", "namespace": NAMESPACE}, world.clock.now())
            world.prometheus.alerts += [Firing({**early.labels, "n": str(n)}, early.starts_at) for n in range(1000)]
            await begun(world)
            await world.run(60)
            writes = len(world.lines[0].log)
            await world.run(60)
            assert world.weight(NEW) == 10
            assert len(world.lines[0].log) - writes <= 8


class TestShared:
    """An alert that is about neither version alone, and a policy that has a person asked."""

    ENTRIES = (*ASKING, pages(name="late", match={"alertname": "Late"}, shared=SharedAlert.REVIEW))
    NEW = brisk("2", stages=(CANARY, SOAK), alerts=ENTRIES, max_duration="1m")

    async def begin(self, world: World) -> Firing:
        """A canary at its first step; the shared alert that starts now."""
        await Scenario("shared", V1, self.NEW).begin(world)
        world.apply(self.NEW)
        await world.until(lambda: world.weight(self.NEW) == 10, within=60)
        await world.run(1)
        return SHARED.alert(world)

    def waits(self, world: World) -> bool:
        told = world.condition("AwaitingReview")
        return (told["status"], told["reason"]) == ("True", "SharedAlert")

    @pytest.mark.parametrize("by_the_receiver", [True, False], ids=["by the receiver", "by the query"])
    async def test_it_waits_for_a_person_as_long_as_it_takes_and_then_goes_live(self, by_the_receiver: bool) -> None:
        async with World() as world:
            alert = await self.begin(world)
            replicas = Replica(world, world.processes[0].cache), Replica(world)
            others = [Firing({**alert.labels, "feature": name}, alert.starts_at) for name in ("age", "country", "hour")]
            for one in (alert, *others):
                if by_the_receiver:
                    for replica in replicas:
                        await replica.take(one)
                else:
                    world.prometheus.alerts.append(one)
                await world.run(30)
            await world.run(600)
            assert self.waits(world)
            assert (world.status()["stage"], world.weight(self.NEW)) == ("Canary", 10)
            assert reasons(world).count("SharedAlert") == 1
            assert [action["status"]["outcome"] for action in actions(world)] == ["Applied"] * by_the_receiver
            approve(world, self.NEW)
            await world.until(lambda: world.is_live(self.NEW), within=60)
            assert reasons(world).count("SharedAlert") == reasons(world).count("SharedAlertAccepted") == 1

    async def test_a_person_who_rejects_it_takes_it_back(self) -> None:
        async with World() as world:
            world.prometheus.alerts.append(await self.begin(world))
            await world.until(lambda: self.waits(world), within=5)
            world.ask(Verb.REJECT)
            await world.run(1)
            assert rolled_back(world)
            assert reasons(world)[-2:] == ["SharedAlert", "RejectedByPerson"]

    async def test_it_outlasts_the_alert_and_the_process(self) -> None:
        async with World() as world:
            alert = await self.begin(world)
            replica = Replica(world)
            await replica.take(alert)
            await world.until(lambda: self.waits(world), within=5)
            await world.end(world.processes[-1])
            await replica.take(resolved=[alert])
            await world.run(60)
            await world.start()
            await world.run(60)
            assert self.waits(world)
            assert world.weight(self.NEW) == 10
            assert reasons(world).count("SharedAlert") == 1

    async def test_a_storm_of_them_is_one_question(self) -> None:
        async with World() as world:
            alert = await self.begin(world)
            replicas = Replica(world, world.processes[0].cache), Replica(world)
            before, writes = _reconciles(world), len(world.lines[0].log)
            for number in range(40):
                feature = {**alert.labels, "feature": f"f{number}"}
                await replicas[number % 2].take(Firing(feature, alert.starts_at))
                await world.run(0.2)
            assert self.waits(world)
            assert len(actions(world)) <= 2, "one of each replica, at most"
            assert reasons(world).count("SharedAlert") == 1
            assert _reconciles(world) - before <= 24
            assert len(world.lines[0].log) - writes <= 12

    async def test_each_entry_is_filed_for_itself(self) -> None:
        async with World() as world:
            alert = await self.begin(world)
            late = Firing({**alert.labels, "alertname": "Late", "severity": "info"}, alert.starts_at)
            filed = await Replica(world).take(alert, late)
            await world.run(3)
            assert len(filed.actions) == 2
            asked = [review["policy"] for review in world.status()["reviews"]]
            assert sorted(asked) == ["drift", "late"]
            assert reasons(world).count("SharedAlert") == 2

    async def test_one_that_takes_the_candidate_back_does_not_wait_for_it(self) -> None:
        """Neither in the same payload, where nothing is left to ask, nor in the next one."""
        async with World() as world:
            alert = await self.begin(world)
            pod = f"{child_name(NAME, id_of(self.NEW))}-1"
            bad = Firing({**alert.labels, "alertname": "Errors", "pod": pod}, alert.starts_at)
            for payload in ((alert, bad), (bad, alert)):
                assert len((await Replica(world).take(*payload)).actions) == 1
            assert len(actions(world)) == 1
            await world.run(1)
            assert rolled_back(world)
            assert "SharedAlert" not in reasons(world)

    async def test_one_that_is_sent_a_moment_later_is_heard_at_once(self) -> None:
        async with World() as world:
            alert = await self.begin(world)
            replica = Replica(world)
            await replica.take(alert)
            pod = f"{child_name(NAME, id_of(self.NEW))}-1"
            bad = await replica.take(Firing({**alert.labels, "alertname": "Errors", "pod": pod}, alert.starts_at))
            assert not bad.again
            await world.run(1)
            assert rolled_back(world)


def _reconciles(world: World) -> float:
    found = world.processes[-1].telemetry.registry.get_sample_value("modelrollout_reconcile_total", {"result": "ok"})
    return found or 0.0


# Over real connections

TOKEN = "s3cret"
V2 = NEW


def sent(alert: Firing, status: str = "firing") -> bytes:
    one = {"status": status, "labels": dict(alert.labels), "startsAt": alert.starts_at.isoformat()}
    body = json.dumps({"version": "4", "alerts": [one]}).encode()
    assert read(body).invalid == 0
    return body


async def post(port: int, body: bytes) -> int:
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"http://127.0.0.1:{port}/alerts", data=body, headers=headers) as response,
    ):
        return response.status


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def wired(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Wired:
    (tmp_path / "token").write_text(TOKEN)
    return Wired(monkeypatch, tmp_path)


def alert_now(wired: Wired) -> Firing:
    labels = {"alertname": "Errors", "severity": "page", "namespace": NAMESPACE}
    return Firing({**labels, "pod": f"{NAME}-{id_of(V2)}-1"}, wired.clock.now())


async def test_a_standby_keeps_what_it_hears_and_the_leader_acts_on_it(wired: Wired, tmp_path: Path) -> None:
    """The leader can write nothing when the alert comes."""
    async with wired:
        port = free_port()
        listening = ["--alerts-token-file", str(tmp_path / "token")]
        wired.operator(*listening, "--alerts-port", str(free_port()))
        wired.apply(V1)
        await wired.until(lambda: wired.status().get("stable") == id_of(V1))
        wired.apply(V2)
        await wired.until(lambda: wired.status().get("weight") == 10)
        wired.operator(*listening, "--alerts-port", str(port))
        await wired.until(lambda: wired.holder() == "operator-0")
        wired.api.fault = lambda call: Refusal(500) if call.resource is MODEL_DEPLOYMENTS and call.is_write else None
        alert = alert_now(wired)
        assert await _until_it_listens(wired, port, sent(alert)) == 200
        (action,) = wired.store.all(ROLLOUT_ACTIONS)
        assert action["spec"]["alert"]["policy"] == "pages"
        assert wired.status()["weight"] == 10
        wired.api.fault = lambda _: None
        await wired.until(lambda: wired.status().get("rejected") == id_of(V2))
        assert await post(port, sent(alert)) == 200, "and again, which changes nothing"
        assert len(wired.store.all(ROLLOUT_ACTIONS)) == 1


async def _until_it_listens(wired: Wired, port: int, body: bytes) -> int:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                return await post(port, body)
            except aiohttp.ClientConnectionError:
                await wired.pause(0.5)


async def test_what_prometheus_says_is_enough_where_nobody_sends_anything(wired: Wired) -> None:
    async with wired:
        wired.operator()
        wired.apply(V1)
        await wired.until(lambda: wired.status().get("stable") == id_of(V1))
        wired.apply(V2)
        await wired.until(lambda: wired.status().get("weight") == 10)
        await wired.pause(2)
        wired.prometheus.alerts.append(alert_now(wired))
        await wired.until(lambda: wired.status().get("rejected") == id_of(V2))
        assert wired.store.all(ROLLOUT_ACTIONS) == []
