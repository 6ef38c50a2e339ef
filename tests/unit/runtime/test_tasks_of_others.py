"""kopf ends its own tasks and no others."""

import asyncio

import kopf

from modelrollout.runtime.tasks_of_others import TasksOfOthers


async def test_ours_are_others_and_those_of_kopf_are_not() -> None:
    ours = asyncio.create_task(asyncio.sleep(0))
    theirs = asyncio.create_task(kopf.run_tasks([], ignored=()))
    others = TasksOfOthers()

    assert ours in others
    assert theirs not in others
    assert ours in list(others)
    assert len(others) == len(list(others)) < len(asyncio.all_tasks())
    theirs.cancel()
    await asyncio.gather(ours, theirs, return_exceptions=True)


def test_what_is_no_task_is_none_of_kopfs() -> None:
    assert None in TasksOfOthers()
