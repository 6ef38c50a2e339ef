"""Sends what was sampled a second time, to both versions at once, and compares what they say.

Both are asked at the same moment, since what a model answers may depend on it, and in an order that is drawn anew for
each request, so that neither is always the first. Some requests go to the live version twice: what it disagrees with
itself is the noise that the candidate is measured against.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from modelrollout.adapters.clock import Clock
from modelrollout.api.observer import Arm
from modelrollout.data import Kind
from modelrollout.observer.answers import Answer, Message, UnreadableError, read_answer
from modelrollout.observer.asking import Asker, Failure, Reply, Why
from modelrollout.observer.assignment import Assignment
from modelrollout.observer.body import NoRoomError
from modelrollout.observer.budget import Account, Budget
from modelrollout.observer.compare import Verdict
from modelrollout.observer.counting import DataCounts
from modelrollout.observer.examples import Examples
from modelrollout.observer.guard import Side
from modelrollout.observer.pending import Pending, Sampled
from modelrollout.observer.sampling import chance
from modelrollout.observer.shown import disagreement, failure
from modelrollout.observer.telemetry import Telemetry, What

log = logging.getLogger(__name__)

IN_FLIGHT = 16
NOISE = "noise"


class Turn(StrEnum):
    """One question of a request."""

    LIVE = "live"
    CANDIDATE = "candidate"
    AGAIN = "live again"

    @property
    def side(self) -> Side:
        return Side.CANDIDATE if self is Turn.CANDIDATE else Side.LIVE


@dataclass(frozen=True, slots=True)
class Replayer:
    """Any number of `run` may work on the same queue."""

    assignment: Callable[[], Assignment | None]
    pending: Pending
    asker: Asker
    budget: Budget
    telemetry: Telemetry
    examples: Examples
    counts: DataCounts
    clock: Clock

    async def run(self) -> None:
        while True:
            sampled = await self.pending.get()
            answers = Account(self.budget)
            try:
                await self._attempt(sampled, answers)
            except Exception:
                # One request must not end the comparing of all others.
                log.exception("a request could not be compared")
                self.telemetry.request(What.DROPPED)
            finally:
                answers.close()
                sampled.account.close()

    async def _attempt(self, sampled: Sampled, answers: Account) -> None:
        try:
            await self._replay(sampled, answers)
        except* NoRoomError:
            self.telemetry.request(What.DROPPED)

    async def _replay(self, sampled: Sampled, answers: Account) -> None:
        assignment = self.assignment()
        if assignment is None or assignment.pausing:
            self.telemetry.request(What.DROPPED)
            return
        if self.counts:
            self._count_inputs(sampled, assignment)
        if assignment.candidate is None:
            return
        replies = await self._ask(sampled, assignment, assignment.candidate, answers)
        if not self.telemetry.is_about(assignment.names):
            return
        for turn, reply in replies.items():
            self._watch(assignment, turn.side, reply)
        read = {turn: _read(assignment, reply.result) for turn, reply in replies.items()}
        self._count_outputs(assignment.live.revision, read[Turn.LIVE])
        self._count_outputs(assignment.candidate.revision, read[Turn.CANDIDATE])
        self._compare(sampled, assignment, live=read[Turn.LIVE], candidate=read[Turn.CANDIDATE])
        again, live = read.get(Turn.AGAIN), read[Turn.LIVE]
        if isinstance(live, Answer) and isinstance(again, Answer):
            self.telemetry.compared_with_itself(assignment.comparator.judge(live, again))

    def _count_inputs(self, sampled: Sampled, assignment: Assignment) -> None:
        revision = assignment.about.revision
        try:
            self.counts.request(revision, assignment.message(sampled))
        except UnreadableError:
            self.counts.unreadable(revision, Kind.INPUT)

    def _count_outputs(self, revision: str, answer: Answer | Failure) -> None:
        if isinstance(answer, Answer):
            self.counts.answer(revision, answer)

    async def _ask(
        self, sampled: Sampled, assignment: Assignment, candidate: Arm, answers: Account
    ) -> Mapping[Turn, Reply]:
        turns = [Turn.LIVE, Turn.CANDIDATE]
        if chance(sampled.key, NOISE) < assignment.noise_share:
            turns.append(Turn.AGAIN)
        turns.sort(key=lambda turn: chance(sampled.key, turn))
        asked: list[asyncio.Task[Reply]] = []
        async with asyncio.TaskGroup() as group:
            for turn in turns:
                arm = candidate if turn is Turn.CANDIDATE else assignment.live
                question = self.asker.ask(
                    sampled,
                    base=arm.url,
                    keep=assignment.keep,
                    timeout=assignment.timeout,
                    longest=assignment.longest,
                    account=answers,
                )
                asked.append(group.create_task(question))
        return {turn: task.result() for turn, task in zip(turns, asked, strict=True)}

    def _watch(self, assignment: Assignment, side: Side, reply: Reply) -> None:
        self.telemetry.asked(side, reply.seconds)
        guard = assignment.guards[side]
        before = guard.pauses
        if isinstance(reply.result, Failure) and reply.result.busy:
            guard.busy()
        else:
            guard.answered(reply.seconds)
        if guard.pauses > before:
            self.telemetry.paused(side)
            log.warning("the %s version is busy; it is left alone for a while", side)

    def _compare(
        self, sampled: Sampled, assignment: Assignment, *, live: Answer | Failure, candidate: Answer | Failure
    ) -> None:
        now = self.clock.now()
        match live, candidate:
            case Answer(), Answer():
                judgement = assignment.comparator.judge(live, candidate)
                self.telemetry.compared(judgement)
                if judgement.verdict is Verdict.INCOMPARABLE:
                    self.telemetry.failed(None, Why.UNREADABLE)
                elif judgement.verdict is Verdict.DISAGREE:
                    self.examples.offer(
                        judgement.severity,
                        lambda: disagreement(sampled, assignment, judgement, live=live, candidate=candidate, now=now),
                    )
            case Answer(), Failure():
                self.telemetry.failed(Side.CANDIDATE, candidate.why)
                self.examples.offer(1.0, lambda: failure(sampled, assignment, candidate.reason, now=now))
            case Failure(), Answer():
                self.telemetry.failed(Side.LIVE, live.why)
            case Failure(), Failure():
                self.telemetry.failed(None, candidate.why)


def _read(assignment: Assignment, result: Message | Failure) -> Answer | Failure:
    if isinstance(result, Failure):
        return result
    try:
        return read_answer(assignment.protocol, result)
    except UnreadableError as error:
        return Failure(Why.UNREADABLE, str(error))
