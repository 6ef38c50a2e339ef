"""What the API server can answer instead of an object.

ApiError               any other refusal; `status`, `reason` and `message` are the API server's own
├── Conflict           409: somebody else wrote first, or the object exists already
├── NotFound           404: the object, its namespace or its kind does not exist
├── Invalid            400, 413, 415, 422: this body will never be accepted; `message` says why. Also the 500 by
│                      which a server-side apply refuses an unknown field or a value of the wrong type
├── Forbidden          401, 403: we may not
├── TooManyRequests    429: `retry_after_seconds`
└── Unreachable        5xx, time-outs, broken connections: a write may have taken place (status 0: no answer)
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

_MESSAGE_LIMIT = 1500
_REFUSED_APPLY = ("failed to create typed patch object", "unable to convert unstructured object")


@dataclass(eq=False)
class ApiError(Exception):
    status: int
    reason: str
    message: str

    def __str__(self) -> str:
        return f"{self.status or 'no answer'} {self.reason}: {self.message}"


class Conflict(ApiError):  # noqa: N818
    """The object changed since it was read, or is there already."""


class NotFound(ApiError):  # noqa: N818
    """The object, its namespace or its kind does not exist."""


class Invalid(ApiError):  # noqa: N818
    """The body was refused and will be refused again."""


class Forbidden(ApiError):  # noqa: N818
    """The operator's account may not do this."""


@dataclass(eq=False)
class TooManyRequests(ApiError):  # noqa: N818
    retry_after_seconds: float = 1.0

    __str__ = ApiError.__str__


class Unreachable(ApiError):  # noqa: N818
    """No answer, or one that says nothing about the request."""


class NotConfiguredError(Exception):
    """Neither a service account nor a kubeconfig says where the API server is."""


def refusal(status: int, phrase: str, raw: bytes, headers: Mapping[str, str]) -> ApiError:
    """The error for an answer outside 2xx; a proxy in between may answer without the API server's `Status` object."""
    try:
        body = json.loads(raw)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        body = {}
    reason = str(body.get("reason") or phrase)
    message = str(body.get("message") or text(raw))[:_MESSAGE_LIMIT]
    match status:
        case 409:
            return Conflict(status, reason, message)
        case 404:
            return NotFound(status, reason, message)
        case 400 | 413 | 415 | 422:
            return Invalid(status, reason, message)
        case 401 | 403:
            return Forbidden(status, reason, message)
        case 429:
            return TooManyRequests(status, reason, message, retry_after_seconds=_retry_after(headers))
        case 500 if any(phrase in message for phrase in _REFUSED_APPLY):
            return Invalid(status, "BadBody", message)
        case _ if status >= 500 or status == 408:
            return Unreachable(status, reason, message)
        case _:
            return ApiError(status, reason, message)


def _retry_after(headers: Mapping[str, str]) -> float:
    try:
        return max(0.0, float(headers.get("Retry-After", "")))
    except ValueError:
        return 1.0


def text(raw: bytes) -> str:
    return raw[:_MESSAGE_LIMIT].decode("utf-8", errors="replace").strip()
