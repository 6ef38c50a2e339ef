"""Connections to the API server as a kubeconfig asks for them: TLS, client certificates, names, proxies."""

import http.client
import os
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

from modelrollout.adapters.kubernetes.errors import NotConfiguredError, Unreachable
from modelrollout.adapters.kubernetes.kubeconfig import Access

_CONNECT_SECONDS = 5.0


class Transport:
    """Opens connections. Raises NotConfiguredError for what it cannot do, before anything is sent."""

    def __init__(self, access: Access, *, environ: Mapping[str, str] = os.environ) -> None:
        self._access = access
        self._url = urlsplit(access.server)
        if self._url.scheme not in ("http", "https") or not self._url.hostname:
            raise NotConfiguredError(f"The kubeconfig's server {access.server} is no URL with http or https.")
        self._tls = _tls(access) if self._url.scheme == "https" else None
        self._proxy = _proxy(access, environ)

    def target(self, path: str) -> str:
        """What a request line asks for: below the server's own path, and the whole URL of a proxy without TLS."""
        below = self._url.path.rstrip("/") + path
        return f"{self._url.scheme}://{self._url.netloc}{below}" if self._proxy and self._tls is None else below

    def connect(self, seconds: float) -> http.client.HTTPConnection:
        """Each answer, or each part of one, may take so many seconds."""
        host = self._url.hostname or ""
        port = self._url.port or (443 if self._tls else 80)
        to, at = self._proxy or (host, port)
        if self._tls is None:
            connection = http.client.HTTPConnection(to, at, timeout=_CONNECT_SECONDS)
        else:
            name = self._access.server_name or host
            connection = _TlsConnection(to, at, context=self._tls, timeout=_CONNECT_SECONDS, name=name)
            if self._proxy:
                connection.set_tunnel(host, port)
        with reached(self._access.server):
            connection.connect()
        connection.sock.settimeout(seconds)
        return connection


class _TlsConnection(http.client.HTTPConnection):
    """TLS with a server that may go by another name than the address that it is reached at."""

    def __init__(self, host: str, port: int, *, context: ssl.SSLContext, timeout: float, name: str) -> None:
        super().__init__(host, port, timeout=timeout)
        self._tls = context
        self._name = name

    def connect(self) -> None:
        super().connect()
        self.sock = self._tls.wrap_socket(self.sock, server_hostname=self._name)


def _tls(access: Access) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=access.authority.decode() if access.authority else None)
    # Clusters' own authorities are often older than the strict reading of X.509 that newer Pythons ask for.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if not access.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if access.certificate:
        import tempfile

        # The library reads certificates from files alone.
        with tempfile.NamedTemporaryFile() as file:
            file.write(access.certificate + b"\n" + (access.key or b""))
            file.flush()
            try:
                context.load_cert_chain(file.name)
            except ssl.SSLError as error:
                raise NotConfiguredError(f"The kubeconfig's client certificate cannot be used: {error}.") from error
    return context


def _proxy(access: Access, environ: Mapping[str, str]) -> tuple[str, int] | None:
    """The kubeconfig's proxy, or else the environment's, as kubectl takes it."""
    given = access.proxy
    if given is None and any(name.lower().endswith("_proxy") for name in environ):
        from urllib.request import getproxies, proxy_bypass

        url = urlsplit(access.server)
        if not proxy_bypass(url.netloc):
            given = getproxies().get(url.scheme)
    if not given:
        return None
    proxy = urlsplit(given if "://" in given else f"http://{given}")
    if proxy.scheme != "http" or not proxy.hostname:
        raise NotConfiguredError(f"The proxy {given} cannot be used; only http:// proxies are known here.")
    return proxy.hostname, proxy.port or 80


@contextmanager
def reached(server: str) -> Iterator[None]:
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise Unreachable(
            0, "Untrusted", f"the certificate of {server} is not trusted: {error.verify_message}"
        ) from error
    except (OSError, http.client.HTTPException) as error:
        said = str(error) or type(error).__name__
        raise Unreachable(0, type(error).__name__, f"{server} does not answer: {said}") from error
