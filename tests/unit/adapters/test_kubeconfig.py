"""A person's kubeconfig, as kubectl reads it."""

import base64
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelrollout.adapters.kubernetes import NotConfiguredError
from modelrollout.adapters.kubernetes.kubeconfig import access, in_cluster, read

PEM = b"-----BEGIN CERTIFICATE-----\n"


def config(
    *,
    user: Mapping[str, Any] | None = None,
    cluster: Mapping[str, Any] | None = None,
    context: Mapping[str, Any] | None = None,
    current: str | None = "main",
) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "here", "cluster": {"server": "https://cluster.example:6443/", **(cluster or {})}}],
        "users": [{"name": "anna", "user": user or {"token": "secret"}}],
        "contexts": [{"name": "main", "context": {"cluster": "here", "user": "anna", **(context or {})}}],
        **({"current-context": current} if current else {}),
    }


def written(folder: Path, content: object, name: str = "config") -> str:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return str(folder / name)


def test_the_current_context(tmp_path: Path) -> None:
    found = access(read(file=written(tmp_path, config(context={"namespace": "payments"}))))
    assert (found.server, found.namespace, found.token) == ("https://cluster.example:6443", "payments", "secret")


def test_without_a_namespace_it_is_default(tmp_path: Path) -> None:
    assert access(read(file=written(tmp_path, config()))).namespace == "default"


def test_json_is_read_too(tmp_path: Path) -> None:
    assert access(read(file=written(tmp_path, json.dumps(config())))).token == "secret"


def test_the_first_file_that_says_something_is_right(tmp_path: Path) -> None:
    first = written(tmp_path, {"users": [{"name": "anna", "user": {"token": "first"}}]}, "first")
    second = written(tmp_path, config(), "second")
    missing = str(tmp_path / "none")
    environ = {"KUBECONFIG": os.pathsep.join((missing, first, second))}
    assert access(read(environ=environ)).token == "first"


def test_the_home_folder_is_the_default(tmp_path: Path) -> None:
    written(tmp_path / ".kube", config())
    assert access(read(environ={"HOME": str(tmp_path)})).token == "secret"


def test_files_are_relative_to_the_kubeconfig_that_names_them(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_bytes(PEM)
    (tmp_path / "token").write_text("from a file\n")
    path = written(tmp_path, config(user={"tokenFile": "token"}, cluster={"certificate-authority": "ca.crt"}))
    found = access(read(file=path))
    assert (found.authority, found.token) == (PEM, "from a file")


def test_data_in_the_file_are_decoded(tmp_path: Path) -> None:
    data = base64.b64encode(PEM).decode()
    user = {"client-certificate-data": data, "client-key-data": data}
    found = access(read(file=written(tmp_path, config(user=user, cluster={"certificate-authority-data": data}))))
    assert (found.authority, found.certificate, found.key) == (PEM, PEM, PEM)


def test_what_else_a_cluster_and_a_user_say(tmp_path: Path) -> None:
    cluster = {"insecure-skip-tls-verify": True, "tls-server-name": "inside", "proxy-url": "http://proxy:3128"}
    user = {"username": "anna", "password": "pw", "as": "otto", "as-groups": ["on-call"]}
    found = access(read(file=written(tmp_path, config(user=user, cluster=cluster))))
    assert (found.verify, found.server_name, found.proxy) == (False, "inside", "http://proxy:3128")
    assert (found.basic, found.impersonate, found.impersonate_groups) == (("anna", "pw"), "otto", ("on-call",))


def test_a_credential_plugin_is_run(tmp_path: Path) -> None:
    script = tmp_path / "plugin.py"
    script.write_text(
        "import json, os\n"
        "info = json.loads(os.environ['KUBERNETES_EXEC_INFO'])\n"
        "token = os.environ['GIVEN'] + ' for ' + info['spec']['cluster']['server']\n"
        "print(json.dumps({'kind': 'ExecCredential', 'status': {'token': token}}))\n"
    )
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": sys.executable,
        "args": [str(script)],
        "env": [{"name": "GIVEN", "value": "a token"}],
        "provideClusterInfo": True,
        "interactiveMode": "Never",
    }
    found = access(read(file=written(tmp_path, config(user={"exec": plugin}))))
    assert found.token == "a token for https://cluster.example:6443/"


@pytest.mark.parametrize(
    ("plugin", "sentence"),
    [
        ({"command": "there-is-no-such-plugin", "installHint": "Install it."}, "cannot be run: .* Install it."),
        ({"command": "false"}, "ended with exit code 1"),
        ({"command": "true"}, "printed no ExecCredential"),
        ({"command": "echo", "args": ['{"status": {}}']}, "neither a token nor a certificate"),
    ],
)
def test_a_plugin_that_gives_nothing_is_told(tmp_path: Path, plugin: dict[str, Any], sentence: str) -> None:
    path = written(tmp_path, config(user={"exec": plugin}))
    with pytest.raises(NotConfiguredError, match=sentence):
        access(read(file=path))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (config(current=None), "has no current context; give --context NAME"),
        (config(current="other"), "has no context other; it has main"),
        (config(context={"cluster": "gone"}), "has no cluster gone"),
        (config(context={"user": "gone"}), "has no user gone"),
        (config(cluster={"server": ""}), "has no server"),
        (config(user={"auth-provider": {"name": "gcp"}}), "use its exec plugin instead"),
        (config(user={"client-certificate-data": "%"}), "client-certificate-data in the kubeconfig is not base64"),
        (config(user={"tokenFile": "gone"}), "gone, which the kubeconfig names, cannot be read"),
        ("- 1", "holds no configuration"),
        ("{", "is no YAML"),
    ],
)
def test_what_cannot_be_used_is_told(tmp_path: Path, content: object, sentence: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(NotConfiguredError, match=sentence):
        access(read(file=path))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotConfiguredError, match=r"There is no kubeconfig at .*; set KUBECONFIG, or give --kubeconfig"):
        read(environ={"HOME": str(tmp_path)})
    with pytest.raises(NotConfiguredError, match="cannot be read: No such file"):
        read(file=str(tmp_path / "none"))


def test_a_chosen_context(tmp_path: Path) -> None:
    content = config()
    content["contexts"].append(
        {"name": "other", "context": {"cluster": "here", "user": "anna", "namespace": "lending"}}
    )
    assert access(read(file=written(tmp_path, content)), context="other").namespace == "lending"


def test_a_pod_has_its_own_account(tmp_path: Path) -> None:
    for name, text in (("token", "of the pod\n"), ("ca.crt", PEM.decode()), ("namespace", "jobs")):
        (tmp_path / name).write_text(text)
    found = in_cluster(
        folder=tmp_path, environ={"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    )
    assert found is not None
    assert (found.server, found.namespace, found.token) == ("https://[fd00::1]:443", "jobs", "of the pod")
    assert in_cluster(folder=tmp_path, environ={}) is None
