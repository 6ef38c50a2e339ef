"""Bodies as servers write them, read into outputs; and those that cannot be read, with the reason."""

import json
import math
import struct
from collections.abc import Sequence

import pytest

from modelrollout.api.observe import Protocol
from modelrollout.observer.answers import Answer, Message, Output, UnreadableError, read_answer, read_request
from modelrollout.observer.answers.documents import MAX_VALUES
from modelrollout.observer.answers.path import NOTHING, select


def message(document: object, *, tail: bytes = b"", content_type: str = "application/json") -> Message:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return Message(body + tail, content_type=content_type, json_length=len(body) if tail else None)


def tensor(name: str, datatype: str, shape: Sequence[int], data: object) -> dict[str, object]:
    return {"name": name, "datatype": datatype, "shape": shape, "data": data}


def binary(name: str, datatype: str, shape: Sequence[int], data: bytes) -> dict[str, object]:
    return {"name": name, "datatype": datatype, "shape": shape, "parameters": {"binary_data_size": len(data)}}


def outputs(protocol: Protocol, read: Message) -> dict[str, Output]:
    return dict(read_answer(protocol, read).outputs)


def v2(*tensors: dict[str, object]) -> dict[str, object]:
    return {"model_name": "fraud", "id": "1", "outputs": list(tensors)}


# Open Inference Protocol


def test_tensors_by_name_with_their_datatypes() -> None:
    body = v2(
        tensor("label", "INT64", [2], [0, 1]),
        tensor("probabilities", "FP32", [2, 2], [[1, 0], [0.25, 0.75]]),
        tensor("flag", "BOOL", [1], [1]),
        tensor("name", "BYTES", [1], ["a"]),
    )
    assert outputs(Protocol.OPEN_INFERENCE, message(body)) == {
        "label": Output([0, 1], (2,)),
        "probabilities": Output([1.0, 0.0, 0.25, 0.75], (2, 2)),
        "flag": Output([True], (1,)),
        "name": Output(["a"], (1,)),
    }
    assert type(outputs(Protocol.OPEN_INFERENCE, message(body))["probabilities"].values[0]) is float


def test_binary_tensors_come_behind_the_json_in_order() -> None:
    numbers, words = struct.pack("<2f", 0.5, math.inf), b"\x03\0\0\0cat\0\0\0\0"
    body = v2(
        binary("score", "FP32", [1, 2], numbers),
        tensor("label", "INT8", [1], [3]),
        binary("names", "BYTES", [2], words),
    )
    assert outputs(Protocol.OPEN_INFERENCE, message(body, tail=numbers + words)) == {
        "score": Output([0.5, math.inf], (1, 2)),
        "label": Output([3], (1,)),
        "names": Output(["cat", ""], (2,)),
    }


@pytest.mark.parametrize(
    ("datatype", "data", "values"),
    [
        ("BOOL", b"\0\1", [False, True]),
        ("INT16", struct.pack("<2h", -1, 2), [-1, 2]),
        ("UINT64", struct.pack("<2Q", 0, 2**64 - 1), [0, 2**64 - 1]),
        ("FP16", struct.pack("<2e", 0.5, -2.0), [0.5, -2.0]),
        ("BF16", b"\x00\x3f\x00\xc0", [0.5, -2.0]),
        ("FP64", struct.pack("<2d", 0.1, 0.2), [0.1, 0.2]),
    ],
)
def test_each_binary_datatype(datatype: str, data: bytes, values: list[object]) -> None:
    body = message(v2(binary("x", datatype, [2], data)), tail=data)
    assert outputs(Protocol.OPEN_INFERENCE, body)["x"].values == values


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"error": "no such model"}, "there is no list of outputs"),
        ([1], "where an object is expected"),
        (v2({"name": "x"}), "needs name, datatype and shape"),
        (v2(tensor("x", "FP8", [1], [1])), "FP8 is not known"),
        (v2(tensor("x", "FP32", [-1], [1])), "whole numbers from 0 on"),
        (v2(tensor("x", "FP32", [True], [1])), "whole numbers from 0 on"),
        (v2(tensor("x", "FP32", [3], [1, 2])), "2 elements do not fill the shape [3]"),
        (v2(tensor("x", "FP32", [2], [1, [2]])), "lists beside single values"),
        (v2(tensor("x", "FP32", [1], None)), "there are no data in it"),
        (v2(tensor("x", "FP32", [10**9, 10**9], [1])), f"more than {MAX_VALUES} elements"),
        (v2(tensor("x", "FP32", [1], [1]), tensor("x", "FP32", [1], [1])), "the same name"),
        (v2(binary("x", "FP32", [1], b"1234")), "4 bytes are announced and 0 are left"),
        (b"not json", "it is no JSON"),
        (b"", "it is no JSON"),
        (b"[" * 100_000, "it is no JSON"),
        (b"[" + b"0," * MAX_VALUES + b"0]", f"more than {MAX_VALUES} values"),
        (b'{"outputs": "\xff"}', "it is no JSON"),
    ],
)
def test_what_cannot_be_read_says_why(body: object, reason: str) -> None:
    with pytest.raises(UnreadableError) as refused:
        read_answer(Protocol.OPEN_INFERENCE, message(body))
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("datatype", "shape", "data"),
    [("FP32", [2], b"12345"), ("BYTES", [1], b"\xff\0\0\0a"), ("BYTES", [1], b"\1"), ("BYTES", [2], b"\1\0\0\0a")],
)
def test_binary_data_that_do_not_fit(datatype: str, shape: list[int], data: bytes) -> None:
    with pytest.raises(UnreadableError):
        read_answer(Protocol.OPEN_INFERENCE, message(v2(binary("x", datatype, shape, data)), tail=data))


