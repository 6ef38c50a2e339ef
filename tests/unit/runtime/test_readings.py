"""From raw counters to what each arm served: warm pods only, each request once, and why nothing could be read."""

from datetime import datetime, timedelta

import pytest

from modelrollout.adapters.families import Family
from modelrollout.adapters.library.observer import NOISE_PAIRS, PAIRS
from modelrollout.adapters.queries import JOINT, PodSelector, family
from modelrollout.api.gates import Gate, Signal
from modelrollout.api.modeldeployment import ModelDeploymentSpec
from modelrollout.api.serving import Server
from modelrollout.evidence import Bins, Counts, Interval, Spread
from modelrollout.plan.observation import PodView
from modelrollout.runtime.hub import Subscription, Tick
from modelrollout.runtime.ledger import Counters
from modelrollout.runtime.readings import Arms, Look, reading, subscription, warm
from tests.builders import AGREEMENT, ERRORS, LATENCY, NAME, NAMESPACE, NOW, ago, spec

BY_ERRORS, BY_LATENCY = family(Server.MLSERVER, Signal.ERRORS), family(Server.MLSERVER, Signal.LATENCY)
CANDIDATE, STABLE, OTHER = "a" * 10, "b" * 10, "c" * 10
C1, C2 = f"{NAME}-{CANDIDATE}-7d9x-c1", f"{NAME}-{CANDIDATE}-7d9x-c2"
S1, S2 = f"{NAME}-{STABLE}-7d9x-s1", f"{NAME}-{STABLE}-7d9x-s2"
O1 = f"{NAME}-{OTHER}-7d9x-o1"
ARMS = Arms.of(NAMESPACE, NAME, candidate=CANDIDATE, stable=STABLE)
EVERYBODY = frozenset({C1, C2, S1, S2, O1})


def errors(total: float, bad: float = 0) -> dict[str, float]:
    return {"200": total - bad, "500": bad}


def tick(pods: dict[str, dict[str, float]], *, of: Family = BY_ERRORS, namespace: str = NAMESPACE) -> Tick:
    return Tick(at=NOW, readings={of: {(namespace, pod): values for pod, values in pods.items()}})


def read(
    now: Tick,
    *,
    previous: Counters | None = None,
    warm_pods: frozenset[str] = EVERYBODY,
    of: ModelDeploymentSpec | None = None,
) -> tuple[dict[str, Interval], Counters, dict[str, str]]:
    pods = tuple(PodView(name=pod, revision="", ready_since=ago(600)) for pod in sorted(warm_pods))
    newest, baseline = reading(Look(tick=now, spec=of or spec("2"), arms=ARMS, pods=pods), previous=previous or {})
    intervals = {name: seen for name, seen in newest.intervals.items() if isinstance(seen, Interval)}
    return intervals, baseline, dict(newest.missing)


def interval(candidate: tuple[float, float], stable: tuple[float, float]) -> Interval:
    return Interval(candidate=Counts(*candidate), stable=Counts(*stable))


OBSERVED = spec("2", gates=(ERRORS, AGREEMENT))
BY_PAIRS = family(Server.MLSERVER, Signal.AGREEMENT)


def compared(pairs: float, disagreeing: float, noise: float, *, candidate: str = CANDIDATE) -> dict[str, float]:
    def named(metric: str, result: str) -> str:
        return JOINT.join((candidate, STABLE, metric, result, ""))

    return {
        named(PAIRS, "agree"): pairs - disagreeing,
        named(PAIRS, "disagree"): disagreeing,
        named(NOISE_PAIRS, "agree"): noise,
        named(NOISE_PAIRS, "disagree"): 0,
    }


def agreement(pods: dict[str, dict[str, float]], *, previous: Counters | None = None) -> tuple[Interval, Counters]:
    intervals, baseline, _ = read(tick(pods, of=BY_PAIRS), previous=previous, of=OBSERVED)
    return intervals["agreement"], baseline


def test_pairs_are_differenced_by_pods_of_the_observer() -> None:
    seen, known = agreement({"o-1": compared(100, 10, 10)})
    assert seen == interval((0, 0), (0, 0)), "the first reading is a baseline"
    seen, known = agreement({"o-1": compared(150, 12, 15)}, previous=known)
    assert seen == interval((50, 2), (5, 0))
    seen, _ = agreement({"o-1": compared(20, 1, 2), "o-2": compared(7, 7, 7)}, previous=known)
    assert seen == interval((20, 1), (2, 0)), "it was restarted, and another pod begins"


