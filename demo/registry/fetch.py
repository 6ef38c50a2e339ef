"""An init container's whole program: fetches the artifact that MODEL_URI names from MLflow's own proxy.

It needs Python and nothing else. MODEL_URI is set by the operator; MLFLOW_URL is the server's address, TARGET the
folder to fill, and MLFLOW_TRACKING_TOKEN a bearer token where the server asks for one.
"""

import json
import os
import pathlib
import urllib.parse
import urllib.request

PROXY = os.environ["MLFLOW_URL"].rstrip("/") + "/api/2.0/mlflow-artifacts/artifacts"
TOKEN = os.environ.get("MLFLOW_TRACKING_TOKEN")


def ask(address: str) -> bytes:
    headers = {"Authorization": f"Bearer {TOKEN}"} if TOKEN else {}
    with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=60) as answer:
        return bytes(answer.read())


def fetch(path: str, target: pathlib.Path) -> None:
    """A folder of the artifact with all that is in it."""
    target.mkdir(parents=True, exist_ok=True)
    for one in json.loads(ask(f"{PROXY}?path={urllib.parse.quote(path)}"))["files"]:
        inner, place = f"{path}/{one['path']}", target / one["path"]
        if one["is_dir"]:
            fetch(inner, place)
        else:
            place.write_bytes(ask(f"{PROXY}/{urllib.parse.quote(inner)}"))
            print(f"{place}: {place.stat().st_size} bytes", flush=True)


scheme, _, path = os.environ["MODEL_URI"].partition(":")
if scheme != "mlflow-artifacts":
    raise SystemExit(f"this fetches mlflow-artifacts:/… only, and MODEL_URI is {os.environ['MODEL_URI']}")
fetch(path.strip("/"), pathlib.Path(os.environ.get("TARGET", "/model")))
