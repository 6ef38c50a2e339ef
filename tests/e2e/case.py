"""One test's world: a namespace of its own, the model in it, its users, and everything that was seen of it.

A test reads `given, when, then = case.steps()`: what there is, what is done, what must come of it.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from demo.kubectl import apply, kubectl
from tests.e2e.history import History, Object, State
from tests.e2e.manifests import NAME
from tests.e2e.users import Seen, Users

if TYPE_CHECKING:
    from tests.e2e.given import Given
    from tests.e2e.registry import Registry
    from tests.e2e.then import Then
    from tests.e2e.when import When


RUN_LABEL = "modelrollout-e2e-run"


@dataclass(frozen=True)
class World:
    """What all tests share."""

    history: History
    gateway: str
    prometheus: str
    mlflow: Registry | None = None
    """Where a test needs it."""

    run: str = field(default_factory=lambda: secrets.token_hex(3))
    """Label of this run's namespaces, so that none of them stays behind."""


class Case:
    def __init__(self, world: World, *, title: str) -> None:
        self.world = world
        self.namespace = f"e2e-{title[:40].strip('-')}-{secrets.token_hex(2)}"
        self.users: list[Users] = []
        self.applied: list[Object] = []
        """What the API server answered to each apply: it is what the object must look like until the next one."""
        self.notes: list[str] = []
        self.seen_before = Seen(0, 0, {})
        self.changed_at = time.monotonic()
        """When the last thing was done, so that `then` speaks about what came after it."""

    def __enter__(self) -> Self:
        labels = {"pod-security.kubernetes.io/enforce": "restricted", RUN_LABEL: self.world.run}
        apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace, "labels": labels}})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for users in self.users:
            users.stop()
        kubectl("delete", "namespace", self.namespace, "--ignore-not-found", "--wait=false")

    def steps(self) -> tuple[Given, When, Then]:
        from tests.e2e.given import Given
        from tests.e2e.then import Then
        from tests.e2e.when import When

        return Given(self), When(self), Then(self)

    def states(self, name: str = NAME) -> tuple[State, ...]:
        """All states of the ModelDeployment that the watch told."""
        return self.world.history.states("modeldeployments", self.namespace, name)

    def answers(self, name: str = NAME) -> tuple[State, ...]:
        """Those of them that are about what was applied last: not from before it, and seen by the operator."""
        generation = next(
            one["metadata"]["generation"] for one in reversed(self.applied) if one["metadata"]["name"] == name
        )
        return tuple(
            state
            for state in self.states(name)
            if not state.deleted
            and state.found["metadata"]["generation"] == generation
            and state.status.get("observedGeneration") == generation
        )

    def revisions(self, version: str, *, name: str = NAME) -> list[tuple[State, ...]]:
        """The histories of a deployment's revisions with this model version, in the order in which they were made."""
        every = [(states[0].found["spec"], states) for states in self._all_revisions()]
        mine = [states for spec, states in every if (spec["deployment"], spec["model"]["version"]) == (name, version)]
        return sorted(mine, key=lambda states: states[0].at)

    def _all_revisions(self) -> Iterable[tuple[State, ...]]:
        return self.world.history.of_namespace("modelrevisions", self.namespace).values()

    def seen(self) -> Seen:
        """What all users together have seen."""
        total = Seen(0, 0, {})
        for users in self.users:
            one = users.seen()
            names = {*total.by_version, *one.by_version}
            versions = {name: total.by_version.get(name, 0) + one.by_version.get(name, 0) for name in names}
            total = Seen(total.ok + one.ok, total.failed + one.failed, versions)
        return total

    def changed(self) -> None:
        """Something is being done now: what is seen from here on comes of it."""
        self.changed_at = time.monotonic()
        self.seen_before = self.seen()

    def note(self, text: str) -> None:
        """A figure for the summary; nothing is asserted on it."""
        self.notes.append(text)

    def execute(self, pod: str, *command: str) -> str:
        """What a command prints in a pod's first container."""
        return kubectl("exec", pod, "-n", self.namespace, "--", *command)

    def model(self, *words: str) -> str:
        """What `kubectl model` prints: kubectl finds it as a plugin beside the Python that runs the tests."""
        path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
        command = ["kubectl", "model", *words, "-n", self.namespace]
        done = subprocess.run(
            command, env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}{done.stdout}"
        return done.stdout

    def fetch(self, *arguments: str) -> Object:
        found: Object = json.loads(kubectl("get", *arguments, "-n", self.namespace, "-o", "json"))
        return found
