"""Who acts: a Lease that one process holds and renews.

    standby ──(nobody holds it, or its holder was silent for its whole lease)──► leader ──► lost
                                                                                   └─ clean stop: released

What keeps two from acting at once:

* A record of another is dated by our own monotonic clock, from when we first saw it. Its time stamps are for people:
  clocks of two machines differ, and comparing them is how two leaders come about.
* Each write carries the resourceVersion that it rests on, so of two who reach for the lease one gets a Conflict.
* The holder counts from before its last good renewal began and gives up after 10 s without another one; the others wait
  15 s from when they saw that renewal, which is later. `is_leader` is computed from the clock at each question, so it
  turns false in time even while a request hangs or the loop was held up.

What is lost is not won back: the process ends and starts anew (crash-only). A process that comes back under the same
identity, as a container that was restarted in its pod, takes its own lease over at once.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar

from modelrollout.adapters.clock import Clock
from modelrollout.adapters.kubernetes import LEASES, ApiError, Conflict, JsonObject, Resource

log = logging.getLogger(__name__)

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseTimes:
    """How long a lease is good for others, how long its holder acts without renewing it, how often each tries."""

    lease_seconds: int = 15
    renew_deadline_seconds: float = 10.0
    retry_seconds: float = 2.0

    def __post_init__(self) -> None:
        if not self.retry_seconds < self.renew_deadline_seconds < self.lease_seconds:
            raise ValueError("A lease needs retry_seconds < renew_deadline_seconds < lease_seconds.")


class LeaseApi(Protocol):
    """The part of `KubernetesApi` that is needed here."""

    async def get(self, resource: Resource, *, namespace: str | None, name: str) -> JsonObject | None: ...

    async def create(self, resource: Resource, body: JsonObject) -> JsonObject: ...

    async def replace(self, resource: Resource, body: JsonObject) -> JsonObject: ...


class LeaderElector:
    """For one life of one process: `run` it once."""

    def __init__(
        self,
        api: LeaseApi,
        clock: Clock,
        *,
        namespace: str,
        name: str,
        identity: str,
        times: LeaseTimes | None = None,
        on_change: Callable[[bool], None] = lambda _: None,
    ) -> None:
        self._api = api
        self._clock = clock
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._times = times or LeaseTimes()
        self._on_change = on_change
        self._lease: JsonObject | None = None
        self._record: tuple[Any, ...] | None = None
        self._record_seen_at = 0.0
        self._renewed_at: float | None = None
        self._acquired = asyncio.Event()
        self.lost = asyncio.Event()
        """Set once leadership was had and is over; never reset."""

    @property
    def is_leader(self) -> bool:
        """Whether this process may write, now."""
        return self._renewed_at is not None and self._held_for() < self._times.renew_deadline_seconds

    async def acquired(self) -> None:
        """Returns when this process has become the leader."""
        await self._acquired.wait()

    async def run(self) -> None:
        """Become the leader, stay it, and return when it was lost. Cancelling it hands the lease over at once:
        cancel it after everything that writes has ended.
        """
        try:
            while not await self._within(self._times.renew_deadline_seconds, self._attempt(self._acquire)):
                await self._clock.sleep(self._times.retry_seconds)
            log.info("%s leads", self._identity)
            self._on_change(True)
            self._acquired.set()
            await self._stay()
            log.error("%s lost the lease", self._identity)
        except asyncio.CancelledError:
            if self._renewed_at is not None:
                await self._release()
            raise
        finally:
            if self._acquired.is_set():
                self._renewed_at = None
                self._on_change(False)
                self.lost.set()

    async def _stay(self) -> None:
        """Renew until that has failed for the deadline or somebody else holds the lease."""
        while self.is_leader:
            await self._clock.sleep(min(self._times.retry_seconds, self._seconds_left()))
            if self.is_leader:
                await self._within(self._seconds_left(), self._attempt(self._renew))

    async def _attempt(self, step: Callable[[], Coroutine[Any, Any, bool]]) -> bool:
        """One try; whatever the API server has against it, the next try is in a moment."""
        try:
            return await step()
        except Conflict:
            self._lease = None  # somebody was quicker; look before the next try
        except ApiError as error:
            log.warning("lease %s/%s: %s", self._namespace, self._name, error)
        return False

    async def _acquire(self) -> bool:
        lease = await self._api.get(LEASES, namespace=self._namespace, name=self._name)
        began = self._clock.monotonic()
        if lease is None:
            body = {"metadata": {"namespace": self._namespace, "name": self._name}, "spec": self._claim({})}
            self._lease = await self._api.create(
                LEASES, {"apiVersion": LEASES.api_version, "kind": LEASES.kind, **body}
            )
        elif self._is_free(lease.get("spec") or {}):
            self._lease = await self._api.replace(LEASES, {**lease, "spec": self._claim(lease.get("spec") or {})})
        else:
            return False
        self._renewed_at = began
        return True

    async def _renew(self) -> bool:
        began = self._clock.monotonic()
        lease = self._lease or await self._api.get(LEASES, namespace=self._namespace, name=self._name)
        spec = (lease or {}).get("spec") or {}
        if lease is None or spec.get("holderIdentity") != self._identity:
            self._renewed_at = None
            return False
        self._lease = await self._api.replace(
            LEASES, {**lease, "spec": {**spec, "renewTime": _micro_time(self._clock.now())}}
        )
        self._renewed_at = began
        return True

    async def _release(self) -> None:
        """Leave the lease without a holder, so that a standby need not wait for its end."""
        self._renewed_at = None
        await self._within(self._times.retry_seconds, self._attempt(self._give_up))

    async def _give_up(self) -> bool:
        # Read anew: a renewal that was cut off may have been written or not.
        lease = await self._api.get(LEASES, namespace=self._namespace, name=self._name)
        spec = (lease or {}).get("spec") or {}
        if lease is None or spec.get("holderIdentity") != self._identity:
            return False
        released = {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": _micro_time(self._clock.now())}
        await self._api.replace(LEASES, {**lease, "spec": {**spec, **released}})
        return True

    def _is_free(self, spec: JsonObject) -> bool:
        holder = spec.get("holderIdentity")
        if not holder or holder == self._identity:
            return True
        now = self._clock.monotonic()
        record = (holder, spec.get("acquireTime"), spec.get("renewTime"), spec.get("leaseTransitions"))
        if record != self._record:
            self._record, self._record_seen_at = record, now
        return now - self._record_seen_at > float(spec.get("leaseDurationSeconds") or self._times.lease_seconds)

    def _claim(self, before: JsonObject) -> JsonObject:
        now = _micro_time(self._clock.now())
        transitions = int(before.get("leaseTransitions") or 0)
        return {
            **before,
            "holderIdentity": self._identity,
            "leaseDurationSeconds": self._times.lease_seconds,
            "acquireTime": now,
            "renewTime": now,
            "leaseTransitions": transitions + (bool(before) and before.get("holderIdentity") != self._identity),
        }

    async def _within(self, seconds: float, work: Coroutine[Any, Any, Result]) -> Result | None:
        """The result of `work`, or None when it took longer; its own time-outs are longer than a lease."""
        loop = asyncio.get_running_loop()
        working, waiting = loop.create_task(work), loop.create_task(self._clock.sleep(seconds))
        try:
            await asyncio.wait([working, waiting], return_when=asyncio.FIRST_COMPLETED)
            return working.result() if working.done() else None
        finally:
            working.cancel()
            waiting.cancel()
            await asyncio.wait([working, waiting])

    def _held_for(self) -> float:
        return self._clock.monotonic() - (self._renewed_at or 0.0)

    def _seconds_left(self) -> float:
        return max(0.0, self._times.renew_deadline_seconds - self._held_for())


def _micro_time(now: datetime) -> str:
    """The one format that the API server takes here: six digits, also when they are noughts."""
    return now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
