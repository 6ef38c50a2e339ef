"""Requests that nobody should send: a program that sends them to one port, for a while, and tells what it sent.

    python garbage.py HOST PORT SECONDS

It needs Python alone, since it runs in a pod.
"""

from __future__ import annotations

import itertools
import json
import socket
import sys
import threading
import time
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence

SENDERS = 4
TIMEOUT_SECONDS = 10.0
BETWEEN_PARTS_SECONDS = 0.05


def _head(*lines: str) -> bytes:
    said = ("POST /v2/models/biopsy/infer HTTP/1.1", "Host: observer", "Content-Type: application/json", *lines)
    return "\r\n".join((*said, "", "")).encode()


def _whole(body: bytes, *lines: str) -> tuple[bytes, ...]:
    return (_head(f"Content-Length: {len(body)}", *lines), body)


def _bomb() -> bytes:
    """A hundred megabytes of zeros in a hundred kilobytes."""
    packer = zlib.compressobj(9, wbits=31)
    return b"".join(packer.compress(bytes(1_000_000)) for _ in range(100)) + packer.flush()


GARBAGE: Mapping[str, Sequence[bytes]] = {
    "no JSON": _whole(b"{"),
    "deeply nested": _whole(b'{"inputs": ' + b"[0," * 200_000),
    "no text": _whole(b"\xff" * 3_000_000),
    "wrong shape": _whole(b'{"inputs": [{"name": "features", "shape": [1, 30], "datatype": "FP64", "data": [1, 2]}]}'),
    "50 MB": (_head("Content-Length: 50000000"), *[bytes(1_000_000)] * 50),
    "a bomb": _whole(_bomb(), "Content-Encoding: gzip"),
    "slow": (_head("Content-Length: 1000"), *[b"{"] * 20),
}


def send(host: str, port: int, parts: Sequence[bytes]) -> bool:
    """Whether it was taken, or refused before its end; False where nobody was there."""
    try:
        connection = socket.create_connection((host, port), TIMEOUT_SECONDS)
    except OSError:
        return False
    with connection:
        try:
            for part in parts:
                connection.sendall(part)
                if len(part) == 1:
                    time.sleep(BETWEEN_PARTS_SECONDS)
            connection.recv(1)
        except OSError:
            pass  # refused in the middle
    return True


def main(host: str, port: int, seconds: float) -> None:
    end = time.monotonic() + seconds
    kinds, turn, sent = itertools.cycle(GARBAGE.items()), threading.Lock(), Counter[str]()

    def sending() -> None:
        while time.monotonic() < end:
            with turn:
                kind, parts = next(kinds)
            sent[kind] += send(host, port, parts)

    senders = [threading.Thread(target=sending) for _ in range(SENDERS)]
    for one in senders:
        one.start()
    for one in senders:
        one.join()
    print(json.dumps(sent))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
