"""How it is served: the pod template and the capacity. The template is the user's own and kept as it was written."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from modelrollout.api.base import ApiType
from modelrollout.api.podtemplate import Template

Port = Annotated[int, Field(ge=1, le=65535)]


class Pattern(StrEnum):
    ONLINE = "Online"


class Server(StrEnum):
    """Picks the built-in metric queries. Envoy: those of the gateway, for whatever server. Custom: none.

    `docs/evidence.md` says which were tried against the real server and which were written from its source.
    """

    MLSERVER = "MLServer"
    KSERVE = "KServe"
    TRITON = "Triton"
    VLLM = "VLLM"
    ENVOY = "Envoy"
    CUSTOM = "Custom"


class Serving(ApiType):
    """How the model is served: server, capacity and pods."""

    pattern: Annotated[Pattern, Field(description="How the model is called. Online: one request, one answer.")] = (
        Pattern.ONLINE
    )
    server: Annotated[Server, Field(description="The model server; it decides which metrics are asked for.")]
    replicas: Annotated[
        int, Field(ge=1, le=500, description="Pods of the live revision. Changing it starts no rollout.")
    ] = 1
    port: Annotated[Port, Field(description="Port on which the server answers requests.")] = 8080
    template: Annotated[Template, Field(description="Pod template, as in a Deployment. Changing it starts a rollout.")]
