"""Rows: what is accepted, and the sentence for what is not."""

import json
from typing import Any

import pytest

from modelrollout.cli.errors import CliError
from modelrollout.cli.trace import Pod, Row, rows
from tests.unit.cli.traces import row


def read(*lines: object) -> list[Row]:
    written = (line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
    return list(rows(written, source="trace.jsonl"))


def test_a_row_with_bad_requests() -> None:
    [found] = read(row(30, bad=1.5, n=300, anything="else"))
    assert (found.run, found.t, found.gate, found.histogram, found.edges) == ("a", 30, "errors", False, 1)
    assert found.candidate == (Pod("0", 300, (1.5,)),)
    assert found.stable == (Pod("0", 4500, (45,)), Pod("1", 4500, (45,)))


def test_a_row_with_buckets() -> None:
    pod = {"n": 10, "buckets": [5, 3, 2]}
    [found] = read({**row(30), "candidate": [pod], "stable": [{"buckets": [1, 0, 0]}], "bounds": [0.1, 0.25]})
    assert found.candidate == (Pod("0", 10, (5, 2)),)
    assert found.stable == (Pod("0", 1, (0, 0)),)
    assert (found.histogram, found.edges, found.bounds) == (True, 2, (0.1, 0.25))


def test_history_needs_no_candidate() -> None:
    without = {key: value for key, value in row(0).items() if key != "candidate"}
    assert [found.candidate for found in read(without, {**without, "candidate": []}, row(-30, n=0))] == [
        (),
        (),
        (Pod("0", 0, (0,)),),
    ]


def test_empty_lines_are_no_rows() -> None:
    assert len(read(b"\n", row(30), b"  \n", row(60))) == 2


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in row(30).items() if key != name}


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (b"{", "this is not a JSON object: Expecting property name"),
        (b"\xff\xfe{", "this is not a JSON object: "),
        (b"[" * 100_000, "this is not a JSON object: "),
        ([1], "this is not a JSON object, but [1]."),
        (without("run"), "field run: it is missing."),
        (without("t"), "field t: it is missing."),
        (without("gate"), "field gate: it is missing."),
        (without("candidate"), "field candidate: it is missing."),
        (without("stable"), "field stable: it is missing."),
        ({**row(30), "run": 5}, "field run: 5 is not a text."),
        ({**row(30), "gate": ""}, 'field gate: "" is not a text.'),
        ({**row(30), "t": "30"}, 'field t: "30" is not a number.'),
        ({**row(30), "t": True}, "field t: true is not a number."),
        (b'{"t": 1e999}', "field t: Infinity is not a finite number."),
        (b'{"t": NaN}', "field t: NaN is not a finite number."),
        (b'{"t": 1' + b"0" * 400 + b"}", "field t: 1000"),
        ({**row(30), "candidate": {}}, "field candidate: {} is not a list with an entry for each pod."),
        ({**row(30), "candidate": [5]}, "field candidate[0]: 5 is not an object such as"),
        ({**row(30), "candidate": [{"bad": 1}]}, "field candidate[0].n: it is missing."),
        ({**row(30), "candidate": [{"n": 1}]}, "field candidate[0].bad: it is missing."),
        ({**row(30), "candidate": [{"n": -1, "bad": 0}]}, "field candidate[0].n: -1 is negative."),
        ({**row(30), "stable": [{"n": 1, "bad": 0}, {"n": 1, "bad": -0.5}]}, "field stable[1].bad: -0.5 is negative."),
        ({**row(30), "candidate": [{"n": None, "bad": 0}]}, "field candidate[0].n: null is not a number."),
        (row(30, n=5, bad=6), "field candidate[0].bad: 6 is more than the 5 requests."),
        ({**row(30), "candidate": [{"n": 1, "bad": 0, "buckets": [1, 0]}]}, "field candidate[0]: bad and buckets"),
        ({**row(30), "candidate": [{"buckets": [1]}]}, "field candidate[0].buckets: [1] is not a list of two or more"),
        ({**row(30), "candidate": [{"buckets": [1, -1]}]}, "field candidate[0].buckets[1]: -1 is negative."),
        ({**row(30), "candidate": [{"n": 3, "buckets": [1, 1]}]}, "field candidate[0].n: 3 is not the sum"),
        ({**row(30), "candidate": [{"buckets": [1, 1]}]}, "field stable: all pods of a row need the same buckets"),
        ({**row(30), "bounds": 5}, "field bounds: 5 is not a list of seconds."),
        ({**row(30), "bounds": [2, 1]}, "field bounds: bounds must be ascending."),
        (
            {**row(30), "candidate": [], "stable": [{"buckets": [1, 1]}], "bounds": [1, 2]},
            "field bounds: 2 buckets need 1 bounds, not 2.",
        ),
        (row(0), "field candidate: a row with t <= 0 is history of the stable pods and has no candidate."),
    ],
)
def test_what_is_no_row_is_told_with_line_and_field(line: object, sentence: str) -> None:
    with pytest.raises(CliError) as caught:
        read(row(30), line)
    message = str(caught.value)
    assert message.startswith("trace.jsonl, line 2")
    assert sentence in message
    assert len(message) < 300
