"""Which gateway carries the traffic. Without a route a rollout has only the ratio of replicas behind one Service."""

from typing import Annotated

from pydantic import Field, StringConstraints

from modelrollout.api.base import ApiType

DnsLabel = Annotated[str, StringConstraints(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
Hostname = Annotated[
    str, StringConstraints(min_length=1, max_length=253, pattern=r"^(\*\.)?[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
]


class ParentRef(ApiType):
    name: Annotated[str, StringConstraints(min_length=1, max_length=253)]
    namespace: DnsLabel | None = None
    section_name: Annotated[str, StringConstraints(min_length=1, max_length=253)] | None = None


class Route(ApiType):
    parent_refs: Annotated[tuple[ParentRef, ...], Field(min_length=1, max_length=8)]
    hostnames: Annotated[tuple[Hostname, ...], Field(max_length=16)] = ()
