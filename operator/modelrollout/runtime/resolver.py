"""Asks the registry which version a URI means, beside the reconciles: none of them ever waits for it.

A reconcile looks up what is known and leaves its question here. The loop asks, one model at a time, and wakes whom the
answer concerns. A question is asked once; one about an alias that is followed is asked again each period, with one
request for a model however many deployments follow it, and so is one that could not be answered. Nothing here is needed
after a restart: what a spec was pinned to stands in the revisions (`modelrollout.plan.pins`).
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from modelrollout.adapters.clock import Clock
from modelrollout.adapters.registry import Registry, RegistryError
from modelrollout.api.model import Model
from modelrollout.api.modeldeployment import ModelDeploymentStatus
from modelrollout.api.registry import RegistryRef, registry_ref
from modelrollout.api.revision import asked
from modelrollout.plan.observation import RevisionView
from modelrollout.plan.pins import kept
from modelrollout.plan.registered import Registered
from modelrollout.plan.write_back import VersionPlace
from modelrollout.runtime.queue import Key

log = logging.getLogger(__name__)

POLL_SECONDS = 30.0

Trouble = tuple[str, str]
"""A reason and a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """What a spec's URI means, as far as it is known. Without `registered`: why not, or that the answer is awaited."""

    registered: Registered | None = None
    trouble: Trouble | None = None
    waits: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """`known` are the versions that this deployment has revisions of: of those only the number is needed."""

    asked: str
    ref: RegistryRef
    follows: bool
    known: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heard:
    """The newest answer, and why there was none since."""

    version: str | None = None
    registered: Registered | None = None
    trouble: Trouble | None = None


@dataclass(slots=True)
class _Measuring:
    places: frozenset[VersionPlace]
    found: dict[VersionPlace, Mapping[str, float]] = field(default_factory=dict)
    trouble: Trouble | None = None
    due_at: float = 0.0


