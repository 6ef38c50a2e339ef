"""A revision is its content.

The digest covers what changes what users get: the model, how the pods look, the port and the server. Replicas, policy
and labels are not content, so editing them starts no rollout. Canonical JSON (sorted keys, no spaces) over the fields
that were set: neither a client library nor a newer operator with more defaults changes the digest of what is running.
"""

import hashlib
import json
from typing import Any

from modelrollout.api.model import Model
from modelrollout.api.serving import Serving

DIGEST_IN_NAMES = 10
"""Hex digits of the digest that go into object names."""


def content(model: Model, serving: Serving) -> dict[str, Any]:
    """The snapshot that a ModelRevision keeps: JSON-ready, absent fields left out."""
    return {
        "model": model.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True),
        "serving": {"server": serving.server.value, "port": serving.port, "template": serving.template},
    }


def digest(model: Model, serving: Serving) -> str:
    """sha256 of the content, 64 hex digits."""
    canonical = json.dumps(content(model, serving), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def short(full_digest: str) -> str:
    return full_digest[:DIGEST_IN_NAMES]


def child_name(deployment: str, revision: str) -> str:
    """Name of the objects of one revision; `revision` is the short digest."""
    return f"{deployment}-{revision}"
