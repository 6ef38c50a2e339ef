"""`kubectl model` against a real API server: as every role, and as kubectl's own plugin."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from modelrollout.api.modeldeployment import StageName
from modelrollout.api.revision import digest
from modelrollout.cli.main import main
from tests.apiserver import rollouts
from tests.apiserver.kubectl import Kubectl
from tests.apiserver.test_access import MAY_ASK
from tests.builders import FEW, id_of, rolling, spec
from tests.typing_shell import TypingShell

ROLLING = rolling(spec("2"), StageName.CANARY, weight=25, seen=FEW)
VERBS = ("approve", "reject", "promote", "pause", "resume", "rollback", "retry")
GRANTED_BY = {
    "approve": "modelrollout-approver",
    "promote": "modelrollout-editor",
    "retry": "modelrollout-editor",
    **dict.fromkeys(("reject", "pause", "resume", "rollback"), "modelrollout-on-call"),
}


BASH_COMPLETION = Path("/usr/share/bash-completion/bash_completion")


@dataclass(frozen=True)
class Printed:
    code: int
    out: str
    error: str


Model = Callable[..., Printed]


@pytest.fixture(scope="module")
def rolling_out(people: Kubectl) -> Iterator[Kubectl]:
    """`payments/fraud` in its canary, as an operator would have left it."""
    rollouts.put(people, ROLLING)
    yield people
    rollouts.remove(people, "fraud")


@pytest.fixture
def model(rolling_out: Kubectl, capsys: pytest.CaptureFixture[str]) -> Model:
    """The command, in the hands of one user."""

    def run(person: str, *words: str, namespace: str = "payments") -> Printed:
        who = ("--as", person, "--kubeconfig", str(rolling_out.kubeconfig), "-n", namespace)
        code = main([*words, *who])
        printed = capsys.readouterr()
        return Printed(code, printed.out, printed.err)

    return run


class TestAsking:
    @pytest.mark.parametrize("verb", VERBS)
    @pytest.mark.parametrize("person", MAY_ASK)
    def test_a_role_asks_for_what_it_may_and_is_told_who_grants_the_rest(
        self, model: Model, rolling_out: Kubectl, person: str, verb: str
    ) -> None:
        printed = model(person, verb, "fraud", "--reason", "a drill", "--no-wait")
        if verb.capitalize() in MAY_ASK[person]:
            assert (printed.code, printed.error) == (0, "")
            made = rollouts.actions(rolling_out)[printed.out.split()[-1]]["spec"]
            assert (made["action"], made["requestedBy"], made["reason"]) == (verb.capitalize(), person, "a drill")
            bound = verb in ("approve", "reject", "promote", "rollback")
            assert made.get("candidateDigest") == (digest(ROLLING.spec.model, ROLLING.spec.serving) if bound else None)
            return
        assert (printed.code, printed.out) == (1, "")
        first, second, command = printed.error.splitlines()
        assert first == (
            f"kubectl-model {verb}: {person} may not {verb} payments/fraud: it takes the verb {verb} on "
            "modeldeployments.modelrollout.dev, name fraud, namespace payments"
        )
        assert f"by binding the ClusterRole {GRANTED_BY[verb]} in namespace payments" in second
        assert f"--clusterrole={GRANTED_BY[verb]} --user={person}" in command

    @pytest.mark.parametrize("person", ["vera", "ines"])
    @pytest.mark.parametrize("verb", VERBS)
    def test_who_may_only_look_lacks_both_rights(self, model: Model, person: str, verb: str) -> None:
        printed = model(person, verb, "fraud", "-r", "a drill", "--no-wait")
        assert printed.code == 1
        assert (
            f"{person} may not {verb} payments/fraud: it takes the verb create on rolloutactions.modelrollout.dev in "
            f"namespace payments, and the verb {verb} on modeldeployments.modelrollout.dev, name fraud"
        ) in printed.error

    def test_the_command_that_is_told_grants_it(self, model: Model, rolling_out: Kubectl) -> None:
        before = model("nelly", "rollback", "fraud", "-r", "a drill", "--no-wait")
        assert before.code == 1
        kubectl, *words = shlex.split(before.error.splitlines()[-1])
        assert kubectl == "kubectl"
        rolling_out(*words)
        assert model("nelly", "rollback", "fraud", "-r", "a drill", "--no-wait").code == 0

    def test_a_role_of_an_approval_is_a_right_of_its_own(self, model: Model) -> None:
        printed = model("anna", "approve", "fraud", "-r", "checked", "--role", "model-risk")
        assert printed.code == 1
        assert "it takes the verb approve-model-risk on modeldeployments" in printed.error
        assert "with a Role of its own" in printed.error

    def test_an_approval_for_too_long_is_refused_by_the_policy(self, model: Model) -> None:
        printed = model("anna", "approve", "fraud", "-r", "checked", "--expires-in", "200h")
        assert printed.error.startswith(
            "kubectl-model approve: spec.expiresAt of an approval must lie at most 7 days ahead"
        )

    def test_right_by_name_and_no_look(self, model: Model, rolling_out: Kubectl) -> None:
        """A pager's account: one verb on one object, and nothing else at all."""
        rule = {"apiGroups": ["modelrollout.dev"], "resources": ["modeldeployments"], "verbs": ["rollback"]}
        ask = {"apiGroups": ["modelrollout.dev"], "resources": ["rolloutactions"], "verbs": ["create"]}
        role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "pager"}}
        rolling_out.apply(role | {"rules": [rule | {"resourceNames": ["fraud"]}, ask]})
        rolling_out("create", "rolebinding", "pager", "--role=pager", "--user=pager")

        assert model("pager", "rollback", "fraud", "-r", "paged", "--no-wait").code == 0
        assert "may not pause payments/fraud" in model("pager", "pause", "fraud", "-r", "paged").error


