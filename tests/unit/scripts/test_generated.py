"""What is generated is in the repository as it should be; an edit, a gap and what is left over are told and mended."""

import shutil
from pathlib import Path

import pytest

from scripts.generated import CHART, CRDS, ROOT, left_over, main, stale, wanted


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """All that is read and written, in a folder of the test's own."""
    for folder in ("crds", "docs", "helm", "manifests"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    return tmp_path


def test_the_repository_s_files_are_what_they_should_be() -> None:
    assert stale(ROOT) == [], "run `make crds`"


def test_writing_again_changes_nothing(copy: Path) -> None:
    before = contents(copy)
    assert main([], root=copy) == 0
    assert contents(copy) == before


def test_check_names_each_file_and_writes_nothing(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edited, lacking, former = CRDS / "modeldeployments.yaml", Path("docs/metrics.md"), CRDS / "former.yaml"
    (copy / former).write_text((copy / edited).read_text())
    (copy / edited).write_text((copy / edited).read_text().replace("maximum: 500", "maximum: 5000"))
    (copy / lacking).unlink()
    (copy / CHART / "rbac.yaml").write_text("rules: []\n")
    before = contents(copy)

    assert main(["--check"], root=copy) == 1
    assert contents(copy) == before
    assert capsys.readouterr().err == (
        "crds/former.yaml, crds/modeldeployments.yaml, docs/metrics.md, helm/modelrollout/files/rbac.yaml: "
        "out of date, or edited by hand. Run `make crds`.\n"
    )
    assert main([], root=copy) == 0
    assert main(["--check"], root=copy) == 0
    assert not (copy / former).exists()


def test_what_people_write_beside_generated_files_stays(copy: Path) -> None:
    by_hand = copy / CRDS / "notes.yaml"
    board = copy / "manifests/components/monitoring/dashboards/ours.json"
    for path in (by_hand, board):
        path.write_text("{}\n")

    assert left_over(copy) == set()
    assert main([], root=copy) == 0
    assert (by_hand.read_text(), board.read_text()) == ("{}\n", "{}\n")
    assert (copy / CHART / "dashboards" / "ours.json").read_text() == "{}\n", "the chart has every dashboard"


def test_a_change_of_a_manifest_is_a_change_of_the_chart(copy: Path) -> None:
    role = copy / "manifests/base/rbac.yaml"
    role.write_text(role.read_text() + "# more\n")
    assert stale(copy) == [CHART / "rbac.yaml"]
    assert wanted(copy)[CHART / "rbac.yaml"].endswith("# more\n")


def contents(folder: Path) -> dict[Path, str]:
    return {path: path.read_text() for path in folder.rglob("*") if path.is_file() and path.suffix != ".png"}
