"""A person's kubeconfig: where the API server is and who they are to it, read as kubectl reads it.

`credentials` does the same for the operator with the client library's loader. Importing that takes longer than all that
`kubectl model` does for a person, so this one needs the standard library and YAML alone. What it does not know it
refuses by name: a kubeconfig that is half understood would ask the wrong server, or as the wrong person.
"""

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelrollout.adapters.kubernetes.errors import NotConfiguredError

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
DEFAULT_NAMESPACE = "default"

_SECTIONS = {"clusters": "cluster", "users": "user", "contexts": "context"}
_FILES = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
"""Fields that hold a path, which counts from the folder of the kubeconfig that says it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How to reach the API server, and as whom. Certificates and keys are PEM."""

    server: str
    namespace: str = DEFAULT_NAMESPACE
    authority: bytes | None = field(default=None, repr=False)
    verify: bool = True
    server_name: str | None = None
    proxy: str | None = None
    certificate: bytes | None = field(default=None, repr=False)
    key: bytes | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    basic: tuple[str, str] | None = field(default=None, repr=False)
    impersonate: str | None = None
    impersonate_groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Kubeconfig:
    """The files together, each entry by its name."""

    clusters: Mapping[str, Mapping[str, Any]]
    users: Mapping[str, Mapping[str, Any]]
    contexts: Mapping[str, Mapping[str, Any]]
    current: str | None
    source: str


def read(*, file: str | None = None, environ: Mapping[str, str] = os.environ) -> Kubeconfig:
    """`file`, or else those of $KUBECONFIG, or else ~/.kube/config. The first file that says something is right."""
    named = [Path(file)] if file else [Path(one) for one in environ.get("KUBECONFIG", "").split(os.pathsep) if one]
    paths = named or [Path(environ.get("HOME", "~")).expanduser() / ".kube" / "config"]
    sections: dict[str, dict[str, Mapping[str, Any]]] = {section: {} for section in _SECTIONS}
    current = None
    found = False
    for path in paths:
        # A file of the list that is not there is passed over, as kubectl does; one that was named alone is not.
        if not path.exists() and file is None:
            continue
        found = True
        content = _content(path)
        for section, key in _SECTIONS.items():
            for entry in content.get(section) or ():
                sections[section].setdefault(str(entry.get("name")), _absolute(entry.get(key) or {}, path.parent))
        current = current or content.get("current-context") or None
    source = os.pathsep.join(str(path) for path in paths)
    if not found:
        raise NotConfiguredError(f"There is no kubeconfig at {source}; set KUBECONFIG, or give --kubeconfig FILE.")
    return Kubeconfig(sections["clusters"], sections["users"], sections["contexts"], current, source)


def _content(path: Path) -> Mapping[str, Any]:
    import yaml

    try:
        content = yaml.load(path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except OSError as error:
        raise NotConfiguredError(f"The kubeconfig {path} cannot be read: {error.strerror}.") from error
    except yaml.YAMLError as error:
        raise NotConfiguredError(f"The kubeconfig {path} is no YAML: {' '.join(str(error).split())}.") from error
    if content is None:
        return {}
    if not isinstance(content, Mapping):
        raise NotConfiguredError(f"The kubeconfig {path} holds no configuration.")
    return content


def _absolute(entry: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    return {key: str(folder / value) if key in _FILES and value else value for key, value in entry.items()}


def access(config: Kubeconfig, *, context: str | None = None, environ: Mapping[str, str] = os.environ) -> Access:
    """Of a context, or of the current one. Runs the credential plugin that it names, if it names one."""
    from modelrollout.adapters.kubernetes.execplugin import credential

    chosen = context or config.current
    if not chosen:
        raise NotConfiguredError(f"{config.source} has no current context; give --context NAME.")
    if chosen not in config.contexts:
        known = ", ".join(sorted(config.contexts)) or "none"
        raise NotConfiguredError(f"{config.source} has no context {chosen}; it has {known}.")
    entry = config.contexts[chosen]
    cluster = _named(config, config.clusters, "cluster", entry.get("cluster"))
    user = _named(config, config.users, "user", entry.get("user")) if entry.get("user") else {}
    if not cluster.get("server"):
        raise NotConfiguredError(f"The cluster {entry.get('cluster')} in {config.source} has no server.")
    if user.get("auth-provider"):
        raise NotConfiguredError(
            f"The user {entry.get('user')} in {config.source} uses auth-provider, which kubectl has not known since "
            "1.26; use its exec plugin instead."
        )
    given = credential(user["exec"], cluster, environ) if user.get("exec") else {}
    return Access(
        server=str(cluster["server"]).rstrip("/"),
        namespace=entry.get("namespace") or DEFAULT_NAMESPACE,
        authority=_pem(cluster, "certificate-authority"),
        verify=not cluster.get("insecure-skip-tls-verify"),
        server_name=cluster.get("tls-server-name"),
        proxy=cluster.get("proxy-url") or None,
        certificate=_text(given, "clientCertificateData") or _pem(user, "client-certificate"),
        key=_text(given, "clientKeyData") or _pem(user, "client-key"),
        token=given.get("token") or _token(user),
        basic=(user["username"], user.get("password", "")) if user.get("username") else None,
        impersonate=user.get("as") or None,
        impersonate_groups=tuple(user.get("as-groups") or ()),
    )


def in_cluster(*, folder: Path = SERVICE_ACCOUNT, environ: Mapping[str, str] = os.environ) -> Access | None:
    """A pod's own account; None outside of pods."""
    host, port = environ.get("KUBERNETES_SERVICE_HOST"), environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host or not (folder / "token").is_file():
        return None
    namespace = folder / "namespace"
    return Access(
        server=f"https://{f'[{host}]' if ':' in host else host}:{port}",
        namespace=namespace.read_text().strip() if namespace.is_file() else DEFAULT_NAMESPACE,
        authority=_file(folder / "ca.crt"),
        token=_file(folder / "token").decode().strip(),
    )


def _named(config: Kubeconfig, section: Mapping[str, Mapping[str, Any]], kind: str, name: Any) -> Mapping[str, Any]:
    if name not in section:
        raise NotConfiguredError(f"{config.source} has no {kind} {name}, which its context names.")
    return section[name]


def _pem(entry: Mapping[str, Any], name: str) -> bytes | None:
    """Data in the file itself are right where both are there."""
    if data := entry.get(f"{name}-data"):
        try:
            return base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError) as error:
            raise NotConfiguredError(f"{name}-data in the kubeconfig is not base64.") from error
    return _file(Path(entry[name])) if entry.get(name) else None


def _text(given: Mapping[str, Any], name: str) -> bytes | None:
    return given[name].encode() if given.get(name) else None


def _token(user: Mapping[str, Any]) -> str | None:
    if user.get("tokenFile"):
        return _file(Path(user["tokenFile"])).decode().strip()
    return user.get("token") or None


def _file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise NotConfiguredError(f"{path}, which the kubeconfig names, cannot be read: {error.strerror}.") from error