class Resolver:
    def __init__(
        self,
        registry: Registry,
        clock: Clock,
        wake: Callable[[Key], None],
        *,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._wake = wake
        self._poll_seconds = poll_seconds
        self._questions: dict[Key, _Question] = {}
        self._heard: dict[Key, _Heard] = {}
        self._measuring: dict[Key, _Measuring] = {}
        self._due_at: dict[str, float] = {}
        self._news = asyncio.Event()

    # What reconciles call

    def resolve(
        self, key: Key, model: Model, *, revisions: Iterable[RevisionView], status: ModelDeploymentStatus
    ) -> Resolution:
        """Fetches nothing. What cannot be told yet is asked for, and `key` is woken when the answer is there."""
        ref = registry_ref(model.uri)
        if ref is None:
            self._withdraw(key)
            return Resolution()
        views = tuple(revisions)
        pinned = kept(model, views, status)
        follows = model.follow is not None and ref.alias is not None
        if pinned is not None and not follows:
            self._withdraw(key)
            return Resolution(registered=pinned)
        versions = {view.spec.model.pin.version for view in views if view.spec.model.pin is not None}
        known = frozenset(version for version in versions if kept(model, views, status, version=version) is not None)
        heard = self._ask(key, _Question(asked=asked(model), ref=ref, follows=follows, known=known))
        newest = kept(model, views, status, version=heard.version) if heard.version else None
        found = newest or heard.registered or pinned
        return Resolution(registered=found, trouble=heard.trouble, waits=found is None and heard.trouble is None)

    def metrics(
        self, key: Key, places: Iterable[VersionPlace]
    ) -> tuple[Mapping[VersionPlace, Mapping[str, float]], Trouble | None]:
        """Metrics as the registry has them now; asked for again each period for as long as this is called."""
        wanted = frozenset(places)
        measuring = self._measuring.get(key)
        if measuring is None or measuring.places != wanted:
            measuring = self._measuring[key] = _Measuring(wanted)
            self._news.set()
        return measuring.found, measuring.trouble

    def measured(self, key: Key) -> None:
        """Nobody needs its metrics any more."""
        self._measuring.pop(key, None)

    def forget(self, key: Key) -> None:
        self._withdraw(key)
        self.measured(key)

    def _withdraw(self, key: Key) -> None:
        self._questions.pop(key, None)
        self._heard.pop(key, None)

    def _ask(self, key: Key, question: _Question) -> _Heard:
        before = self._questions.get(key)
        self._questions[key] = question
        if before is None or (before.asked, before.ref) != (question.asked, question.ref):
            self._heard.pop(key, None)
            self._news.set()
        return self._heard.get(key, _Heard())

    # The loop

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._news.clear()
            await self.once()
            await self._pause()

    async def once(self) -> None:
        """Everything that is due."""
        by_model: dict[str, list[Key]] = {}
        for key, question in self._questions.items():
            if self._is_open(key, question):
                by_model.setdefault(question.ref.model, []).append(key)
        self._due_at = {model: at for model, at in self._due_at.items() if model in by_model}
        for model, keys in by_model.items():
            new = any(key not in self._heard for key in keys)
            if new or self._due_at.get(model, 0.0) <= self._clock.monotonic():
                self._due_at[model] = self._clock.monotonic() + self._poll_seconds
                await self._hear(model, keys)
        for key, measuring in list(self._measuring.items()):
            if measuring.due_at <= self._clock.monotonic():
                measuring.due_at = self._clock.monotonic() + self._poll_seconds
                await self._measure(key, measuring)

    def _is_open(self, key: Key, question: _Question) -> bool:
        heard = self._heard.get(key)
        return question.follows or heard is None or heard.registered is None

    async def _pause(self) -> None:
        """Until somebody asks something new, or something is due."""
        due = [*self._due_at.values(), *(one.due_at for one in self._measuring.values())]
        waits: list[asyncio.Task[Any]] = [asyncio.create_task(self._news.wait())]
        if due:
            waits.append(asyncio.create_task(self._clock.sleep(max(0.0, min(due) - self._clock.monotonic()))))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _hear(self, model: str, keys: Iterable[Key]) -> None:
        """One request for the aliases of the model, and one question for each version that is news to somebody."""
        questions = {key: question for key in keys if (question := self._questions.get(key)) is not None}
        details: dict[str, Registered] = {}
        try:
            by_alias = any(question.ref.alias is not None for question in questions.values())
            aliases = await self._registry.aliases(model) if by_alias else {}
        except RegistryError as error:
            self._trouble(questions, error.reason, str(error))
            return
        for key, question in questions.items():
            version = question.ref.version or aliases.get(question.ref.alias or "")
            if version is None:
                message = (
                    f"model {model} has no alias {question.ref.alias} in the registry; set it, or name another one"
                )
                self._trouble({key: question}, "AliasMissing", message)
                continue
            heard = self._heard.get(key, _Heard())
            if version in question.known or (heard.version == version and heard.registered is not None):
                self._tell(key, question, replace(heard, version=version, trouble=None))
                continue
            try:
                if version not in details:
                    details[version] = await self._registry.version(model, version)
            except RegistryError as error:
                self._trouble({key: question}, error.reason, str(error))
            else:
                self._tell(key, question, _Heard(version=version, registered=details[version]))

    def _trouble(self, questions: Mapping[Key, _Question], reason: str, message: str) -> None:
        """What was heard before stays: that the registry is silent is no news about a version."""
        for key, question in questions.items():
            said = f"model.uri {question.ref}: {message}"
            self._tell(key, question, replace(self._heard.get(key, _Heard()), trouble=(reason, said)))

    def _tell(self, key: Key, question: _Question, heard: _Heard) -> None:
        now = self._questions.get(key)
        if now is None or (now.asked, now.ref) != (question.asked, question.ref):
            return  # something else is wanted meanwhile
        if heard.registered is not None and heard.registered.pin.version != heard.version:
            heard = replace(heard, registered=None)
        if self._heard.get(key) != heard:
            if heard.trouble is not None:
                log.warning("%s/%s: %s: %s", *key, *heard.trouble)
            self._heard[key] = heard
            self._wake(key)

    async def _measure(self, key: Key, measuring: _Measuring) -> None:
        before = (dict(measuring.found), measuring.trouble)
        measuring.trouble = None
        for model, version in sorted(measuring.places):
            try:
                measuring.found[model, version] = await self._registry.metrics(model, version)
            except RegistryError as error:
                measuring.trouble = (error.reason, f"metrics of version {version} of model {model}: {error}")
        if (measuring.found, measuring.trouble) != before and self._measuring.get(key) is measuring:
            self._wake(key)
