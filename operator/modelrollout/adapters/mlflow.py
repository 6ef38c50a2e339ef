"""MLflow, through its own client (the extra `mlflow`), of which the model registry and reading runs are used.

The client is synchronous, by default tries for minutes before it gives up, takes credentials from the process'
environment alone, and costs three seconds of CPU and 85 MiB when it is imported. Hence:

* it is imported only here, and only where a registry is configured;
* its retries are off and its time-outs short; calls run in two threads, and the caller waits no longer than an outer
  bound whatever the thread does;
* what it raises is sorted into the few errors that mean something to us. An answer without what it should hold, which
  the client fills with empty defaults, counts as none;
* a token from a file is put into the environment before each call, so that a rotated one is taken up.

`source` of a version is not where its artifact lies (since MLflow 3 it may be `models:/m-…`): the download URI is.
"""

import asyncio
import hashlib
import importlib
import math
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from modelrollout.adapters import mlmodel
from modelrollout.adapters.registry import NotInRegistry, RegistryMissingError, RegistryRefused, RegistryUnavailable
from modelrollout.api.model import Dataset, Lineage, Pin
from modelrollout.plan.registered import Registered

TIMEOUT_SECONDS = 5
PATIENCE_SECONDS = 30.0
"""Longest time that one question takes, of however many requests."""

MAX_MLMODEL_BYTES = 1024 * 1024
_MAX_DATASETS = 50
_REASON_LIMIT = 300
_REFUSALS = ("INVALID_PARAMETER_VALUE", "PERMISSION_DENIED", "UNAUTHENTICATED", "INVALID_STATE", "FEATURE_DISABLED")

Answer = TypeVar("Answer")
OnCall = Callable[[str, str], None]
"""What was asked for, and what came of it."""


