"""What a spec refers to, looked up: its configuration and the documents that are kept with its revision.

Nothing here may stop a rollback, so nothing raises: what cannot be read is said, and the decision is the planner's.
"""

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import yaml
from pydantic import ValidationError

from modelrollout.adapters.kubernetes import CONFIG_MAPS, ApiError, Forbidden, KubernetesApi
from modelrollout.api.base import ApiType
from modelrollout.api.config import ConfigCopy, Document, RevisionConfig, SecretMark
from modelrollout.api.contract import Contract
from modelrollout.api.modeldeployment import ModelDeploymentSpec, ModelDeploymentStatus
from modelrollout.api.reference import Reference
from modelrollout.api.revision import config_digest, copy_name
from modelrollout.api.sentences import sentence
from modelrollout.plan.observation import ConfigMapView, RevisionView, Wanted
from modelrollout.runtime import projections
from modelrollout.runtime.configs import Configs, Secrets
from modelrollout.runtime.resolver import Resolver

MAX_DOCUMENT_BYTES = 128 * 1024
"""Each revision keeps its documents, and etcd refuses objects of more than a megabyte and a half."""

_FORMS: Mapping[str, type[ApiType]] = {"contract": Contract, "reference": Reference}
_KNOWN_DOCUMENTS = 512


class _Missing(Exception):  # noqa: N818
    """`reason` is a condition's, `message` names what is missing and the remedy."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.told = (reason, message)


class Lookup:
    def __init__(self, *, api: KubernetesApi, configs: Configs, secrets: Secrets, resolver: Resolver) -> None:
        self._api = api
        self._resolver = resolver
        self._configs = configs
        self._secrets = secrets
        self._read = lru_cache(_KNOWN_DOCUMENTS)(_read)  # the same text is looked up at every reconcile

    async def wanted(
        self,
        namespace: str,
        name: str,
        spec: ModelDeploymentSpec,
        *,
        revisions: Iterable[RevisionView] = (),
        status: ModelDeploymentStatus | None = None,
    ) -> Wanted:
        """`name` is that of the ModelDeployment, after which copies are called; `revisions`, `status` are its own."""
        resolution = self._resolver.resolve(
            (namespace, name), spec.model, revisions=revisions, status=status or ModelDeploymentStatus()
        )
        if resolution.registered is None and resolution.waits:
            waiting = ("Resolving", f"model.uri {spec.model.uri}: the registry is being asked")
            return Wanted(missing=waiting, waits=True)
        if resolution.registered is None and resolution.trouble is not None:
            return Wanted(missing=resolution.trouble, unheard=resolution.trouble)
        try:
            views = [await self._config_map(namespace, ref, "config") for ref in spec.config.config_map_refs]
            copies = {view.name: _copy(name, view) for view in views}
            return Wanted(
                registered=resolution.registered,
                unheard=resolution.trouble,
                config=RevisionConfig(
                    config_maps=tuple(copies[view.name] for view in views),
                    secrets=tuple([await self._secret(namespace, ref) for ref in spec.config.secret_refs]),
                ),
                sources={copies[view.name].copy_name: view for view in views},
                contract=_with_example(spec, await self._document(namespace, "contract", spec.contract)),
                reference=await self._document(namespace, "reference", spec.reference),
                card=await self._document(namespace, "card", spec.card),
            )
        except _Missing as missing:
            return Wanted(missing=missing.told, unheard=resolution.trouble)

    async def former(self, namespace: str, wanted: Wanted, *, live: RevisionConfig) -> Wanted:
        """`wanted` with the content of the live revision's ConfigMaps that differ, from their copies.

        For the changelog alone: one that cannot be read is told as changed.
        """
        copies = {view.name: copy for copy, view in wanted.sources.items()}
        found: dict[str, ConfigMapView] = {}
        for one in live.config_maps:
            if copies.get(one.name, one.copy_name) == one.copy_name:
                continue
            with contextlib.suppress(ApiError):
                body = await self._api.get(CONFIG_MAPS, namespace=namespace, name=one.copy_name)
                if body is not None:
                    found[one.name] = projections.config_map(body)
        return replace(wanted, former=found)

    async def _config_map(self, namespace: str, name: str, field: str) -> ConfigMapView:
        try:
            found = await self._configs.get(self._api, namespace, name)
        except ApiError as error:
            raise _Missing("ConfigUnreadable", f"{field}: ConfigMap {name} cannot be read: {error.message}") from error
        if found is None:
            raise _Missing("ConfigMissing", f"{field}: there is no ConfigMap {name}; apply it, or name another one")
        return found

    async def _secret(self, namespace: str, name: str) -> SecretMark:
        try:
            found = await self._secrets.get(self._api, namespace, name)
        except Forbidden as error:
            raise _Missing(
                "SecretForbidden",
                f"config.secretRefs: the operator may not get Secret {name}; grant it by a Role in this namespace, or "
                "leave the Secret out",
            ) from error
        except ApiError as error:
            raise _Missing("ConfigUnreadable", f"config: Secret {name} cannot be read: {error.message}") from error
        if found is None:
            raise _Missing("ConfigMissing", f"config: there is no Secret {name}; apply it, or name another one")
        return found

    async def _document(self, namespace: str, field: str, document: Document | None) -> Mapping[str, Any] | None:
        if document is None:
            return None
        if document.config_map_ref is None:
            return _checked(field, document.inline or {}, f"{field}.inline")
        ref = document.config_map_ref
        view = await self._config_map(namespace, ref.name, field)
        key = ref.key or (next(iter(view.data)) if len(view.data) == 1 else None)
        if key is None or key not in view.data:
            there = ", ".join(sorted(view.data)) or "none"
            raise _Missing(
                "DocumentInvalid", f"{field}.configMapRef.key: name one of the keys of ConfigMap {ref.name}: {there}"
            )
        return self._read(field, view.data[key], f"{field}: key {key} of ConfigMap {ref.name}")


def _copy(deployment: str, view: ConfigMapView) -> ConfigCopy:
    digest = config_digest(view.name, view.data, view.binary_data)
    return ConfigCopy(name=view.name, digest=digest, copy_name=copy_name(deployment, digest))


def _read(field: str, text: str, where: str) -> Mapping[str, Any]:
    return _checked(field, _parsed(text, where), where)


def _checked(field: str, document: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    """The document as it was written, if it has the form that its field asks for."""
    form = _FORMS.get(field)
    if form is not None:
        try:
            form.model_validate(document)
        except ValidationError as error:
            raise _Missing("DocumentInvalid", f"{where}: {sentence(error)}") from error
    return document


def _with_example(spec: ModelDeploymentSpec, contract: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The contract, with the example that the spec wants to be tried."""
    if (
        contract is not None
        and spec.contract is not None
        and spec.contract.verify.example
        and "example" not in contract
    ):
        raise _Missing(
            "DocumentInvalid", "contract.verify.example: the contract has no example; add one, or remove verify.example"
        )
    return contract


def _parsed(text: str, where: str) -> Mapping[str, Any]:
    if len(text.encode()) > MAX_DOCUMENT_BYTES:
        raise _Missing("DocumentInvalid", f"{where} is longer than {MAX_DOCUMENT_BYTES // 1024} KiB; shorten it")
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise _Missing("DocumentInvalid", f"{where} is neither YAML nor JSON: {_first_line(error)}") from error
    if not isinstance(document, dict):
        raise _Missing("DocumentInvalid", f"{where} must be a mapping of names to values")
    if not all(isinstance(name, str) for name in document):
        raise _Missing("DocumentInvalid", f"{where}: names must be text; put them in quotes")
    return document


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
