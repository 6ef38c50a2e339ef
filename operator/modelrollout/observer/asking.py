"""Asks a version what a request asked, and says in which way there was no answer."""

import asyncio
import ssl
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import aiohttp
from yarl import URL

from modelrollout.adapters.clock import Clock
from modelrollout.observer import body
from modelrollout.observer.answers import Message, UnreadableError
from modelrollout.observer.budget import Account
from modelrollout.observer.headers import forwarded
from modelrollout.observer.pending import Sampled

TOO_BUSY = (429, 503)


class Kind(StrEnum):
    """Why there is nothing to compare."""

    STATUS = "status"
    TIMEOUT = "timeout"
    CONNECT = "connect"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Failure:
    kind: Kind
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
            result = Failure(Kind.TIMEOUT, f"no answer in {timeout:g} s", busy=True)
        except UnreadableError as error:
            result = Failure(Kind.UNREADABLE, str(error))
        except body.TooLongError:
            result = Failure(Kind.UNREADABLE, f"it is longer than {longest} bytes")
        except (aiohttp.ClientConnectionError, ssl.SSLError, OSError) as error:
            result = Failure(Kind.CONNECT, str(error) or type(error).__name__, busy=True)
        except aiohttp.ClientError as error:
            result = Failure(Kind.UNREADABLE, f"{type(error).__name__}: {error}"[:200])
        return Reply(result, self._clock.monotonic() - started)

    async def _ask(
        self, sampled: Sampled, *, base: str, keep: frozenset[str], longest: int, account: Account
    ) -> Message | Failure:
        url = URL(base.rstrip("/") + sampled.target, encoded=True)
        async with self._session.request(
            sampled.method,
            url,
            data=sampled.body or None,
            headers=forwarded(sampled.headers, keep=keep),
            allow_redirects=False,
        ) as response:
            if not 200 <= response.status < 300:
                return Failure(Kind.STATUS, f"status {response.status}", busy=response.status in TOO_BUSY)
            packed = await body.read(response.content, longest=longest, take=account.take)
        encoding = response.headers.get("content-encoding", "")
        return Message.of(body.unpacked(packed, encoding, longest=longest), response.headers)
