"""From ticks to what each arm served: the rules of data, one test each. They are listed in `docs/evidence.md`."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from modelrollout.adapters.families import Family, Source
from modelrollout.adapters.prometheus import Series
from modelrollout.adapters.promql import fill
from modelrollout.adapters.queries import family
from modelrollout.api.gates import Direction, Gate, PromotionMargin, Queries, Signal, Tolerance
from modelrollout.api.modeldeployment import ModelDeploymentSpec
from modelrollout.api.revision import child_name
from modelrollout.api.serving import Server
from modelrollout.evidence import Counts, Interval, Level, Levels, Spread
from modelrollout.plan.observation import PodView, Reading
from modelrollout.runtime import questions
from modelrollout.runtime.hub import Tick
from modelrollout.runtime.ledger import Counters
from modelrollout.runtime.readings import Arms, Look, find, reading, subscription
from tests.builders import ERRORS, LATENCY, NAME, NAMESPACE, NOW, ago, id_of, spec

V1, V2 = spec("1"), spec("2")
ARMS = Arms.of(NAMESPACE, NAME, candidate=id_of(V2), stable=id_of(V1))
OLD, NEW = child_name(NAME, id_of(V1)), child_name(NAME, id_of(V2))
OLD_POD, NEW_POD = f"{OLD}-rs-a", f"{NEW}-rs-a"
QUERY = Gate(
    name="refused",
    signal=Signal.QUERY,
    query=Queries(total='total{pod=~"{{pods}}"}', bad='bad{pod=~"{{pods}}"}'),
)
CLASSES = Gate(
    name="classes",
    signal=Signal.DISTRIBUTION,
    query=Queries(bins='classes{pod=~"{{pods}}"}', bin_label="class"),
)
SCORES = Gate(name="scores", signal=Signal.DISTRIBUTION, query=Queries(buckets='scores{pod=~"{{pods}}"}'))
HEAT = Gate(
    name="heat",
    signal=Signal.GAUGE,
    query=Queries(value='heat{pod=~"{{pods}}"}'),
    worse=Direction.HIGHER,
    tolerate=Tolerance(amount=1),
    promote_within=PromotionMargin(amount=3),
)
LAG = Gate(name="lag", signal=Signal.THRESHOLD, query=Queries(value='lag{pod=~"{{pods}}"}'), max=10)
WORKERS = Gate(name="workers", signal=Signal.THRESHOLD, query=Queries(value='workers{pod=~"{{pods}}"}'), min=1)
RESTARTS = Gate(name="restarts", signal=Signal.RESTARTS)


def pod(name: str, *, ready: float | None = 600, **fields: object) -> PodView:
    """Ready since so many seconds."""
    view = PodView(name=name, revision="", started_at=ago(900), ready_since=None if ready is None else ago(ready))
    return replace(view, **fields)  # type: ignore[arg-type]


WARM = (pod(OLD_POD), pod(NEW_POD))


def errors(**pods: tuple[float, float]) -> dict[tuple[str, str], Mapping[str, float]]:
    """(requests, bad ones) of pods, by `old` and `new`."""
    return {
        (NAMESPACE, {"old": OLD_POD, "new": NEW_POD}[name]): {"200": total - bad, "500": bad}
        for name, (total, bad) in pods.items()
    }


def look(
    readings: Mapping[Family, Mapping[tuple[str, str], Mapping[str, float]]] | None = None,
    *,
    gates: tuple[Gate, ...] = (ERRORS,),
    answers: Mapping[str, tuple[Series, ...] | str] | None = None,
    pods: Iterable[PodView] = WARM,
    at: datetime = NOW,
    of: ModelDeploymentSpec | None = None,
) -> Look:
    return Look(
        tick=Tick(at=at, readings=readings or {}, answers=answers or {}),
        spec=of or spec("2", gates=gates),
        arms=ARMS,
        pods=tuple(pods),
    )


def errors_look(pods: Iterable[PodView] = WARM, **counted: tuple[float, float]) -> Look:
    return look({family(Server.MLSERVER, Signal.ERRORS): errors(**counted)}, pods=pods)


def served(*looks: Look, gate: str = "errors") -> tuple[Interval, Reading, Counters]:
    """What the last of these looks adds."""
    known: Counters = {}
    for one in looks:
        newest, known = reading(one, previous=known)
    found = newest.intervals[gate]
    assert isinstance(found, Interval)
    return found, newest, known


def asked(gate: Gate, *, total: object = None, bad: object = None, value: object = None, bins: object = None) -> Look:
    """Answers to the parts of a gate's query: a list of (labels, value) for each arm, candidate first."""
    assert gate.query is not None
    parts = {
        gate.query.total: total,
        gate.query.bad or gate.query.good or gate.query.events: bad,
        gate.query.value: value,
        gate.query.bins or gate.query.buckets: bins,
    }
    answers: dict[str, tuple[Series, ...] | str] = {}
    for text, given in parts.items():
        if text is None or given is None:
            continue
        assert isinstance(given, list | tuple)
        for arm, series in zip(ARMS.both, given, strict=False):
            answers[fill(text, arm)] = (
                series if isinstance(series, str) else tuple(Series(labels, number) for labels, number in series)
            )
    return look(gates=(gate,), answers=answers)


