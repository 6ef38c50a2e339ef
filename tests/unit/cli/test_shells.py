"""Completion in the shells themselves: bash and zsh in a terminal at which the test types, fish by its own question."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from modelrollout.cli import completion
from tests.typing_shell import TypingShell

PROD = "arn:aws:eks:eu-1:1:cluster/prod"
SETUP = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], "PS1='> '; source {script}"),
    "zsh": (["zsh", "-f", "-i"], "PS1='> '; autoload -Uz compinit; compinit -u -D; source {script}"),
}
LINES = [
    ("kubectl-model sta", "kubectl-model status "),
    ("kubectl-model completion z", "kubectl-model completion zsh "),
    ("kubectl-model status --wa", "kubectl-model status --watch "),
    ("kubectl-model lint ./a-man", "kubectl-model lint ./a-manifest.yaml "),
    ("kubectl-model -n payments ro", "kubectl-model -n payments rollback "),
    ("kubectl-model status --output=w", "kubectl-model status --output=wide "),
    ("kubectl-model simulate --policy=./a-man", "kubectl-model simulate --policy=./a-manifest.yaml "),
    ("kubectl-model status --context arn:aws:e", f"kubectl-model status --context {PROD} "),
]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """With the programs that an installation puts on the PATH, and a folder with a file to name."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, module in (("kubectl_complete-model", "complete"), ("kubectl-model", "main")):
        text = f"#!{sys.executable}\nimport sys\nfrom modelrollout.cli.{module} import main\nsys.exit(main())\n"
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    for shell, script in completion.SHELLS.items():
        (tmp_path / f"completion.{shell}").write_text(script)
    (tmp_path / "a-manifest.yaml").touch()
    (tmp_path / "config").write_text(f"contexts: [{{name: '{PROD}'}}, {{name: test}}]")
    return {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(sys.path),
        "HOME": str(tmp_path),
        "KUBECONFIG": str(tmp_path / "config"),
    }


def there(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed here")


@pytest.mark.parametrize("shell", SETUP)
def test_a_word_that_is_begun_is_ended(
    shell: str, environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there(shell)
    monkeypatch.chdir(tmp_path)
    command, setup = SETUP[shell]
    with TypingShell(command, setup.format(script=tmp_path / f"completion.{shell}"), environ) as typing:
        for line, shown in LINES:
            typing.completes(line, shown)


def test_zsh_shows_what_choices_are(environ: dict[str, str], tmp_path: Path) -> None:
    there("zsh")
    command, setup = SETUP["zsh"]
    with TypingShell(command, setup.format(script=tmp_path / "completion.zsh"), environ) as typing:
        typing.completes("kubectl-model re", "retry    -- try a rolled back version again")


def test_zsh_finds_the_script_among_its_functions_too(environ: dict[str, str], tmp_path: Path) -> None:
    """Where it is kept as `_kubectl-model` in a folder of `fpath`, as others are."""
    there("zsh")
    functions = tmp_path / "functions"
    functions.mkdir()
    (functions / "_kubectl-model").write_text(completion.SHELLS["zsh"])
    command, _ = SETUP["zsh"]
    setup = f"PS1='> '; fpath=({functions} $fpath); autoload -Uz compinit; compinit -u -D"
    with TypingShell(command, setup, environ) as typing:
        typing.completes("kubectl-model sta", "kubectl-model status ")
        typing.completes("kubectl-model his", "kubectl-model history ")


@pytest.mark.parametrize(
    ("line", "choices"),
    [
        ("kubectl-model sta", ["status\twhere rollouts stand; --watch shows one as it goes"]),
        ("kubectl-model completion z", ["zsh"]),
        ("kubectl-model status --wa", ["--watch\tgo on, and show each change until Ctrl-C"]),
        ("kubectl-model lint a-man", ["a-manifest.yaml"]),
        ("kubectl-model -n payments ro", ["rollback\tback to the version before"]),
        ("kubectl-model status --context a", [PROD]),
        ("kubectl-model status --context=arn:aws:e", [f"--context={PROD}"]),
        ("kubectl-model status --output=w", ["--output=wide"]),
        ("kubectl-model simulate --policy=a-man", ["--policy=a-manifest.yaml"]),
        ("kubectl-model rollback --reason ", []),
    ],
)
def test_fish_offers_the_choices(line: str, choices: list[str], environ: dict[str, str], tmp_path: Path) -> None:
    there("fish")
    script = f"source {tmp_path}/completion.fish; complete -C '{line}'"
    command = ["fish", "--no-config", "-c", script]
    done = subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines() == choices
    assert done.stderr == ""
