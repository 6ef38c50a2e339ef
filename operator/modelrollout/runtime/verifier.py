"""Asks candidates whether they serve what their contract says, beside the reconciles and never within one.

One question at a time for each rollout, some at once for all. Who does not answer is asked again, less and less often;
what was answered is known until the rollout ends or another candidate takes its place. It is written with the revision,
so a process that starts again asks nobody who has answered.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import ValidationError

from modelrollout.adapters.clock import Clock
from modelrollout.adapters.modelserver import ModelServer, NoAnswer, Refusal
from modelrollout.api.contract import Contract, Severity, Verify
from modelrollout.api.revision import child_name
from modelrollout.data import served
from modelrollout.data.compatibility import Finding, breaking
from modelrollout.plan import Observation, Plan
from modelrollout.plan.observation import Verification
from modelrollout.runtime.queue import Key

AT_ONCE = 8
FIRST_WAIT_SECONDS = 2.0
LONGEST_WAIT_SECONDS = 60.0
TRIES_OF_AN_EXAMPLE = 3
"""A model that fails on its own example so often, with its pods ready, is not about to start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What to ask of whom: `url` is that of the candidate's Service."""

    revision: str
    url: str
    model: str
    contract: Contract
    verify: Verify


@dataclass(slots=True)
class _Asking:
    question: Question
    task: "asyncio.Task[None]"
    told: Verification | None = None


class Verifier:
    """For one event loop. `wake` is called when there is news for a rollout."""

    def __init__(self, server: ModelServer, clock: Clock, wake: Callable[[Key], None]) -> None:
        self._server = server
        self._clock = clock
        self._wake = wake
        self._asking: dict[Key, _Asking] = {}
        self._room = asyncio.Semaphore(AT_ONCE)

    def ask(self, key: Key, question: Question) -> None:
        """Again with the same question: nothing changes."""
        present = self._asking.get(key)
        if present is not None and present.question == question:
            return
        self.forget(key)
        task = asyncio.get_running_loop().create_task(self._run(key, question))
        self._asking[key] = _Asking(question, task)

    def told(self, key: Key, revision: str | None) -> Verification | None:
        """What is known of that candidate so far."""
        asking = self._asking.get(key)
        return asking.told if asking is not None and asking.question.revision == revision else None

    def forget(self, key: Key) -> None:
        asking = self._asking.pop(key, None)
        if asking is not None:
            asking.task.cancel()

    async def close(self) -> None:
        tasks = [asking.task for asking in self._asking.values()]
        for key in list(self._asking):
            self.forget(key)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, key: Key, question: Question) -> None:
        wait, tries = FIRST_WAIT_SECONDS, 1
        while True:
            async with self._room:
                told = await self._verified(question, tries)
            asking = self._asking.get(key)
            if asking is not None and asking.question is question and asking.told != told:
                asking.told = told
                self._wake(key)
            if told.unanswered is None:
                return
            await self._clock.sleep(wait)
            wait, tries = min(2 * wait, LONGEST_WAIT_SECONDS), tries + 1

    async def _verified(self, question: Question, tries: int) -> Verification:
        findings: tuple[Finding, ...] = ()
        try:
            metadata = await self._server.metadata(question.url, question.model)
            if question.verify.served:
                findings = served.compare(question.contract, metadata)
            if question.verify.example and question.contract.example is not None and not breaking(findings):
                body = served.request(question.contract, metadata)
                findings += await self._example(question, body, tries)
        except Refusal as refusal:
            why = f"{refusal.reason}; contract.verify.model says what the server calls the model"
            return Verification(revision=question.revision, unanswered=why if refusal.status == 404 else refusal.reason)
        except NoAnswer as silence:
            return Verification(revision=question.revision, unanswered=silence.reason)
        return Verification(revision=question.revision, findings=findings)

    async def _example(self, question: Question, body: dict[str, object], tries: int) -> tuple[Finding, ...]:
        try:
            answer = await self._server.infer(question.url, question.model, body)
        except Refusal as refusal:
            fault = refusal.status == 500 and tries >= TRIES_OF_AN_EXAMPLE
            if fault or (400 <= refusal.status < 500 and refusal.status not in (404, 408, 429)):
                why = f"the model does not answer it: {refusal.reason}; correct the example or the model"
                return (Finding(severity=Severity.BREAKING, field="example", message=why),)
            raise
        return served.answered(question.contract, answer)


def question_of(observation: Observation, planned: Plan) -> Question | None:
    """What the plan wants to be asked; None where there is nothing to hold an answer against."""
    source, candidate = observation.spec.contract, observation.revision(planned.status.candidate)
    if source is None or candidate is None or candidate.spec.contract is None:
        return None
    try:
        contract = Contract.model_validate(candidate.spec.contract)
    except ValidationError:
        return None
    service = f"{child_name(observation.name, candidate.id)}.{observation.namespace}.svc"
    return Question(
        revision=candidate.id,
        url=f"http://{service}:{candidate.spec.serving.port}",
        model=source.verify.model or candidate.spec.model.name,
        contract=contract,
        verify=source.verify,
    )
