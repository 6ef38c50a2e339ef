"""Whole rollouts, each with a beginning, one edit of the user and one right end; and ways to disturb them."""

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from modelrollout.adapters.kubernetes import MODEL_DEPLOYMENTS
from modelrollout.api.alerts import SharedAlert
from modelrollout.api.modeldeployment import ModelDeploymentSpec
from modelrollout.api.modelrevision import StoredEvidence
from modelrollout.api.revision import child_name
from modelrollout.api.rollout import CanaryStage, Stage
from modelrollout.api.rolloutaction import Verb
from modelrollout.plan.alerts import Firing
from tests import builders
from tests.builders import NAME, NAMESPACE, id_of, pages
from tests.faults.direct import Moment, Request
from tests.faults.store import Change
from tests.faults.traffic import Behaviour
from tests.faults.world import BAD, CANARY, HELD_BACK, SOAK, World, brisk, total

OPERATOR = "system:serviceaccount:modelrollout:modelrollout"
ENDLESS = Stage(canary=CanaryStage(weights=(10, 50), hold_for="1h"))
LIMIT_SECONDS = 300.0
DOWN_SECONDS = 3.0
SETTLE_SECONDS = 15.0
WARMUP_SECONDS = 1.0
READING_SECONDS = 1.5
"""An interval and the hub's lag: the first reading that includes a moment is at most that much later."""

Picture = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Scenario:
    """`live` is there before, `new` is what the user applies; the winner of the two is live at the end."""

    name: str
    live: ModelDeploymentSpec | None
    new: ModelDeploymentSpec
    behaviour: Behaviour | None = None

    @property
    def winner(self) -> ModelDeploymentSpec:
        return self.live if self.live is not None and self.behaviour is not None else self.new

    def has_ended(self, world: World) -> bool:
        rejected = world.status().get("rejected") == id_of(self.new)
        return world.is_live(self.winner) and rejected == (self.behaviour is not None)

    async def begin(self, world: World) -> None:
        if self.behaviour is not None:
            world.traffic.behaviours[id_of(self.new)] = self.behaviour
        if self.live is not None:
            world.apply(self.live)
        await world.start()
        if self.live is not None:
            live = self.live
            await world.until(lambda: world.is_live(live), within=60)
            await world.run(5)

    def act(self, world: World) -> None:
        """What the user does then."""
        world.apply(self.new)


class TakenBack(Scenario):
    """`live` is live again, however well `new` began."""

    @property
    def winner(self) -> ModelDeploymentSpec:
        assert self.live is not None
        return self.live

    def has_ended(self, world: World) -> bool:
        return world.is_live(self.winner) and world.status().get("rejected") == id_of(self.new)


class GoingBack(TakenBack):
    """`new` is live, `live` was before it and its pods are gone; then somebody asks for a rollback."""

    async def begin(self, world: World) -> None:
        await super().begin(world)
        world.apply(self.new)
        await world.until(lambda: world.is_live(self.new), within=LIMIT_SECONDS)

    def act(self, world: World) -> None:
        world.ask(Verb.ROLLBACK)


class TurnsInTheSoak(TakenBack):
    """As good as the live version until it soaks; then it is not."""

    async def begin(self, world: World) -> None:
        await super().begin(world)

        def turn(change: Change) -> None:
            if change.resource is MODEL_DEPLOYMENTS and change.body.get("status", {}).get("stage") == "Soak":
                world.traffic.turn(id_of(self.new), BAD)

        world.store.listeners.append(turn)


class Alarmed(TakenBack):
    """`new` is in an endless canary; then an alert about it fires, and is sent, or found by the query."""

    async def begin(self, world: World) -> None:
        await super().begin(world)
        world.apply(self.new)
        await world.until(lambda: world.weight(self.new) == 10, within=LIMIT_SECONDS)
        await world.run(40)  # so that evidence of warm pods was written: a restart goes on from there

    def alert(self, world: World) -> Firing:
        labels = {"alertname": "Errors", "severity": "page", "namespace": NAMESPACE}
        return Firing({**labels, "pod": f"{child_name(NAME, id_of(self.new))}-1"}, world.clock.now())