def by_pod(new: float, old: float) -> list[list[tuple[dict[str, str], float]]]:
    return [[({"pod": NEW_POD}, new)], [({"pod": OLD_POD}, old)]]


def alone(new: float, old: float) -> list[list[tuple[dict[str, str], float]]]:
    return [[({}, new)], [({}, old)]]


class TestCounters:
    def test_the_first_reading_is_a_baseline(self) -> None:
        found, _, _ = served(errors_look(old=(100, 5), new=(10, 1)))
        assert found == Interval(candidate=Counts(), stable=Counts())

    def test_then_what_was_served_since(self) -> None:
        found, _, _ = served(errors_look(old=(100, 5), new=(10, 1)), errors_look(old=(160, 6), new=(30, 4)))
        assert found == Interval(candidate=Counts(20, 3), stable=Counts(60, 1))

    def test_a_reset_counts_what_came_after_it(self) -> None:
        found, _, _ = served(errors_look(old=(100, 5), new=(50, 4)), errors_look(old=(120, 5), new=(7, 1)))
        assert found.candidate == Counts(7, 1)

    def test_a_pod_that_died_between_scrapes_adds_nothing_and_its_successor_starts_at_its_baseline(self) -> None:
        successor = f"{NEW}-rs-b"
        before = errors_look(old=(100, 5), new=(50, 4))
        gone = errors_look(old=(120, 5))
        again = look(
            {family(Server.MLSERVER, Signal.ERRORS): {**errors(old=(130, 5)), (NAMESPACE, successor): {"200": 9.0}}},
            pods=(*WARM, pod(successor)),
        )
        assert served(before, gone)[0].candidate == Counts()
        assert served(before, gone, again)[0].candidate == Counts()

    def test_a_gap_merges_two_intervals_and_loses_nothing(self) -> None:
        before, gap, after = (
            errors_look(old=(100, 5), new=(50, 4)),
            errors_look(old=(120, 5)),
            errors_look(old=(140, 6), new=(80, 5)),
        )
        assert served(before, gap, after)[0] == Interval(candidate=Counts(30, 1), stable=Counts(20, 1))

    def test_a_stale_series_that_stands_still_adds_nothing(self) -> None:
        found, _, _ = served(errors_look(old=(100, 5), new=(50, 4)), errors_look(old=(150, 5), new=(50, 4)))
        assert found.candidate == Counts()

    @pytest.mark.parametrize("ready", [None, 0, 59])
    def test_a_pod_that_is_not_warm_does_not_count(self, ready: float | None) -> None:
        cold = (pod(OLD_POD), pod(NEW_POD, ready=ready))
        found, _, known = served(errors_look(cold, old=(100, 5), new=(10, 9)), errors_look(old=(160, 6), new=(30, 9)))
        assert found == Interval(candidate=Counts(), stable=Counts(60, 1)), "its first warm reading is its baseline"
        assert NEW_POD in known["errors"]

    def test_a_pod_that_was_counted_goes_on_counting_while_it_is_not_ready(self) -> None:
        unready = (pod(OLD_POD), pod(NEW_POD, ready=None))
        found, _, _ = served(errors_look(old=(100, 5), new=(10, 1)), errors_look(unready, old=(160, 6), new=(30, 15)))
        assert found.candidate == Counts(20, 14)

    def test_series_that_are_all_gone_hold(self) -> None:
        _, newest, known = served(errors_look(old=(100, 5), new=(50, 4)), errors_look())
        assert "no series any more" in newest.missing["errors"]
        assert known["errors"][NEW_POD] == Counts(50, 4)

    def test_two_counters_that_disagree_in_time_give_no_more_bad_than_all(self) -> None:
        """The counter of bad ones was read after a request that the counter of all did not have yet."""
        found, _, _ = served(
            asked(QUERY, total=by_pod(50, 100), bad=by_pod(0, 0)),
            asked(QUERY, total=by_pod(50, 160), bad=by_pod(1, 1)),
            gate="refused",
        )
        assert found == Interval(candidate=Counts(0, 0), stable=Counts(60, 1))

    def test_a_latency_gate_without_a_bound_reads_every_bucket(self) -> None:
        source = family(Server.MLSERVER, Signal.LATENCY)
        gate = Gate(name="latency", signal=Signal.LATENCY)

        def at(*values: float) -> Look:
            labels = dict(zip(("0.1", "0.5", "+Inf"), values, strict=True))
            return look({source: {(NAMESPACE, NEW_POD): labels, (NAMESPACE, OLD_POD): labels}}, gates=(gate,))

        _, known = reading(at(10, 20, 25), previous={})
        newest, _ = reading(at(20, 50, 65), previous=known)
        found = newest.intervals["latency"]
        assert isinstance(found, Spread)
        assert (found.candidate.edges, found.candidate.total) == (("0.1", "0.5"), 40.0)
        assert found.candidate.beyond == (30.0, 10.0)

    def test_a_bound_that_no_bucket_has_is_told_with_those_that_there_are(self) -> None:
        source = family(Server.MLSERVER, Signal.LATENCY)
        one = look({source: {(NAMESPACE, NEW_POD): {"0.25": 1.0, "+Inf": 2.0}}}, gates=(LATENCY,))
        assert find(one, known={}).missing == {
            "latency": "gate latency: the server has no bucket that ends at 500ms; it has 0.25s"
        }


