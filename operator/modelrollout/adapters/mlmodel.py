"""MLflow's description of a model, the file MLmodel: which logged model it is, and its signature as a contract. Pure.

A model without a signature, or with one that a contract cannot say, has no contract: it can be served all the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from modelrollout.data.importers import IMPORTERS, ImportFailed, Side


class MlmodelError(ValueError):
    """The file cannot be read. The message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mlmodel:
    """What a revision keeps of it."""

    model_id: str | None = None
    contract: Mapping[str, Any] | None = None


def read(text: str) -> Mlmodel:
    """MlmodelError where it is not an MLmodel file."""
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise MlmodelError(f"MLmodel is no YAML: {' '.join(str(error).split())[:200]}") from error
    if not isinstance(found, dict):
        raise MlmodelError("MLmodel is no mapping")
    model_id = found.get("model_id")
    return Mlmodel(model_id=str(model_id) if model_id else None, contract=_contract(found))


def _contract(document: Mapping[str, Any]) -> Mapping[str, Any] | None:
    try:
        imported = IMPORTERS["mlflow"](document, Side.INPUTS)
    except ImportFailed:
        return None
    return imported.contract.model_dump(mode="json", by_alias=True, exclude_defaults=True)
