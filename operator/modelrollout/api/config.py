"""Configuration as content: what a version reads beside its model, and the documents that come with it.

ConfigMaps that are named here belong to the revision. Its pods read an immutable copy of them, so that an edit is a new
revision, rolled out like any other, and the live version goes on reading what it was made with. Of Secrets no content
is kept anywhere: a revision knows that another content came, and cannot bring the old one back.
"""

from typing import Annotated

from pydantic import Field, StringConstraints

from modelrollout.api.base import ApiType, Preserved
from modelrollout.api.rules import matching, rule

ObjectName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=253),
    matching(
        r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
        "must be the name of an object: lower-case letters, digits, hyphens and dots, such as fraud-settings",
    ),
]
Sha256 = Annotated[str, StringConstraints(min_length=64, max_length=64, pattern=r"^[0-9a-f]{64}$")]

MAX_REFS = 10
_ONE_OF_EACH = "self.all(one, self.exists_one(other, other == one))"


class Config(ApiType):
    """What the pods read beside the model. Editing it starts a rollout."""

    config_map_refs: Annotated[
        tuple[ObjectName, ...],
        Field(
            max_length=MAX_REFS,
            description="ConfigMaps of the same namespace that the pod template mounts or reads. Pods get an immutable "
            "copy of each in its place; an edit of one is a new revision.",
        ),
    ] = ()
    secret_refs: Annotated[
        tuple[ObjectName, ...],
        Field(
            max_length=MAX_REFS,
            description="Secrets of the same namespace whose change is a new revision. Only a salted hash is kept, "
            "never their content, so going back does not bring an old content back. The operator needs a Role that "
            "lets it get them.",
        ),
    ] = ()

    @rule(
        f"!has(self.configMapRefs) || {_ONE_OF_EACH.replace('self', 'self.configMapRefs', 2)}",
        "config.configMapRefs: each ConfigMap is named once; remove the second",
    )
    def _config_maps_differ(self) -> bool:
        return len(set(self.config_map_refs)) == len(self.config_map_refs)

    @rule(
        f"!has(self.secretRefs) || {_ONE_OF_EACH.replace('self', 'self.secretRefs', 2)}",
        "config.secretRefs: each Secret is named once; remove the second",
    )
    def _secrets_differ(self) -> bool:
        return len(set(self.secret_refs)) == len(self.secret_refs)


class DocumentRef(ApiType):
    """A key of a ConfigMap that holds YAML or JSON."""

    name: Annotated[ObjectName, Field(description="Name of the ConfigMap, in the same namespace.")]
    key: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=253)] | None,
        Field(description="Key in its data; needed only where it has several."),
    ] = None


class Document(ApiType):
    """A document that is kept with each revision, as it was when the revision was made. It is no content: editing it
    starts no rollout.
    """

    config_map_ref: Annotated[DocumentRef | None, Field(description="The ConfigMap that holds it.")] = None
    inline: Annotated[Preserved | None, Field(description="The document itself.")] = None

    @rule(
        "has(self.configMapRef) != has(self.inline)",
        "a document is given either by configMapRef or inline; set one of them",
    )
    def _one_way(self) -> bool:
        return (self.config_map_ref is None) != (self.inline is None)


class ConfigCopy(ApiType):
    """A ConfigMap as it was: pods read the immutable copy of it."""

    name: Annotated[ObjectName, Field(description="What the pod template calls it.")]
    digest: Annotated[Sha256, Field(description="sha256 of its name and content.")]
    copy_name: Annotated[ObjectName, Field(alias="copy", description="Name of the immutable copy.")]


class SecretMark(ApiType):
    """That a Secret had this content, without the content."""

    name: Annotated[ObjectName, Field(description="Name of the Secret.")]
    resource_version: Annotated[
        Annotated[str, StringConstraints(max_length=60)], Field(description="Its resourceVersion when it was read.")
    ]
    hash: Annotated[Sha256, Field(description="Salted, slow hash of its content.")]


class RevisionConfig(ApiType):
    """The configuration that a revision was made with."""

    config_maps: Annotated[
        tuple[ConfigCopy, ...], Field(max_length=MAX_REFS, description="ConfigMaps and their immutable copies.")
    ] = ()
    secrets: Annotated[tuple[SecretMark, ...], Field(max_length=MAX_REFS, description="Secrets, by hash.")] = ()
