"""Takes copies of requests: looks, chooses, keeps, and answers 202 whatever it is sent.

Nobody reads the answer, so the only question is what a copy costs here. Those that are not chosen are not kept; those
that are wait in a queue that is bounded by count and bytes.
"""

import asyncio
from collections.abc import Callable

from aiohttp import web

from modelrollout.observer import body
from modelrollout.observer.assignment import Assignment
from modelrollout.observer.budget import Account, Budget
from modelrollout.observer.connection import Connection
from modelrollout.observer.headers import REPLAY, REQUEST_ID
from modelrollout.observer.pending import Pending, Sampled, overhead
from modelrollout.observer.sampling import chance, key_of
from modelrollout.observer.telemetry import Reason, Telemetry, What

BODY_SECONDS = 10.0
SKIPPED_BYTES = 1024 * 1024
PAYLOAD_ERRORS = (web.RequestPayloadError, ConnectionError, ValueError, RuntimeError)
"""What reading a body raises when it breaks off; the last when the connection was lost before."""

SAMPLE = "sample"


class Intake:
    """`assignment` gives the one of the moment, or None before there is any."""

    def __init__(
        self,
        *,
        assignment: Callable[[], Assignment | None],
        pending: Pending,
        budget: Budget,
        telemetry: Telemetry,
        body_seconds: float = BODY_SECONDS,
    ) -> None:
        self._assignment = assignment
        self._pending = pending
        self._budget = budget
        self._telemetry = telemetry
        self._body_seconds = body_seconds

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        if isinstance(request.protocol, Connection):
            request.protocol.speaks()
        self._telemetry.request(What.RECEIVED)
        answer = web.Response(status=202)
        if not await self._taken(request):
            answer.force_close()
        return answer

    async def _taken(self, request: web.BaseRequest) -> bool:
        """Whether all of it has been read; the connection cannot be used again otherwise."""
        assignment, key = self._assignment(), request.headers.get(REQUEST_ID, "")
        refused = _refused(assignment, request, key)
        if assignment is None or refused is not None:
            self._count(refused or What.SKIPPED)
            return await self._skipped(request)
        account = Account(self._budget)
        became: What | Reason = Reason.BROKEN
        try:
            async with asyncio.timeout(self._body_seconds):
                content = await self._read(request, assignment, account)
            became = self._keep(request, assignment, key, content, account)
        except TimeoutError:
            became = Reason.TOO_SLOW
        except body.TooLongError:
            became = Reason.TOO_LONG
        except body.NoRoomError:
            became = What.DROPPED
        except PAYLOAD_ERRORS:
            became = Reason.BROKEN
        finally:
            if became is not What.SAMPLED:
                account.close()
            self._count(became)
        return became in (What.SAMPLED, What.SKIPPED)

    async def _skipped(self, request: web.BaseRequest) -> bool:
        """Reads a body of usual length to its end, so that the gateway may use the connection again."""
        try:
            async with asyncio.timeout(self._body_seconds):
                await body.skip(request.content, longest=SKIPPED_BYTES)
        except (TimeoutError, body.TooLongError, *PAYLOAD_ERRORS):
            return False
        return True

    async def _read(self, request: web.BaseRequest, assignment: Assignment, account: Account) -> bytes:
        if not account.take(overhead(request.headers)):
            raise body.NoRoomError
        return await body.read(request.content, longest=assignment.longest, take=account.take)

    def _keep(
        self, request: web.BaseRequest, assignment: Assignment, key: str, content: bytes, account: Account
    ) -> What:
        if not key:
            key = key_of(content or request.raw_path.encode(errors="surrogateescape"))
            if chance(key, SAMPLE) >= assignment.share:
                return What.SKIPPED
        if not assignment.bucket.take():
            return What.SKIPPED
        sampled = Sampled(
            key=key,
            method=request.method,
            target=request.raw_path,
            headers=tuple(request.headers.items()),
            body=content,
            account=account,
        )
        self._pending.put(sampled)
        return What.SAMPLED

    def _count(self, became: What | Reason) -> None:
        match became:
            case Reason():
                self._telemetry.unreadable(became)
            case What():
                self._telemetry.request(became)


def _refused(assignment: Assignment | None, request: web.BaseRequest, key: str) -> What | Reason | None:
    """Why it is not looked at further, as far as can be told before its body is read."""
    if assignment is None or assignment.share == 0 or REPLAY in request.headers:
        return What.SKIPPED
    if not assignment.is_inference(request.method, request.raw_path.partition("?")[0]):
        return What.SKIPPED
    if key and chance(key, SAMPLE) >= assignment.share:
        return What.SKIPPED
    if assignment.pausing:
        return What.PAUSED
    if not assignment.is_readable(request.method, request.content_type):
        return Reason.CONTENT_TYPE
    if (request.content_length or 0) > assignment.longest:
        return Reason.TOO_LONG
    return None
