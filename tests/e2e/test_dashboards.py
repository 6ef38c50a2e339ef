"""Every panel of every dashboard has data, asked of the Prometheus that a rollout has filled."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from demo.kubectl import apply
from tests.e2e.case import Case
from tests.e2e.manifests import CANARY, ERRORS, SHADOW, SOAK, Manifest, container, manifest

DASHBOARDS = Path(__file__).resolve().parents[2] / "manifests" / "components" / "monitoring" / "dashboards"
OUTCOME = "clinic_referrals_total"
AGREEMENT: Manifest = {"name": "agreement", "signal": "Agreement", "target": 0.9}
OBSERVE: Manifest = {"sideEffects": "None", "sample": {"perSecond": 40}, "noiseShare": 0.5}
REFERENCE: Manifest = {
    "version": 1,
    "rows": 341,
    "outputs": [{"name": "predict", "spread": "category", "categories": ["0", "1"], "ratios": [0.6, 0.4]}],
}


@pytest.mark.alone
def test_no_panel_is_without_data(case: Case) -> None:
    given, when, then = case.steps()
    given.live(manifest("v2"))
    given.users()
    _a_business_that_counts(case, revision=_live(case))
    again = manifest("v2", stages=(SHADOW, CANARY, SOAK), gates=(ERRORS, AGREEMENT), observe=OBSERVE)
    again["spec"]["model"]["uri"] += "?built=again"
    again["spec"]["reference"] = {"inline": REFERENCE}

    began = time.time()
    when.applied(again)
    then.ends("Live", version="v2")

    empty = [
        f"{title}: {expression}"
        for title, expression in _panels(namespace=case.namespace)
        if not _has_data(case.world.prometheus, expression, since=began)
    ]
    assert not empty, "\n".join(empty)


def _live(case: Case) -> str:
    """The live revision's short digest."""
    stable: str = case.states()[-1].status["stable"]
    return stable


def _panels(*, namespace: str) -> list[tuple[str, str]]:
    """Title and expression of every query, with a person's choice in place of variables."""
    chosen = {
        "$namespace": namespace,
        "$model": ".*",
        "$outcome": OUTCOME,
        "$__rate_interval": "1m",
        "$__interval": "15s",
    }
    found = []
    for path in sorted(DASHBOARDS.glob("*.json")):
        dashboard = json.loads(path.read_text())
        asked: list[tuple[str, str]] = [(one["name"], one["expr"]) for one in dashboard["annotations"]["list"]]
        for panel in dashboard["panels"]:
            asked += [(panel["title"], target["expr"]) for target in panel.get("targets", ())]
        for title, expression in asked:
            for variable, value in chosen.items():
                expression = expression.replace(variable, value)
            assert "$" not in expression, f"{title} has a variable that nobody can choose: {expression}"
            found.append((f"{dashboard['title']}: {title}", expression))
    assert found
    return found


def _has_data(prometheus: str, expression: str, *, since: float) -> bool:
    span = {"query": expression, "start": f"{since:.0f}", "end": f"{time.time():.0f}", "step": "2"}
    answer = requests.post(f"{prometheus}/api/v1/query_range", data=span, timeout=30)
    assert answer.status_code == 200, f"{expression}: {answer.text}"
    series: list[dict[str, Any]] = answer.json()["data"]["result"]
    return any(value != "NaN" for one in series for _, value in one["values"])


def _a_business_that_counts(case: Case, *, revision: str) -> None:
    """A pod whose counter knows the version, as that of a business system does."""
    pod = manifest("v1")["spec"]["serving"]["template"]["spec"]
    server = container(manifest("v1"))
    script = (
        "import time\n"
        "from http.server import BaseHTTPRequestHandler, HTTPServer\n"
        "class Page(BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        self.send_response(200)\n"
        "        self.send_header('Content-Type', 'text/plain; version=0.0.4')\n"
        "        self.end_headers()\n"
        f"        self.wfile.write(f'{OUTCOME}{{{{revision=\"{revision}\"}}}} {{time.time():.0f}}\\n'.encode())\n"
        "HTTPServer(('', 8082), Page).serve_forever()\n"
    )
    scraped = {"prometheus.io/scrape": "true", "prometheus.io/port": "8082", "prometheus.io/path": "/metrics"}
    apply(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "clinic", "namespace": case.namespace, "annotations": scraped},
            "spec": {
                "terminationGracePeriodSeconds": 0,
                "securityContext": pod["securityContext"],
                "containers": [
                    {
                        "name": "clinic",
                        "image": server["image"],
                        "imagePullPolicy": "IfNotPresent",
                        "command": ["python3", "-c", script],
                        "securityContext": server["securityContext"],
                    }
                ],
            },
        }
    )
