"""What can stand next on the line, and the scripts that ask for it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from modelrollout.adapters.kubernetes import Unreachable
from modelrollout.api.modeldeployment import StageName
from modelrollout.cli import completion
from modelrollout.cli.complete import FILES, NO_FILES, complete, main
from modelrollout.cli.main import VERBS
from tests.builders import id_of, rolling, spec
from tests.unit.cli.stand import Stand

ONE, TWO = id_of(spec("1")), id_of(spec("2"))
NAMES = ["fraud"]
REVISIONS = [TWO, ONE]


@pytest.fixture
def stand() -> Stand:
    return Stand(observation=rolling(spec("2"), StageName.CANARY, weight=25))


@pytest.mark.parametrize(
    ("line", "choices"),
    [
        ([""], list(VERBS)),
        (["re"], ["resume", "reject", "retry", "release"]),
        (["-n", "payments", "ro"], ["rollback"]),
        (["nonsense", ""], []),
        (["status", ""], NAMES),
        (["status", "fr"], NAMES),
        (["status", "x"], []),
        (["status", "fraud", "--o"], ["--output"]),
        (["-n", "payments", "status", ""], NAMES),
        (["status", "-n", "payments", ""], NAMES),
        (["status", "-n", "elsewhere", ""], []),
        (["status", "-n", ""], ["payments"]),
        (["status", "-o", ""], ["wide", "json", "yaml"]),
        (["status", "--output=w"], ["wide"]),
        (["status", "--namespace="], ["payments"]),
        (["status", "--wa"], ["--watch"]),
        (["rollback", "fraud", "--to", ""], REVISIONS),
        (["rollback", "--reason", ""], []),
        (["rollback", "--reason", "because", ""], NAMES),
        (["diff", "fraud", ""], REVISIONS),
        (["diff", "fraud", TWO, ONE[:4]], [ONE]),
        (["why", "fraud", ""], REVISIONS),
        (["why", "--all", "fraud", ""], REVISIONS),
        (["completion", ""], ["bash", "zsh", "fish"]),
    ],
)
def test_choices(stand: Stand, line: list[str], choices: list[str]) -> None:
    found, directive = complete(line, connect=stand.connect)
    assert sorted(choice.partition("\t")[0] for choice in found) == sorted(choices)
    assert directive == NO_FILES


@pytest.mark.parametrize(
    "line",
    [
        ["lint", ""],
        ["lint", "a.yaml", ""],
        ["simulate", "--policy", ""],
        ["status", "--kubeconfig", ""],
        ["simulate", "--policy="],
    ],
)
def test_files_are_the_shells_to_complete(stand: Stand, line: list[str]) -> None:
    assert complete(line, connect=stand.connect) == ([], FILES)


def test_contexts_are_those_of_the_kubeconfig(stand: Stand, tmp_path: Path) -> None:
    (tmp_path / "config").write_text("contexts: [{name: prod}, {name: test}]")
    found, _ = complete(["status", "--kubeconfig", str(tmp_path / "config"), "--context", ""], connect=stand.connect)
    assert found == ["prod", "test"]


def test_what_cannot_be_found_out_is_no_choice(stand: Stand) -> None:
    stand.refusals["list", "modeldeployments"] = Unreachable(0, "Refused", "refused")
    assert complete(["status", ""], connect=stand.connect) == ([], NO_FILES)


def test_choices_come_with_what_they_are(stand: Stand) -> None:
    assert complete(["status", ""], connect=stand.connect)[0] == ["fraud\tProgressing"]
    assert complete(["why", "fraud", ""], connect=stand.connect)[0][0] == f"{TWO}\tversion 2, Canary"


def test_it_is_printed_as_kubectl_reads_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["his"]) == 0
    assert capsys.readouterr().out == f"history\t{VERBS['history']}\n:4\n"
    assert main([]) == 0
    assert capsys.readouterr().out.endswith("\n:4\n")


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A PATH with the program that completes, as an installation has it."""
    program = tmp_path / "kubectl_complete-model"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nfrom modelrollout.cli.complete import main\nsys.exit(main())\n"
    )
    program.chmod(0o755)
    return f"{tmp_path}{os.pathsep}{os.environ['PATH']}"


def test_bash_completes_with_its_script(path: str) -> None:
    ask = (
        'COMP_WORDS=(kubectl-model completion z); COMP_CWORD=2; _kubectl_model; echo "${COMPREPLY[@]}"; '
        'COMP_WORDS=(kubectl-model sta); COMP_CWORD=1; _kubectl_model; echo "${COMPREPLY[@]}"'
    )
    script = f"compopt() {{ :; }}\n{completion.SHELLS['bash']}\n{ask}"
    environ = {**os.environ, "PATH": path, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(["bash", "-c", script], env=environ, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines() == ["zsh", "status"]
    assert done.stderr == ""


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_scripts_are_printed_and_whole(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Read by the shell itself where it is there; bash always is."""
    assert completion.run([shell]) == 0
    script = capsys.readouterr().out
    assert "kubectl_complete-model" in script
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script, text=True, check=True, timeout=60)
    else:
        assert shell != "bash"
