"""Beside a tool that puts back what Git says every second: the same outcome, and nobody undoes the other's work."""

from __future__ import annotations

import itertools
from typing import Any

from tests.e2e.case import Case
from tests.e2e.gitops import CLIENT_SIDE, SERVER_SIDE, TRACKING, SelfHealing
from tests.e2e.manifests import CANARY, NAME, SOAK, manifest

SECONDS = 300.0
"""kubectl once a second takes a good part of two cores."""
CHILDREN = "deployments,replicasets,services,httproutes,modelrevisions,pods"


def test_self_healing_by_server_side_apply(case: Case) -> None:
    _forward_and_back(case, SERVER_SIDE, manager="argocd-controller")


def test_self_healing_by_client_side_apply(case: Case) -> None:
    _forward_and_back(case, CLIENT_SIDE, manager="kubectl-client-side-apply")


def _forward_and_back(case: Case, options: tuple[str, ...], *, manager: str) -> None:
    """A good version goes live under it, then a bad one is taken back while Git goes on naming it."""
    given, _, then = case.steps()
    with SelfHealing(case, manifest("v1"), options=options):
        then.ends("Live", version="v1", seconds=SECONDS)
    given.users()

    with SelfHealing(case, manifest("v2"), options=options) as loop:
        then.ends("Live", version="v2", seconds=SECONDS)
        then.passed_through("Shadow", "Canary", "Soak", "Live")
        then.weights_only_grew()
        then.pods_are_gone("v1")
        _carry_no_mark_of_the_tool(case)
    _changed_nothing(case, loop, manager=manager)

    with SelfHealing(case, manifest("v3", stages=[CANARY, SOAK]), options=options) as loop:
        then.ends("RolledBack", version="v2", seconds=SECONDS)
        then.passed_through("Canary", "Live")
        then.pods_are_gone("v3")
        then.stays("rolled back", lambda found: found["status"].get("rejected"), seconds=5)
    _changed_nothing(case, loop, manager=manager)
    assert len(case.revisions("v3")) == 1

    with SelfHealing(case, manifest("v2"), options=options) as loop:
        then.ends("Live", version="v2", seconds=SECONDS)
    then.weight_is_zero("v3")


def _changed_nothing(case: Case, loop: SelfHealing, *, manager: str) -> None:
    """After its first apply: the same generation, no new state that is not the operator's, and no other's field."""
    generations = {answer["metadata"]["generation"] for answer in loop.answers}
    assert not loop.refusals, loop.refusals
    assert len(generations) == 1, f"applies of one manifest made generations {generations}"
    states = [
        state.found for state in case.states() if state.found["metadata"]["generation"] == generations.copy().pop()
    ]
    idle = [
        after["metadata"]["resourceVersion"]
        for before, after in itertools.pairwise(states)
        if before.get("status") == after.get("status")
    ]
    assert not idle, f"writes that were not the operator's: {idle}"
    fields = states[-1]["metadata"]["managedFields"]
    assert {(entry["manager"], entry.get("subresource")) for entry in fields} == {
        (manager, None),
        ("modelrollout", "status"),
    }
    case.note(f"{len(loop.answers)} applies of one manifest; {len(states)} states, all but the first the operator's")


def _carry_no_mark_of_the_tool(case: Case) -> None:
    """A tool prunes what carries its mark and is not in Git. What is below an owner it shows below it."""
    children: list[dict[str, Any]] = case.fetch(CHILDREN)["items"]
    assert {child["kind"] for child in children} >= {"Deployment", "Service", "HTTPRoute", "ModelRevision", "Pod"}
    for child in children:
        metadata = child["metadata"]
        for part, marks in TRACKING.items():
            assert not marks.keys() & metadata.get(part, {}).keys(), f"{child['kind']} {metadata['name']}: {part}"
        owners = {(owner["kind"], owner["name"]) for owner in metadata["ownerReferences"] if owner["controller"]}
        expected = {"ReplicaSet": "Deployment", "Pod": "ReplicaSet"}.get(child["kind"], "ModelDeployment")
        assert {kind for kind, _ in owners} == {expected}, f"{child['kind']} {metadata['name']} is owned by {owners}"
        assert expected != "ModelDeployment" or owners == {("ModelDeployment", NAME)}
