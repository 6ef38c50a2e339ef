"""What is done."""

from __future__ import annotations

import json

import pytest

from demo.kubectl import KubectlError, kubectl
from tests.e2e import installed
from tests.e2e.case import Case
from tests.e2e.manifests import NAME, Manifest, addressed


class When:
    def __init__(self, case: Case) -> None:
        self._case = case

    def applied(self, made: Manifest) -> None:
        """`kubectl apply`, as a person or a pipeline does it."""
        self._case.changed()
        text = json.dumps(addressed(made, namespace=self._case.namespace))
        self._case.applied.append(json.loads(kubectl("apply", "-f", "-", "-o", "json", feed=text)))

    def refused(self, made: Manifest) -> str:
        """What `kubectl apply` says to a manifest that the API server does not take."""
        text = json.dumps(addressed(made, namespace=self._case.namespace))
        with pytest.raises(KubectlError) as refusal:
            kubectl("apply", "-f", "-", feed=text)
        return str(refusal.value)

    def deleted(self, name: str = NAME) -> None:
        self._case.changed()
        kubectl("delete", "modeldeployment", name, "-n", self._case.namespace, "--wait=false")

    def operator_killed(self) -> None:
        """SIGKILL to the leader, and its container is started again."""
        from cluster.settings import load

        pod = installed.kill_leader(load())
        self._case.note(f"killed {pod}")
