"""Training-serving skew that is known before any data flow: features are made by other code than in training.

The contract says with which code the training data were made, the pod template with which it is made in serving.
"""

from collections.abc import Mapping
from typing import Any

from modelrollout.api.contract import Contract, Severity
from modelrollout.api.group import GROUP
from modelrollout.data.compatibility import Finding

ANNOTATION = f"{GROUP}/feature-pipeline"
"""Of the pod template."""


def skew(contract: Contract, template: Mapping[str, Any]) -> Finding | None:
    """Breaking where both say something and it differs; a note where serving says nothing."""
    trained = contract.feature_pipeline
    if trained is None:
        return None
    served = ((template.get("metadata") or {}).get("annotations") or {}).get(ANNOTATION)
    if served == trained:
        return None
    if served is None:
        return Finding(
            severity=Severity.NOTE,
            field="featurePipeline",
            message=f"it is {trained}, and the pod template does not say its own; set its annotation {ANNOTATION}",
        )
    return Finding(
        severity=Severity.BREAKING,
        field="featurePipeline",
        message=f"features were made by {trained} for training and are made by {served} in serving; serve with "
        f"{trained}, or train with {served}",
    )