class AlertSent(Alarmed):
    """It became an action, and the receiver is not heard of again."""

    def act(self, world: World) -> None:
        alert = self.alert(world)
        fired = {"policy": "pages", "name": alert.name, "labels": dict(alert.labels)}
        world.ask(Verb.ROLLBACK, by=OPERATOR, alert={**fired, "startsAt": alert.starts_at.isoformat()})


class AlertFound(Alarmed):
    def act(self, world: World) -> None:
        world.prometheus.alerts.append(self.alert(world))


def approve(world: World, of: ModelDeploymentSpec) -> None:
    digest = world.revision(of)["spec"]["digest"]
    world.ask(Verb.APPROVE, by="olga", candidateDigest=digest, expiresAt="2030-01-01T00:00:00Z")


class AlertShared(Scenario):
    """In the canary an alert fires that is about neither version alone; once people are told, somebody approves."""

    async def begin(self, world: World) -> None:
        await super().begin(world)
        done: set[str] = set()

        def follow(change: Change) -> None:
            status = change.body.get("status", {}) if change.resource is MODEL_DEPLOYMENTS else {}
            waits = any(c["reason"] == "SharedAlert" for c in status.get("conditions", ()))
            if status.get("weight") == 50 and "fires" not in done:
                done.add("fires")
                world.prometheus.alerts.append(self.alert(world))
            if waits and "approved" not in done:
                done.add("approved")
                approve(world, self.new)

        world.store.listeners.append(follow)

    def alert(self, world: World) -> Firing:
        labels = {"alertname": "ModelDriftInEveryVersion", "severity": "page", "namespace": NAMESPACE}
        return Firing({**labels, "modeldeployment": NAME, "feature": "amount"}, world.clock.now())


INSTALL = Scenario("install", None, brisk("1"))
GOOD = Scenario("good", brisk("1"), brisk("2"))
BAD_ONE = Scenario("bad", brisk("1"), brisk("3", stages=(CANARY, SOAK)), BAD)
GOOD_BY_RATIO = Scenario("good-by-ratio", brisk("1", route=False), brisk("2", route=False))
BAD_BY_RATIO = Scenario("bad-by-ratio", brisk("1", route=False), brisk("3", route=False), BAD)
BACK = GoingBack("back", brisk("1"), brisk("2", stages=(CANARY, SOAK)))
BACK_BY_RATIO = GoingBack("back-by-ratio", brisk("1", route=False), brisk("2", route=False))
GATES = (builders.ERRORS, builders.AGREEMENT)
OBSERVED = Scenario("observed", brisk("1", gates=GATES), brisk("2", gates=GATES))
LATE = TurnsInTheSoak("late", brisk("1"), brisk("2", stages=(CANARY, HELD_BACK)))
WATCHED = brisk("2", stages=(ENDLESS, SOAK), alerts=(pages(),))
SENT = AlertSent("alert-sent", brisk("1"), WATCHED)
FOUND = AlertFound("alert-found", brisk("1"), WATCHED)
ASKING = (pages(name="drift", shared=SharedAlert.REVIEW),)
SHARED = AlertShared("alert-shared", brisk("1"), brisk("2", stages=(CANARY, SOAK), alerts=ASKING))
SCENARIOS = (
    INSTALL,
    GOOD,
    BAD_ONE,
    GOOD_BY_RATIO,
    BAD_BY_RATIO,
    BACK,
    BACK_BY_RATIO,
    SENT,
    FOUND,
    SHARED,
    LATE,
    OBSERVED,
)


@dataclass
class Kill:
    """Whoever makes the `number`-th write, counted from 1, dies at that moment."""

    world: World
    number: int
    moment: Moment
    count: int = 0
    victim: Request | None = None

    def __call__(self, request: Request, moment: Moment) -> None:
        self.count += moment is Moment.BEFORE
        if self.count == self.number and moment is self.moment:
            self.victim = request
            self.world.lines[-1].die()