class TestGateway:
    """Counters of the gateway: whole revisions, whose pods it does not tell apart."""

    OF = V2.model_copy(update={"serving": V2.serving.model_copy(update={"server": Server.ENVOY})})

    def at(self, total: float, pods: Iterable[PodView] = WARM) -> Look:
        source = family(Server.ENVOY, Signal.ERRORS)
        series = {
            (NAMESPACE, f"{OLD}-8080@gw"): {"2": total, "5": 1.0},
            (NAMESPACE, f"{NEW}-8080@gw"): {"2": total / 10, "5": 0.0},
        }
        assert source.source is Source.ENVOY
        return look({source: series}, pods=pods, of=self.OF)

    def test_they_count_while_all_pods_are_warm(self) -> None:
        assert served(self.at(100), self.at(200))[0] == Interval(candidate=Counts(10, 0), stable=Counts(100, 0))

    def test_while_one_is_cold_they_rest_and_then_begin_anew(self) -> None:
        cold = (*WARM, pod(f"{NEW}-rs-b", ready=10))
        assert served(self.at(100), self.at(200, cold))[0] == Interval(candidate=Counts(), stable=Counts())
        resumed, newest, _ = served(self.at(100), self.at(200, cold), self.at(300))
        assert resumed == Interval(candidate=Counts(), stable=Counts()), "what cold pods answered is left out"
        assert newest.missing == {}

    def test_cold_pods_of_other_revisions_do_not_matter(self) -> None:
        other = (*WARM, pod("fraud-abcdefabcd-rs-a", ready=10))
        assert served(self.at(100), self.at(200, other))[0].stable == Counts(100, 0)


