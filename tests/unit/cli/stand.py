"""A cluster for the verbs, at the border where they ask: objects in memory, a person, and an operator that answers.

What the operator has written is written by its own planner, and so are its answers to what is asked.
"""

import argparse
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from modelrollout.adapters.kubernetes import (
    MODEL_DEPLOYMENTS,
    MODEL_REVISIONS,
    ROLLOUT_ACTIONS,
    SERVICES,
    ApiError,
    JsonObject,
    Resource,
)
from modelrollout.adapters.kubernetes.resources import SELF_SUBJECT_REVIEWS
from modelrollout.api.rolloutaction import RolloutActionSpec
from modelrollout.cli.cluster import Cluster, explained
from modelrollout.cli.errors import CliError
from modelrollout.cli.terminal import Terminal
from modelrollout.plan.observation import ActionView, Observation
from modelrollout.plan.planner import plan
from tests.builders import NAMESPACE, NOW, bodies

Run = Callable[..., int]
_RESOURCES = {one.kind: one for one in (MODEL_DEPLOYMENTS, MODEL_REVISIONS, ROLLOUT_ACTIONS)}


@dataclass(frozen=True)
class Printed:
    code: int
    out: str
    error: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


@dataclass
class Stand:
    """`refusals` are raised by requests, by verb and plural; `deaf`: there is no operator that would answer."""

    observation: Observation | None = None
    person: str = "otto"
    refusals: dict[tuple[str, str], ApiError] = field(default_factory=dict)
    deaf: bool = False
    objects: dict[tuple[str, str, str], JsonObject] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    created: list[JsonObject] = field(default_factory=list)
    pages: dict[str, JsonObject] = field(default_factory=dict)
    now: datetime = NOW

    def __post_init__(self) -> None:
        if self.observation is not None:
            self.put(*bodies(self.observation))

    def put(self, *objects: JsonObject) -> None:
        for one in objects:
            resource = _RESOURCES.get(one["kind"])
            plural = resource.plural if resource else f"{one['kind'].lower()}s"
            self.objects[plural, one["metadata"].get("namespace", ""), one["metadata"]["name"]] = one

    # What an API server does

    def get(self, resource: Resource, *, namespace: str | None, name: str) -> JsonObject | None:
        self._hear("get", resource)
        return self.objects.get((resource.plural, namespace or "", name))

    def list(
        self, resource: Resource, *, namespace: str | None, label_selector: str = "", field_selector: str = ""
    ) -> list[JsonObject]:
        self._hear("list" if namespace is not None else "list-all", resource)
        key, _, value = label_selector.partition("=")
        return [
            one
            for (plural, where, _), one in self.objects.items()
            if plural == resource.plural
            and namespace in (None, where)
            and (not key or one["metadata"].get("labels", {}).get(key) == value)
        ]

    def proxied(self, *, namespace: str, service: str, port: int, path: str) -> JsonObject:
        self._hear("proxy", SERVICES)
        return self.pages[f"{namespace}/{service}:{port}{path}"]

    def create(self, resource: Resource, body: JsonObject) -> JsonObject:
        self._hear("create", resource)
        if resource is SELF_SUBJECT_REVIEWS:
            return {"status": {"userInfo": {"username": self.person}}}
        number = len(self.created) + 1
        metadata = {**body["metadata"], "name": f"{body['metadata'].get('generateName', '')}{number}"}
        made = {**body, "metadata": {**metadata, "uid": f"uid-{number}", "resourceVersion": str(number)}}
        self.created.append(made)
        return made

    def watch(
        self,
        resource: Resource,
        *,
        namespace: str | None,
        seconds: float,
        field_selector: str = "",
        resource_version: str = "",
    ) -> Iterator[tuple[str, JsonObject]]:
        self._hear("watch", resource)
        if resource is not ROLLOUT_ACTIONS or self.deaf:
            return iter(())
        (made,) = [one for one in self.created if f"metadata.name={one['metadata']['name']}" == field_selector]
        return iter([("MODIFIED", {**made, "status": self._answer(made)})])

    def _answer(self, made: JsonObject) -> dict[str, Any]:
        assert self.observation is not None
        view = ActionView(
            uid=made["metadata"]["uid"],
            name=made["metadata"]["name"],
            created_at=self.now,
            spec=RolloutActionSpec.model_validate(made["spec"]),
        )
        (answer,) = plan(replace(self.observation, actions=(view,)), self.now).answers
        return {"outcome": answer.outcome.value, "message": answer.message, "at": answer.at.isoformat()}

    def _hear(self, verb: str, resource: Resource) -> None:
        self.asked.append((verb, resource.plural))
        refusal = self.refusals.get((verb, resource.plural))
        if refusal is not None:
            raise refusal

    # What a person does

    @contextmanager
    def connect(self, options: argparse.Namespace) -> Iterator[Cluster]:
        with explained():
            yield Cluster(api=self, namespace=options.namespace or NAMESPACE, now=lambda: self.now)

    def run(self, verb: Run, *words: str, environ: Mapping[str, str] | None = None) -> Printed:
        """What a verb prints. An error is what `main` would print of it."""
        out, errors = io.StringIO(), io.StringIO()
        try:
            code = verb(words, connect=self.connect, terminal=Terminal(out, errors=errors, environ=environ or {}))
        except CliError as error:
            return Printed(error.exit_code, out.getvalue(), str(error))
        return Printed(code, out.getvalue(), errors.getvalue())
