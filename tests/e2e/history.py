"""Every state that a ModelDeployment or ModelRevision was ever in, as a watch of the API server told it.

Tests read the past here instead of hoping to look at the right moment: a stage that lasted for half a second is in it.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import IO, Any

KINDS = ("modeldeployments", "modelrevisions")
Object = dict[str, Any]


@dataclass(frozen=True)
class State:
    """An object as it was from `at` (monotonic seconds) on."""

    at: float
    found: Object
    deleted: bool

    @property
    def status(self) -> Object:
        status: Object = self.found.get("status", {})
        return status


class History:
    """Follows both kinds in all namespaces from `start` until `stop`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._states: dict[tuple[str, str, str], list[State]] = defaultdict(list)
        self._watches: list[subprocess.Popen[str]] = []
        self._readers: list[threading.Thread] = []

    def start(self) -> None:
        for kind in KINDS:
            watch = subprocess.Popen(
                [
                    "kubectl",
                    "get",
                    kind,
                    "-A",
                    "-o",
                    "json",
                    "--watch",
                    "--output-watch-events",
                    "--show-managed-fields",
                ],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            assert watch.stdout is not None
            self._watches.append(watch)
            reader = threading.Thread(target=self._follow, args=(kind, watch.stdout), daemon=True)
            reader.start()
            self._readers.append(reader)

    def stop(self) -> None:
        for watch in self._watches:
            watch.terminate()
            watch.wait(timeout=10)
        for reader in self._readers:
            reader.join(timeout=10)

    def states(self, kind: str, namespace: str, name: str) -> tuple[State, ...]:
        """Oldest first; none of an object that nobody has made."""
        assert all(watch.poll() is None for watch in self._watches), "a watch of the API server has ended"
        with self._lock:
            return tuple(self._states[kind, namespace, name])

    def of_namespace(self, kind: str, namespace: str) -> dict[str, tuple[State, ...]]:
        """All objects of a kind, by name."""
        with self._lock:
            return {
                name: tuple(states)
                for (of_kind, where, name), states in self._states.items()
                if (of_kind, where) == (kind, namespace) and states
            }

    def _follow(self, kind: str, stream: IO[str]) -> None:
        with stream:
            for line in stream:  # kubectl writes each event as one line
                event, now = json.loads(line), time.monotonic()
                found = event["object"]
                state = State(at=now, found=found, deleted=event["type"] == "DELETED")
                with self._lock:
                    self._states[kind, found["metadata"]["namespace"], found["metadata"]["name"]].append(state)