class TestUserQueries:
    def test_counters_by_pod(self) -> None:
        found, _, _ = served(
            asked(QUERY, total=by_pod(10, 100), bad=by_pod(1, 5)),
            asked(QUERY, total=by_pod(30, 160), bad=by_pod(4, 6)),
            gate="refused",
        )
        assert found == Interval(candidate=Counts(20, 3), stable=Counts(60, 1))

    def test_one_counter_for_the_whole_version(self) -> None:
        found, _, _ = served(
            asked(QUERY, total=alone(10, 100), bad=alone(1, 5)),
            asked(QUERY, total=alone(30, 160), bad=alone(4, 6)),
            gate="refused",
        )
        assert found == Interval(candidate=Counts(20, 3), stable=Counts(60, 1))

    def test_a_sum_that_falls_is_a_baseline_and_not_all_new(self) -> None:
        """One of its pods went away: what is left was counted already."""
        found, _, _ = served(
            asked(QUERY, total=alone(10, 100), bad=alone(1, 5)),
            asked(QUERY, total=alone(30, 60), bad=alone(4, 3)),
            asked(QUERY, total=alone(40, 90), bad=alone(4, 4)),
            gate="refused",
        )
        assert found == Interval(candidate=Counts(10, 0), stable=Counts(30, 1))
        dropped, _, _ = served(
            asked(QUERY, total=alone(10, 100), bad=alone(1, 5)),
            asked(QUERY, total=alone(30, 60), bad=alone(4, 3)),
            gate="refused",
        )
        assert dropped.stable == Counts()

    def test_a_counter_of_bad_ones_that_does_not_exist_yet_means_none(self) -> None:
        found, _, _ = served(
            asked(QUERY, total=by_pod(10, 100), bad=[[], []]),
            asked(QUERY, total=by_pod(30, 160), bad=[[({"pod": NEW_POD}, 2)], []]),
            gate="refused",
        )
        assert found == Interval(candidate=Counts(20, 2), stable=Counts(60, 0))

    def test_one_that_did_exist_and_is_missing_now_makes_its_pod_unreadable(self) -> None:
        looks = (
            asked(QUERY, total=by_pod(10, 100), bad=by_pod(4, 5)),
            asked(QUERY, total=by_pod(30, 160), bad=[[], [({"pod": OLD_POD}, 6)]]),
            asked(QUERY, total=by_pod(50, 200), bad=by_pod(6, 6)),
        )
        assert served(*looks[:2], gate="refused")[0].candidate == Counts()
        assert served(*looks, gate="refused")[0] == Interval(candidate=Counts(40, 2), stable=Counts(40, 0))

    def test_scores_are_good_and_the_rest_is_bad(self) -> None:
        gate = Gate(
            name="quality", signal=Signal.QUALITY, query=Queries(total='n{p="{{pods}}"}', good='s{p="{{pods}}"}')
        )
        found, _, _ = served(
            asked(gate, total=by_pod(0, 0), bad=by_pod(0, 0)),
            asked(gate, total=by_pod(10, 10), bad=by_pod(7.5, 9)),
            gate="quality",
        )
        assert found == Interval(candidate=Counts(10, 2.5), stable=Counts(10, 1))

    @pytest.mark.parametrize(("worse", "bad"), [(Direction.HIGHER, 7.0), (Direction.LOWER, 3.0)])
    def test_events_are_bad_where_more_of_them_are_worse_and_good_otherwise(self, worse: Direction, bad: float) -> None:
        gate = Gate(
            name="approved",
            signal=Signal.OUTCOME,
            worse=worse,
            query=Queries(total='n{p="{{pods}}"}', events='e{p="{{pods}}"}'),
        )
        found, _, _ = served(
            asked(gate, total=by_pod(0, 0), bad=by_pod(0, 0)),
            asked(gate, total=by_pod(10, 10), bad=by_pod(7, 7)),
            gate="approved",
        )
        assert found.candidate == Counts(10, bad)

    def test_several_series_that_no_pod_tells_apart_are_refused_with_the_way_out(self) -> None:
        two = [[({"zone": "a"}, 1.0), ({"zone": "b"}, 2.0)], []]
        assert "use sum by (pod)" in find(asked(QUERY, total=two, bad=two), known={}).missing["refused"]

    def test_pods_that_are_not_the_models_are_always_warm(self) -> None:
        exporter = [[({"pod": "exporter-1"}, 10.0)], [({"pod": "exporter-1"}, 100.0)]]
        grown = [[({"pod": "exporter-1"}, 30.0)], [({"pod": "exporter-1"}, 160.0)]]
        found, _, _ = served(
            asked(QUERY, total=exporter, bad=[[], []]), asked(QUERY, total=grown, bad=[[], []]), gate="refused"
        )
        assert found == Interval(candidate=Counts(20, 0), stable=Counts(60, 0))

    @pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, -1.0])
    def test_what_is_no_count_is_not_there(self, number: float) -> None:
        found, _, _ = served(
            asked(QUERY, total=by_pod(10, 100), bad=by_pod(1, 5)),
            asked(QUERY, total=by_pod(number, 160), bad=by_pod(4, 6)),
            gate="refused",
        )
        assert found == Interval(candidate=Counts(), stable=Counts(60, 1))

    def test_a_query_that_is_refused_makes_its_gate_unreadable_and_keeps_its_baseline(self) -> None:
        before = asked(QUERY, total=by_pod(10, 100), bad=by_pod(1, 5))
        _, known = reading(before, previous={})
        refused = asked(QUERY, total=["HTTP 400: parse error", "HTTP 400: parse error"], bad=by_pod(4, 6))
        newest, kept = reading(replace(refused, spec=spec("2", gates=(QUERY, ERRORS))), previous=known)
        assert newest.missing == {"refused": "gate refused: HTTP 400: parse error"}
        assert "refused" not in newest.intervals
        assert "errors" in newest.intervals
        assert kept["refused"] == known["refused"]

    def test_a_query_that_was_not_asked_yet_is_unreadable(self) -> None:
        assert "not asked yet" in find(look(gates=(QUERY,)), known={}).missing["refused"]

    def test_every_query_is_asked_of_both_versions_and_a_limit_s_of_the_candidate(self) -> None:
        assert len(set(questions.of(QUERY, ARMS.both))) == 4
        assert list(questions.of(LAG, ARMS.both)) == [f'lag{{pod=~"{NEW}-.+"}}']
        assert list(questions.of(ERRORS, ARMS.both)) == []
        wanted = subscription(NAMESPACE, NAME, spec("2", gates=(ERRORS, QUERY, LAG, RESTARTS)), ARMS)
        assert (len(wanted.families), len(wanted.questions)) == (1, 5)


