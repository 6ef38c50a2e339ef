"""The built-in queries against what each server exports, in a real Prometheus.

MLServer, KServe and Envoy were recorded from the real programs; Triton and vLLM were written from their documentation.
"""

import itertools
from collections.abc import Mapping

import pytest

from modelrollout.adapters.library import BUILT_IN, FAMILIES
from modelrollout.adapters.library.observer import NOISE_PAIRS, PAIRS
from modelrollout.adapters.promql import Arm, fill
from modelrollout.adapters.queries import PodSelector, bins, bounds, buckets, counts, family, pairs, pod_of, query
from modelrollout.api.gates import Signal
from modelrollout.api.servers import MISSING
from modelrollout.api.serving import Server
from modelrollout.evidence import Bins, Counts
from tests.prometheus.conftest import POD, RealPrometheus

Pods = dict[tuple[str, str], dict[str, float]]


def read(prometheus: RealPrometheus, server: Server, signal: Signal, selector: PodSelector) -> Pods:
    """As the hub reads a tick: by pod, and by the label that splits the family."""
    source = family(server, signal)
    found: Pods = {}
    for series in prometheus.instant(query(source, [selector])):
        found.setdefault(pod_of(source, series.labels), {})[series.labels.get(source.by, "")] = series.value
    return found


def of(namespace: str, deployment: str = "fraud") -> PodSelector:
    return PodSelector(namespace, deployment)


def only(pods: Pods) -> Mapping[str, float]:
    ((_, values),) = pods.items()
    return values


def counted(prometheus: RealPrometheus, server: Server, namespace: str, over: float | None = None) -> Counts | None:
    signal = Signal.ERRORS if over is None else Signal.LATENCY
    values = only(read(prometheus, server, signal, of(namespace)))
    return counts(family(server, signal), signal, over, values)


def test_every_server_can_do_each_built_in_signal_or_says_why_not() -> None:
    for server, signal in itertools.product(Server, BUILT_IN):
        assert ((server, signal) in FAMILIES) != ((server, signal) in MISSING), (server, signal)


def test_mlserver_and_a_pod_that_is_scraped_twice_counts_once(prometheus: RealPrometheus) -> None:
    assert counted(prometheus, Server.MLSERVER, "mlserver") == Counts(total=17.0, bad=5.0)
    assert counted(prometheus, Server.MLSERVER, "mlserver", over=0.5) == Counts(total=17.0, bad=0.0)


def test_kserve(prometheus: RealPrometheus) -> None:
    assert counted(prometheus, Server.KSERVE, "kserve", over=0.25) == Counts(total=14.0, bad=4.0)
    assert counted(prometheus, Server.KSERVE, "kserve", over=0.3) is None


def test_triton_in_milliseconds_without_what_senders_cancelled(prometheus: RealPrometheus) -> None:
    assert counted(prometheus, Server.TRITON, "triton") == Counts(total=104.0, bad=4.0)
    assert counted(prometheus, Server.TRITON, "triton", over=0.5) == Counts(total=100.0, bad=20.0)
    assert only(read(prometheus, Server.TRITON, Signal.SATURATION, of("triton"))) == {"": 6.0}


def test_vllm_counts_its_api_only(prometheus: RealPrometheus) -> None:
    assert counted(prometheus, Server.VLLM, "vllm") == Counts(total=100.0, bad=4.0)
    assert counted(prometheus, Server.VLLM, "vllm", over=10.0) == Counts(total=100.0, bad=1.0)


@pytest.mark.parametrize(("release", "value"), [("vllm", 0.75), ("vllm-older", 0.5)])
def test_vllm_s_cache_under_either_name(prometheus: RealPrometheus, release: str, value: float) -> None:
    assert only(read(prometheus, Server.VLLM, Signal.SATURATION, of(release))) == {"": value}


