"""What the operator tells the observer: one JSON file, mounted from a ConfigMap and read again when it changes."""

from typing import Annotated

from pydantic import Field, StringConstraints

from modelrollout.api.base import ApiType, Preserved
from modelrollout.api.observe import Observe, Protocol
from modelrollout.api.revision import RevisionId
from modelrollout.api.serving import Server

SETTINGS_FILE = "observer.json"
"""Key of the ConfigMap, and name of the file."""


def service_name(deployment: str) -> str:
    """Of the observer's Service, Deployment, ConfigMap and NetworkPolicy."""
    return f"{deployment}-observer"


REQUEST_PORT = 8080
METRICS_PORT = 9090

_PROTOCOLS = {
    Server.MLSERVER: Protocol.OPEN_INFERENCE,
    Server.TRITON: Protocol.OPEN_INFERENCE,
    Server.KSERVE: Protocol.KSERVE_V1,
    Server.VLLM: Protocol.OPENAI,
    Server.ENVOY: Protocol.JSON,
    Server.CUSTOM: Protocol.JSON,
}


def resolved(observe: Observe, server: Server) -> Observe:
    """With the protocol that the server speaks, where the user names none."""
    return observe if observe.protocol else observe.model_copy(update={"protocol": _PROTOCOLS[server]})


class Arm(ApiType):
    """A revision that is asked. `url` is the base address of its Service, without a path."""

    revision: RevisionId
    url: Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^https?://[^/?#]+/?$")]


class ObserverSettings(ApiType):
    """The whole file. Without a candidate nothing is sent anywhere; inputs are counted at the share of monitoring."""

    namespace: str
    deployment: str
    live: Arm
    candidate: Arm | None = None
    observe: Observe
    contract: Preserved | None = None
    reference: Preserved | None = None
    port: Annotated[int, Field(ge=0, le=65535)] = REQUEST_PORT
