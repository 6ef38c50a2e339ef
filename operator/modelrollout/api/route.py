"""Which gateway carries the traffic. Without a route a rollout has only the ratio of replicas behind one Service."""

from typing import Annotated

from pydantic import Field, StringConstraints

from modelrollout.api.base import ApiType
from modelrollout.api.rules import matching

DnsLabel = Annotated[
    str,
    StringConstraints(min_length=1, max_length=63),
    matching(
        r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        "must be lower-case letters, digits and hyphens, with a letter or digit at both ends, such as fraud-v2",
    ),
]
Hostname = Annotated[
    str,
    StringConstraints(min_length=1, max_length=253),
    matching(
        r"^([*][.])?[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
        "must be a host name in lower case without port or path, such as fraud.example.com or *.example.com",
    ),
]


class ParentRef(ApiType):
    """A gateway, or one listener of it."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=253), Field(description="Name of the Gateway.")]
    namespace: Annotated[
        DnsLabel | None, Field(description="Namespace of the Gateway; the ModelDeployment's own when left out.")
    ] = None
    section_name: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=253)] | None,
        Field(description="Listener of the Gateway; all of them when left out."),
    ] = None


class Route(ApiType):
    """The gateways that carry the traffic, and the host names that they answer to."""

    parent_refs: Annotated[
        tuple[ParentRef, ...],
        Field(min_length=1, max_length=8, description="Gateways that the operator's HTTPRoute attaches to."),
    ]
    hostnames: Annotated[
        tuple[Hostname, ...],
        Field(max_length=16, description="Host names of the model; those of the listener when left out."),
    ] = ()