class Misfortune:
    """At every moment of every write its process dies, with this chance."""

    def __init__(self, world: World, *, chance: float, dice: random.Random) -> None:
        self._world = world
        self._chance = chance
        self._dice = dice

    def __call__(self, _: Request, __: Moment) -> None:
        if self._dice.random() < self._chance:
            self._world.lines[-1].die()


@dataclass
class Memory:
    """What was written and when the successor came, for what may be lost and what may not."""

    written: StoredEvidence | None
    restarted_at: datetime


@dataclass
class Story:
    """How a scenario went."""

    world: World
    restarts: list[Memory] = field(default_factory=list)


async def play(scenario: Scenario, world: World, *, within: float = LIMIT_SECONDS) -> Story:
    """From the user's edit to the end, with a successor for each process that dies on the way."""
    story = Story(world)
    scenario.act(world)
    end = world.clock.monotonic() + within
    settled_at = end
    while world.clock.monotonic() < settled_at:
        await world.run(0.5)
        await _replace_the_dead(world, scenario, story)
        if settled_at == end and scenario.has_ended(world):
            settled_at = world.clock.monotonic() + SETTLE_SECONDS
    assert scenario.has_ended(world), f"{scenario.name} did not end: {world.status()}"
    return story


async def _replace_the_dead(world: World, scenario: Scenario, story: Story) -> None:
    if world.lines[-1].is_dead:
        await world.end(world.processes[-1])
        written = world.watchdog.last_evidence.get(child_name(NAME, id_of(scenario.new)))
        await world.run(DOWN_SECONDS)
        story.restarts.append(Memory(written, world.clock.now()))
        await world.start()


async def recorded(scenario: Scenario) -> tuple[list[Request], Picture]:
    """The writes of the scenario when nothing goes wrong, and how things stand at its end."""
    async with World() as world:
        await scenario.begin(world)
        before = len(world.lines[-1].log)
        await play(scenario, world)
        return [request for request in world.lines[-1].log[before:] if request.is_write], world.picture()


def differences(found: Any, wanted: Any, path: str = "") -> list[str]:
    """Where two pictures differ, one line each."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        keys = [*wanted, *(key for key in found if key not in wanted)]
        return [line for key in keys for line in differences(found.get(key), wanted.get(key), f"{path}/{key}")]
    return [] if found == wanted else [f"{path}: {found}, not {wanted}"]


def loses_at_most_a_baseline(scenario: Scenario, story: Story) -> None:
    """What was counted before the kill goes on without a gap; what was not begins anew with the next reading.

    Pod by pod: one that was warm when the written evidence was taken is counted from that time on, any other from the
    first reading after the restart and its warm-up. The live arm by ratio is left out: what it served before the
    candidate had a share is forgotten by intent when the share changes.
    """
    world, live = story.world, scenario.live
    last = world.watchdog.last_evidence.get(child_name(NAME, id_of(scenario.new)))
    if last is None or live is None or not story.restarts:
        return
    memory = story.restarts[-1]
    arms = {"candidate": id_of(scenario.new)} | ({"stable": id_of(live)} if live.route else {})
    for arm, revision in arms.items():
        least = total(memory.written, arm) if memory.written else 0.0
        for pod, ready_at in world.traffic.pods(revision).items():
            warm_at = ready_at + timedelta(seconds=WARMUP_SECONDS)
            if memory.written is not None and warm_at <= memory.written.evaluated_at:
                since = memory.written.evaluated_at
            else:
                since = max(warm_at, memory.restarted_at) + timedelta(seconds=READING_SECONDS)
            least += max(0.0, world.traffic.served_by(pod, last.evaluated_at) - world.traffic.served_by(pod, since))
        assert total(last, arm) >= least - 1e-6, f"{arm}: {total(last, arm):.0f} of {least:.0f} requests were counted"