def test_a_json_length_beyond_the_body() -> None:
    with pytest.raises(UnreadableError, match="says 99"):
        read_answer(Protocol.OPEN_INFERENCE, Message(b"{}", json_length=99))


@pytest.mark.parametrize("length", ["-1", "x", "9" * 20, "１"])
def test_a_json_length_that_is_none(length: str) -> None:
    with pytest.raises(UnreadableError, match="is no length"):
        Message.of(b"{}", {"inference-header-content-length": length})


def test_a_request_has_its_binary_inputs_as_values() -> None:
    data = struct.pack("<2f", 0.5, 2.0)
    body = {"inputs": [binary("amount", "FP32", [2], data)]}
    assert read_request(Protocol.OPEN_INFERENCE, message(body, tail=data)) == {
        "inputs": [{"name": "amount", "datatype": "FP32", "shape": [2], "data": [0.5, 2.0]}]
    }


# KServe V1 and plain JSON


def test_predictions_that_are_values() -> None:
    assert outputs(Protocol.KSERVE_V1, message({"predictions": [[0.1, 0.9]]})) == {
        "predictions": Output([0.1, 0.9], (1, 2))
    }


def test_predictions_that_are_objects() -> None:
    rows = [{"label": "a", "scores": [0.1, 0.9]}, {"label": "b", "scores": [0.5, 0.5]}]
    assert outputs(Protocol.KSERVE_V1, message({"predictions": rows})) == {
        "label": Output(["a", "b"], (2,)),
        "scores": Output([0.1, 0.9, 0.5, 0.5], (2, 2)),
    }


def test_no_predictions() -> None:
    with pytest.raises(UnreadableError, match="no list of predictions"):
        read_answer(Protocol.KSERVE_V1, message({"error": "x"}))


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"label": "a", "scores": [1, 2]}, {"label": Output(("a",), ()), "scores": Output([1, 2], (2,))}),
        ([1.5, 2.5], {"answer": Output([1.5, 2.5], (2,))}),
        ("yes", {"answer": Output(("yes",), ())}),
        ({"x": {"cat": 0.1, "ape": 0.9}}, {"x": Output([0.9, 0.1], (2,), keys=("ape", "cat"))}),
        ({"x": [[1], [2, 3]]}, {"x": Output(([[1], [2, 3]],), ())}),
        ({"x": [{"a": 1}]}, {"x": Output(([{"a": 1}],), ())}),
        ({}, {}),
    ],
)
def test_plain_json(document: object, expected: dict[str, Output]) -> None:
    assert outputs(Protocol.JSON, message(document)) == expected


# OpenAI


def chat(content: object, **more: object) -> dict[str, object]:
    return {"choices": [{"index": 0, "message": {"role": "assistant", "content": content}, **more}]}


def events(*documents: object, end: bool = True) -> Message:
    lines = [b"data: " + json.dumps(document).encode() + b"\r\n\r\n" for document in documents]
    body = b": a comment\n\n" + b"".join(lines) + (b"data: [DONE]\n\n" if end else b"")
    return Message(body, content_type="text/event-stream")


