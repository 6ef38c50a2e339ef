"""What Prometheus is told of the data, and that nothing can make it more."""

from collections.abc import Iterable

from modelrollout.api.contract import Contract
from modelrollout.api.reference import Reference
from modelrollout.data.tally import COUNTERS, GAUGES, Kind, Sample, Tally

CONTRACT = Contract.model_validate(
    {
        "inputs": [
            {"name": "amount", "type": "float", "range": {"min": 0}},
            {"name": "country", "type": "category", "categories": ["DE", "FR"]},
        ],
        "outputs": [{"name": "score", "type": "float"}],
    }
)
REFERENCE = Reference.model_validate(
    {
        "rows": 1000,
        "inputs": [
            {"name": "amount", "spread": "number", "edges": [0, 10, 20], "ratios": [0.5, 0.5]},
            {"name": "country", "spread": "category", "categories": ["DE", "FR"], "ratios": [0.9, 0.1]},
        ],
        "outputs": [{"name": "score", "spread": "number", "edges": [0, 1], "ratios": [1]}],
    }
)


def told(samples: Iterable[Sample], metric: str) -> dict[tuple[str, ...], float]:
    return {
        tuple(text for name, text in one.labels.items() if name != "kind"): one.value
        for one in samples
        if one.metric == metric
    }


def test_values_and_violations_are_counted_by_feature() -> None:
    tally = Tally(Kind.INPUT, contract=CONTRACT, reference=REFERENCE)

    tally.add([{"amount": 5.0, "country": "DE"}, {"amount": -1.0, "country": "US"}])
    tally.add([{"amount": 15.0}])

    values = told(tally.samples(), "modelrollout_data_values_total")
    assert {bin: count for bin, count in values.items() if count} == {
        ("amount", "0..10"): 1,
        ("amount", "10..20"): 1,
        ("amount", "out_of_range"): 1,
        ("country", "DE"): 1,
        ("country", "unseen"): 1,
        ("country", "missing"): 1,
    }
    violations = told(tally.samples(), "modelrollout_data_violations_total")
    assert {cell: count for cell, count in violations.items() if count} == {
        ("amount", "range"): 1,
        ("country", "category"): 1,
        ("country", "missing"): 1,
    }
    assert told(tally.samples(), "modelrollout_data_rows_total") == {(): 3}
    assert told(tally.samples(), "modelrollout_data_requests_total") == {(): 2}


def test_every_series_is_there_before_the_first_row_and_none_comes_with_any() -> None:
    tally = Tally(Kind.INPUT, contract=CONTRACT, reference=REFERENCE)
    before = [(one.metric, one.labels) for one in tally.samples()]

    tally.add({"amount": f"x{number}", f"f{number}": number, "country": f"c{number}"} for number in range(500))

    assert [(one.metric, one.labels) for one in tally.samples()] == before
    assert len(before) == len({(metric, *labels.items()) for metric, labels in before})
    assert {one.metric for one in tally.samples()} < {*COUNTERS, *GAUGES}


def test_the_shares_of_training_stand_beside_the_counts() -> None:
    samples = list(Tally(Kind.OUTPUT, contract=CONTRACT, reference=REFERENCE).samples())

    ratios = told(samples, "modelrollout_data_reference_ratio")
    assert ratios == {
        ("score", "0..1"): 1.0,
        ("score", "missing"): 0.0,
        ("score", "out_of_range"): 0.0,
        ("score", "unreadable"): 0.0,
    }
    assert ratios.keys() == told(samples, "modelrollout_data_values_total").keys()
    assert told(samples, "modelrollout_data_reference_rows") == {(): 1000}
    assert {one.labels["kind"] for one in samples} == {"output"}


def test_features_beyond_the_limit_are_not_binned_and_that_is_told() -> None:
    tally = Tally(Kind.INPUT, contract=CONTRACT, reference=REFERENCE, max_features=1)
    tally.add([{"amount": 1.0, "country": "DE"}] * 4)

    samples = list(tally.samples())
    assert {feature for feature, _ in told(samples, "modelrollout_data_values_total")} == {"amount"}
    assert told(samples, "modelrollout_data_uncounted_values_total") == {(): 4}


def test_without_a_reference_violations_are_counted_and_without_a_contract_values_are() -> None:
    checked = Tally(Kind.INPUT, contract=CONTRACT, reference=None)
    binned = Tally(Kind.INPUT, contract=None, reference=REFERENCE)
    neither = Tally(Kind.INPUT, contract=None, reference=None)
    for tally in (checked, binned, neither):
        tally.add([{"amount": 1.0, "country": "DE"}])

    assert not told(checked.samples(), "modelrollout_data_values_total")
    assert not told(binned.samples(), "modelrollout_data_violations_total")
    assert [one.metric for one in neither.samples()] == [
        "modelrollout_data_rows_total",
        "modelrollout_data_requests_total",
    ]
