"""What a model registry is asked for and told: a model version by alias or number, what it knows of one, and the names
under which the operator writes back.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from modelrollout.api.base import ApiType
from modelrollout.api.rules import matching

REGISTRY_SCHEME = "models:/"
REGISTRY_URI = r"^models:/([^/@]+)(?:@([A-Za-z0-9_-]+)|/([0-9]{1,9}))$"
MAX_METRICS = 50
MAX_ALIASES = 8
MAX_WRITTEN = 120
"""Model versions whose tags are remembered: more than the largest revisionHistoryLimit."""

VersionNumber = Annotated[str, StringConstraints(min_length=1, max_length=60)]
AliasName = Annotated[
    str,
    StringConstraints(max_length=100),
    matching(
        r"^[A-Za-z0-9_-]*$",
        "must be an alias of letters, digits, _ and -, such as champion; empty for an alias that is not to be written",
    ),
]
_Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryRef:
    """A registry's URI, taken apart: it names either an alias or a version."""

    model: str
    alias: str | None = None
    version: str | None = None

    def __str__(self) -> str:
        return f"{REGISTRY_SCHEME}{self.model}" + (f"@{self.alias}" if self.alias else f"/{self.version}")


def registry_ref(uri: str) -> RegistryRef | None:
    """None for a URI that is no registry's."""
    found = re.fullmatch(REGISTRY_URI, uri)
    return RegistryRef(model=found[1], alias=found[2], version=found[3]) if found else None


class Follow(StrEnum):
    ALIAS = "Alias"


class Aliases(ApiType):
    """Aliases that the operator moves in the registry; where one is absent, the operator's own setting holds."""

    champion: Annotated[AliasName | None, Field(description="Moved to the live version; empty: none is.")] = None
    previous: Annotated[
        AliasName | None,
        Field(description="Moved to the version that a rollback of the live one would go to; empty: none is."),
    ] = None


class Metric(ApiType):
    """A figure of the version's offline evaluation."""

    name: Annotated[_Name, Field(description="Name of the metric.")]
    value: Annotated[float, Field(description="Its newest value.")]


class RegistryRecord(ApiType):
    """What the registry said when a revision was pinned. It is no content: the pin is."""

    asked: Annotated[
        Annotated[str, StringConstraints(min_length=64, max_length=64, pattern=r"^[0-9a-f]{64}$")],
        Field(description="sha256 of spec.model as it was written: what this pin is the answer to."),
    ]
    model: Annotated[_Name, Field(description="Name of the model in the registry.")]
    description: Annotated[
        Annotated[str, StringConstraints(max_length=4000)] | None, Field(description="The version's description.")
    ] = None
    metrics: Annotated[
        tuple[Metric, ...], Field(max_length=MAX_METRICS, description="Offline metrics of its run and its model.")
    ] = ()
    signature: Annotated[
        bool | None, Field(description="Whether the revision's contract is the registry's signature.")
    ] = None


class WrittenTags(ApiType):
    """That the tags of a model version say what they should."""

    model: Annotated[_Name, Field(description="Name of the model in the registry.")]
    version: Annotated[VersionNumber, Field(description="The model version.")]
    digest: Annotated[_Name, Field(description="Digest of the tags.")]


class WrittenAlias(ApiType):
    """Where the operator has put an alias."""

    model: Annotated[_Name, Field(description="Name of the model in the registry.")]
    alias: Annotated[_Name, Field(description="The alias.")]
    version: Annotated[VersionNumber, Field(description="The model version that it was put on.")]


class WrittenBack(ApiType):
    """What the registry was told, so that nothing is told twice."""

    aliases: Annotated[
        tuple[WrittenAlias, ...], Field(max_length=MAX_ALIASES, description="Aliases and where they were put.")
    ] = ()
    tags: Annotated[
        tuple[WrittenTags, ...], Field(max_length=MAX_WRITTEN, description="Versions that were tagged.")
    ] = ()
    at: Annotated[datetime | None, Field(description="When it was told something, the last time.")] = None
