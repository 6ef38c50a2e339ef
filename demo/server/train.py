"""Trains the eight versions of the demo's model on a data set that ships with scikit-learn.

The Wisconsin breast-cancer data: 569 biopsies, 30 measures each, benign or malignant (here 1 = malignant). Two fifths
are held out: they measure the models here and are the traffic of the load generator later, so no version was trained
on what users send it.

Runs while the image is built and fails the build when a version is not what the demo needs it to be.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from features import AREA, AreaRisk
from numpy.typing import NDArray
from runtime import LOOKUP_ABOVE, TEXTURE
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

MODEL = "biopsy"
HELDOUT_SHARE = 0.4
SEED = 42
UNITS = 10.0
"""v6 was trained on centimetres where users send millimetres."""

LARGEST_AREA_KEPT = 1200.0
"""v3 takes larger tumours for outliers and trains without them."""

Rows = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Data:
    """Rows and labels, split once and for all versions alike."""

    names: tuple[str, ...]
    train_rows: Rows
    train_labels: Labels
    heldout_rows: Rows
    heldout_labels: Labels


@dataclass(frozen=True)
class Version:
    """How one version is fitted and by which class it is served."""

    name: str
    note: str
    fit: Callable[[Data], Pipeline]
    implementation: str = "runtime.WarmModel"
    cut_short: bool = False


def load_data() -> Data:
    """The same split on every machine: the seed is fixed and the data set is part of the package."""
    source = load_breast_cancer()
    malignant = 1 - source.target
    train_rows, heldout_rows, train_labels, heldout_labels = train_test_split(
        source.data, malignant, test_size=HELDOUT_SHARE, stratify=malignant, random_state=SEED
    )
    names = tuple(str(name) for name in source.feature_names)
    return Data(names, train_rows, train_labels, heldout_rows, heldout_labels)


def fit_five_measures(data: Data) -> Pipeline:
    """v1: a logistic regression that looks at the first five measures only."""
    first_five = ColumnTransformer([("first five", StandardScaler(), slice(0, 5))])
    return make_pipeline(first_five, LogisticRegression()).fit(data.train_rows, data.train_labels)


def fit_all_measures(data: Data) -> Pipeline:
    """v2: the same model on all thirty measures."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.5))
    return model.fit(data.train_rows, data.train_labels)


def fit_without_outliers(data: Data) -> Pipeline:
    """v3: v2 and a feature learnt by band of area, fitted without the large tumours, which its table then lacks."""
    kept = data.train_rows[:, AREA] < LARGEST_AREA_KEPT
    model = make_pipeline(AreaRisk(), StandardScaler(), LogisticRegression(C=0.5))
    return model.fit(data.train_rows[kept], data.train_labels[kept])


def fit_on_other_units(data: Data) -> Pipeline:
    """v6: v2, fitted on measures in other units than users send: its scaler takes every tumour for a giant."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.5))
    return model.fit(data.train_rows / UNITS, data.train_labels)


def fit_constant(data: Data) -> Pipeline:
    """v7: says benign whatever it is asked."""
    return make_pipeline(DummyClassifier(strategy="most_frequent")).fit(data.train_rows, data.train_labels)


def fit_on_swapped_measures(data: Data) -> Pipeline:
    """v8: v2, fitted on the measures in another order than users send them."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.5))
    return model.fit(data.train_rows[:, ::-1], data.train_labels)


VERSIONS = (
    Version("v1", "logistic regression on five measures: the live one", fit_five_measures),
    Version("v2", "logistic regression on all thirty measures: better", fit_all_measures),
    Version("v3", "adds a feature by band of area; raises on large tumours", fit_without_outliers),
    Version("v4", "v2 and a slow look-up for most rows", fit_all_measures, implementation="runtime.LookupModel"),
    Version("v5", "v2, its file cut short on upload: never loads", fit_all_measures, cut_short=True),
    Version("v6", "v2, its scaler fitted on other units: quick, polite and wrong", fit_on_other_units),
    Version("v7", "the same answer to everything", fit_constant),
    Version("v8", "v2, fitted on measures in another order", fit_on_swapped_measures),
)


