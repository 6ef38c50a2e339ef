"""Packed bodies, unpacked as far as is allowed and no further."""

import zlib

from modelrollout.observer.answers.documents import UnreadableError


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
