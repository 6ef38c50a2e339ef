"""Bodies within bounds: as long as allowed, and never more bytes than there is room for."""

from collections.abc import Callable

from aiohttp import StreamReader


class TooLongError(Exception):
    """It is longer than allowed."""


class NoRoomError(Exception):
    """There is no memory left for it."""


async def read(stream: StreamReader, *, longest: int, take: Callable[[int], bool]) -> bytes:
    """The whole body; raises TooLongError, NoRoomError when `take` refuses, and what the stream raises."""
    parts: list[bytes] = []
    size = 0
    while part := await stream.readany():
        size += len(part)
        if size > longest:
            raise TooLongError
        if not take(len(part)):
            raise NoRoomError
        parts.append(part)
    return b"".join(parts)


async def skip(stream: StreamReader, *, longest: int) -> None:
    """As `read`, and keeps nothing."""
    size = 0
    while part := await stream.readany():
        size += len(part)
        if size > longest:
            raise TooLongError
