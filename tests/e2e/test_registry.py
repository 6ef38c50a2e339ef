"""From training to production and back, with a real MLflow: a moved alias rolls out, and the registry hears of it."""

from __future__ import annotations

from collections.abc import Callable

from tests.e2e import registry
from tests.e2e.case import Case
from tests.e2e.history import Object
from tests.e2e.manifests import CANARY, ERRORS, SOAK
from tests.e2e.then import condition
from tests.e2e.waiting import until

POLICY: Object = {
    "stages": [CANARY, SOAK],
    "gates": [ERRORS],
    "offline": [{"metric": "f1", "tolerate": 0.01}],
    "interval": "2s",
    "warmup": "1s",
    "maxDuration": "10m",
}


def test_from_training_to_production_and_back(case: Case) -> None:
    given, when, then = case.steps()
    mlflow = case.world.mlflow
    assert mlflow is not None
    client, model = mlflow.training.client, mlflow.training.model("biopsy")
    for number, f1 in (("1", 0.91), ("2", 0.93), ("3", 0.5), ("4", 0.94)):
        mlflow.training.register(model, metrics={"f1": f1}, description=f"training {number}", text=number)
    client.set_registered_model_alias(model, "staging", "1")
    when.config_map("fetch-model", **{"fetch.py": (registry.FOLDER / "fetch.py").read_text()})

    when.applied(mlflow.following(model, alias="staging", rollout=POLICY))
    then.ends("Live", version="1")
    _comes_to(case, "the registry knows", _synced)
    assert mlflow.aliases(model) == {"staging": "1", "champion": "1"}
    for pod in then.pods("1"):
        fetched = case.execute(pod, "python3", "-c", "print(open('/model/model.txt').read())")
        assert fetched.strip() == "1", "by the init container"
    given.users()

    # A moved alias is a rollout.
    case.changed()
    client.set_registered_model_alias(model, "staging", "2")
    _comes_to(case, "version 2 is live", lambda found: _is_live(found, "2") and _synced(found))
    assert mlflow.aliases(model) == {"staging": "2", "champion": "2", "previous": "1"}
    assert mlflow.tags(model, "1")["state"] == "Superseded"
    assert mlflow.tags(model, "2").keys() == {"state", "liveAt", "periods"}
    changes = case.revisions("2")[-1][-1].status["changes"]["entries"]
    assert changes[0] == "training 2"
    assert "metric f1: 0.91 → 0.93" in changes

    # One that is worse on paper gets no pod.
    case.changed()
    client.set_registered_model_alias(model, "staging", "3")
    _comes_to(case, "version 3 is rejected", lambda found: _reason(found, "RolledBack") == "OfflineWorse")
    assert not then.pods("3")
    then.state_of("3", "Rejected")

    # Back from what is live: the alias stays where people put it, and the others move back.
    then.pods_are_gone("1")
    case.changed()
    when.asked("Rollback", reason="fraud is up")
    _comes_to(case, "version 1 is live again", lambda found: _is_live(found, "1") and _synced(found))
    assert mlflow.aliases(model) == {"staging": "3", "champion": "1"}
    assert mlflow.tags(model, "2")["reason"] == "RollbackRequested"
    assert len(mlflow.tags(model, "1")["periods"].split()) == 2, "it was live twice"

    _ends_without_the_registry(case, mlflow, model)
    then.users_saw_no_failure()


def _ends_without_the_registry(case: Case, mlflow: registry.Registry, model: str) -> None:
    """MLflow stopped in the middle: the rollout ends all the same, and what there is to tell is told afterwards."""
    case.changed()
    mlflow.training.client.set_registered_model_alias(model, "staging", "4")
    _comes_to(case, "the candidate has its share", lambda found: _rolls(found, "4") and found["status"]["weight"] >= 25)
    mlflow.server.stop()
    _comes_to(case, "version 4 is live", lambda found: _is_live(found, "4"))
    away = _comes_to(case, "it is said", lambda found: _is_live(found, "4") and _registry(found)["status"] == "False")
    assert _registry(away)["reason"] == "RegistryUnavailable"
    assert condition(away, "Ready")["status"] == "True"

    case.changed()
    mlflow.server.start()
    until(
        "the registry is told", lambda: mlflow.aliases(model).get("champion") == "4" or None, namespace=case.namespace
    )
    _comes_to(case, "the condition says so", _synced)
    assert mlflow.tags(model, "4")["state"] == "Live"


def _comes_to(case: Case, what: str, holds: Callable[[Object], object]) -> Object:
    """The newest state of all is like that; the spec stays the same throughout, so the generation tells nothing."""

    def now() -> Object | None:
        found = case.states()[-1].found
        return found if holds(found) else None

    return until(what, now, namespace=case.namespace)


def _registry(found: Object) -> Object:
    conditions = found["status"].get("conditions", [])
    return next((one for one in conditions if one["type"] == "RegistrySynced"), {"status": "absent"})


def _synced(found: Object) -> bool:
    return bool(_registry(found)["status"] == "True")


def _is_live(found: Object, version: str) -> bool:
    status = found["status"]
    return (status.get("stableVersion"), status["stage"], status.get("candidate")) == (version, "Live", None)


def _rolls(found: Object, version: str) -> bool:
    return bool(found["status"].get("candidateVersion") == version)


def _reason(found: Object, kind: str) -> str:
    one = condition(found, kind)
    return str(one["reason"]) if one["status"] == "True" else ""
