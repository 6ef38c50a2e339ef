"""Which revision's pin answers a spec, where several might."""

from dataclasses import replace

import pytest

from modelrollout.api.model import Model
from modelrollout.api.modeldeployment import ModelDeploymentStatus
from modelrollout.plan.observation import RevisionView
from modelrollout.plan.pins import kept
from tests.builders import ago, pinned

STAGING = Model(name="fraud", uri="models:/fraud@staging")
OTHER = Model(name="fraud", uri="models:/fraud@staging", changelog="another one")
VIEWS = {version: replace(pinned(version, model=STAGING), created_at=ago(1000 - int(version))) for version in "123"}


def version(status: ModelDeploymentStatus, *, model: Model = STAGING, only: str | None = None) -> str | None:
    found = kept(model, VIEWS.values(), status, version=only)
    return found.pin.version if found else None


def id(number: str) -> str:
    return VIEWS[number].id


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (ModelDeploymentStatus(stable=id("1")), "1"),
        (ModelDeploymentStatus(stable=id("1"), candidate=id("2")), "2"),
        (ModelDeploymentStatus(stable=id("1"), rejected=id("2")), "2"),
        (ModelDeploymentStatus(stable=id("2"), candidate=id("1"), rejected=id("2")), "2"),
        (ModelDeploymentStatus(), "3"),
        (ModelDeploymentStatus(stable="0123456789"), "3"),
    ],
    ids=["live", "rolling", "rolled back", "turning back", "none of them: the newest", "another model is live"],
)
def test_what_the_spec_asked_for_last_counts(status: ModelDeploymentStatus, expected: str) -> None:
    assert version(status) == expected


def test_another_model_has_no_answer_yet() -> None:
    assert version(ModelDeploymentStatus(stable=id("1")), model=OTHER) is None


def test_a_version_that_is_asked_for_is_that_version() -> None:
    assert version(ModelDeploymentStatus(stable=id("1")), only="3") == "3"
    assert version(ModelDeploymentStatus(stable=id("1")), only="7") is None


def test_a_contract_of_a_person_is_not_taken_for_the_registrys() -> None:
    view = VIEWS["1"]
    assert view.spec.registry is not None
    record = view.spec.registry.model_copy(update={"signature": False})
    own = replace(view, spec=view.spec.model_copy(update={"registry": record}))

    def contract_of(one: RevisionView) -> object:
        found = kept(STAGING, [one], ModelDeploymentStatus())
        assert found is not None
        return found.contract

    assert contract_of(view) == view.spec.contract
    assert contract_of(own) is None
