"""A ModelRevision as the cache keeps it: at hand while its ModelDeployment is being rolled out, else packed.

Most revisions are a history that nobody asks for, and as objects one of them is thirty to forty kilobytes, most of
which are its decisions. Packed it is two. Reading it takes a few tenths of a millisecond: much for every look of a
rollout, and nothing for a ModelDeployment that is looked at when something happens to it.
"""

import zlib
from datetime import datetime

from modelrollout.api.base import ApiType
from modelrollout.api.modelrevision import ModelRevisionSpec, ModelRevisionStatus


class Revision:
    """`id` is the short digest."""

    __slots__ = ("_at_hand", "_packed", "created_at", "id", "name", "resource_version", "uid")

    def __init__(
        self,
        *,
        id: str,
        name: str,
        resource_version: str,
        spec: ModelRevisionSpec,
        status: ModelRevisionStatus,
        uid: str = "",
        created_at: datetime | None = None,
    ) -> None:
        self.id = id
        self.name = name
        self.resource_version = resource_version
        self.uid = uid
        self.created_at = created_at
        self._at_hand: tuple[ModelRevisionSpec, ModelRevisionStatus] | None = (spec, status)
        self._packed: tuple[bytes, bytes] | None = None

    def read(self) -> tuple[ModelRevisionSpec, ModelRevisionStatus]:
        """What it is, and what became of it. A packed one stays packed."""
        if self._at_hand is not None:
            return self._at_hand
        assert self._packed is not None
        spec, status = (zlib.decompress(part) for part in self._packed)
        return ModelRevisionSpec.model_validate_json(spec), ModelRevisionStatus.model_validate_json(status)

    def pack(self) -> None:
        if self._at_hand is not None:
            spec, status = self._at_hand
            self._packed, self._at_hand = (_packed(spec), _packed(status)), None

    def unpack(self) -> None:
        self._at_hand, self._packed = self.read(), None


def _packed(value: ApiType) -> bytes:
    return zlib.compress(value.model_dump_json(by_alias=True, exclude_unset=True).encode())
