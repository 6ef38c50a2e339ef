"""From what was read to rows of named values, by protocol, for contracts and bins."""

from collections.abc import Sequence

from modelrollout.api.contract import DataField
from modelrollout.api.observe import Protocol
from modelrollout.data import RowsError, rows_of_instances, rows_of_tensors
from modelrollout.data.rows import Row
from modelrollout.observer.answers.codecs import PREDICTIONS
from modelrollout.observer.answers.values import Answer

INSTANCES = "instances"


def rows_of_request(protocol: Protocol, document: object, fields: Sequence[DataField]) -> list[Row]:
    """Raises RowsError. `document` is what `read_request` gives."""
    match protocol:
        case Protocol.OPEN_INFERENCE:
            tensors = document.get("inputs") if isinstance(document, dict) else None
            return rows_of_tensors(tensors if isinstance(tensors, list) else [], fields)
        case Protocol.KSERVE_V1:
            return rows_of_instances(document.get(INSTANCES) if isinstance(document, dict) else None, fields)
        case Protocol.JSON:
            return _plain(document, INSTANCES, fields)
        case Protocol.OPENAI:
            raise RowsError("conversations have no rows")


def rows_of_answer(protocol: Protocol, answer: Answer, fields: Sequence[DataField]) -> list[Row]:
    """Raises RowsError."""
    match protocol:
        case Protocol.OPEN_INFERENCE:
            tensors = [
                {"name": name, "shape": list(output.shape), "data": list(output.values)}
                for name, output in answer.outputs.items()
            ]
            return rows_of_tensors(tensors, fields)
        case Protocol.KSERVE_V1 | Protocol.JSON:
            return _plain(answer.document, PREDICTIONS, fields)
        case Protocol.OPENAI:
            raise RowsError("conversations have no rows")


def _plain(document: object, listed: str, fields: Sequence[DataField]) -> list[Row]:
    """A list of rows, under the usual key or alone; any other object is one row."""
    if isinstance(document, dict):
        return rows_of_instances(document[listed] if isinstance(document.get(listed), list) else [document], fields)
    return rows_of_instances(document, fields)