def delta(content: str | None = None, finish: str | None = None, *, index: int = 0) -> dict[str, object]:
    return {"choices": [{"index": index, "delta": {"content": content} if content else {}, "finish_reason": finish}]}


def values(answer: Answer) -> dict[str, object]:
    return {name: output.values[0] for name, output in answer.outputs.items()}


def test_a_chat_answer() -> None:
    read = read_answer(Protocol.OPENAI, message(chat("Paris.", finish_reason="stop")))
    assert values(read) == {"text": "Paris.", "length": 6, "refusal": False, "finish": "stop", "tools": ""}
    assert select("$.choices[0].message.content", read.document) == "Paris."


def test_a_completion() -> None:
    body = {"choices": [{"index": 0, "text": " Paris", "finish_reason": "length"}]}
    assert values(read_answer(Protocol.OPENAI, message(body)))["text"] == " Paris"


def test_a_streamed_answer_reads_as_the_whole_one() -> None:
    read = read_answer(Protocol.OPENAI, events(delta("Par"), delta("is."), delta(finish="stop")))
    assert values(read) == {"text": "Paris.", "length": 6, "refusal": False, "finish": "stop", "tools": ""}
    assert select("$.choices[0].message.content", read.document) == "Paris."


def test_choices_of_a_stream_are_kept_apart() -> None:
    read = read_answer(
        Protocol.OPENAI, events(delta("b", "stop", index=1), delta("a", "stop"), delta("c", index=1), end=False)
    )
    assert list(read.outputs["text"].values) == ["a", "bc"]


@pytest.mark.parametrize(
    ("stream", "reason"),
    [
        (events(delta("Par"), end=False), "breaks off"),
        (events({"error": {"message": "out of memory"}}), "ends with an error"),
        (events(end=False), "no choice"),
        (Message(b"data: {\n\n", content_type="text/event-stream"), "no JSON"),
    ],
)
def test_a_stream_that_is_no_answer(stream: Message, reason: str) -> None:
    with pytest.raises(UnreadableError, match=reason):
        read_answer(Protocol.OPENAI, stream)


@pytest.mark.parametrize(
    ("body", "refuses"),
    [
        (chat("I’m sorry, but I can’t help with that."), True),
        (chat("I cannot do that."), True),
        (chat("Sorry seems to be the hardest word."), False),
        (chat("", finish_reason="content_filter"), True),
        ({"choices": [{"message": {"content": None, "refusal": "No."}}]}, True),
        (chat([{"type": "text", "text": "Paris"}]), False),
    ],
)
def test_refusals(body: object, refuses: bool) -> None:
    assert values(read_answer(Protocol.OPENAI, message(body)))["refusal"] is refuses


def test_tool_calls_are_told_by_name() -> None:
    calls = [{"function": {"name": "search", "arguments": "{}"}}, {"function": {"name": "open"}}]
    body = {"choices": [{"message": {"content": None, "tool_calls": calls}}]}
    assert values(read_answer(Protocol.OPENAI, message(body)))["tools"] == "search, open"


def test_embeddings_have_a_document_and_no_outputs() -> None:
    read = read_answer(Protocol.OPENAI, message({"data": [{"embedding": [0.1, 0.2]}]}))
    assert not read.outputs
    assert select("$.data[*].embedding", read.document) == [[0.1, 0.2]]


# Paths


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$", {"a": [{"b": 1}, {"b": None}], "c d": 2}),
        ("$.a[0].b", 1),
        ("$.a[1].b", None),
        ("$.a[*].b", [1, None]),
        ('$["c d"]', 2),
        ("$.a[2]", NOTHING),
        ("$.x", NOTHING),
        ("$.a.b", NOTHING),
        ("$.x[*]", NOTHING),
        ("$[*]", [[{"b": 1}, {"b": None}], 2]),
    ],
)
def test_paths(path: str, found: object) -> None:
    assert select(path, {"a": [{"b": 1}, {"b": None}], "c d": 2}) == found


@pytest.mark.parametrize("path", ["", "a", "$..a", "$.a[", "$.a[-1]", "$.a[?(@.b)]", "$ .a"])
def test_what_is_no_path(path: str) -> None:
    with pytest.raises(ValueError, match="is no path"):
        select(path, {})
