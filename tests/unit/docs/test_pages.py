"""Every page of docs/ and the README: what they show is accepted, and what they point at is there."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelrollout.api.base import ApiObject
from modelrollout.api.crd import RESOURCES
from modelrollout.api.modeldeployment import ModelDeployment

ROOT = Path(__file__).resolve().parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TYPES: dict[str, type[ApiObject]] = {resource.kind: resource.type for resource in RESOURCES}
COMPLETE = "…"
"""Where an example leaves something out, it says so with this."""


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


def examples() -> list[Any]:
    return [
        pytest.param(page, document, id=f"{page.name}-{number}")
        for page in PAGES
        for number, text in enumerate(blocks(page, "yaml"))
        if COMPLETE not in text
        for document in yaml.safe_load_all(text)
        if isinstance(document, dict)
    ]


@pytest.mark.parametrize(("page", "document"), examples())
def test_an_object_of_ours_is_accepted(page: Path, document: dict[str, Any]) -> None:
    if document.get("kind") in TYPES:
        document["metadata"].setdefault("name", document["metadata"].get("generateName"))
        assert TYPES[document["kind"]].read(document)
    elif set(document) == {"rollout"}:
        read = ModelDeployment.read(_with_policy(document["rollout"]))
        assert len(read.spec.rollout.stages) == len(document["rollout"].get("stages", []))


def _with_policy(rollout: dict[str, Any]) -> dict[str, Any]:
    return {
        "metadata": {"name": "fraud"},
        "spec": {
            "model": {"name": "fraud", "version": "7", "uri": "image://fraud"},
            "serving": {
                "server": "MLServer",
                "template": {"spec": {"containers": [{"name": "server", "image": "fraud:7"}]}},
            },
            "route": {"parentRefs": [{"name": "public"}]},
            "rollout": rollout,
        },
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_link_leads_to_a_file_and_a_heading_that_exist(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in target:
            continue
        path, _, heading = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), f"{page.name} points at {path}"
        if heading:
            assert heading in _headings(found), f"{page.name} points at {target}"


def _headings(page: Path) -> set[str]:
    lines = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).strip().replace(" ", "-") for line in lines}


def reasons() -> set[str]:
    """Reasons of conditions, as the tables of the page list them."""
    cells = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", (ROOT / "docs/troubleshooting.md").read_text(), re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


def test_every_reason_that_the_code_gives_is_explained() -> None:
    given = set()
    for folder in ("plan", "runtime"):
        for path in (ROOT / "operator/modelrollout" / folder).glob("*.py"):
            given |= set(re.findall(r'(?:reason|recorded_as)="([A-Z]\w+)"', path.read_text()))
    assert given, "the pattern finds reasons"
    assert given - reasons() == set()


def test_no_reason_is_explained_that_the_code_does_not_know() -> None:
    source = "\n".join(
        path.read_text()
        for folder in ("plan", "runtime")
        for path in (ROOT / "operator/modelrollout" / folder).glob("*.py")
    )
    assert {reason for reason in reasons() if f'"{reason}"' not in source} == set()
