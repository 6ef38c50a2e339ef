"""Bodies within bounds: as long as allowed, packed or not, and never more bytes than there is room for."""

import zlib
from collections.abc import Callable

from aiohttp import StreamReader

from modelrollout.observer.answers import UnreadableError


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


def unpacked(body: bytes, encoding: str, *, longest: int) -> bytes:
    """Raises UnreadableError for what is no such encoding, is broken, or is longer than allowed when unpacked."""
    match encoding.strip().lower():
        case "" | "identity":
            return body
        case "gzip" | "x-gzip" | "deflate":
            unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
        case other:
            raise UnreadableError(f"the encoding {other[:20]} is not known")
    try:
        whole = unpacker.decompress(body, longest + 1)
    except zlib.error as error:
        raise UnreadableError(f"it is not packed as it says: {error}") from error
    if len(whole) > longest:
        raise UnreadableError(f"it is longer than {longest} bytes when unpacked")
    if not unpacker.eof:
        raise UnreadableError("it breaks off")
    return whole
