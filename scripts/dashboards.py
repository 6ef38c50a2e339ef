"""The Grafana dashboards, which are made of few words here and of many lines there; `make crds` writes them.

One for those who answer for a model: what users get, what the evidence says, what the answers are like, and what the
business counts, side by side for each version, with decisions as annotations. One for those who run the operator.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

_SOURCE = {"type": "prometheus", "uid": "$datasource"}
_OF = 'namespace=~"$namespace",name=~"$model"'
_OBSERVED = 'namespace=~"$namespace",modeldeployment=~"$model"'
_ANSWERS = f'rate(modelrollout_data_values_total{{{_OBSERVED},kind="output"}}[$__rate_interval])'
_PER_ROW = 2
_WIDTH, _HEIGHT = 24 // _PER_ROW, 8


@dataclass(frozen=True)
class Panel:
    """`queries` are pairs of an expression and a legend."""

    title: str
    description: str
    queries: Sequence[tuple[str, str]]
    unit: str = "short"
    least: float | None = None


@dataclass(frozen=True)
class Dashboard:
    uid: str
    title: str
    variables: Sequence[dict[str, Any]]
    rows: Sequence[tuple[str, Sequence[Panel]]]
    annotations: Sequence[dict[str, Any]] = ()


def _share(metric: str, good: str, by: str, *, more: str = "") -> str:
    labels = f"{_OBSERVED}{more}"
    part = f"sum by ({by}) (increase({metric}{{{labels},{good}}}[$__rate_interval]))"
    return f"{part} / (sum by ({by}) (increase({metric}{{{labels}}}[$__rate_interval])) > 0)"


def _bad_share(arm: str) -> str:
    labels = f'{_OF},arm="{arm}"'
    return (
        f'modelrollout_rollout_requests{{{labels},outcome="bad"}} / ignoring (outcome) '
        f'(modelrollout_rollout_requests{{{labels},outcome="all"}} > 0)'
    )


def _variable(name: str, query: str, *, label: str) -> dict[str, Any]:
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "includeAll": True,
        "multi": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
        "sort": 1,
    }


_PROMETHEUS = {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
_SERIES = "modelrollout_rollout_weight_percent"

MODELS = Dashboard(
    uid="modelrollout-models",
    title="Models in rollout",
    variables=(
        _PROMETHEUS,
        _variable("namespace", f"label_values({_SERIES}, namespace)", label="Namespace"),
        _variable("model", f'label_values({_SERIES}{{namespace=~"$namespace"}}, name)', label="ModelDeployment"),
        {
            "name": "outcome",
            "label": "Business series",
            "description": "A counter of your business system with the label revision, such as shop_orders_total.",
            "type": "textbox",
            "query": "shop_orders_total",
            "current": {"text": "shop_orders_total", "value": "shop_orders_total"},
        },
    ),
    annotations=(
        {
            "name": "Rollouts",
            "datasource": _SOURCE,
            "enable": True,
            "iconColor": "purple",
            "expr": f"changes({_SERIES}{{{_OF}}}[$__interval]) > 0",
            "titleFormat": "{{name}}: weight changed",
            "textFormat": "candidate {{revision}}",
        },
    ),
    rows=(
        (
            "What users get",
            (
                Panel(
                    "Share of the candidate",
                    "Percent of real requests that the candidate answers. It ends with the rollout.",
                    ((f"{_SERIES}{{{_OF}}}", "{{name}} {{revision}}"),),
                    unit="percent",
                    least=0,
                ),
                Panel(
                    "Requests judged",
                    "Requests of both versions that the gates have seen in this rollout.",
                    (
                        (
                            "max by (namespace, name, revision, arm) "
                            f'(modelrollout_rollout_requests{{{_OF},outcome="all"}})',
                            "{{name}} {{arm}}",
                        ),
                    ),
                    least=0,
                ),
                Panel(
                    "Bad share by gate, candidate",
                    "Failed, slow or otherwise bad of all requests of the candidate, for each gate.",
                    ((_bad_share("candidate"), "{{name}} {{gate}}"),),
                    unit="percentunit",
                    least=0,
                ),
                Panel(
                    "Bad share by gate, live version",
                    "The same of the live version, over the same intervals: what the candidate is compared with.",
                    ((_bad_share("stable"), "{{name}} {{gate}}"),),
                    unit="percentunit",
                    least=0,
                ),
            ),
        ),
        (
            "What the evidence says",
            (
                Panel(
                    "Evidence of harm, and where it rolls back",
                    "Natural logarithm of each gate's e-value. Their weighted mean at the line rolls back.",
                    (
                        (f'modelrollout_rollout_log_evidence{{{_OF},kind="harm"}}', "{{name}} {{gate}}"),
                        (f'modelrollout_rollout_log_threshold{{{_OF},kind="harm"}}', "{{name}} rolls back"),
                    ),
                ),
                Panel(
                    "Evidence of safety, and where it goes on",
                    "Natural logarithm of each gate's e-value. All of them at the line let the rollout go on.",
                    (
                        (f'modelrollout_rollout_log_evidence{{{_OF},kind="safety"}}', "{{name}} {{gate}}"),
                        (f'modelrollout_rollout_log_threshold{{{_OF},kind="safety"}}', "{{name}} goes on"),
                    ),
                ),
            ),
        ),
        (
            "What the answers are like",
            (
                Panel(
                    "Agreement with the live version",
                    "Share of copied requests that both versions answered alike, and how far the live version agrees "
                    "with itself.",
                    (
                        (
                            _share("modelrollout_observer_pairs_total", 'result="agree"', "modeldeployment, output"),
                            "{{modeldeployment}} {{output}}",
                        ),
                        (
                            _share(
                                "modelrollout_observer_noise_pairs_total", 'result="agree"', "modeldeployment, output"
                            ),
                            "{{modeldeployment}} {{output}}, live with itself",
                        ),
                    ),
                    unit="percentunit",
                ),
                Panel(
                    "Spread of the answers",
                    "Share of each class or range of what each version predicts.",
                    (
                        (
                            f"sum by (modeldeployment, revision, feature, bin) ({_ANSWERS}) "
                            "/ ignoring (bin) group_left () "
                            f"(sum by (modeldeployment, revision, feature) ({_ANSWERS}) > 0)",
                            "{{modeldeployment}} {{revision}} {{feature}} {{bin}}",
                        ),
                    ),
                    unit="percentunit",
                    least=0,
                ),
            ),
        ),
        (
            "What the business counts",
            (
                Panel(
                    "Business series by version",
                    "The counter that is named above, a second, for each revision.",
                    (
                        (
                            'sum by (revision) (rate({__name__="$outcome",revision!=""}[$__rate_interval]))',
                            "{{revision}}",
                        ),
                    ),
                    least=0,
                ),
                Panel(
                    "Decisions",
                    "What was decided, and why; whole cluster.",
                    (
                        (
                            "sum by (outcome, reason) (increase(modelrollout_decisions_total[$__rate_interval])) > 0",
                            "{{outcome}}: {{reason}}",
                        ),
                    ),
                    least=0,
                ),
            ),
        ),
    ),
)

OPERATOR = Dashboard(
    uid="modelrollout-operator",
    title="modelrollout operator",
    variables=(_PROMETHEUS,),
    rows=(
        (
            "Is it well?",
            (
                Panel(
                    "Leaders",
                    "One, except while the Lease changes hands.",
                    (("sum(modelrollout_leader)", "leaders"),),
                    least=0,
                ),
                Panel(
                    "Rollouts under way",
                    "Candidates that are being rolled out.",
                    ((f"count({_SERIES})", "rollouts"),),
                    least=0,
                ),
                Panel(
                    "Looks by result",
                    "Looks at one ModelDeployment, a second. Others than ok are tried again.",
                    (("sum by (result) (rate(modelrollout_reconcile_total[$__rate_interval]))", "{{result}}"),),
                    unit="ops",
                    least=0,
                ),
                Panel(
                    "How long a look takes",
                    "Half of the looks, and all but one in a hundred, take less.",
                    tuple(
                        (
                            f"histogram_quantile({quantile}, sum by (le) "
                            "(rate(modelrollout_reconcile_duration_seconds_bucket[$__rate_interval])))",
                            legend,
                        )
                        for quantile, legend in ((0.5, "half"), (0.99, "99 of 100"))
                    ),
                    unit="s",
                    least=0,
                ),
            ),
        ),
        (
            "What does it cost?",
            (
                Panel(
                    "Requests to the API server",
                    "By verb, a second.",
                    (("sum by (verb) (rate(modelrollout_api_requests_total[$__rate_interval]))", "{{verb}}"),),
                    unit="reqps",
                    least=0,
                ),
                Panel(
                    "Queries to Prometheus",
                    "By result, a second. They do not grow with the number of rollouts.",
                    (
                        (
                            "sum by (result) (rate(modelrollout_prometheus_queries_total[$__rate_interval]))",
                            "{{result}}",
                        ),
                    ),
                    unit="reqps",
                    least=0,
                ),
                Panel(
                    "Waiting",
                    "ModelDeployments that are due and not looked at.",
                    (("max(modelrollout_queue_depth)", "due"),),
                    least=0,
                ),
                Panel(
                    "Memory",
                    "Resident, each replica.",
                    (('process_resident_memory_bytes{pod=~"modelrollout-.*"}', "{{pod}}"),),
                    unit="bytes",
                    least=0,
                ),
            ),
        ),
    ),
)

DASHBOARDS = {"models.json": MODELS, "operator.json": OPERATOR}


def rendered() -> dict[str, str]:
    """The text of each file, by its name."""
    return {name: json.dumps(_imported(one), indent=2) + "\n" for name, one in DASHBOARDS.items()}


def _imported(dashboard: Dashboard) -> dict[str, Any]:
    """As Grafana takes it."""
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "tags": ["modelrollout"],
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": list(dashboard.variables)},
        "annotations": {"list": list(dashboard.annotations)},
        "panels": list(_panels(dashboard)),
    }


def _panels(dashboard: Dashboard) -> Iterator[dict[str, Any]]:
    number = y = 0
    for title, panels in dashboard.rows:
        number += 1
        place = {"h": 1, "w": 24, "x": 0, "y": y}
        yield {"id": number, "type": "row", "title": title, "collapsed": False, "gridPos": place, "panels": []}
        y += 1
        for column, panel in enumerate(panels):
            number += 1
            at = {"h": _HEIGHT, "w": _WIDTH, "x": column % _PER_ROW * _WIDTH, "y": y + column // _PER_ROW * _HEIGHT}
            yield {"id": number, "gridPos": at, **_panel(panel)}
        y += -(-len(panels) // _PER_ROW) * _HEIGHT


def _panel(panel: Panel) -> dict[str, Any]:
    targets = [
        {"refId": chr(ord("A") + place), "datasource": _SOURCE, "expr": expression, "legendFormat": legend}
        for place, (expression, legend) in enumerate(panel.queries)
    ]
    defaults = {"unit": panel.unit, **({} if panel.least is None else {"min": panel.least})}
    return {
        "type": "timeseries",
        "title": panel.title,
        "description": panel.description,
        "datasource": _SOURCE,
        "targets": targets,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
    }
