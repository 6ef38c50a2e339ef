"""The health checks for Argo CD, run by a real Lua interpreter on statuses that the planner made.

Argo CD embeds Lua 5.1 and, unless told otherwise, opens no library but the base one and tables.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from lupa.lua51 import LuaRuntime

from modelrollout.api.conditions import ConditionType
from modelrollout.api.group import GROUP
from modelrollout.api.modelrevision import RevisionState
from tests.builders import revision, spec
from tests.phases import PHASES, Phase

FOLDER = Path(__file__).resolve().parents[3] / "manifests" / "gitops" / "argocd"
OPEN = {"_G", "_VERSION", "assert", "error", "getmetatable", "ipairs", "next", "pairs", "pcall", "rawequal", "rawget"}
OPEN |= {"rawset", "select", "setmetatable", "tonumber", "tostring", "type", "unpack", "table"}


def health(kind: str, body: Mapping[str, Any]) -> tuple[str, str]:
    """Status and message that Argo CD would show."""
    lua = LuaRuntime(register_eval=False, register_builtins=False)
    names = lua.globals()
    for name in set(names) - OPEN:
        names[name] = None
    names["obj"] = lua.table_from(body, recursive=True)
    found = lua.execute((FOLDER / f"{kind.lower()}.lua").read_text())
    return found["status"], found["message"]


@pytest.mark.parametrize("phase", PHASES.values(), ids=PHASES.keys())
def test_every_phase_has_its_health(phase: Phase) -> None:
    status, message = health("ModelDeployment", phase.body)
    assert status == phase.argocd
    assert message


def test_the_phases_are_of_every_kind() -> None:
    """So that a new one is not forgotten above."""
    true = {
        condition["type"]
        for phase in PHASES.values()
        for condition in phase.body["status"].get("conditions", [])
        if condition["status"] == "True"
    }
    assert true == set(ConditionType)
    assert {phase.argocd for phase in PHASES.values()} == {"Healthy", "Progressing", "Suspended", "Degraded"}


def test_one_that_nobody_has_looked_at_progresses() -> None:
    made = {"metadata": {"name": "fraud", "generation": 1}}
    assert health("ModelDeployment", made) == ("Progressing", "The operator has not looked at it yet")


def test_the_message_is_the_one_of_the_ready_condition() -> None:
    _, message = health("ModelDeployment", PHASES["rolled back"].body)
    assert message.startswith("EvidenceOfHarm: version 2 was rolled back from Canary at weight 25 %: gate errors: ")


def of_revision(state: RevisionState | None, ended: str | None = None) -> dict[str, Any]:
    view = revision(spec("7"))
    status = view.status.model_copy(update={"state": state, "ended": ended})
    told = status.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {"spec": view.spec.model_dump(mode="json", by_alias=True), **({"status": told} if state else {})}


@pytest.mark.parametrize("state", RevisionState)
def test_every_state_of_a_revision_has_its_health(state: RevisionState) -> None:
    status, message = health("ModelRevision", of_revision(state))
    assert status in {"Healthy", "Progressing", "Suspended", "Degraded"}
    assert message == f"version 7: {state}"


def test_a_revision_that_was_taken_back_says_why() -> None:
    body = of_revision(RevisionState.ROLLED_BACK, "EvidenceOfHarm (errors)")
    assert health("ModelRevision", body) == ("Degraded", "version 7: RolledBack, EvidenceOfHarm (errors)")


def test_a_revision_without_a_state_progresses() -> None:
    assert health("ModelRevision", of_revision(None))[0] == "Progressing"


def test_each_file_is_there_under_the_key_that_argo_cd_looks_for() -> None:
    generator = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["configMapGenerator"][0]
    files = dict(entry.split("=") for entry in generator["files"])
    assert files == {
        f"resource.customizations.health.{GROUP}_{kind}": f"{kind.lower()}.lua"
        for kind in ("ModelDeployment", "ModelRevision")
    }
    assert generator["name"] == "argocd-cm"
    assert generator["options"]["disableNameSuffixHash"] is True
    assert all((FOLDER / file).is_file() for file in files.values())
