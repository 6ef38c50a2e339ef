"""Asks a version what a request asked, and says in which way there was no answer."""

import asyncio
import ssl
from dataclasses import dataclass
from enum import StrEnum
from io import BytesIO
from typing import Self

import aiohttp
from yarl import URL

from modelrollout.adapters.clock import Clock
from modelrollout.observer import body
from modelrollout.observer.answers import Message, UnreadableError, unpacked
from modelrollout.observer.budget import Account
from modelrollout.observer.headers import forwarded
from modelrollout.observer.pending import Sampled

AT_ONCE_BYTES = 2**20
TOO_BUSY = (429, 503)


class Why(StrEnum):
    """Why there is nothing to compare."""

    STATUS = "status"
    TIMEOUT = "timeout"
    CONNECT = "connect"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Failure:
    why: Why
    reason: str
    busy: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """`seconds` is until the last byte of the answer, or until it was given up."""

    result: Message | Failure
    seconds: float


class Asker:
    """One connection a request, and as many as are asked at once."""

    def __init__(self, session: aiohttp.ClientSession, clock: Clock) -> None:
        self._session = session
        self._clock = clock

    @classmethod
    def create(cls, clock: Clock) -> Self:
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, force_close=True, enable_cleanup_closed=False),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("Accept", "Content-Type", "User-Agent"),
            read_bufsize=2**16,
        )
        return cls(session, clock)

    async def close(self) -> None:
        await self._session.close()

    async def ask(
        self,
        sampled: Sampled,
        *,
        base: str,
        keep: frozenset[str],
        timeout: float,
        longest: int,
        account: Account,
    ) -> Reply:
        """Raises NoRoomError when there is no memory for the answer; `account` holds it otherwise."""
        started = self._clock.monotonic()
        try:
            async with asyncio.timeout(timeout):
                result = await self._ask(sampled, base=base, keep=keep, longest=longest, account=account)
        except TimeoutError:
            result = Failure(Why.TIMEOUT, f"no answer in {timeout:g} s", busy=True)
        except UnreadableError as error:
            result = Failure(Why.UNREADABLE, str(error))
        except body.TooLongError:
            result = Failure(Why.UNREADABLE, f"it is longer than {longest} bytes")
        except (aiohttp.ClientConnectionError, ssl.SSLError, OSError) as error:
            result = Failure(Why.CONNECT, str(error) or type(error).__name__, busy=True)
        except aiohttp.ClientError as error:
            result = Failure(Why.UNREADABLE, f"{type(error).__name__}: {error}"[:200])
        return Reply(result, self._clock.monotonic() - started)

    async def _ask(
        self, sampled: Sampled, *, base: str, keep: frozenset[str], longest: int, account: Account
    ) -> Message | Failure:
        url = URL(base.rstrip("/") + sampled.target, encoded=True)
        async with self._session.request(
            sampled.method,
            url,
            # Long ones from a file in memory: aiohttp would write bytes in one go, and everything else would wait.
            data=BytesIO(sampled.body) if len(sampled.body) > AT_ONCE_BYTES else sampled.body or None,
            headers=forwarded(sampled.headers, keep=keep),
            allow_redirects=False,
        ) as response:
            if not 200 <= response.status < 300:
                return Failure(Why.STATUS, f"status {response.status}", busy=response.status in TOO_BUSY)
            packed = await body.read(response.content, longest=longest, take=account.take)
        encoding = response.headers.get("content-encoding", "")
        return Message.of(unpacked(packed, encoding, longest=longest), response.headers)
