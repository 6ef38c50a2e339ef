"""The model classes that MLServer loads: its own scikit-learn runtime, warmed up, and the slow one of v4."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import numpy as np
from mlserver.types import InferenceRequest, InferenceResponse
from mlserver_sklearn import SKLearnModel

TEXTURE = 1
"""Column of "mean texture" in the data set."""

LOOKUP_SECONDS = 0.35
"""How long the reference store of v4 takes to answer."""

LOOKUP_ABOVE = 16.5
"""v4 asks the reference store about textures above this: seven rows in ten."""

SAMPLE = Path(__file__).with_name("heldout.json")


class WarmModel(SKLearnModel):  # type: ignore[misc]
    """The stock runtime, ready only after its first prediction.

    The first one imports and compiles what later ones reuse and is several times slower. Paid before readiness,
    it does not make each new pod's first users look like a regression.
    """

    async def load(self) -> bool:
        """Load the pipeline and predict once, for the most ordinary input there is: each measure's median."""
        loaded: bool = await super().load()
        median = np.median(json.loads(SAMPLE.read_text())["rows"], axis=0).tolist()
        await SKLearnModel.predict(self, InferenceRequest.model_validate(_request(median)))
        return loaded


class LookupModel(WarmModel):
    """v4: asks a reference store about unusual textures, one row after the other and without a cache.

    The store is not here; its answering time is. Waiting, unlike computing, leaves the core to the other pods.
    """

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Wait for the store where the row needs it, then predict as v2 does."""
        values = payload.inputs[0].data.root
        if float(values[TEXTURE]) > LOOKUP_ABOVE:
            await asyncio.sleep(LOOKUP_SECONDS)
        return await super().predict(payload)


def _request(row: list[float]) -> dict[str, object]:
    return {"inputs": [{"name": "features", "shape": [1, len(row)], "datatype": "FP64", "data": row}]}