class TestBins:
    def test_a_bin_that_appears_was_empty_before(self) -> None:
        def at(**classes: float) -> Look:
            series = [({"pod": NEW_POD, "class": name}, value) for name, value in classes.items()]
            return asked(CLASSES, bins=[series, [({"pod": OLD_POD, "class": "a"}, 100.0 + sum(classes.values()))]])

        _, known = reading(at(a=10), previous={})
        newest, _ = reading(at(a=15, b=5), previous=known)
        found = newest.intervals["classes"]
        assert isinstance(found, Spread)
        assert found.candidate.by_edge() == {"a": 5.0, "b": 5.0}
        assert found.candidate.total == found.stable.total == 10.0
        assert found.stable.by_edge() == {"a": 10.0, "b": 0.0}

    def test_buckets_of_a_histogram(self) -> None:
        def at(*values: float) -> Look:
            arms = [
                [({"pod": pod, "le": bound}, value) for bound, value in zip(("0.5", "+Inf"), values, strict=True)]
                for pod in (NEW_POD, OLD_POD)
            ]
            return asked(SCORES, bins=arms)

        _, known = reading(at(5, 10), previous={})
        newest, _ = reading(at(9, 20), previous=known)
        found = newest.intervals["scores"]
        assert isinstance(found, Spread)
        assert (found.candidate.total, found.candidate.by_edge()) == (10.0, {"0.5": 6.0})

    @pytest.mark.parametrize(
        ("series", "told"),
        [
            ([({"pod": NEW_POD}, 1.0)], "without the label class"),
            ([({"pod": NEW_POD, "class": "a"}, 1.0), ({"pod": NEW_POD, "class": "a", "x": "y"}, 1.0)], "sum by (pod"),
            ([({"pod": NEW_POD, "class": str(n)}, 1.0) for n in range(41)], "41 bins are more than 40"),
        ],
    )
    def test_bins_that_cannot_be_used_are_told(self, series: list[tuple[dict[str, str], float]], told: str) -> None:
        assert told in find(asked(CLASSES, bins=[series, []]), known={}).missing["classes"]


