"""The command itself: help, mistakes, and how little it loads."""

import subprocess
import sys
from pathlib import Path

import pytest

from modelrollout.cli.main import VERBS, main, split

NEVER = frozenset(
    {"kopf", "kubernetes", "matplotlib", "numpy", "mlflow", "prometheus_api_client", "requests", "aiohttp", "asyncio"}
)
"""What no verb that a person waits for has a use for."""

HEAVY = NEVER | {"pydantic", "yaml", "ssl", "http.client", "subprocess"}
MOST_MODULES = 7
"""Modules that a verb may load for each one that the interpreter itself has loaded."""
MOST_MODULES_OF_A_CHECK = 10
"""So many for one that checks what pydantic's types say."""

GOOD = """\
apiVersion: modelrollout.dev/v1alpha1
kind: ModelDeployment
metadata: {name: fraud}
spec:
  model: {name: fraud-classifier, version: "7", uri: "image://models/fraud"}
  route: {parentRefs: [{name: public}]}
  serving:
    server: MLServer
    replicas: 3
    template:
      spec:
        containers:
        - {name: server, image: "fraud:7", readinessProbe: {httpGet: {path: /ready, port: 8080}}}
  rollout:
    gates:
    - {name: errors, signal: Errors, promoteWithin: {points: 0.5}}
"""


@pytest.mark.parametrize("words", [[], ["--help"], ["help"]])
def test_without_a_verb_there_is_help(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    out = capsys.readouterr().out
    assert out.startswith("usage: kubectl model VERB")
    assert "simulate" in out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["simluate"], "there is no verb 'simluate'; did you mean simulate?"),
        (["rolback"], "there is no verb 'rolback'; did you mean rollback?"),
        (["xyzzy"], f"there is no verb 'xyzzy'; there is {', '.join(VERBS)}."),
    ],
)
def test_an_unknown_verb_is_named(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert capsys.readouterr().err == f"kubectl-model: {sentence}\n"


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_of_the_table_is_there_and_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([verb, "--help"], ["help", verb]):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 0
        assert capsys.readouterr().out.startswith(f"usage: kubectl model {verb} ")


@pytest.mark.parametrize(
    ("words", "before", "rest"),
    [
        (["status", "-A"], [], ["status", "-A"]),
        (["-n", "payments", "status"], ["-n", "payments"], ["status"]),
        (["--namespace=payments", "-A", "status"], ["--namespace=payments", "-A"], ["status"]),
        (["--context", "status", "status"], ["--context", "status"], ["status"]),
        (["--no-such", "status"], [], ["--no-such", "status"]),
    ],
)
def test_common_flags_may_stand_before_the_verb(words: list[str], before: list[str], rest: list[str]) -> None:
    assert split(words) == (before, rest)


def test_an_error_is_one_message_and_an_exit_code(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["status", "--kubeconfig", str(tmp_path / "none")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("kubectl-model status: The kubeconfig ")
    assert "cannot be read" in error


class TestHowLittleItLoads:
    """It starts as soon as what it loads is loaded, so that is what is counted."""

    def test_help_and_mistakes_load_next_to_nothing(self) -> None:
        lines = [["--help"], ["nonsense"], ["rollback", "--nonsense"], *([verb, "--help"] for verb in VERBS)]
        assert loaded(*lines).keys() & HEAVY == set()

    def test_an_action_without_a_reason_loads_next_to_nothing(self) -> None:
        assert loaded(["pause", "fraud"], ["lint"], ["status", "a", "-A"]).keys() & HEAVY == set()

    def test_verbs_that_ask_the_cluster_load_little(self, kubeconfig: str) -> None:
        """Nobody answers there; the way to the question is all loaded by then."""
        asking = ("rollback", "promote", "pause", "resume", "retry", "reject", "approve")
        looking = (["status", "-A"], ["queue"], *([verb, "fraud"] for verb in ("status", "history", "why", "diff")))
        lines = [*looking, *([verb, "fraud", "-r", "x"] for verb in asking)]
        found = loaded(*([*line, "--kubeconfig", kubeconfig] for line in lines))
        assert "ssl" in found
        assert found.keys() & (NEVER | {"pydantic"}) == set()
        assert len(found) <= MOST_MODULES * len(imported("pass"))

    def test_a_good_manifest_is_looked_at_with_its_own_types_alone(self, tmp_path: Path) -> None:
        """Neither other kinds, nor what makes schemas and plans, nor statistics, for which it gives no cause."""
        (tmp_path / "fraud.yaml").write_text(GOOD)
        found = loaded(["lint", str(tmp_path / "fraud.yaml")])
        assert "modelrollout.api.modeldeployment" in found
        others = {"crd", "gatetemplate", "modelrevision"}
        idle = {"modelrollout.plan", "modelrollout.evidence", "modelrollout.children", "modelrollout.adapters"}
        assert (
            found.keys() & (NEVER | {"ssl", "http.client"} | idle | {f"modelrollout.api.{name}" for name in others})
            == set()
        )
        assert len(found) <= MOST_MODULES_OF_A_CHECK * len(imported("pass"))


@pytest.fixture
def kubeconfig(tmp_path: Path) -> str:
    """Of a server that nobody answers at."""
    path = tmp_path / "config"
    path.write_text(
        "{clusters: [{name: a, cluster: {server: 'https://127.0.0.1:1'}}], contexts: [{name: a, context: "
        "{cluster: a}}], current-context: a}"
    )
    return str(path)


def loaded(*lines: list[str]) -> dict[str, None]:
    """Modules that are loaded when these commands have ended."""
    return imported(
        "import contextlib, io\nfrom modelrollout.cli.main import main\n"
        f"for words in {list(lines)!r}:\n"
        "    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()), "
        "contextlib.redirect_stderr(io.StringIO()):\n        main(words)"
    )


def imported(code: str) -> dict[str, None]:
    code = f"import sys\nsys.stdin = open('/dev/null')\n{code}\nprint(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return dict.fromkeys(ended.stdout.split())


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    """As `kubectl model | head -1` does: the pipe is closed before anything is written."""
    code = "import sys, time; from modelrollout.cli.main import main; time.sleep(0.5); sys.exit(main([]))"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as started:
        assert started.stdout is not None
        assert started.stderr is not None
        started.stdout.close()
        assert started.stderr.read() == b""
        assert started.wait(timeout=60) == 0