class TestWaiting:
    @pytest.mark.parametrize(("outcome", "code"), [("Applied", 0), ("Refused", 1), ("Expired", 1)])
    def test_the_answer_is_told_in_one_line(self, model: Model, rolling_out: Kubectl, outcome: str, code: int) -> None:
        with rollouts.answering(rolling_out, outcome):
            printed = model("otto", "pause", "fraud", "-r", "a drill", "--timeout", "50s")
        assert printed.out == f"pause of payments/fraud: {outcome}. It was looked at.\n"
        assert printed.code == code

    def test_no_answer_in_time(self, model: Model) -> None:
        printed = model("otto", "pause", "fraud", "-r", "a drill", "--timeout", "1s")
        assert printed.code == 3
        assert "has no answer after 1 s. It stays asked for, as RolloutAction fraud-pause-" in printed.out


class TestLooking:
    @pytest.mark.parametrize(
        ("words", "told"),
        [
            (["status"], "fraud 1 2 Canary 25 % 3/3 Progressing"),
            (["status", "fraud"], "errors Insufficient 0 of 20 (0 %) 0 of 60 (0 %)"),
            (["history", "fraud"], f"2 {id_of(spec('2'))} Canary"),
            (["queue"], "Nothing waits for a person."),
        ],
    )
    def test_who_may_look_sees(self, model: Model, words: list[str], told: str) -> None:
        printed = model("vera", *words)
        assert told in " ".join(printed.out.split())
        assert printed.code == 0

    def test_a_difference_is_an_exit_code(self, model: Model) -> None:
        printed = model("vera", "diff", "fraud", "1", "2")
        assert printed.code == 1
        assert "+    - image: fraud:2" in printed.out

    @pytest.mark.parametrize("words", [["status"], ["history", "fraud"], ["why", "fraud"], ["queue"]])
    def test_who_may_not_is_told_who_grants_it(self, model: Model, words: list[str]) -> None:
        printed = model("noah", *words)
        assert printed.code == 1
        assert "by binding the ClusterRole modelrollout-viewer in namespace payments" in printed.error
        assert "--clusterrole=modelrollout-viewer --user=noah" in printed.error

    def test_all_namespaces_take_a_right_in_the_cluster(self, model: Model) -> None:
        printed = model("vera", "status", "-A")
        assert printed.code == 1
        assert "kubectl create clusterrolebinding vera-modelrollout-viewer" in printed.error