def test_pairs_of_another_candidate_are_none_of_ours() -> None:
    seen, known = agreement({"o-1": compared(100, 10, 10, candidate=OTHER)})
    seen, _ = agreement({"o-1": compared(200, 90, 10, candidate=OTHER)}, previous=known)
    assert seen == interval((0, 0), (0, 0))


def test_an_observer_that_is_gone_is_missing() -> None:
    _, known = agreement({"o-1": compared(100, 10, 10)})
    _, _, missing = read(tick({}, of=BY_PAIRS), previous={"agreement": known["agreement"]}, of=OBSERVED)
    assert "no series any more" in missing["agreement"]


def test_pairs_are_one_family_more() -> None:
    asked = subscription(NAMESPACE, NAME, OBSERVED, ARMS)
    assert asked.families == {BY_ERRORS, BY_PAIRS}


def test_the_first_reading_of_a_pod_is_a_baseline() -> None:
    intervals, baseline, _ = read(tick({C1: errors(100, 50), S1: errors(900)}))
    assert intervals["errors"] == interval((0, 0), (0, 0))
    assert baseline["errors"] == {C1: Counts(100, 50), S1: Counts(900, 0)}


def test_each_arm_is_the_sum_of_its_own_pods() -> None:
    before = {"errors": {C1: Counts(10, 1), C2: Counts(20, 2), S1: Counts(30, 3), S2: Counts(0, 0)}}
    now = tick({C1: errors(15, 2), C2: errors(29, 2), S1: errors(130, 8), S2: errors(50, 1)})
    intervals, _, _ = read(now, previous=before)
    assert intervals["errors"] == interval((14, 1), (150, 6))


def test_pods_of_a_third_revision_belong_to_no_arm() -> None:
    before = {"errors": {O1: Counts(0, 0), C1: Counts(0, 0)}}
    intervals, _, _ = read(tick({O1: errors(500, 500), C1: errors(7)}), previous=before)
    assert intervals["errors"] == interval((7, 0), (0, 0))


def test_pods_of_the_same_name_in_another_namespace_are_others() -> None:
    before = {"errors": {C1: Counts(0, 0)}}
    intervals, baseline, _ = read(tick({C1: errors(500, 500)}, namespace="elsewhere"), previous=before)
    assert intervals["errors"] == interval((0, 0), (0, 0))
    assert baseline == before


def test_a_revision_whose_name_begins_alike_is_another() -> None:
    twin = f"{NAME}-{CANDIDATE}0-7d9x-x"
    before = {"errors": {twin: Counts(0, 0), C1: Counts(0, 0)}}
    intervals, _, _ = read(tick({twin: errors(500, 500), C1: errors(2)}), previous=before)
    assert intervals["errors"] == interval((2, 0), (0, 0))


def test_a_counter_that_began_anew_counts_from_nought() -> None:
    intervals, _, _ = read(tick({C1: errors(5, 1)}), previous={"errors": {C1: Counts(100, 10)}})
    assert intervals["errors"].candidate == Counts(5, 1)


def test_a_pod_that_cannot_be_read_once_is_counted_over_both_intervals_the_next_time() -> None:
    before = {"errors": {C1: Counts(10, 0), C2: Counts(10, 0)}}
    _, baseline, missing = read(tick({C1: errors(20)}), previous=before)
    assert missing == {}
    intervals, _, _ = read(tick({C1: errors(30), C2: errors(40)}), previous=baseline)
    assert intervals["errors"].candidate == Counts(40, 0)


def test_pods_that_are_not_warm_do_not_count_and_begin_with_a_baseline() -> None:
    intervals, baseline, _ = read(tick({C1: errors(50, 50)}), warm_pods=frozenset())
    assert intervals["errors"].candidate == Counts(0, 0)
    assert baseline["errors"] == {}
    _, baseline, _ = read(tick({C1: errors(80, 50)}), previous=baseline)
    intervals, _, _ = read(tick({C1: errors(90, 50)}), previous=baseline)
    assert intervals["errors"].candidate == Counts(10, 0)


def test_a_pod_that_was_warm_once_counts_on_when_it_is_not_ready_for_a_moment() -> None:
    before = {"errors": {C1: Counts(10, 0)}}
    intervals, _, _ = read(tick({C1: errors(20, 10)}), previous=before, warm_pods=frozenset())
    assert intervals["errors"].candidate == Counts(10, 10)


SCORES = Gate(name="scores", signal=Signal.DISTRIBUTION, output="score")
COUNTED = spec("2").model_copy(update={"rollout": spec("2").rollout.model_copy(update={"gates": (SCORES,)})})
BY_VALUES = family(Server.MLSERVER, Signal.DISTRIBUTION)


def answered(revision: str, output: str = "score", **counts: float) -> dict[str, float]:
    return {JOINT.join((revision, output, name)): count for name, count in counts.items()}


