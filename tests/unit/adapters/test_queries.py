"""Queries as text, and what the counters of a pod mean."""

import json
import math
import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote_plus

import pytest
from prometheus_client.parser import text_string_to_metric_families

from modelrollout.adapters.families import Family
from modelrollout.adapters.queries import (
    JOINT,
    PodSelector,
    bins,
    bounds,
    counts,
    deployments_of,
    family,
    query,
    split,
)
from modelrollout.api.gates import Signal
from modelrollout.api.serving import Server
from modelrollout.evidence import Counts

ERRORS = family(Server.MLSERVER, Signal.ERRORS)
LATENCY = family(Server.MLSERVER, Signal.LATENCY)
EXPOSITION = Path(__file__).parents[3] / "demo" / "server" / "exposition.txt"
STRING = r'"(?:[^"\\]|\\.)*"'


def matchers(text: str) -> dict[str, re.Pattern[str]]:
    """The label matchers of a query as regular expressions, undoing PromQL's quotes as its lexer does."""
    found = re.findall(rf"(\w+)(=~|=)({STRING})", text)
    return {
        label: re.compile(value if kind == "=~" else re.escape(value))
        for label, kind, quoted in found
        for value in [json.loads(quoted)]
    }


def selects(text: str, *, namespace: str, pod: str) -> bool:
    wanted = matchers(text)
    return bool(wanted["namespace"].fullmatch(namespace) and wanted["pod"].fullmatch(pod))


def test_one_query_reads_a_family_for_several_deployments() -> None:
    text = query(ERRORS, [PodSelector("b", "churn"), PodSelector("a", "fraud"), PodSelector("a", "churn")])
    assert text == (
        "max by (namespace, pod, status_code) (sum by (namespace, pod, status_code, job, instance) "
        "(rest_server_requests_total{"
        'method="POST",path=~"/v2/models/[{]model_name[}](/versions/[{]model_version[}])?/infer",'
        'namespace=~"a|b",pod=~"(churn|fraud)-[0-9a-f]{10}-.+"}))'
    )


def test_the_order_of_the_selectors_does_not_change_the_query() -> None:
    selectors = [PodSelector("a", "x"), PodSelector("b", "y")]
    assert query(LATENCY, selectors) == query(LATENCY, reversed(selectors))


def test_pods_of_a_longer_name_are_not_matched() -> None:
    text = query(ERRORS, [PodSelector("ns", "fraud")])
    assert selects(text, namespace="ns", pod="fraud-0123456789-7d9c-abcde")
    assert not selects(text, namespace="ns", pod="fraud-eu-0123456789-7d9c-abcde")
    assert not selects(text, namespace="ns", pod="fraud-loadtest")
    assert not selects(text, namespace="ns2", pod="fraud-0123456789-7d9c-abcde")


NASTY = [
    'a"}) or vector(1) #',
    "a.b",
    "a|b",
    ".*",
    "(x",
    "[z",
    "\\",
    '\\"',
    "a\nb",
    "tab\there",
    "$^+?{1}",
    "модель",
    "%7C&query=up",
    "\x00",
]


@pytest.mark.parametrize("name", NASTY)
def test_a_name_stands_for_itself_and_nothing_else(name: str) -> None:
    text = query(ERRORS, [PodSelector(name, name), PodSelector("plain", "plain")])
    assert selects(text, namespace=name, pod=f"{name}-0123456789-x")
    assert selects(text, namespace="plain", pod="plain-0123456789-x")
    for other in {"aXb", "a", "b", "x", "z", "", "up", *NASTY} - {name}:
        assert not selects(text, namespace=other, pod="plain-0123456789-x")
        assert not selects(text, namespace="plain", pod=f"{other}-0123456789-x")
    outside = re.sub(STRING, '""', text)
    assert outside == (
        "max by (namespace, pod, status_code) (sum by (namespace, pod, status_code, job, instance) "
        '(rest_server_requests_total{method="",path=~"",namespace=~"",pod=~""}))'
    ), "nothing of a name gets out of its quotes"


def names(amount: int) -> list[PodSelector]:
    return [PodSelector(f"team-{index % 7}", f"model.{index:04d}") for index in range(amount)]


@pytest.mark.parametrize("limit", [600, 1000, 6000])
def test_split_keeps_each_query_short_and_loses_nobody(limit: int) -> None:
    selectors = names(300)
    queries = split(LATENCY, selectors, limit=limit)
    assert all(len(quote_plus(text)) <= limit for text in queries)
    for selector in selectors:
        pod = f"{selector.deployment}-0123456789-x-y"
        assert any(selects(text, namespace=selector.namespace, pod=pod) for text in queries)


def test_split_makes_no_more_queries_than_the_limit_asks_for() -> None:
    assert len(split(LATENCY, names(100))) == 1
    many = split(LATENCY, names(300))
    total = sum(len(quote_plus(text)) for text in many)
    assert len(many) == math.ceil(total / 6000)


def test_a_namespace_that_is_shared_costs_its_length_once() -> None:
    selectors = [PodSelector("n" * 60, f"m{index}") for index in range(50)]
    whole = query(ERRORS, selectors)
    assert split(ERRORS, selectors, limit=len(quote_plus(whole)) + 10) == [whole]


