"""How it is served: the pod template and the capacity. The template is the user's own and kept as it was written."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from modelrollout.api.base import ApiType

Port = Annotated[int, Field(ge=1, le=65535)]


class Pattern(StrEnum):
    ONLINE = "Online"


class Server(StrEnum):
    """Picks the built-in metric queries. A server is in this list once its queries were tried against the real one."""

    MLSERVER = "MLServer"


class Serving(ApiType):
    pattern: Pattern = Pattern.ONLINE
    server: Server
    replicas: Annotated[int, Field(ge=1, le=500)] = 1
    port: Port = 8080
    template: dict[str, Any]
