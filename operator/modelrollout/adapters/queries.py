"""Which PromQL answers which gate, and what the answer means. Pure data and text; nothing is asked here.

A family is one raw cumulative counter, summed so far that one pod keeps one value for each status code or bucket bound.
No `rate()`: Prometheus would extrapolate and would need a window, whereas the operator differences plain counters at
times that it chose, so that every request is counted once. One query reads a family for any number of rollouts; which
series belong to whom is told by the pod's name, `DEPLOYMENT-REVISION-…`.

Names go into a query only through `literal`: escaped for RE2 and quoted for PromQL. Names are also validated by the
API server, but a query must not rest on that.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote_plus

from modelrollout.adapters.families import Family, Source
from modelrollout.adapters.library import FAMILIES, observer
from modelrollout.adapters.promql import literal
from modelrollout.api.gates import Signal
from modelrollout.api.revision import DIGEST_IN_NAMES
from modelrollout.api.serving import Server
from modelrollout.evidence import Bins, Counts

URL_LIMIT = 6000
"""Longest encoded query in bytes; proxies commonly refuse request lines beyond 8 KiB."""

_BUCKET_TOLERANCE = 1e-9  # relative; "0.25" against 250 ms, "5" against "5.0"
_INFINITE = "+Inf"
_REVISION = f"-[0-9a-f]{{{DIGEST_IN_NAMES}}}-.+"
_SERVICE = f"-[0-9a-f]{{{DIGEST_IN_NAMES}}}_[0-9]+"
_ENVOY_CLUSTER = "envoy_cluster_name"
_DEPLOYMENT = "modeldeployment"
_TARGET = ("job", "instance")
JOINT = "\x1f"
"""Between labels that are joined: a control character, which no name of an output has."""

_SEPARATOR_LENGTH = len(quote_plus("|"))


@dataclass(frozen=True, slots=True, order=True)
class PodSelector:
    """The pods of all revisions of one ModelDeployment."""

    namespace: str
    deployment: str


def family(server: Server, signal: Signal) -> Family:
    """Raises KeyError for a signal that the server cannot give; the API refuses such a gate."""
    return FAMILIES[server, signal]


def query(family: Family, selectors: Iterable[PodSelector]) -> str:
    """One instant query for all of them. It may also match pods of no selector: namespaces and names are crossed.

    A pod that two jobs scrape has every series twice. Each target is taken by itself and the larger one counts, so that
    no request does so twice.
    """
    wanted = sorted(set(selectors))
    namespaces = "|".join(dict.fromkeys(literal(selector.namespace) for selector in wanted))
    names = "|".join(dict.fromkeys(literal(selector.deployment) for selector in wanted))
    match family.source:
        case Source.POD:
            labels = ["namespace", "pod"]
            whose = [f'namespace=~"{namespaces}"', f'pod=~"({names}){_REVISION}"']
        case Source.ENVOY:
            labels = [_ENVOY_CLUSTER, "pod"]
            whose = [f'{_ENVOY_CLUSTER}=~"({namespaces})_({names}){_SERVICE}"']
        case Source.OBSERVER:
            labels = ["namespace", _DEPLOYMENT, "pod"]
            whose = [f'namespace=~"{namespaces}"', f'{_DEPLOYMENT}=~"{names}"']
    labels = labels + [family.by] * bool(family.by)
    of_names = f'__name__=~"{family.metric}"' if "|" in family.metric else ""
    matchers = ",".join(part for part in (of_names, family.matchers, *whose) if part)
    series = f"{'' if of_names else family.metric}{{{matchers}}}"
    if family.joined:
        labels_in_turn = ", ".join(json.dumps(one) for one in family.joined)
        series = f'label_join({series}, "{family.by}", {json.dumps(JOINT)}, {labels_in_turn})'
    return f"max by ({', '.join(labels)}) ({family.aggregate} by ({', '.join([*labels, *_TARGET])}) ({series}))"


def pod_of(family: Family, labels: Mapping[str, str]) -> tuple[str, str]:
    """Namespace and name of the pod that a series is of. What a gateway counts is told as if a pod of that name did."""
    match family.source:
        case Source.POD:
            return labels.get("namespace", ""), labels.get("pod", "")
        case Source.ENVOY:
            parts = labels.get(_ENVOY_CLUSTER, "").split("_")
            if len(parts) != 3:
                return "", ""
            namespace, service, port = parts
            return namespace, f"{service}-{port}@{labels.get('pod', '')}"
        case Source.OBSERVER:
            return labels.get("namespace", ""), labels.get("pod", "")


def selectors_of(family: Family, labels: Mapping[str, str]) -> Iterator[PodSelector]:
    """Everybody whose series this can be."""
    namespace, pod = pod_of(family, labels)
    if family.source is Source.OBSERVER:
        yield PodSelector(namespace, labels.get(_DEPLOYMENT, ""))
        return
    for deployment in deployments_of(pod):
        yield PodSelector(namespace, deployment)


def pairs(by_label: Mapping[str, float], *, candidate: str, live: str, output: str) -> dict[str, Counts]:
    """One observer pod's cumulative pairs and noise pairs of these two versions, by name of the counter, with those
    that disagree; those of other versions, which it had before, are left out.
    """
    found: dict[str, Counts] = {}
    for what, value in by_label.items():
        parts = what.split(JOINT, 4)
        if len(parts) == 5 and (parts[0], parts[1], parts[4]) == (candidate, live, output):
            disagreeing = value if parts[3] == observer.DISAGREE else 0.0
            found[parts[2]] = found.get(parts[2], Counts()) + Counts(total=value, bad=disagreeing)
    return found


def bins(by_label: Mapping[str, float], *, revision: str, output: str) -> Bins | None:
    """One observer pod's cumulative values of an output of a version, each bin an edge of its own: in it or not."""
    mine = f"{revision}{JOINT}{output}{JOINT}"
    found = {what.removeprefix(mine): value for what, value in by_label.items() if what.startswith(mine)}
    names = tuple(sorted(found))
    return Bins(names, sum(found.values()), tuple(found[name] for name in names)) if names else None


