"""Tests that run beside each other, each in a thread and a namespace of its own: most of their time is waiting.

A test that takes `case` is started with the first of them and reported in its turn. One that is marked `alone`, because
it takes something away that the others need, runs by itself after they have all ended.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from tests.e2e.case import Case, World
from tests.e2e.then import Then
from tests.e2e.waiting import no_faults

AT_ONCE = 3
"""Two cores start the pods of so many rollouts at once without being late for anybody's requests."""

RUNNING = pytest.StashKey[dict[str, "Future[None]"]]()
NOTES = pytest.StashKey[list[str]]()


def is_beside(item: pytest.Item) -> bool:
    return "case" in getattr(item, "fixturenames", ()) and item.get_closest_marker("alone") is None


def started(session: pytest.Session, world: World) -> Iterator[None]:
    """Starts every one of them that was selected. What has not begun when the session ends does not begin any more."""
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="case") as pool:
        session.stash[RUNNING] = {
            item.nodeid: pool.submit(_run, item, world) for item in session.items if is_beside(item)
        }
        yield
        pool.shutdown(wait=True, cancel_futures=True)


def ended(session: pytest.Session) -> None:
    """Waits for all of them, whatever becomes of them: each is reported where it stands."""
    for future in session.stash[RUNNING].values():
        if not future.cancelled():
            future.exception()


def _run(item: pytest.Item, world: World) -> None:
    assert isinstance(item, pytest.Function)
    with new_case(item, world) as case:
        perform(item, case)


def new_case(item: pytest.Item, world: World) -> Case:
    return Case(world, title=item.name.removeprefix("test_").replace("_", "-").lower())


def perform(item: pytest.Function, case: Case) -> None:
    """The test itself, then what holds in every test, and its figures for the summary."""
    began = time.monotonic()
    told = item.config.stash[NOTES]
    try:
        item.function(case)
        for name in {one["metadata"]["name"] for one in case.applied}:
            then = Then(case)
            then.the_object_is_as_applied(name=name)
            then.kstatus_was_right(name)
        no_faults(case.namespace)
    finally:
        lines: list[Any] = [f"{item.name}: {time.monotonic() - began:.0f} s", *(f"    {note}" for note in case.notes)]
        told.extend(lines)