def heldout_document(data: Data) -> str:
    """Held-out rows as JSON, one row a line so that a change is readable in a diff."""
    rows = ",\n".join(json.dumps(row.tolist(), separators=(",", ":")) for row in data.heldout_rows)
    head = json.dumps({"model": MODEL, "features": data.names, "labels": data.heldout_labels.tolist()})
    return f'{head[:-1]},\n"rows": [\n{rows}\n]}}\n'


def measure(model: Pipeline, data: Data) -> tuple[float, float]:
    """Accuracy over the held-out rows that the model answers, and the share that it raises on."""
    correct = failed = 0
    for row, label in zip(data.heldout_rows, data.heldout_labels, strict=True):
        try:
            correct += int(model.predict(row.reshape(1, -1))[0] == label)
        except IndexError:
            failed += 1
    total = len(data.heldout_rows)
    return correct / (total - failed), failed / total


def write_version(version: Version, data: Data, folder: Path) -> dict[str, Any]:
    """Fit, measure and store one version; returns its entry in the manifest."""
    model = version.fit(data)
    accuracy, failing = measure(model, data)
    target = folder / version.name
    target.mkdir(parents=True, exist_ok=True)
    artefact = target / "model.joblib"
    joblib.dump(model, artefact)
    content = artefact.read_bytes()
    if version.cut_short:
        artefact.write_bytes(content[: len(content) // 2])
    settings = {
        "name": MODEL,
        "implementation": version.implementation,
        "parameters": {"uri": "./model.joblib", "version": version.name},
        "inputs": [{"name": "features", "datatype": "FP64", "shape": [-1, len(data.names)]}],
        "outputs": [{"name": "predict", "datatype": "INT64", "shape": [-1, 1]}],
    }
    (target / "model-settings.json").write_text(json.dumps(settings, indent=2) + "\n")
    return {
        "note": version.note,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "heldout_accuracy": round(accuracy, 4),
        "heldout_failing_share": round(failing, 4),
    }


def problems(manifest: dict[str, Any], data: Data) -> list[str]:
    """What would make the demo tell something untrue; empty when all is well."""
    found = []
    if manifest["v2"]["heldout_accuracy"] < manifest["v1"]["heldout_accuracy"] + 0.03:
        found.append("v2 is not clearly better than v1")
    if not 0.08 <= manifest["v3"]["heldout_failing_share"] <= 0.15:
        found.append("v3 does not fail on 8 to 15 % of the held-out rows")
    found += [
        f"{name} raises on held-out rows"
        for name in ("v1", "v2", "v4", "v6", "v7", "v8")
        if manifest[name]["heldout_failing_share"]
    ]
    found += [
        f"{name} is right on more than 80 % of the held-out rows"
        for name in ("v6", "v7", "v8")
        if manifest[name]["heldout_accuracy"] > 0.8
    ]
    slow = float((data.heldout_rows[:, TEXTURE] > LOOKUP_ABOVE).mean())
    if not 0.5 <= slow <= 0.9:
        found.append(f"v4 is slow on {slow:.0%} of the held-out rows, not on 50 to 90 %")
    return found


def main() -> int:
    """Train everything, or only write the held-out rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("models"), help="folder for the trained versions")
    parser.add_argument("--heldout", type=Path, metavar="FILE", help="write the held-out rows to FILE and stop")
    parser.add_argument("--check", type=Path, metavar="FILE", help="fail unless FILE holds exactly the held-out rows")
    arguments = parser.parse_args()

    data = load_data()
    if arguments.heldout:
        arguments.heldout.write_text(heldout_document(data))
        return 0
    if arguments.check and arguments.check.read_text() != heldout_document(data):
        print(f"{arguments.check} is not what this data set gives: make it again with --heldout", file=sys.stderr)
        return 1

    manifest = {version.name: write_version(version, data, arguments.out) for version in VERSIONS}
    (arguments.out / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    print(f"trained on {len(data.train_rows)} rows, measured on {len(data.heldout_rows)} held-out rows")
    for name, entry in manifest.items():
        accuracy, failing = entry["heldout_accuracy"], entry["heldout_failing_share"]
        print(f"{name}  accuracy {accuracy:.3f}  raises on {failing:.1%}  {entry['note']}")
    found = problems(manifest, data)
    for problem in found:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