class MlflowRegistry:
    """`Registry` over HTTP. Close it."""

    def __init__(
        self, url: str, *, token_file: Path | None = None, on_call: OnCall = lambda *_: None, threads: int = 2
    ) -> None:
        """Imports the client. ValueError for a URL that cannot be used, RegistryMissingError without the extra."""
        self._url = _checked(url)
        self._token_file = token_file
        self._on_call = on_call
        os.environ.update(
            {
                "MLFLOW_HTTP_REQUEST_TIMEOUT": str(TIMEOUT_SECONDS),
                "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
                "MLFLOW_DISABLE_TELEMETRY": "true",
            }
        )
        try:
            tracking = importlib.import_module("mlflow.tracking")
            self._exceptions = importlib.import_module("mlflow.exceptions")
            self._rest = importlib.import_module("mlflow.utils.rest_utils")
            self._credentials = importlib.import_module("mlflow.utils.credentials")
        except ImportError as error:
            raise RegistryMissingError(
                "MLflow's client is not installed; install modelrollout-operator[mlflow], or leave --mlflow out"
            ) from error
        self._client = tracking.MlflowClient(tracking_uri=self._url, registry_uri=self._url)
        self._executor = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="mlflow")

    async def aliases(self, model: str) -> Mapping[str, str]:
        return await self._ask("aliases", lambda: self._aliases(model))

    async def version(self, model: str, version: str) -> Registered:
        return await self._ask("version", lambda: self._version(model, version))

    async def metrics(self, model: str, version: str) -> Mapping[str, float]:
        return (await self._ask("metrics", lambda: self._version(model, version))).metrics

    async def set_alias(self, model: str, alias: str, version: str) -> None:
        await self._ask("set_alias", lambda: self._client.set_registered_model_alias(model, alias, version))

    async def delete_alias(self, model: str, alias: str) -> None:
        await self._ask("delete_alias", lambda: self._client.delete_registered_model_alias(model, alias))

    async def set_tag(self, model: str, version: str, *, key: str, value: str) -> None:
        await self._ask("set_tag", lambda: self._client.set_model_version_tag(model, version, key, value))

    async def close(self) -> None:
        """Threads that still wait for an answer end with it; nobody waits for them."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def _ask(self, what: str, call: Callable[[], Answer]) -> Answer:
        try:
            answer = await self._answer(call)
        except NotInRegistry:
            self._on_call(what, "missing")
            raise
        except RegistryRefused:
            self._on_call(what, "refused")
            raise
        except RegistryUnavailable:
            self._on_call(what, "unavailable")
            raise
        self._on_call(what, "success")
        return answer

    async def _answer(self, call: Callable[[], Answer]) -> Answer:
        loop = asyncio.get_running_loop()
        try:
            self._take_up_token()
            return await asyncio.wait_for(loop.run_in_executor(self._executor, call), PATIENCE_SECONDS)
        except TimeoutError as error:
            raise RegistryUnavailable(f"MLflow gave no answer within {PATIENCE_SECONDS:g} s") from error
        except self._exceptions.MlflowException as error:
            raise self._sorted(error) from error
        except (LookupError, TypeError, ValueError, AttributeError, OSError) as error:
            raise RegistryUnavailable(_short(f"MLflow's answer cannot be read: {error!r}")) from error

    def _take_up_token(self) -> None:
        if self._token_file is not None:
            os.environ["MLFLOW_TRACKING_TOKEN"] = self._token_file.read_text().strip()

    def _sorted(self, error: Any) -> NotInRegistry | RegistryRefused | RegistryUnavailable:
        """A 4xx comes as a RestException with a code of MLflow's own; 401 and 403 may come as plain text instead."""
        told = _short(f"MLflow: {error.message}")
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return NotInRegistry(told)
        if error.error_code in _REFUSALS or "error code 401" in told or "error code 403" in told:
            return RegistryRefused(told)
        return RegistryUnavailable(told)

    # In a thread

    def _aliases(self, model: str) -> Mapping[str, str]:
        found = self._client.get_registered_model(model)
        if found.name != model:
            raise ValueError("no registered model in the answer")
        return {str(alias): str(version) for alias, version in dict(found.aliases).items()}

    def _version(self, model: str, version: str) -> Registered:
        found = self._client.get_model_version(model, version)
        if found.name != model or str(found.version) != version:
            raise ValueError("no model version in the answer")
        if found.status != "READY":
            raise NotInRegistry(
                f"MLflow: version {version} of model {model} is not ready, its status is {found.status}"
            )
        artifact_uri = self._client.get_model_version_download_uri(model, version)
        if not artifact_uri:
            raise ValueError("no artifact URI in the answer")
        described = self._mlmodel(model, version)
        parsed = mlmodel.read(described) if described is not None else mlmodel.Mlmodel()
        model_id = found.model_id or parsed.model_id
        run = self._known(lambda: self._client.get_run(found.run_id)) if found.run_id else None
        logged = self._known(lambda: self._client.get_logged_model(model_id)) if model_id else None
        return Registered(
            model=model,
            pin=Pin(
                version=version,
                artifact_uri=str(artifact_uri),
                run_id=found.run_id or None,
                digest=hashlib.sha256(described.encode()).hexdigest() if described is not None else None,
            ),
            description=found.description[:4000] if found.description else None,
            lineage=_lineage(run) if run is not None else None,
            metrics={**_run_metrics(run), **_logged_metrics(logged)},
            contract=parsed.contract,
        )

    def _known(self, call: Callable[[], Answer]) -> Answer | None:
        """None where it was deleted: a run may be, while its model version lives on."""
        try:
            return call()
        except self._exceptions.MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise

    def _mlmodel(self, model: str, version: str) -> str | None:
        """The file through the server, whatever store it lies in; None where the artifact has none."""
        response = self._rest.http_request(
            host_creds=self._credentials.get_default_host_creds(self._url),
            endpoint="/model-versions/get-artifact",
            method="GET",
            params={"name": model, "version": version, "path": "MLmodel"},
            raise_on_status=False,
        )
        if response.status_code == 404:
            return None
        if response.status_code in (401, 403):
            raise RegistryRefused(f"MLflow: HTTP {response.status_code} for the file MLmodel of version {version}")
        if response.status_code != 200:
            raise RegistryUnavailable(f"MLflow: HTTP {response.status_code} for the file MLmodel of version {version}")
        if len(response.content) > MAX_MLMODEL_BYTES:
            raise ValueError(f"MLmodel is longer than {MAX_MLMODEL_BYTES} bytes")
        text: str = response.content.decode()
        return text


def _checked(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("--mlflow must be the http or https address of an MLflow server, such as http://mlflow:5000")
    if parts.username or parts.password:
        raise ValueError(
            "--mlflow must hold no credentials: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, "
            "MLFLOW_TRACKING_TOKEN, or --mlflow-token-file"
        )
    return url.rstrip("/")


def _lineage(run: Any) -> Lineage:
    commit = run.data.tags.get("mlflow.source.git.commit")
    inputs = run.inputs.dataset_inputs if run.inputs is not None else []
    datasets = tuple(
        Dataset(name=str(one.dataset.name)[:120], digest=str(one.dataset.digest)[:200] if one.dataset.digest else None)
        for one in inputs[:_MAX_DATASETS]
        if one.dataset.name
    )
    return Lineage(commit=commit[:80] if commit else None, run=f"mlflow:{run.info.run_id}", datasets=datasets)


def _run_metrics(run: Any) -> dict[str, float]:
    return _finite(run.data.metrics.items()) if run is not None else {}


def _logged_metrics(logged: Any) -> dict[str, float]:
    return _finite((one.key, one.value) for one in (logged.metrics or ())) if logged is not None else {}


def _finite(metrics: Any) -> dict[str, float]:
    return {str(name)[:200]: float(value) for name, value in metrics if math.isfinite(float(value))}


def _short(reason: str) -> str:
    return " ".join(reason.split())[:_REASON_LIMIT]
