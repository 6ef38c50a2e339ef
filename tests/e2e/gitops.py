"""A GitOps tool that heals itself, imitated: it applies what Git says once a second, whatever there is."""

from __future__ import annotations

import json
import threading
from types import TracebackType
from typing import Self

from demo.kubectl import KubectlError, kubectl
from tests.e2e.case import Case
from tests.e2e.history import Object
from tests.e2e.manifests import Manifest, addressed

PERIOD_SECONDS = 1.0
TRACKING = {
    "annotations": {"argocd.argoproj.io/tracking-id": "fraud:modelrollout.dev/ModelDeployment:payments/fraud"},
    "labels": {
        "app.kubernetes.io/instance": "fraud",
        "kustomize.toolkit.fluxcd.io/name": "fraud",
        "kustomize.toolkit.fluxcd.io/namespace": "payments",
    },
}
"""What Argo CD and Flux put on what they apply. They prune whatever carries it and is not in Git."""

SERVER_SIDE = ("--server-side", "--force-conflicts", "--field-manager=argocd-controller")
CLIENT_SIDE = ()


def tracked(made: Manifest) -> Manifest:
    metadata = made["metadata"]
    marks = {part: {**metadata.get(part, {}), **marks} for part, marks in TRACKING.items()}
    return {**made, "metadata": {**metadata, **marks}}


class SelfHealing:
    """Applies `made` until the block ends. `answers` is what the API server said to each apply."""

    def __init__(self, case: Case, made: Manifest, *, options: tuple[str, ...]) -> None:
        self._text = json.dumps(addressed(tracked(made), namespace=case.namespace))
        self._options = options
        self._case = case
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.answers: list[Object] = []
        self.refusals: list[str] = []

    def __enter__(self) -> Self:
        """The first apply is made at once: it is the commit."""
        self._case.changed()
        self._apply()
        assert not self.refusals, self.refusals
        self._case.applied.append(self.answers[0])
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(timeout=60)

    def _run(self) -> None:
        while not self._stop.wait(PERIOD_SECONDS):
            self._apply()

    def _apply(self) -> None:
        try:
            # Without kubectl's own validation, which fetches the whole schema each time: two cores have more to do.
            how = (*self._options, "--validate=ignore", "-o", "json", "--show-managed-fields")
            told = kubectl("apply", *how, "-f", "-", feed=self._text)
        except KubectlError as error:
            self.refusals.append(str(error))
        else:
            self.answers.append(json.loads(told))
