"""A person's shell: kubectl, helm and our plugin on the PATH, a kubeconfig with a namespace, and a folder to be in."""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.apiserver.kubectl import Kubectl
from tests.chart.rendering import program
from tests.pages import ROOT

SECONDS = 180


@dataclass(frozen=True)
class Shell:
    """`home` holds what the shell's programs write for themselves."""

    kubectl: Kubectl
    home: Path
    folder: Path = ROOT

    def __call__(self, *lines: str) -> "subprocess.CompletedProcess[str]":
        """As a script that ends at the first command that fails."""
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", "\n".join(lines)],
            cwd=self.folder,
            env=self._environ(),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    def until(self, line: str, shown: str) -> int:
        """What one that does not end by itself exits with when a person who has read `shown` presses Ctrl-C."""
        command = ["bash", "-c", line]
        with subprocess.Popen(
            command, cwd=self.folder, env=self._environ(), stdout=subprocess.PIPE, text=True, start_new_session=True
        ) as running:
            assert running.stdout is not None
            try:
                assert any(shown in told for told in running.stdout), f"it ended without {shown!r}"
            finally:
                os.killpg(running.pid, signal.SIGINT)
            return running.wait(timeout=SECONDS)

    def _environ(self) -> dict[str, str]:
        config = yaml.safe_load(self.kubectl.kubeconfig.read_text())
        config["contexts"][0]["context"]["namespace"] = self.kubectl.namespace
        path = self.home / "kubeconfig"
        path.write_text(yaml.safe_dump(config))
        folders = (Path(sys.executable).parent, self.kubectl.program.parent, program("helm").parent)
        found = os.pathsep.join([*map(str, folders), os.environ["PATH"]])
        return {**os.environ, "PATH": found, "KUBECONFIG": str(path), "HOME": str(self.home)}
