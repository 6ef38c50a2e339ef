"""The workflows: valid, with no more rights than they need, and of actions whose version is named."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from modelrollout.runtime.settings import parse
from tests.chart.rendering import CHART, ROOT, named, objects, program, template

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


def test_every_image_that_is_released_is_built_from_a_file_of_its_own() -> None:
    images = _job("image")["strategy"]["matrix"]["include"]
    built = [ROOT / image["folder"] / image["file"] for image in images]
    assert sorted(built) == sorted(path for part in ("operator", "demo") for path in (ROOT / part).rglob("*Dockerfile"))
    assert len({image["name"] for image in images}) == len(images)


def test_the_released_chart_names_the_released_images(tmp_path: Path) -> None:
    """The very line of the workflow is run, on a copy of the chart."""
    chart = tmp_path / "helm" / "modelrollout"
    shutil.copytree(CHART, chart)
    (step,) = [step for step in _job("chart")["steps"] if step.get("name") == "name the images in the chart"]
    environ = {"PATH": "/usr/bin:/bin", "REGISTRY": "registry.example", "REPOSITORY": "ml/modelrollout"}
    subprocess.run(["bash", "-euc", step["run"]], cwd=tmp_path, env=environ, check=True)

    tag = {"image": {"tag": "1.2.3"}}
    (operator,) = named(template(tag, chart=chart), "Deployment")["spec"]["template"]["spec"]["containers"]
    assert operator["image"] == "registry.example/ml/modelrollout/operator:1.2.3"
    observer = parse(operator["args"], environ={}).observer_image
    assert observer == "registry.example/ml/modelrollout/observer:1.2.3"


def _job(name: str) -> dict[str, Any]:
    (workflow,) = objects((FOLDER / "release.yaml").read_text())
    job: dict[str, Any] = workflow["jobs"][name]
    return job


def _texts() -> Iterator[str]:
    for path in sorted(FOLDER.glob("*.yaml")):
        yield path.read_text()