def spread(pods: dict[str, dict[str, float]], *, previous: Counters | None = None) -> tuple[Spread, Counters]:
    look = Look(tick=tick(pods, of=BY_VALUES), spec=COUNTED, arms=ARMS, pods=())
    newest, baseline = reading(look, previous=previous or {})
    found = newest.intervals["scores"]
    assert isinstance(found, Spread)
    return found, baseline


def test_answers_that_the_observer_counts_are_a_spread_of_both_versions() -> None:
    first = {**answered(CANDIDATE, low=10, high=5), **answered(STABLE, low=12, high=3)}
    then = {**answered(CANDIDATE, low=10, high=25), **answered(STABLE, low=30, high=5)}
    others = {**answered(OTHER, low=99), **answered(CANDIDATE, "label", good=99)}

    _, known = spread({"o-1": {**first, **others}})
    seen, _ = spread({"o-1": {**then, **others}}, previous=known)

    assert seen.candidate == Bins(("high", "low"), 20, (20, 0))
    assert seen.stable == Bins(("high", "low"), 20, (2, 18))


def test_an_observer_that_starts_again_counts_from_nothing() -> None:
    _, known = spread({"o-1": answered(CANDIDATE, low=10, high=5)})
    seen, _ = spread({"o-1": answered(CANDIDATE, low=2, high=1)}, previous=known)

    assert seen.candidate == Bins(("high", "low"), 3, (1, 2))


def test_answers_of_all_outputs_are_one_family() -> None:
    two = (SCORES, SCORES.model_copy(update={"name": "labels", "output": "label"}))
    of = COUNTED.model_copy(update={"rollout": COUNTED.rollout.model_copy(update={"gates": two})})

    assert subscription(NAMESPACE, NAME, of, ARMS).families == {BY_VALUES}
    assert not subscription(NAMESPACE, NAME, of, ARMS).questions


@pytest.mark.parametrize(
    ("ready_since", "at", "is_warm"),
    [
        (ago(60), NOW, True),
        (ago(59), NOW, False),
        (ago(60), ago(1), False),
        (None, NOW, False),
        (NOW + timedelta(seconds=5), NOW, False),
    ],
)
def test_a_pod_is_warm_when_it_has_been_ready_for_long_enough(
    ready_since: datetime | None, at: datetime, is_warm: bool
) -> None:
    pod = PodView(name=C1, revision=CANDIDATE, ready_since=ready_since)
    assert warm([pod], warmup="60s", at=at) == ({C1} if is_warm else set())


def test_a_bound_that_no_bucket_ends_at_says_which_there_are() -> None:
    of = spec("2", gates=(ERRORS, LATENCY))
    buckets = {"0.1": 5.0, "0.25": 7.0, "1.0": 9.0, "+Inf": 10.0}
    now = Tick(at=NOW, readings={BY_ERRORS: {(NAMESPACE, C1): errors(10)}, BY_LATENCY: {(NAMESPACE, C1): buckets}})
    intervals, _, missing = read(now, of=of)
    assert missing == {"latency": "gate latency: the server has no bucket that ends at 500ms; it has 0.1s, 0.25s, 1s"}
    assert set(intervals) == {"errors", "latency"}, "the other gate is read all the same"


def test_slow_requests_are_those_beyond_the_bucket() -> None:
    of = spec("2", gates=(LATENCY,))
    before = {"latency": {C1: Counts(0, 0)}}
    now = tick({C1: {"0.1": 5.0, "0.5": 8.0, "+Inf": 10.0}}, of=BY_LATENCY)
    intervals, _, _ = read(now, previous=before, of=of)
    assert intervals["latency"].candidate == Counts(10, 2)


def test_before_anything_was_read_no_series_is_not_a_fault() -> None:
    intervals, _, missing = read(tick({}))
    assert (intervals["errors"], missing) == (interval((0, 0), (0, 0)), {})


def test_series_that_were_there_and_are_gone_are_a_fault() -> None:
    _, baseline, missing = read(tick({}), previous={"errors": {C1: Counts(10, 0)}})
    assert missing == {"errors": "gate errors: Prometheus has no series any more of the pods that it had before"}
    assert baseline == {"errors": {C1: Counts(10, 0)}}


def test_a_rollout_subscribes_to_the_families_of_its_gates() -> None:
    assert subscription(NAMESPACE, NAME, spec("2", gates=(ERRORS, LATENCY)), ARMS) == Subscription(
        interval_seconds=5.0,
        selector=PodSelector(namespace=NAMESPACE, deployment=NAME),
        families=frozenset({BY_ERRORS, BY_LATENCY}),
    )
