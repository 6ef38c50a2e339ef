"""Which way a body is read, by protocol."""

from collections.abc import Mapping
from dataclasses import dataclass

from modelrollout.api.observe import Protocol
from modelrollout.observer.answers import generated, tensors
from modelrollout.observer.answers.documents import UnreadableError, load, load_object
from modelrollout.observer.answers.values import Answer, Output

PREDICTIONS = "predictions"
ROOT = "answer"


@dataclass(frozen=True, slots=True)
class Message:
    """A body, unpacked, and what its headers say of it. `content_type` is without parameters and in small letters."""

    body: bytes
    content_type: str = "application/json"
    json_length: int | None = None

    @classmethod
    def of(cls, body: bytes, headers: Mapping[str, str]) -> "Message":
        """`headers` finds names however they are written."""
        length = headers.get(tensors.LENGTH_HEADER, "")
        if length and not (length.isascii() and length.isdigit() and len(length) < 12):
            raise UnreadableError(f"{tensors.LENGTH_HEADER} is no length")
        return cls(
            body=body,
            content_type=headers.get("content-type", "").partition(";")[0].strip().lower(),
            json_length=int(length) if length else None,
        )


def read_answer(protocol: Protocol, message: Message) -> Answer:
    """Raises UnreadableError."""
    match protocol:
        case Protocol.OPEN_INFERENCE:
            document, read = tensors.read(message.body, "outputs", json_length=message.json_length)
            return Answer({one.name: Output(one.values, one.shape) for one in read}, document)
        case Protocol.KSERVE_V1:
            return _predictions(load_object(message.body))
        case Protocol.JSON:
            return _plain(load(message.body))
        case Protocol.OPENAI:
            return generated.read(message.body, content_type=message.content_type)


def read_request(protocol: Protocol, message: Message) -> object:
    """What a request says, as JSON; tensors in it have their values, also those that came as bytes.

    Raises UnreadableError.
    """
    if protocol is not Protocol.OPEN_INFERENCE or message.json_length is None:
        return load(message.body)
    document, read = tensors.read(message.body, "inputs", json_length=message.json_length)
    inputs = [
        {"name": one.name, "datatype": one.datatype, "shape": list(one.shape), "data": list(one.values)} for one in read
    ]
    return {**document, "inputs": inputs}


def _predictions(document: dict[str, object]) -> Answer:
    rows = document.get(PREDICTIONS)
    if not isinstance(rows, list):
        raise UnreadableError(f"there is no list of {PREDICTIONS} in it")
    if not rows or not all(isinstance(row, dict) for row in rows):
        return Answer({PREDICTIONS: Output.of_json(rows)}, document)
    names = sorted({name for row in rows for name in row})
    columns = {name: [row.get(name) for row in rows] for name in names}
    return Answer({name: Output.of_json(column) for name, column in columns.items()}, document)


def _plain(document: object) -> Answer:
    if not isinstance(document, dict):
        return Answer({ROOT: Output.of_json(document)}, document)
    return Answer({str(name): Output.of_json(value) for name, value in document.items()}, document)
