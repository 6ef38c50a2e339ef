"""From the bytes of a request or an answer to values that can be compared. Pure: no sockets, no clock.

| protocol | outputs |
|---|---|
| OpenInference | each tensor by its name; JSON, and the binary tensor extension |
| KServeV1 | each key of the predictions, or `predictions` where they are no objects |
| JSON | each key of the document, or `answer` where it is no object |
| OpenAI | `text`, `length`, `refusal`, `finish`, `tools`, one value a choice; whole and streamed answers |
"""

from modelrollout.observer.answers.codecs import Message, read_answer, read_request
from modelrollout.observer.answers.documents import UnreadableError
from modelrollout.observer.answers.packing import unpacked
from modelrollout.observer.answers.values import Answer, Output

__all__ = ["Answer", "Message", "Output", "UnreadableError", "read_answer", "read_request", "unpacked"]