class TestNumbers:
    def test_a_gauge_is_the_mean_of_warm_pods(self) -> None:
        cold = f"{NEW}-rs-cold"
        value = [[({"pod": NEW_POD}, 40.0), ({"pod": cold}, 90.0)], [({}, 38.0)]]
        one = replace(asked(HEAT, value=value), pods=(*WARM, pod(cold, ready=5)))
        assert find(one, known={}).numbers == {"heat": Levels(40.0, 38.0, at=NOW.timestamp())}

    @pytest.mark.parametrize(("gate", "worst"), [(LAG, 12.0), (WORKERS, 3.0)])
    def test_a_limit_takes_the_worst_pod(self, gate: Gate, worst: float) -> None:
        second = f"{NEW}-rs-b"
        one = asked(gate, value=[[({"pod": NEW_POD}, 12.0), ({"pod": second}, 3.0)]])
        found = find(replace(one, pods=(*WARM, pod(second))), known={})
        assert found.numbers == {gate.name: Level(worst, at=NOW.timestamp())}

    @pytest.mark.parametrize("value", [[[], []], [[({}, math.nan)], [({}, 1.0)]], ["refused", "refused"]])
    @pytest.mark.parametrize("gate", [HEAT, LAG])
    def test_no_number_is_missing_and_never_a_pass(self, gate: Gate, value: list[object]) -> None:
        found = find(asked(gate, value=value), known={})
        assert found.numbers == {}
        assert gate.name in found.missing

    def test_the_server_s_own_gauge(self) -> None:
        gate = Gate(name="cache", signal=Signal.SATURATION, max=0.9)
        of = V2.model_copy(
            update={
                "serving": V2.serving.model_copy(update={"server": Server.VLLM}),
                "rollout": V2.rollout.model_copy(update={"gates": (gate,)}),
            }
        )
        source = family(Server.VLLM, Signal.SATURATION)
        series = {(NAMESPACE, NEW_POD): {"": 0.7}, (NAMESPACE, OLD_POD): {"": 0.99}}
        assert find(look({source: series}, of=of), known={}).numbers == {"cache": Level(0.7, at=NOW.timestamp())}
        assert "cache" in find(look(of=of), known={}).missing


class TestRestarts:
    def at(self, minutes: float, *, restarts: int, restarted_at: datetime | None = None) -> Look:
        pods = (
            pod(OLD_POD),
            pod(NEW_POD, restarts=restarts, restarted_at=restarted_at),
        )
        return look(gates=(RESTARTS,), pods=pods, at=NOW + timedelta(minutes=minutes))

    def test_minutes_of_pods_and_those_with_a_restart(self) -> None:
        found, _, _ = served(self.at(0, restarts=0), self.at(4, restarts=1), gate="restarts")
        assert found == Interval(candidate=Counts(4, 1), stable=Counts(4, 0))

    def test_several_in_a_minute_count_once_each_minute(self) -> None:
        first, rest = self.at(1, restarts=30), self.at(10, restarts=30)
        assert served(self.at(0, restarts=0), first, gate="restarts")[0].candidate == Counts(1, 1)
        assert served(self.at(0, restarts=0), first, rest, gate="restarts")[0].candidate == Counts(9, 9)

    def test_a_part_of_a_minute_is_no_trial_and_loses_no_restart(self) -> None:
        looks = [self.at(0, restarts=0), self.at(0.5, restarts=1), self.at(1, restarts=1)]
        assert served(*looks[:2], gate="restarts")[0].candidate == Counts()
        assert served(*looks, gate="restarts")[0].candidate == Counts(1, 1)

    def test_a_restart_after_the_time_that_is_asked_for_is_not_known_then(self) -> None:
        later = self.at(2, restarts=1, restarted_at=NOW + timedelta(minutes=3))
        assert served(self.at(0, restarts=0), later, gate="restarts")[0].candidate == Counts(2, 0)

    def test_no_series_are_needed(self) -> None:
        assert served(self.at(0, restarts=0), self.at(0.2, restarts=0), gate="restarts")[1].missing == {}
