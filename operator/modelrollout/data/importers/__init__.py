"""Contracts from what teams have already: each importer takes a parsed document and gives a contract.

What a source says and a contract cannot is left out and told, so that nobody takes the result for more than it is.
"""

from collections.abc import Callable, Mapping
from typing import Any

from modelrollout.data.importers import jsonschema, mlflow, openinference, pandera
from modelrollout.data.importers.result import Imported, ImportFailed, Side

Importer = Callable[[Mapping[str, Any], Side], Imported]

IMPORTERS: Mapping[str, Importer] = {
    "mlflow": mlflow.contract,
    "v2": openinference.contract,
    "pandera": pandera.contract,
    "jsonschema": jsonschema.contract,
}
"""By what `--from` calls them. The side is what a document describes that describes one only."""

__all__ = ["IMPORTERS", "ImportFailed", "Imported", "Importer", "Side"]
