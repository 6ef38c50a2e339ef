"""kubectl against the bare API server, as a person would use it."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Kubectl:
    """One namespace of one server. The cache is the server's own: another server may have other types."""

    program: Path
    kubeconfig: Path
    cache: Path
    namespace: str = "default"

    def within(self, namespace: str) -> "Kubectl":
        self("create", "namespace", namespace)
        return replace(self, namespace=namespace)

    def attempt(self, *arguments: str | Path, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        options = ("--kubeconfig", self.kubeconfig, "--cache-dir", self.cache, "--namespace", self.namespace)
        command = [str(part) for part in (self.program, *options, *arguments)]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, check=False)

    def __call__(self, *arguments: str | Path, stdin: str | None = None) -> str:
        """The output of a command that must succeed."""
        return self._succeed(self.attempt(*arguments, stdin=stdin))

    def apply(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Applies an object as a manifest and returns what is stored."""
        return self._object("apply", "--validate=strict", "-f", "-", "-o", "json", stdin=json.dumps(body))

    def get(self, kind: str, name: str) -> dict[str, Any]:
        return self._object("get", kind, name, "-o", "json")

    def patch(self, kind: str, name: str, patch: Mapping[str, Any], *options: str) -> dict[str, Any]:
        """A merge patch; `--subresource=status` among the options makes it one of the status."""
        loaded: dict[str, Any] = json.loads(self._succeed(self.attempt_patch(kind, name, patch, *options)))
        return loaded

    def attempt_patch(
        self, kind: str, name: str, patch: Mapping[str, Any], *options: str
    ) -> subprocess.CompletedProcess[str]:
        """The patch goes through standard input: a full status is longer than an argument may be."""
        arguments = ("patch", kind, name, "--type=merge", "--patch-file=/dev/stdin", "-o", "json", *options)
        return self.attempt(*arguments, stdin=json.dumps(patch))

    @staticmethod
    def _succeed(done: subprocess.CompletedProcess[str]) -> str:
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _object(self, *arguments: str, stdin: str | None = None) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads(self(*arguments, stdin=stdin))
        return loaded
