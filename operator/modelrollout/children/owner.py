"""Whose children they are: garbage collection removes them with the ModelDeployment, with no finalizer anywhere."""

from dataclasses import dataclass
from typing import Any

from modelrollout.api.group import API_VERSION, FIELD_MANAGER, LABEL_MANAGED_BY, LABEL_NAME, LABEL_REVISION
from modelrollout.api.group import MODEL_DEPLOYMENT as KIND


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    namespace: str
    name: str
    uid: str

    def metadata(self, name: str, *, revision: str | None = None) -> dict[str, Any]:
        """Metadata of a child; `revision` is the short digest, for children of one revision."""
        return {
            "name": name,
            "namespace": self.namespace,
            "labels": {**self.labels(revision), LABEL_MANAGED_BY: FIELD_MANAGER},
            "ownerReferences": [
                {
                    "apiVersion": API_VERSION,
                    "kind": KIND,
                    "name": self.name,
                    "uid": self.uid,
                    "controller": True,
                    "blockOwnerDeletion": False,
                }
            ],
        }

    def labels(self, revision: str | None) -> dict[str, str]:
        return {LABEL_NAME: self.name, **({LABEL_REVISION: revision} if revision else {})}
