"""A live view: one picture for each change, on a terminal in the place of the last."""

import io
import queue
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from modelrollout.adapters.kubernetes import ApiError, Forbidden, JsonObject, Resource, Unreachable
from modelrollout.api.modeldeployment import StageName
from modelrollout.cli import queue as waiting
from modelrollout.cli import status
from modelrollout.cli.errors import RefusedError
from modelrollout.cli.terminal import Terminal
from tests.builders import BAD, FEW, bodies, live, rolling, spec
from tests.unit.cli.stand import Stand

CANARYING = rolling(spec("2"), StageName.CANARY, weight=25, seen=FEW)
HARMED = rolling(spec("2"), StageName.CANARY, weight=25, seen=BAD)


class Watched(Stand):
    """Its watch tells what the test puts into `told`: objects that changed, or an error. None is Ctrl-C."""

    told: queue.SimpleQueue[list[JsonObject] | ApiError]
    interrupted: bool

    def watch(self, resource: Resource, **_: Any) -> Iterator[tuple[str, JsonObject]]:
        while True:
            told = self.told.get()
            if isinstance(told, ApiError):
                raise told
            self.put(*told)
            yield "MODIFIED", told[0]


class Pictures(io.StringIO):
    """Calls `next_` after each picture; a KeyboardInterrupt of it is a person's Ctrl-C."""

    def __init__(self, stand: Watched, *steps: list[JsonObject] | ApiError) -> None:
        super().__init__()
        self.stand = stand
        self.steps = list(steps)

    def flush(self) -> None:
        if not self.steps:
            raise KeyboardInterrupt
        self.stand.told.put(self.steps.pop(0))


def watched(observation: Any) -> Watched:
    stand = Watched(observation=observation)
    stand.told = queue.SimpleQueue()
    return stand


def follow(stand: Watched, stream: Pictures, *words: str, verb: Any = status) -> str:
    with pytest.raises(KeyboardInterrupt):
        verb.run([*words, "--watch"], connect=stand.connect, terminal=Terminal(stream, environ={}))
    return stream.getvalue()


def test_each_change_is_a_picture_with_an_empty_line_between() -> None:
    stand = watched(CANARYING)
    out = follow(stand, Pictures(stand, bodies(HARMED), bodies(live(spec("2")))), "fraud")
    first, *others = out.split("\n\npayments/fraud   ")
    assert first.startswith("payments/fraud   Progressing for 10m\n")
    assert [one.split()[0] for one in others] == ["RolledBack", "Ready"]
    assert "\x1b" not in out


def test_all_of_them() -> None:
    stand = watched(CANARYING)
    out = follow(stand, Pictures(stand, bodies(HARMED)))
    assert [line.split()[-2] for line in out.splitlines() if line.startswith("fraud")] == ["Progressing", "RolledBack"]


def test_the_queue() -> None:
    stand = watched(CANARYING)
    out = follow(stand, Pictures(stand, bodies(HARMED)), verb=waiting)
    assert out.startswith("Nothing waits for a person.\n\nNAMESPACE")


def test_a_server_that_does_not_answer_for_a_while_is_waited_for() -> None:
    stand = watched(CANARYING)
    out = follow(stand, Pictures(stand, Unreachable(0, "Refused", "it does not answer"), bodies(HARMED)), "fraud")
    first, second, third = out.split("\n\npayments/fraud   ")
    assert "as last seen: it does not answer" not in first
    assert second.endswith("as last seen: it does not answer")
    assert third.startswith("RolledBack")
    assert "as last seen" not in third


def test_a_missing_right_ends_it() -> None:
    stand = watched(CANARYING)
    stream = Pictures(stand, Forbidden(403, "Forbidden", "cannot watch"))
    with pytest.raises(RefusedError, match="cannot watch"):
        status.run(["fraud", "--watch"], connect=stand.connect, terminal=Terminal(stream, environ={}))


def test_nobody_waits_for_the_thread_that_watches() -> None:
    """Ctrl-C does not wait for the end of a watch."""
    stand, before = watched(CANARYING), set(threading.enumerate())
    follow(stand, Pictures(stand), "fraud")
    (watching,) = set(threading.enumerate()) - before
    assert watching.daemon
