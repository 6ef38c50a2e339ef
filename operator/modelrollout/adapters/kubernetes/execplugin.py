"""A credential plugin, as cloud providers and single sign-on use them: a program that prints a token or a certificate.

The protocol is client.authentication.k8s.io: the kubeconfig names the program, KUBERNETES_EXEC_INFO tells it what is
wanted, and it prints an ExecCredential. It may ask the person at the terminal something.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from modelrollout.adapters.kubernetes.errors import NotConfiguredError

_TIMEOUT_SECONDS = 300.0
"""Somebody may have to log in with a browser meanwhile."""


def credential(
    plugin: Mapping[str, Any], cluster: Mapping[str, Any], environ: Mapping[str, str] = os.environ
) -> Mapping[str, Any]:
    """The status of its ExecCredential. Raises NotConfiguredError with what the program said."""
    command = str(plugin.get("command") or "")
    version = plugin.get("apiVersion", "client.authentication.k8s.io/v1")
    interactive = (
        plugin.get("interactiveMode", "IfAvailable") != "Never" and sys.stdin is not None and sys.stdin.isatty()
    )
    wanted: dict[str, Any] = {"apiVersion": version, "kind": "ExecCredential", "spec": {"interactive": interactive}}
    if plugin.get("provideClusterInfo"):
        known = ("server", "certificate-authority-data", "tls-server-name", "insecure-skip-tls-verify", "proxy-url")
        wanted["spec"]["cluster"] = {key: cluster[key] for key in known if cluster.get(key)}
    variables = {str(one["name"]): str(one["value"]) for one in plugin.get("env") or ()}
    try:
        done = subprocess.run(
            [command, *(str(word) for word in plugin.get("args") or ())],
            env={**environ, **variables, "KUBERNETES_EXEC_INFO": json.dumps(wanted)},
            stdin=None if interactive else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        hint = plugin.get("installHint")
        raise NotConfiguredError(
            f"The credential plugin {command} of the kubeconfig cannot be run: {error}." + (f" {hint}" if hint else "")
        ) from error
    if done.returncode != 0:
        raise NotConfiguredError(f"The credential plugin {command} ended with exit code {done.returncode}.")
    try:
        status = json.loads(done.stdout)["status"]
    except (ValueError, KeyError, TypeError) as error:
        raise NotConfiguredError(f"The credential plugin {command} printed no ExecCredential with a status.") from error
    if not isinstance(status, Mapping) or not (status.get("token") or status.get("clientCertificateData")):
        raise NotConfiguredError(f"The credential plugin {command} gave neither a token nor a certificate.")
    return status
