"""What looking at a row costs, beside parsing it; and how many series there can be. Run with `-s` for the numbers."""

import json
import random
from collections.abc import Callable
from typing import Any

from modelrollout.api.contract import Contract
from modelrollout.api.reference import Reference
from modelrollout.data.rows import rows_of_tensors
from modelrollout.data.tally import GAUGES, MAX_FEATURES, Kind, Tally
from tests.bench.evidence.test_cost import processor_seconds

FEATURES = 30
ROWS = 400
MOST_OF_PARSING = 1.5
"""Checking and binning a row of thirty features may cost so many times what parsing its JSON does."""

CHANCE = random.Random(1)


def field(number: int) -> dict[str, Any]:
    match number % 3:
        case 0:
            return {"name": f"f{number}", "type": "float", "range": {"min": -10, "max": 10}}
        case 1:
            return {"name": f"f{number}", "type": "INT32"}
        case _:
            return {"name": f"f{number}", "type": "category", "categories": [f"c{one}" for one in range(20)]}


def spread(number: int) -> dict[str, Any]:
    if number % 3 == 2:
        categories = [f"c{one}" for one in range(20)]
        return {"name": f"f{number}", "spread": "category", "categories": categories, "ratios": [0.05] * 20}
    edges = [float(edge) for edge in range(-5, 6)]
    return {"name": f"f{number}", "spread": "number", "edges": edges, "ratios": [0.1] * 10}


def value(number: int) -> object:
    match number % 3:
        case 0:
            return CHANCE.gauss(0, 2)
        case 1:
            return CHANCE.randrange(-5, 6)
        case _:
            return f"c{CHANCE.randrange(20)}"


def tally(features: int = FEATURES, **options: Any) -> Tally:
    contract = Contract.model_validate({"inputs": [field(number) for number in range(features)]})
    reference = Reference.model_validate({"rows": 1000, "inputs": [spread(number) for number in range(features)]})
    return Tally(Kind.INPUT, contract=contract, reference=reference, **options)


def bodies() -> list[str]:
    """Requests of one row, each value a tensor."""
    made = []
    for _ in range(ROWS):
        tensors = [
            {"name": f"f{number}", "datatype": "FP64", "shape": [1], "data": [value(number)]}
            for number in range(FEATURES)
        ]
        made.append(json.dumps({"inputs": tensors}))
    return made


def per_row(work: Callable[[], object]) -> float:
    return processor_seconds(work) / ROWS


def test_looking_at_a_row_costs_about_as_much_as_parsing_it() -> None:
    texts, counted = bodies(), tally()
    contract = Contract.model_validate({"inputs": [field(number) for number in range(FEATURES)]})
    rows = [rows_of_tensors(json.loads(text)["inputs"], contract.inputs) for text in texts]

    def look() -> None:
        for request in rows:
            counted.add(request)

    parsing = per_row(lambda: [json.loads(text) for text in texts])
    looking = per_row(look)

    print(f"\na row of {FEATURES} features: {looking * 1e6:.0f} µs, {looking / parsing:.2f} times parsing it", end=" ")
    assert looking <= MOST_OF_PARSING * parsing


def test_the_number_of_series_is_known_before_the_first_row() -> None:
    samples = list(tally().samples())
    counters = [one for one in samples if one.metric not in GAUGES]

    print(f"\n{len(samples)} series of the inputs of a revision, {len(counters)} of them counters", end=" ")
    # Rows, requests and what is unknown; 20 numbers of 13 bins and 10 categories of 23; the rules of each field.
    assert len(counters) == 3 + (20 * 13 + 10 * 23) + (10 * 4 + 10 * 3 + 10 * 4)
    assert len(samples) - len(counters) == 20 * 13 + 10 * 23 + 1


def test_features_beyond_the_limit_add_one_series_and_no_more() -> None:
    def binned(features: int) -> int:
        return len([one for one in tally(features).samples() if "bin" in one.labels])

    assert binned(300) == binned(MAX_FEATURES)
