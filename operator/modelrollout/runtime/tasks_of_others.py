"""Which tasks of the event loop are none of kopf's business.

When kopf ends it cancels every task that is younger than itself, whoever started it, because it cannot tell. Among them
were the renewal and the release of the Lease, so a process that was told to stop while it renewed left it behind.
It lets alone what is in a collection, and this one holds every task whose coroutine is not kopf's own code.
"""

import asyncio
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import kopf

_KOPF = Path(kopf.__file__).parent


class TasksOfOthers(Collection["asyncio.Task[Any]"]):
    def __contains__(self, task: object) -> bool:
        code = getattr(task.get_coro(), "cr_code", None) if isinstance(task, asyncio.Task) else None
        return code is None or _KOPF not in Path(code.co_filename).parents

    def __iter__(self) -> Iterator["asyncio.Task[Any]"]:
        return (task for task in asyncio.all_tasks() if task in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)