class TestAsAPlugin:
    """kubectl finds both programs on the PATH by their names."""

    @pytest.fixture
    def environ(self, rolling_out: Kubectl) -> dict[str, str]:
        folders = (str(Path(sys.executable).parent), str(rolling_out.program.parent), os.environ["PATH"])
        return {**os.environ, "PATH": os.pathsep.join(folders), "KUBECONFIG": str(rolling_out.kubeconfig)}

    @pytest.fixture
    def plugin(self, rolling_out: Kubectl, environ: dict[str, str]) -> Callable[..., str]:
        def run(*words: str) -> str:
            command = [str(rolling_out.program), *words]
            done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=True)
            return done.stdout

        return run

    def test_kubectl_model(self, plugin: Callable[..., str]) -> None:
        assert "payments fraud 1 2 Canary" in " ".join(plugin("model", "status", "-A").split())

    def test_kubectls_own_completion(self, plugin: Callable[..., str]) -> None:
        assert plugin("__complete", "model", "rollb").startswith("rollback\t")
        assert plugin("__complete", "model", "rollback", "-n", "payments", "fr") == "fraud\tProgressing\n:4\n"

    @pytest.mark.parametrize(
        ("shell", "setup"),
        [
            (["zsh", "-f", "-i"], "PS1='> '; autoload -Uz compinit; compinit -u -D; source <(kubectl completion zsh)"),
            (["bash", "--norc", "-i"], f"PS1='> '; source {BASH_COMPLETION}; source <(kubectl completion bash)"),
        ],
        ids=["zsh", "bash"],
    )
    def test_kubectls_own_completion_in_a_shell(
        self, shell: list[str], setup: str, environ: dict[str, str], tmp_path: Path
    ) -> None:
        needed = shutil.which(shell[0]) is not None and (shell[0] != "bash" or BASH_COMPLETION.exists())
        if not needed:
            pytest.skip(f"{shell[0]} with its completion is not installed here")
        with TypingShell(shell, setup, {**environ, "HOME": str(tmp_path)}) as typing:
            typing.completes("kubectl model rollb", "kubectl model rollback ")
            typing.completes("kubectl model rollback -n payments fr", "kubectl model rollback -n payments fraud ")
            typing.completes("kubectl model status --wa", "kubectl model status --watch ")

    def test_kubectls_own_completion_in_fish(self, environ: dict[str, str], tmp_path: Path) -> None:
        if shutil.which("fish") is None:
            pytest.skip("fish is not installed here")
        asked = ("kubectl model rollb", "kubectl model rollback -n payments fr")
        script = "kubectl completion fish | source; " + "; ".join(f"complete -C '{line}'" for line in asked)
        command = ["fish", "--no-config", "-c", script]
        environ["HOME"] = str(tmp_path)
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=True)
        assert done.stdout.splitlines() == ["rollback\tback to the version before", "fraud\tProgressing"]


class TestTls:
    """The server's certificate is trusted by the kubeconfig's authority, and for its own name."""

    @pytest.fixture
    def status(
        self, people: Kubectl, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> Callable[..., tuple[int, str]]:
        def run(**cluster: object) -> tuple[int, str]:
            config = yaml.safe_load(people.kubeconfig.read_text())
            known = config["clusters"][0]["cluster"]
            config["clusters"][0]["cluster"] = {key: value for key, value in {**known, **cluster}.items() if value}
            path = tmp_path / "kubeconfig"
            path.write_text(yaml.safe_dump(config))
            code = main(["status", "-A", "--kubeconfig", str(path)])
            return code, capsys.readouterr().err

        return run

    def test_it_is_trusted(self, status: Callable[..., tuple[int, str]]) -> None:
        assert status() == (0, "")
        assert status(**{"tls-server-name": "kubernetes.default.svc"}) == (0, "")
        assert status(**{"certificate-authority": None, "insecure-skip-tls-verify": True}) == (0, "")

    @pytest.mark.parametrize("cluster", [{"certificate-authority": None}, {"tls-server-name": "elsewhere.example"}])
    def test_it_is_not(self, status: Callable[..., tuple[int, str]], cluster: dict[str, object]) -> None:
        code, error = status(**cluster)
        assert code == 2
        assert error.startswith("kubectl-model status: the certificate of https://127.0.0.1:")
        assert " is not trusted: " in error
