"""Where the API server is and who we are: a pod's service account, or a person's kubeconfig."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.config import ConfigException, load_kube_config
from kubernetes.aio.config.incluster_config import InClusterConfigLoader

from modelrollout.adapters.clock import Clock
from modelrollout.adapters.kubernetes.errors import NotConfiguredError

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TOKEN_PERIOD_SECONDS = 60.0


@dataclass
class ServiceAccountToken:
    """The pod's own token, read again every minute: kubelet replaces the file before the token in it expires.

    The loader of the client library would do so too, by wall time; a clock that is set back would then keep it on an
    expired token. A file that cannot be read for a moment leaves the last token in use.
    """

    file: Path
    clock: Clock
    _value: str = field(init=False, repr=False)
    _read_at: float = field(init=False)

    def __post_init__(self) -> None:
        self._value = self._read()
        self._read_at = self.clock.monotonic()

    def refresh(self, configuration: Configuration) -> None:
        """Hook that the client calls before each request."""
        now = self.clock.monotonic()
        if now - self._read_at >= TOKEN_PERIOD_SECONDS:
            try:
                self._value = self._read()
            except (OSError, NotConfiguredError):
                return
            self._read_at = now
        configuration.api_key["BearerToken"] = f"Bearer {self._value}"

    def _read(self) -> str:
        token = self.file.read_text().strip()
        if not token:
            raise NotConfiguredError(f"The service account token {self.file} is empty.")
        return token


def in_cluster(*, folder: Path, environ: Mapping[str, str], clock: Clock) -> Configuration:
    """Configuration of a pod from its mounted service account. Raises NotConfiguredError."""
    configuration = Configuration()
    loader = InClusterConfigLoader(
        token_filename=str(folder / "token"),
        cert_filename=str(folder / "ca.crt"),
        try_refresh_token=False,
        environ=environ,
    )
    try:
        loader.load_and_set(configuration)
    except ConfigException as error:
        raise NotConfiguredError(f"The service account in {folder} cannot be used: {error}") from error
    token = ServiceAccountToken(file=folder / "token", clock=clock)
    token.refresh(configuration)
    configuration.refresh_api_key_hook = token.refresh
    return configuration


async def from_kubeconfig(*, environ: Mapping[str, str]) -> Configuration:
    """Configuration of a person, from $KUBECONFIG or ~/.kube/config. Raises NotConfiguredError."""
    configuration = Configuration()
    path = environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    try:
        await load_kube_config(config_file=path, client_configuration=configuration, persist_config=False)
    except (ConfigException, OSError) as error:
        raise NotConfiguredError(
            f"No service account is mounted, and the kubeconfig {path} cannot be used: {error}"
        ) from error
    return configuration
