"""Waiting with a deadline. What does not come about fails with a picture of how things stand, not with a number."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from demo.kubectl import KubectlError, kubectl

PATIENCE_SECONDS = 120.0
FAULTS_EVERY_SECONDS = 15.0

Found = TypeVar("Found")


def until(
    what: str,
    probe: Callable[[], Found | None],
    *,
    namespace: str,
    seconds: float = PATIENCE_SECONDS,
    every: float = 0.2,
) -> Found:
    """The first answer of `probe` that is neither None nor False."""
    deadline = time.monotonic() + seconds
    look = time.monotonic() + FAULTS_EVERY_SECONDS
    while True:
        found = probe()
        if found is not None and found is not False:
            return found
        if time.monotonic() > look:
            no_faults(namespace)
            look = time.monotonic() + FAULTS_EVERY_SECONDS
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}\n{picture(namespace)}")
        time.sleep(every)


def no_faults(namespace: str) -> None:
    """The operator has not failed by a fault of its own; there is nothing to wait for after one."""
    log = operator_log(lines=2000).splitlines()
    told = (at for at, line in enumerate(log) if f"{namespace}/" in line and "could not be reconciled" in line)
    first = next(told, None)
    if first is not None:
        raise AssertionError("a fault of the operator:\n" + "\n".join(log[first : first + 40]))


def picture(namespace: str) -> str:
    """The objects of a namespace, what was said about them, and the operator's last words about it."""
    parts = [
        _told(
            "get", "modeldeployments,modelrevisions,deployments,services,httproutes,pods", "-o", "wide", of=namespace
        ),
        _told("get", "modeldeployments", "-o", f"jsonpath={_CONDITIONS}", of=namespace),
        _told("get", "events", "--sort-by=.metadata.creationTimestamp", of=namespace, lines=30),
        "\n".join(line for line in operator_log().splitlines() if namespace in line or " ERROR " in line),
    ]
    return "\n--\n".join(parts)


def operator_log(*, lines: int = 400) -> str:
    """The last lines of both replicas."""
    selector = ("-n", "modelrollout", "-l", "app=modelrollout", "--prefix", f"--tail={lines}")
    try:
        return kubectl("logs", *selector)
    except KubectlError as error:
        return str(error)


_CONDITIONS = (
    '{range .items[*]}{.metadata.name} generation {.metadata.generation}, {.status}{"\\n"}'
    '{range .status.conditions[*]}  {.type}={.status} {.reason}: {.message}{"\\n"}{end}{end}'
)


def _told(*arguments: str, of: str, lines: int | None = None) -> str:
    try:
        text = kubectl(*arguments, "-n", of)
    except KubectlError as error:
        return str(error)
    return "\n".join(text.splitlines()[-lines:] if lines else text.splitlines())
