"""Which PromQL answers which gate, and what the answer means. Pure data and text; nothing is asked here.

A family is one raw cumulative counter, summed so far that one pod keeps one value for each status code or bucket bound.
No `rate()`: Prometheus would extrapolate and would need a window, whereas the operator differences plain counters at
times that it chose, so that every request is counted once. One query reads a family for any number of rollouts; which
series belong to whom is told by the pod's name, `DEPLOYMENT-REVISION-…`.

Names go into a query only through `_literal`: escaped for RE2 and quoted for PromQL. Names are also validated by the
API server, but a query must not rest on that.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote_plus

from modelrollout.api.gates import Signal
from modelrollout.api.revision import DIGEST_IN_NAMES
from modelrollout.api.serving import Server
from modelrollout.evidence import Counts

URL_LIMIT = 6000
"""Longest encoded query in bytes; proxies commonly refuse request lines beyond 8 KiB."""

_RE2_SPECIAL = frozenset("\\.+*?()|[]{}^$")
_BUCKET_TOLERANCE = 1e-9  # relative; "0.25" against 250 ms, "5" against "5.0"
_INFINITE = "+Inf"
_REVISION = f"-[0-9a-f]{{{DIGEST_IN_NAMES}}}-.+"
_SEPARATOR_LENGTH = len(quote_plus("|"))


@dataclass(frozen=True, slots=True)
class Family:
    """One counter: `by` is the label that splits it, `matchers` further PromQL matchers, written by us."""

    name: str
    metric: str
    by: str
    matchers: str


@dataclass(frozen=True, slots=True, order=True)
class PodSelector:
    """The pods of all revisions of one ModelDeployment."""

    namespace: str
    deployment: str


# MLServer reports its routes, not the paths that were asked for: the braces are literally in the label.
_MLSERVER_INFER = 'method="POST",path=~"/v2/models/[{]model_name[}](/versions/[{]model_version[}])?/infer"'
_MLSERVER_ERRORS = Family("errors", "rest_server_requests_total", "status_code", _MLSERVER_INFER)
_MLSERVER_LATENCY = Family("latency", "rest_server_request_duration_seconds_bucket", "le", _MLSERVER_INFER)


def family(server: Server, signal: Signal) -> Family:
    match server, signal:
        case Server.MLSERVER, Signal.ERRORS:
            return _MLSERVER_ERRORS
        case Server.MLSERVER, Signal.LATENCY:
            return _MLSERVER_LATENCY


def query(family: Family, selectors: Iterable[PodSelector]) -> str:
    """One instant query for all of them. It may also match pods of no selector: namespaces and names are crossed."""
    wanted = sorted(set(selectors))
    namespaces = "|".join(dict.fromkeys(_literal(selector.namespace) for selector in wanted))
    names = "|".join(dict.fromkeys(_literal(selector.deployment) for selector in wanted))
    return (
        f"sum by (namespace, pod, {family.by}) "
        f'({family.metric}{{{family.matchers},namespace=~"{namespaces}",pod=~"({names}){_REVISION}"}})'
    )


def split(family: Family, selectors: Iterable[PodSelector], *, limit: int = URL_LIMIT) -> list[str]:
    """As few queries as keep each within `limit` bytes once encoded; a single name too long for it stands alone."""
    return [query(family, group) for group in _groups(family, sorted(set(selectors)), limit=limit)]


def deployments_of(pod: str) -> Iterator[str]:
    """Every name that the pod's ModelDeployment can have: a hash of a ReplicaSet can look like a revision."""
    parts = pod.split("-")
    for index in range(1, len(parts) - 1):
        if len(parts[index]) == DIGEST_IN_NAMES and set(parts[index]) <= set("0123456789abcdef"):
            yield "-".join(parts[:index])


def counts(signal: Signal, over_seconds: float | None, by_label: Mapping[str, float]) -> Counts | None:
    """One pod's cumulative counts; None where they cannot be told, such as without a bucket that ends at the bound.

    Errors: answers 5xx are bad. 4xx are requests of all, but the sender's fault. Latency: slower than `over_seconds`.
    """
    match signal:
        case Signal.ERRORS:
            return _errors(by_label)
        case Signal.LATENCY:
            if over_seconds is None:
                raise ValueError("A Latency gate needs the bound that it judges.")
            return _slower(over_seconds, by_label)


def bounds(by_label: Mapping[str, float]) -> tuple[float, ...]:
    """The finite bucket bounds in seconds, ascending: those that a Latency gate may name."""
    return tuple(sorted({bound for label in by_label if math.isfinite(bound := _bound(label))}))


def _errors(by_label: Mapping[str, float]) -> Counts | None:
    if not by_label:
        return None
    bad = sum(value for code, value in by_label.items() if len(code) == 3 and code.startswith("5"))
    return Counts(total=sum(by_label.values()), bad=bad)


def _slower(over_seconds: float, by_label: Mapping[str, float]) -> Counts | None:
    total = by_label.get(_INFINITE)
    within = next(
        (
            value
            for label, value in by_label.items()
            if math.isclose(_bound(label), over_seconds, rel_tol=_BUCKET_TOLERANCE)
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
        len(quote_plus(_literal(text))) + _SEPARATOR_LENGTH
        for kind, text in (("namespace", selector.namespace), ("name", selector.deployment))
        if (kind, text) not in seen
    )


def _literal(text: str) -> str:
    """`text` as a part of a regular expression inside a PromQL string with double quotes."""
    pattern = "".join(f"\\{character}" if character in _RE2_SPECIAL else character for character in text)
    return json.dumps(pattern, ensure_ascii=False)[1:-1]
