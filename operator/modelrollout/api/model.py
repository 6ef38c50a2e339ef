"""What is served: a model version, where its artifact lies, and where it came from."""

import re
from typing import Annotated

from pydantic import Field, StringConstraints

from modelrollout.api.base import ApiType
from modelrollout.api.registry import REGISTRY_SCHEME, REGISTRY_URI, Aliases, Follow, registry_ref
from modelrollout.api.rules import matching, rule

Name = Annotated[str, StringConstraints(min_length=1, max_length=120)]
Uri = Annotated[
    str,
    StringConstraints(min_length=1, max_length=1000),
    matching(
        r"^[a-z][a-z0-9+.-]*:[!-~]+$",
        "must be a URI with its scheme, such as oci://…, s3://…, models:/… or image://… for a model in the image",
    ),
]
_Text80 = Annotated[str, StringConstraints(max_length=80)]
_Text120 = Annotated[str, StringConstraints(max_length=120)]
_Text200 = Annotated[str, StringConstraints(max_length=200)]
_Text400 = Annotated[str, StringConstraints(max_length=400)]
_Text4000 = Annotated[str, StringConstraints(max_length=4000)]


class Dataset(ApiType):
    """A data set that the model was trained on."""

    name: Annotated[Name, Field(description="Name of the data set.")]
    version: Annotated[_Text120 | None, Field(description="Version of the data set.")] = None
    digest: Annotated[_Text200 | None, Field(description="Digest of its content, such as sha256:….")] = None


class Lineage(ApiType):
    """Where the model came from. It is kept with the revision and never interpreted."""

    commit: Annotated[_Text80 | None, Field(description="Commit of the training code.")] = None
    run: Annotated[_Text400 | None, Field(description="The training run, such as mlflow:2f0c….")] = None
    datasets: Annotated[
        tuple[Dataset, ...], Field(max_length=50, description="Data sets that the model was trained on.")
    ] = ()


class ModelVersion(ApiType):
    """A model version: its name, where its artifact lies, and where it came from."""

    name: Annotated[Name, Field(description="Name of the model, as the model server and the registry know it.")]
    version: Annotated[
        Annotated[str, StringConstraints(max_length=60)],
        Field(description="Version of the model, as people call it; the registry's own where the URI is models:/…."),
    ] = ""
    uri: Annotated[Uri, Field(description="Where the artifact lies; image://… when it is in the serving image.")]
    changelog: Annotated[_Text4000 | None, Field(description="What is new in this version, for people.")] = None
    lineage: Annotated[Lineage | None, Field(description="Where the model came from.")] = None


class Model(ModelVersion):
    """The model version that should be live. Changing it starts a rollout; `follow` and `aliases` start none."""

    follow: Annotated[
        Follow | None,
        Field(
            description="Alias: the URI's alias is looked at again and again, and a moved alias starts a rollout. "
            "Without it, the URI is resolved once, until model is changed."
        ),
    ] = None
    aliases: Annotated[
        Aliases | None,
        Field(description="Aliases that the operator moves in the registry after promotion and rollback."),
    ] = None

    @rule(
        f"!self.uri.startsWith('{REGISTRY_SCHEME}') || self.uri.matches(r'{REGISTRY_URI}')",
        "model.uri of a registry must name an alias or a version number, such as models:/fraud@champion or "
        "models:/fraud/7",
    )
    def _names_an_alias_or_a_version(self) -> bool:
        return not self.uri.startswith(REGISTRY_SCHEME) or registry_ref(self.uri) is not None

    @rule(
        f"!has(self.follow) || self.uri.matches(r'^{REGISTRY_SCHEME}[^/@]+@')",
        "model.follow: Alias needs an alias in model.uri, such as models:/fraud@champion; name one, or remove follow",
    )
    def _follows_an_alias(self) -> bool:
        return self.follow is None or re.match(f"^{REGISTRY_SCHEME}[^/@]+@", self.uri) is not None

    @rule(
        f"(has(self.version) && size(self.version) > 0) || self.uri.startsWith('{REGISTRY_SCHEME}')",
        'model.version is needed, unless model.uri is a registry\'s (models:/…), which knows it; set it, such as "7"',
    )
    def _has_a_version(self) -> bool:
        return bool(self.version) or self.uri.startswith(REGISTRY_SCHEME)


class Pin(ApiType):
    """What a registry's URI meant when it was resolved. A revision keeps it for ever."""

    version: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=60)], Field(description="The registry's version.")
    ]
    artifact_uri: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=2000)],
        Field(description="Where the artifact lies, as the registry says."),
    ]
    run_id: Annotated[_Text80 | None, Field(description="The training run.")] = None
    digest: Annotated[_Text80 | None, Field(description="sha256 of the model's description file, MLmodel.")] = None


class PinnedModel(ModelVersion):
    """A model version as a revision keeps it."""

    pin: Annotated[Pin | None, Field(description="What the registry's URI meant.")] = None