def split(family: Family, selectors: Iterable[PodSelector], *, limit: int = URL_LIMIT) -> list[str]:
    """As few queries as keep each within `limit` bytes once encoded; a single name too long for it stands alone."""
    return [query(family, group) for group in _groups(family, sorted(set(selectors)), limit=limit)]


def deployments_of(pod: str) -> Iterator[str]:
    """Every name that the pod's ModelDeployment can have: a hash of a ReplicaSet can look like a revision."""
    parts = pod.split("-")
    for index in range(1, len(parts) - 1):
        if len(parts[index]) == DIGEST_IN_NAMES and set(parts[index]) <= set("0123456789abcdef"):
            yield "-".join(parts[:index])


def counts(family: Family, signal: Signal, over_seconds: float | None, by_label: Mapping[str, float]) -> Counts | None:
    """One pod's cumulative counts; None where they cannot be told, such as without a bucket that ends at the bound.

    Errors: of HTTP answers 5xx are bad. 4xx are requests of all, but the sender's fault. Latency: slower than
    `over_seconds`.
    """
    match signal:
        case Signal.ERRORS:
            return _errors(family, by_label)
        case Signal.LATENCY:
            if over_seconds is None:
                raise ValueError("A Latency gate that counts needs the bound that it judges.")
            return _slower(family, over_seconds, by_label)
        case _:
            raise ValueError(f"{signal} has no built-in counts.")


def buckets(by_label: Mapping[str, float], *, unit_seconds: float = 1.0) -> Bins | None:
    """One pod's cumulative histogram as requests beyond each finite bound; None where it is torn or empty."""
    total = by_label.get(_INFINITE)
    if total is None:
        return None
    within = {bound * unit_seconds: by_label[label] for label in by_label if math.isfinite(bound := _bound(label))}
    edges = sorted(within)
    if not edges:
        return None
    return Bins(tuple(f"{edge:.6g}" for edge in edges), total, tuple(max(0.0, total - within[edge]) for edge in edges))


def bounds(family: Family, by_label: Mapping[str, float]) -> tuple[float, ...]:
    """The finite bucket bounds in seconds, ascending: those that a Latency gate may name."""
    found = {bound * family.unit_seconds for label in by_label if math.isfinite(bound := _bound(label))}
    return tuple(sorted(found))


def _errors(family: Family, by_label: Mapping[str, float]) -> Counts | None:
    if not by_label:
        return None
    bad = sum(value for label, value in by_label.items() if re.fullmatch(family.bad, label))
    return Counts(total=sum(by_label.values()), bad=bad)


def _slower(family: Family, over_seconds: float, by_label: Mapping[str, float]) -> Counts | None:
    total = by_label.get(_INFINITE)
    within = next(
        (
            value
            for label, value in by_label.items()
            if math.isclose(_bound(label) * family.unit_seconds, over_seconds, rel_tol=_BUCKET_TOLERANCE)
        ),
        None,
    )
    if total is None or within is None:
        return None
    # Buckets are cumulative, so this is negative only where a source tears a histogram apart.
    return Counts(total=total, bad=max(0.0, total - within))


def _bound(label: str) -> float:
    """NaN for what is no bound."""
    try:
        return float(label)
    except ValueError:
        return math.nan


def _groups(family: Family, selectors: Sequence[PodSelector], *, limit: int) -> Iterator[list[PodSelector]]:
    empty = len(quote_plus(query(family, ())))
    group: list[PodSelector] = []
    seen: set[tuple[str, str]] = set()
    length = empty
    for selector in selectors:
        added = _added_length(selector, seen)
        if group and length + added > limit:
            yield group
            group, seen, length = [], set(), empty
            added = _added_length(selector, seen)
        group.append(selector)
        seen |= {("namespace", selector.namespace), ("name", selector.deployment)}
        length += added
    if group:
        yield group


def _added_length(selector: PodSelector, seen: set[tuple[str, str]]) -> int:
    return sum(
        len(quote_plus(literal(text))) + _SEPARATOR_LENGTH
        for kind, text in (("namespace", selector.namespace), ("name", selector.deployment))
        if (kind, text) not in seen
    )
