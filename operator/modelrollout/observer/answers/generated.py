"""Answers of language models in OpenAI's form, whole or as a stream of events.

Text of a language model differs from one time to the next, so what is compared by default is what operation can tell:
whether it refused, and how long the answer is. That it refused is read from what servers say (`refusal`, a content
filter) and from the words that English refusals begin with; that is a count for trends, not a judgement of one answer.
"""

from dataclasses import dataclass, field

from modelrollout.observer.answers.documents import UnreadableError, load_object
from modelrollout.observer.answers.values import Answer, Output

EVENT_STREAM = "text/event-stream"
_END = b"[DONE]"
_REFUSING = (
    "i'm sorry",
    "i am sorry",
    "sorry, but",
    "i can't",
    "i cannot",
    "i'm unable",
    "i am unable",
    "i won't",
    "i'm not able",
    "i am not able",
)


@dataclass(slots=True)
class Choice:
    """One of the answers that a request may ask for."""

    text: list[str] = field(default_factory=list)
    refusal: list[str] = field(default_factory=list)
    finish: str | None = None
    tools: dict[int, str] = field(default_factory=dict)

    @property
    def whole(self) -> str:
        return "".join(self.text)

    @property
    def refuses(self) -> bool:
        start = self.whole[:200].lstrip().lower().replace("’", "'")
        return any(self.refusal) or self.finish == "content_filter" or start.startswith(_REFUSING)

    def take(self, part: dict[str, object]) -> None:
        """A choice of a whole answer, or what one event adds to it."""
        if isinstance(finish := part.get("finish_reason"), str):
            self.finish = finish
        said = part.get("delta", part.get("message"))
        if not isinstance(said, dict):
            self.text.append(_text(part.get("text")))
            return
        self.text.append(_text(said.get("content")))
        self.refusal.append(_text(said.get("refusal")))
        calls = said.get("tool_calls")
        for place, call in enumerate(calls if isinstance(calls, list) else ()):
            self._take_call(place, call)

    def _take_call(self, place: int, call: object) -> None:
        if not isinstance(call, dict):
            return
        index, function = call.get("index"), call.get("function")
        if isinstance(function, dict) and isinstance(name := function.get("name"), str):
            self.tools[index if isinstance(index, int) else place] = name


def read(body: bytes, *, content_type: str) -> Answer:
    """Raises UnreadableError, also for a stream that breaks off."""
    if content_type == EVENT_STREAM:
        choices = _streamed(body)
        return Answer(_outputs(choices), _document(choices))
    document = load_object(body)
    choices = {}
    _collect(document, choices)
    return Answer(_outputs(choices) if choices else {}, document)


def _streamed(body: bytes) -> dict[int, Choice]:
    choices: dict[int, Choice] = {}
    ended = False
    for event in _events(body):
        if event == _END:
            ended = True
            break
        document = load_object(event)
        if "error" in document:
            raise UnreadableError("the stream ends with an error")
        _collect(document, choices)
    if not choices:
        raise UnreadableError("there is no choice in the stream")
    if not ended and any(choice.finish is None for choice in choices.values()):
        raise UnreadableError("the stream breaks off")
    return choices


def _events(body: bytes) -> list[bytes]:
    """The data of server-sent events, those of several lines put together."""
    events: list[bytes] = []
    lines: list[bytes] = []
    for line in (*body.splitlines(), b""):
        if not line and lines:
            events.append(b"\n".join(lines))
            lines = []
        elif line.startswith(b"data:"):
            lines.append(line.removeprefix(b"data:").strip())
    return events


def _collect(document: dict[str, object], choices: dict[int, Choice]) -> None:
    parts = document.get("choices")
    for place, part in enumerate(parts if isinstance(parts, list) else ()):
        if isinstance(part, dict):
            index = part.get("index")
            choices.setdefault(index if isinstance(index, int) else place, Choice()).take(part)


def _text(content: object) -> str:
    """Content is text, or a list of parts of which some have text."""
    match content:
        case str():
            return content
        case list():
            return "".join(_text(part.get("text")) for part in content if isinstance(part, dict))
        case _:
            return ""


def _outputs(choices: dict[int, Choice]) -> dict[str, Output]:
    ordered = [choices[index] for index in sorted(choices)]
    shape = (len(ordered),)
    return {
        "text": Output([choice.whole for choice in ordered], shape),
        "length": Output([len(choice.whole) for choice in ordered], shape),
        "refusal": Output([choice.refuses for choice in ordered], shape),
        "finish": Output([choice.finish for choice in ordered], shape),
        "tools": Output(
            [", ".join(choice.tools[index] for index in sorted(choice.tools)) for choice in ordered], shape
        ),
    }


def _document(choices: dict[int, Choice]) -> dict[str, object]:
    """A stream as the whole answer that it stands for, so that one path finds both."""
    return {
        "choices": [
            {"index": index, "message": {"content": choice.whole}, "text": choice.whole, "finish_reason": choice.finish}
            for index, choice in sorted(choices.items())
        ]
    }
