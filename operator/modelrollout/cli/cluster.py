"""The cluster that a verb speaks to, as the person's kubeconfig says, and what is looked up in it.

What comes is plain dicts, read by `objects`: the types of `modelrollout.api` would take longer to import than all the
rest, and refuse a field that a newer operator writes.
"""

import argparse
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from modelrollout.adapters.kubernetes.errors import ApiError, Forbidden, NotConfiguredError, NotFound, Unreachable
from modelrollout.adapters.kubernetes.resources import (
    MODEL_DEPLOYMENTS,
    MODEL_REVISIONS,
    SELF_SUBJECT_REVIEWS,
    Resource,
)
from modelrollout.api.group import LABEL_NAME
from modelrollout.cli.errors import CliError, RefusedError
from modelrollout.cli.objects import Deployment, Revision

JsonObject = dict[str, Any]


class Api(Protocol):
    """What a verb asks of an API server: `modelrollout.adapters.kubernetes.blocking` says what each does."""

    def get(self, resource: Resource, *, namespace: str | None, name: str) -> JsonObject | None: ...

    def list(
        self, resource: Resource, *, namespace: str | None, label_selector: str = "", field_selector: str = ""
    ) -> list[JsonObject]: ...

    def proxied(self, *, namespace: str, service: str, port: int, path: str) -> JsonObject: ...

    def create(self, resource: Resource, body: JsonObject) -> JsonObject: ...

    def watch(
        self,
        resource: Resource,
        *,
        namespace: str | None,
        seconds: float,
        field_selector: str = "",
        resource_version: str = "",
    ) -> Iterator[tuple[str, JsonObject]]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """`namespace` is the one that was asked for, or the context's."""

    api: Api
    namespace: str
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def deployment(self, name: str) -> Deployment:
        """Raises CliError, which says what there is instead, when there is none of this name."""
        found = self.api.get(MODEL_DEPLOYMENTS, namespace=self.namespace, name=name)
        if found is None:
            raise CliError(self._not_there(name))
        return Deployment.read(found)

    def deployments(self, *, everywhere: bool = False) -> list[Deployment]:
        """By namespace and name."""
        found = self.api.list(MODEL_DEPLOYMENTS, namespace=None if everywhere else self.namespace)
        return sorted((Deployment.read(one) for one in found), key=lambda one: (one.namespace, one.name))

    def revisions(self, deployment: str) -> list[Revision]:
        """Those of one ModelDeployment, newest first."""
        selector = f"{LABEL_NAME}={deployment}"
        found = self.api.list(MODEL_REVISIONS, namespace=self.namespace, label_selector=selector)
        mine = [Revision.read(one) for one in found]
        return sorted(mine, key=lambda one: (one.created_at, one.id), reverse=True)

    def digest(self, deployment: str, revision: str) -> str | None:
        """The whole digest of a revision; None when its ModelRevision is gone."""
        found = self.api.get(MODEL_REVISIONS, namespace=self.namespace, name=f"{deployment}-{revision}")
        return Revision.read(found).digest if found is not None else None

    def whoami(self) -> str:
        """The user name that the API server knows us by."""
        body = {"apiVersion": SELF_SUBJECT_REVIEWS.api_version, "kind": SELF_SUBJECT_REVIEWS.kind}
        answer = self.api.create(SELF_SUBJECT_REVIEWS, body)
        return str(answer["status"]["userInfo"]["username"])

    def _not_there(self, name: str) -> str:
        from difflib import get_close_matches

        names = [one.name for one in self.deployments()]
        missing = f"there is no ModelDeployment {name} in namespace {self.namespace}"
        if not names:
            return f"{missing}, nor any other; kubectl model status -A shows those of all namespaces"
        near = get_close_matches(name, names, n=1)
        return f"{missing}; " + (f"did you mean {near[0]}?" if near else f"there is {', '.join(names)}")


Connect = Callable[[argparse.Namespace], AbstractContextManager[Cluster]]


@contextmanager
def connect(options: argparse.Namespace) -> Iterator[Cluster]:
    """The cluster of the common flags. What the API server does not do becomes a CliError that says why."""
    from modelrollout.adapters.kubernetes import kubeconfig
    from modelrollout.adapters.kubernetes.blocking import BlockingClient

    try:
        access = _access(options)
        client = BlockingClient(access)
    except NotConfiguredError as error:
        raise CliError(str(error)) from error
    with client, explained():
        yield Cluster(api=client, namespace=options.namespace or access.namespace or kubeconfig.DEFAULT_NAMESPACE)


def contexts(options: argparse.Namespace) -> list[str]:
    """Names of the kubeconfig's contexts."""
    from modelrollout.adapters.kubernetes import kubeconfig

    try:
        return sorted(kubeconfig.read(file=options.kubeconfig).contexts)
    except NotConfiguredError as error:
        raise CliError(str(error)) from error


def _access(options: argparse.Namespace) -> Any:
    from modelrollout.adapters.kubernetes import kubeconfig

    named = options.kubeconfig or options.context
    try:
        access = kubeconfig.access(kubeconfig.read(file=options.kubeconfig), context=options.context)
    except NotConfiguredError:
        pod = None if named else kubeconfig.in_cluster()
        if pod is None:
            raise
        access = pod
    if options.as_user:
        access = replace(access, impersonate=options.as_user, impersonate_groups=tuple(options.as_groups or ()))
    return access


@contextmanager
def explained() -> Iterator[None]:
    """Turns what the API server says into what a person can do about it."""
    try:
        yield
    except Forbidden as error:
        if error.status == 401:
            raise CliError(f"the API server does not know you ({error.message}); log in again") from error
        from modelrollout.cli.rights import missing

        raise RefusedError(missing(error.message)) from error
    except NotFound as error:
        raise CliError(
            f"{error.message}; is modelrollout installed in this cluster? kubectl apply --server-side -k manifests/base"
        ) from error
    except Unreachable as error:
        raise CliError(error.message) from error
    except ApiError as error:
        raise CliError(f"the API server said: {error}") from error
