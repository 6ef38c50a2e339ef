"""A revision is its content.

The digest covers what changes what users get: the model, what it reads beside it, how the pods look, the port and the
server. Replicas, policy, contract, card and labels are not content, so editing them starts no rollout. Canonical JSON
(sorted keys, no spaces) over the fields that were set: neither a client library nor a newer operator with more defaults
changes the digest of what is running.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import StringConstraints

from modelrollout.api.config import RevisionConfig
from modelrollout.api.model import ModelVersion, Pin
from modelrollout.api.serving import Serving

DIGEST_IN_NAMES = 10
"""Hex digits of the digest that go into object names."""

RevisionId = Annotated[str, StringConstraints(min_length=10, max_length=10, pattern=r"^[0-9a-f]{10}$")]
"""The short digest."""


def content(
    model: ModelVersion, serving: Serving, config: RevisionConfig | None = None, pin: Pin | None = None
) -> dict[str, Any]:
    """What the digest covers: JSON-ready, absent fields left out."""
    described = _described(model)
    if pin is not None:
        described["pin"] = pin.model_dump(mode="json", by_alias=True, exclude_none=True)
    covered = {
        "model": described,
        "serving": {"server": serving.server.value, "port": serving.port, "template": serving.template},
    }
    if config is not None and (config.config_maps or config.secrets):
        covered["config"] = {
            "configMaps": {one.name: one.digest for one in config.config_maps},
            "secrets": {one.name: one.hash for one in config.secrets},
        }
    return covered


def digest(model: ModelVersion, serving: Serving, config: RevisionConfig | None = None, pin: Pin | None = None) -> str:
    """sha256 of the content, 64 hex digits."""
    return _sha256(content(model, serving, config, pin))


def asked(model: ModelVersion) -> str:
    """sha256 of the model as it was written: what a registry is asked, and what a pin is the answer to."""
    return _sha256(_described(model))


def _described(model: ModelVersion) -> dict[str, Any]:
    fields = set(ModelVersion.model_fields)
    return model.model_dump(mode="json", by_alias=True, include=fields, exclude_none=True, exclude_defaults=True)


def config_digest(name: str, data: Mapping[str, str], binary_data: Mapping[str, str]) -> str:
    """sha256 of a ConfigMap: its name and what it holds; `binary_data` in base64, as the API server gives it."""
    return _sha256({"name": name, "data": dict(data), "binaryData": dict(binary_data)})


def _sha256(value: Any) -> str:
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def short(full_digest: str) -> str:
    return full_digest[:DIGEST_IN_NAMES]


def child_name(deployment: str, revision: str) -> str:
    """Name of the objects of one revision; `revision` is the short digest."""
    return f"{deployment}-{revision}"


def copy_name(deployment: str, config: str) -> str:
    """Name of the immutable copy of a ConfigMap; `config` is its digest. Revisions with the same content share it."""
    return f"{deployment}-config-{short(config)}"
