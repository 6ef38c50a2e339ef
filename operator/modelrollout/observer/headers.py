"""Headers of a replayed request: what the model may read, without what belongs to a connection, a trace or a person."""

import re
from collections.abc import Iterable

REPLAY = "x-modelrollout-replay"
REQUEST_ID = "x-request-id"

_CONNECTION = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "http2-settings",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# A replay in a user's trace would look like a request of that user, and the gateway's own headers steer a proxy on the
# way, such as one of a mesh.
_FOREIGN = re.compile(r"traceparent|tracestate|b3|x-b3-.*|x-envoy-.*|x-modelrollout-.*", re.ASCII)
_CREDENTIALS = re.compile(
    r".*(authorization|authenticat|cookie|credential|password|secret|session|signature|jwt|token|api-?key|access-?key"
    r"|client-cert|csrf).*",
    re.ASCII,
)
_SHADOW = re.compile(r"-shadow(?=(:\d+)?$)")


def carries_credentials(name: str) -> bool:
    """`name` in small letters. Guessed from the name: rather one header too few."""
    return _CREDENTIALS.fullmatch(name.replace("_", "-")) is not None


def forwarded(headers: Iterable[tuple[str, str]], *, keep: frozenset[str]) -> list[tuple[str, str]]:
    """What is passed on, marked as a replay; `keep` are names in small letters that pass although they look like
    credentials.

    Gateways append `-shadow` to the host of a copy; the model is asked by the name that the user gave.
    """
    passed: list[tuple[str, str]] = []
    for name, value in headers:
        small = name.lower()
        if small in _CONNECTION or _FOREIGN.fullmatch(small):
            continue
        if small not in keep and carries_credentials(small):
            continue
        passed.append((name, _SHADOW.sub("", value) if small == "host" else value))
    # On a connection of its own: Services choose a pod for each connection, and a reused one may just be closing.
    return [*passed, ("Accept-Encoding", "identity"), ("Connection", "close"), (REPLAY, "1")]
