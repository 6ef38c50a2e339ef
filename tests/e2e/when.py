"""What is done."""

from __future__ import annotations

import json

import pytest

from demo.kubectl import KubectlError, apply, kubectl
from tests.e2e import installed
from tests.e2e.case import Case
from tests.e2e.history import Object
from tests.e2e.manifests import NAME, Manifest, addressed
from tests.e2e.waiting import until


def _who() -> str:
    """The user name that the API server knows us by."""
    name: str = json.loads(kubectl("auth", "whoami", "-o", "json"))["status"]["userInfo"]["username"]
    return name


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

    def asked(self, action: str, *, name: str = NAME, reason: str = "a test", **said: str) -> Object:
        """A RolloutAction of whoever runs the tests; gives it when it was answered. `said` goes into its spec."""
        self._case.changed()
        spec = {"deployment": name, "action": action, "requestedBy": _who(), "reason": reason, **said}
        made = {
            "apiVersion": "modelrollout.dev/v1alpha1",
            "kind": "RolloutAction",
            "metadata": {"generateName": f"{name}-{action.lower()}-", "namespace": self._case.namespace},
            "spec": spec,
        }
        created = json.loads(kubectl("create", "-f", "-", "-o", "json", feed=json.dumps(made)))
        called = created["metadata"]["name"]

        def answered() -> Object | None:
            found = self._case.fetch("rolloutaction", called)
            return found if found.get("status", {}).get("outcome") else None

        return until(f"{action} of {name} is answered", answered, namespace=self._case.namespace)

    def typed(self, verb: str, *words: str, name: str = NAME, reason: str = "a test") -> Object:
        """The same as a person types it, with `kubectl model`; it waits for the answer by itself."""
        self._case.changed()
        answered: Object = json.loads(self._case.model(verb, name, *words, "--reason", reason, "-o", "json"))
        return answered

    def config_map(self, name: str, **data: str) -> None:
        """Applied, as a person or a pipeline does it."""
        self._case.changed()
        metadata = {"name": name, "namespace": self._case.namespace}
        apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})

    def containers_need(self, memory: str | None) -> None:
        """The namespace takes no containers that ask for less."""
        self._case.changed()
        limits = {"limits": [{"type": "Container", "min": {"memory": memory}}]} if memory else {"limits": []}
        metadata = {"name": "least", "namespace": self._case.namespace}
        apply({"apiVersion": "v1", "kind": "LimitRange", "metadata": metadata, "spec": limits})

    def operator_killed(self) -> None:
        """SIGKILL to the leader, and its container is started again."""
        from cluster.settings import load

        pod = installed.kill_leader(load())
        self._case.note(f"killed {pod}")
