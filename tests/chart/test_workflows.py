"""The workflows: valid, with no more rights than they need, and of actions whose version is named."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator

from tests.chart.rendering import ROOT, objects, program

FOLDER = ROOT / ".github" / "workflows"


def test_actionlint_finds_nothing() -> None:
    done = subprocess.run([program("actionlint")], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_every_action_names_its_major_version() -> None:
    used = [name for text in _texts() for name in re.findall(r"uses: (\S+)", text)]
    assert used
    assert [name for name in used if not re.fullmatch(r"[\w./-]+@v\d+", name)] == []


def test_no_workflow_may_write_but_where_a_job_says_so() -> None:
    for text in _texts():
        (workflow,) = objects(text)
        assert workflow["permissions"] == {"contents": "read"}
        for job in workflow["jobs"].values():
            assert "timeout-minutes" in job
            assert job.get("permissions", {}).get("contents", "read") == "read"


def _texts() -> Iterator[str]:
    for path in sorted(FOLDER.glob("*.yaml")):
        yield path.read_text()
