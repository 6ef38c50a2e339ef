"""The real kstatus on what the operator writes: each phase, and every state of whole rollouts."""

import itertools
from typing import Any

import pytest

from modelrollout.adapters.kubernetes import MODEL_DEPLOYMENTS
from tests.faults.scenarios import BACK, BAD_BY_RATIO, BAD_ONE, GOOD, INSTALL, Scenario, play
from tests.faults.store import Change
from tests.faults.world import World
from tests.gitops.real_kstatus import real_kstatus
from tests.kstatus import kstatus
from tests.phases import PHASES


def test_every_phase_is_read_as_it_is_meant() -> None:
    found = dict(zip(PHASES, real_kstatus(phase.body for phase in PHASES.values()), strict=True))
    assert found == {name: phase.kstatus for name, phase in PHASES.items()}


def test_the_imitation_that_other_tests_use_says_the_same_of_any_conditions() -> None:
    kinds = ("Ready", "Reconciling", "Stalled")
    bodies: list[dict[str, Any]] = []
    for truths in itertools.product(("True", "False", "Unknown", None), repeat=3):
        for order in (1, -1):
            told = [{"type": kind, "status": truth} for kind, truth in zip(kinds, truths, strict=True) if truth]
            for observed in (None, 1, 2):
                metadata: dict[str, Any] = {"name": "one", "generation": 2}
                status = {"conditions": told[::order], **({"observedGeneration": observed} if observed else {})}
                bodies.append({"apiVersion": "x/v1", "kind": "One", "metadata": metadata, "status": status})
    leaving = {"name": "one", "generation": 1, "deletionTimestamp": "2026-11-24T12:00:00Z"}
    bodies.append({"apiVersion": "x/v1", "kind": "One", "metadata": leaving})
    assert [kstatus(body) for body in bodies] == real_kstatus(bodies)


@pytest.mark.parametrize("scenario", [INSTALL, GOOD, BAD_ONE, BAD_BY_RATIO, BACK], ids=lambda scenario: scenario.name)
async def test_a_whole_rollout_is_in_progress_until_its_end_and_then_what_came_of_it(scenario: Scenario) -> None:
    """A tool that waits for `Current` waits for the new version, and never takes the old one for it."""
    states: list[dict[str, Any]] = []

    def seen(change: Change) -> None:
        if change.resource is MODEL_DEPLOYMENTS:
            states.append({"status": {"observedGeneration": 0}, **change.body})

    async with World() as world:
        await scenario.begin(world)
        world.store.listeners.append(seen)
        await play(scenario, world)
    ends = ("Current",) if scenario.behaviour is None and scenario is not BACK else ("Failed",)
    told = real_kstatus(states)
    assert [verdict for verdict, _ in itertools.groupby(told)] == (
        [*ends] if scenario is BACK else ["InProgress", *ends]
    )
