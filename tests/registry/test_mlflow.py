"""The adapter against a real MLflow server: what it says is what the server holds, and what it writes arrives there."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from modelrollout.adapters.registry import NotInRegistry, RegistryRefused
from modelrollout.api.model import Dataset
from tests.registry.conftest import Place
from tests.registry.training import MLMODEL

FETCH = Path(__file__).resolve().parents[2] / "demo" / "registry" / "fetch.py"


def test_a_version_is_known_with_all_that_a_revision_keeps(place: Place) -> None:
    model = place.training.model()
    version = place.training.register(model, metrics={"f1": 0.91, "auc": 0.97}, description="retrained on October")

    found = place.ask(place.registry.version(model, version))

    assert (found.model, found.pin.version, found.description) == (model, "1", "retrained on October")
    assert found.pin.digest == hashlib.sha256(MLMODEL.encode()).hexdigest()
    assert found.pin.artifact_uri.startswith("mlflow-artifacts:/")
    assert found.metrics == {"f1": 0.91, "auc": 0.97}
    assert (found.lineage.commit, found.lineage.run) == ("9f2c1aa", f"mlflow:{found.pin.run_id}")
    assert found.lineage.datasets == (Dataset(name="transactions", digest="4c1f"),)
    assert found.contract == {
        "inputs": [
            {"name": "amount", "type": "FP64"},
            {"name": "country", "type": "string", "required": False},
        ],
        "outputs": [{"name": "output", "type": "FP64", "shape": [-1, 2]}],
    }


def test_a_logged_model_has_its_own_metrics_and_its_artifact_is_where_the_server_says(place: Place) -> None:
    """MLflow 3: `source` of such a version is `models:/m-…`, which nothing but MLflow could read."""
    client, model = place.training.client, place.training.model()
    run = client.create_run("0")
    logged = client.create_logged_model("0", source_run_id=run.info.run_id)
    client.log_metric(run.info.run_id, "f1", 0.93, model_id=logged.model_id)
    client.finalize_logged_model(logged.model_id, "READY")
    made = client.create_model_version(
        model, f"models:/{logged.model_id}", run.info.run_id, model_id=logged.model_id, await_creation_for=0
    )

    found = place.ask(place.registry.version(model, str(made.version)))

    assert made.source.startswith("models:/")
    assert not found.pin.artifact_uri.startswith("models:/")
    assert found.metrics == {"f1": 0.93}


def test_a_version_without_a_description_file_has_no_contract(place: Place) -> None:
    model = place.training.model()
    version = place.training.register(model, mlmodel=None)

    found = place.ask(place.registry.version(model, version))

    assert (found.contract, found.pin.digest) == (None, None)


def test_all_aliases_of_a_model_are_one_request(place: Place) -> None:
    model = place.training.model()
    for _ in range(2):
        place.training.register(model)
    place.training.client.set_registered_model_alias(model, "staging", "2")
    place.training.client.set_registered_model_alias(model, "champion", "1")
    place.calls.clear()

    assert place.ask(place.registry.aliases(model)) == {"staging": "2", "champion": "1"}
    assert place.calls == [("aliases", "success")]


def test_aliases_are_put_moved_and_taken(place: Place) -> None:
    model = place.training.model()
    for _ in range(2):
        place.training.register(model)

    place.ask(place.registry.set_alias(model, "champion", "1"))
    place.ask(place.registry.set_alias(model, "champion", "2"))
    assert place.training.client.get_model_version_by_alias(model, "champion").version == "2"

    place.ask(place.registry.delete_alias(model, "champion"))
    place.ask(place.registry.delete_alias(model, "champion"))
    assert place.ask(place.registry.aliases(model)) == {}


def test_tags_are_written_overwritten_and_may_be_empty(place: Place) -> None:
    model = place.training.model()
    version = place.training.register(model)
    key = "modelrollout.eu-1.payments.fraud.state"

    for value in ("Live", "Superseded", ""):
        place.ask(place.registry.set_tag(model, version, key=key, value=value))
        assert place.training.client.get_model_version(model, version).tags == {key: value}


def test_a_vanished_alias_is_absent(place: Place) -> None:
    """The version was deleted, and MLflow says nothing about the alias that was on it."""
    model = place.training.model()
    version = place.training.register(model)
    place.ask(place.registry.set_alias(model, "champion", version))

    place.training.client.delete_model_version(model, version)

    assert place.ask(place.registry.aliases(model)) == {}


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda registry, model: registry.aliases("no-such-model"), NotInRegistry),
        (lambda registry, model: registry.version(model, "99"), NotInRegistry),
        (lambda registry, model: registry.metrics(model, "99"), NotInRegistry),
        (lambda registry, model: registry.set_alias(model, "champion", "99"), NotInRegistry),
        (lambda registry, model: registry.set_tag(model, "99", key="a", value="b"), NotInRegistry),
        (lambda registry, model: registry.set_alias(model, "latest", "1"), RegistryRefused),
        (lambda registry, model: registry.version("a/b", "1"), RegistryRefused),
    ],
)
def test_what_is_not_there_and_what_is_not_allowed_are_told_apart(place: Place, call, error: type[Exception]) -> None:  # type: ignore[no-untyped-def]
    model = place.training.model()
    place.training.register(model)

    with pytest.raises(error):
        place.ask(call(place.registry, model))


def test_the_artifact_is_fetched_from_the_proxy_with_nothing_but_an_address(place: Place, tmp_path: Path) -> None:
    """By the program of the sample init container, as the operator and the template call it."""
    model = place.training.model()
    version = place.training.register(model, text="weights")
    uri = place.ask(place.registry.version(model, version)).pin.artifact_uri

    environment = {"MODEL_URI": uri, "MLFLOW_URL": place.server.url, "TARGET": str(tmp_path / "model")}
    subprocess.run([sys.executable, "-I", FETCH], env=environment, check=True)

    assert (tmp_path / "model" / "model.txt").read_text() == "weights"
    assert (tmp_path / "model" / "MLmodel").read_text() == MLMODEL
