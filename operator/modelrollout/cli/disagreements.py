"""Where a candidate and the live version differ most: the examples that the observer keeps, for `kubectl model why`.

They are parts of requests of users, so they are not in any status: they are asked of the observer itself, by way of the
API server, and it takes the right to `get services/proxy` in the namespace. What the manifest redacts is not there.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from modelrollout.adapters.kubernetes.errors import ApiError, Forbidden
from modelrollout.cli.cluster import Cluster
from modelrollout.cli.objects import Deployment
from modelrollout.cli.rights import missing

REASON = "Disagreement"
SHOWN = 3
_PORT = 9090
_LONGEST = 300


def disagreements(cluster: Cluster, deployment: Deployment) -> list[str]:
    """Lines about the worst of them; none where nobody waits for a look at them."""
    if deployment.reason != REASON:
        return []
    try:
        page = cluster.api.proxied(
            namespace=deployment.namespace,
            service=f"{deployment.name}-observer",
            port=_PORT,
            path="/disagreements",
        )
    except Forbidden as error:
        return [f"Examples are parts of users' requests: {missing(error.message)}"]
    except ApiError as error:
        return [f"The observer cannot be asked for examples: {error.message}"]
    found = page.get("disagreements") or []
    if not found:
        return ["The observer has no examples: it may have been restarted since."]
    return [f"Where they differ most ({min(SHOWN, len(found))} of {len(found)} examples):", *_examples(found)]


def _examples(found: list[Mapping[str, Any]]) -> Iterator[str]:
    for number, one in enumerate(found[:SHOWN], start=1):
        yield f"{number}. asked: {_short(one.get('asked'))}"
        if one.get("candidateFailed"):
            yield f"   the candidate gave no answer: {one['candidateFailed']}"
        for name, output in (one.get("outputs") or {}).items():
            live, candidate = _short(output.get("live")), _short(output.get("candidate"))
            yield f"   {name}: live {live}, candidate {candidate} ({output.get('reason')})"


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