def test_envoy_by_service_and_in_milliseconds(prometheus: RealPrometheus) -> None:
    selector = of("clinic", "biopsy")
    errors = read(prometheus, Server.ENVOY, Signal.ERRORS, selector)
    assert {pod for _, pod in errors} == {
        "biopsy-e9c12b6f4f-8080@gateway-envoy",
        "biopsy-c9d6525fc3-8080@gateway-envoy",
    }, "nothing of the gateway's other services"
    found = errors["clinic", "biopsy-c9d6525fc3-8080@gateway-envoy"]
    assert counts(family(Server.ENVOY, Signal.ERRORS), Signal.ERRORS, None, found) == Counts(total=877.0, bad=23.0)
    latency = read(prometheus, Server.ENVOY, Signal.LATENCY, selector)
    source = family(Server.ENVOY, Signal.LATENCY)
    one = latency["clinic", "biopsy-e9c12b6f4f-8080@gateway-envoy"]
    assert counts(source, Signal.LATENCY, 0.05, one) == Counts(total=6126.0, bad=155.0)
    assert {0.0005, 0.25, 600.0} <= set(bounds(source, one))
    pending = read(prometheus, Server.ENVOY, Signal.SATURATION, selector)
    assert pending["clinic", "biopsy-c9d6525fc3-8080@gateway-envoy"] == {"": 4.0}


def test_pairs_of_an_observer_by_output(prometheus: RealPrometheus) -> None:
    values = only(read(prometheus, Server.TRITON, Signal.AGREEMENT, of("observer")))
    whole = pairs(values, candidate="77aa01c4e2", live="1f0c9a2b3d", output="")
    assert whole == {PAIRS: Counts(total=3.0, bad=2.0), NOISE_PAIRS: Counts(total=1.0, bad=0.0)}
    label = pairs(values, candidate="77aa01c4e2", live="1f0c9a2b3d", output="label")
    assert label[PAIRS] == Counts(total=3.0, bad=1.0)


def test_answers_that_an_observer_counted_by_version_and_output(prometheus: RealPrometheus) -> None:
    values = only(read(prometheus, Server.VLLM, Signal.DISTRIBUTION, of("data")))

    assert bins(values, revision="1f0c9a2b3d", output="label") == Bins(
        ("bad", "good", "missing", "unreadable", "unseen"), 3.0, (1.0, 2.0, 0.0, 0.0, 0.0)
    )
    candidate = bins(values, revision="77aa01c4e2", output="score")
    assert candidate is not None
    assert candidate.by_edge() == {"0..0.5": 0, "0.5..1": 2, "missing": 1, "out_of_range": 0, "unreadable": 0}
    assert bins(values, revision="77aa01c4e2", output="amount") is None, "inputs are not asked for"


@pytest.mark.parametrize(
    ("server", "namespace"),
    [(Server.MLSERVER, "mlserver"), (Server.KSERVE, "kserve"), (Server.TRITON, "triton"), (Server.VLLM, "vllm")],
)
def test_every_histogram_can_be_compared_at_all_its_bounds(
    prometheus: RealPrometheus, server: Server, namespace: str
) -> None:
    source = family(server, Signal.LATENCY)
    values = only(read(prometheus, server, Signal.LATENCY, of(namespace)))
    found = buckets(values, unit_seconds=source.unit_seconds)
    assert found is not None
    assert tuple(float(edge) for edge in found.edges) == pytest.approx(bounds(source, values))
    assert list(found.beyond) == sorted(found.beyond, reverse=True)


def test_a_user_s_query_asks_for_one_version_only(prometheus: RealPrometheus) -> None:
    template = 'sum by (pod) (request_predict_seconds_count{namespace="{{namespace}}",pod=~"{{pods}}"})'
    mine = Arm(namespace="kserve", name="fraud", revision=POD.split("-")[1])
    other = Arm(namespace="kserve", name="fraud", revision="abcdefabcd")
    (series,) = prometheus.instant(fill(template, mine))
    assert (series.labels, series.value) == ({"pod": POD}, 14.0)
    assert prometheus.instant(fill(template, other)) == ()
