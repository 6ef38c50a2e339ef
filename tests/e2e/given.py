"""What there is before something is done."""

from __future__ import annotations

from tests.e2e import biopsies
from tests.e2e.case import Case
from tests.e2e.manifests import NAME, Manifest
from tests.e2e.then import Then
from tests.e2e.users import MOST_SECONDS, RATE, AtTheGateway, InTheCluster
from tests.e2e.when import When


class Given:
    def __init__(self, case: Case) -> None:
        self._case = case

    def live(self, made: Manifest) -> None:
        """A first version that was installed."""
        When(self._case).applied(made)
        Then(self._case).ends("Live", version=made["spec"]["model"]["version"], name=made["metadata"]["name"])

    def users(self, *, name: str = NAME, rate: float = RATE) -> None:
        """Requests through the gateway, from now to the end of the test."""
        users = AtTheGateway(gateway=self._case.world.gateway, namespace=self._case.namespace, name=name, rate=rate)
        self._case.users.append(users)

    def users_whose_data_drift(self, *, name: str = NAME, over: float) -> None:
        """The same, with measures that grow for `over` seconds and stay so."""
        rows = biopsies.drifting(rate=RATE, over=over, seconds=MOST_SECONDS)
        users = AtTheGateway(
            gateway=self._case.world.gateway, namespace=self._case.namespace, name=name, rate=RATE, rows=rows
        )
        self._case.users.append(users)

    def users_in_the_cluster(self, *, name: str = NAME, rate: float = RATE) -> None:
        """Requests to the Service with the ModelDeployment's own name."""
        self._case.users.append(InTheCluster(namespace=self._case.namespace, name=name, rate=rate))