def test_split_of_nothing_and_of_a_name_that_is_too_long() -> None:
    assert split(ERRORS, []) == []
    long, short = PodSelector("ns", "x" * 700), PodSelector("ns", "y")
    assert split(ERRORS, [short, long], limit=500) == [query(ERRORS, [long]), query(ERRORS, [short])]


@pytest.mark.parametrize(
    ("pod", "deployments"),
    [
        ("fraud-0123456789-7d9x5bf6f4-abcde", ["fraud"]),
        ("fraud-eu-0123456789-7d9c-abcde", ["fraud-eu"]),
        ("fraud-0123456789-bcdf245678-abcde", ["fraud", "fraud-0123456789"]),
        ("fraud-0123456789", []),
        ("fraud-0123456xyz-a-b", []),
        ("0123456789-a", []),
        ("", []),
    ],
)
def test_whose_a_pod_can_be(pod: str, deployments: list[str]) -> None:
    assert list(deployments_of(pod)) == deployments


def test_errors_are_answers_of_the_servers_own_fault() -> None:
    answers = {"200": 90.0, "404": 4.0, "422": 3.0, "500": 2.0, "503": 1.0, "": 1.0, "5": 1.0}
    assert counts(ERRORS, Signal.ERRORS, None, answers) == Counts(total=102.0, bad=3.0)
    assert counts(ERRORS, Signal.ERRORS, None, {"200": 7.0}) == Counts(total=7.0, bad=0.0)
    assert counts(ERRORS, Signal.ERRORS, None, {}) is None


BUCKETS = {"0.1": 50.0, "0.25": 80.0, "5": 99.0, "+Inf": 100.0, "soon": 1.0}


@pytest.mark.parametrize(("over", "bad"), [(0.1, 50.0), (0.25, 20.0), (5.0, 1.0), (250 * 0.001, 20.0)])
def test_latency_counts_what_lies_above_its_bound(over: float, bad: float) -> None:
    assert counts(LATENCY, Signal.LATENCY, over, BUCKETS) == Counts(total=100.0, bad=bad)


@pytest.mark.parametrize("buckets", [BUCKETS, {}, {"0.3": 4.0}, {"+Inf": 4.0}])
def test_latency_without_its_bucket_cannot_be_told(buckets: dict[str, float]) -> None:
    assert counts(LATENCY, Signal.LATENCY, 0.3, buckets) is None


def test_a_torn_histogram_has_no_negative_count() -> None:
    assert counts(LATENCY, Signal.LATENCY, 0.1, {"0.1": 10.0, "+Inf": 9.0}) == Counts(total=9.0, bad=0.0)


def test_a_latency_gate_without_a_bound_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="needs the bound"):
        counts(LATENCY, Signal.LATENCY, None, BUCKETS)


def test_bounds_lists_what_a_gate_may_name() -> None:
    assert bounds(LATENCY, BUCKETS) == (0.1, 0.25, 5.0)


def read(family: Family, lines: str) -> dict[str, float]:
    """What the family's query would give for one pod with this exposition."""
    wanted = {label: pattern for label, pattern in matchers(query(family, [])).items() if label in {"method", "path"}}
    samples = (sample for metric in text_string_to_metric_families(lines) for sample in metric.samples)
    found: dict[str, float] = {}
    for sample in samples:
        if sample.name == family.metric and all(
            pattern.fullmatch(sample.labels.get(label, "")) for label, pattern in wanted.items()
        ):
            key = sample.labels[family.by]
            found[key] = found.get(key, 0.0) + sample.value
    return found


def lines_of(metric: str, text: str) -> Iterable[str]:
    return (line for line in text.splitlines() if line.startswith(metric + "{"))


def test_the_queries_fit_what_a_real_server_exposes() -> None:
    """The recording has 9 answers 200, 5 answers 500, two 422 and one 404 on the inference path, and others beside."""
    text = EXPOSITION.read_text()
    assert sum(1 for _ in lines_of(ERRORS.metric, text)) > 4, "there are other paths to be left out"
    errors = read(ERRORS, text)
    assert errors == {"500": 5.0, "200": 9.0, "422": 2.0, "404": 1.0}
    assert counts(ERRORS, Signal.ERRORS, None, errors) == Counts(total=17.0, bad=5.0)
    latency = read(LATENCY, text)
    assert counts(LATENCY, Signal.LATENCY, 0.5, latency) == Counts(total=17.0, bad=0.0)
    assert 0.5 in bounds(LATENCY, latency)
    versioned = text.replace("{model_name}/infer", "{model_name}/versions/{model_version}/infer")
    assert read(ERRORS, versioned) == errors


def test_an_output_whose_name_begins_with_another_s_is_another_one() -> None:
    def label(output: str, bin_: str) -> str:
        return JOINT.join(("aaaaaaaaaa", output, bin_))

    told = {label("score", "0..1"): 7.0, label("score|raw", "0..1"): 5.0, label("score", "a|b"): 2.0}
    found = bins(told, revision="aaaaaaaaaa", output="score")
    assert found is not None
    assert found.by_edge() == {"0..1": 7.0, "a|b": 2.0}
