"""Model servers in memory: what each URL answers, or why it does not."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from modelrollout.adapters.modelserver import NoAnswer

Said = Mapping[str, Any] | NoAnswer


@dataclass
class MemoryModelServer:
    """`asked` lists every question. Answers are by the model's name; where there is none, nobody is there."""

    metadata_of: dict[str, Said] = field(default_factory=dict)
    answers_of: dict[str, Said] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    bodies: list[Mapping[str, Any]] = field(default_factory=list)

    async def metadata(self, url: str, model: str) -> Mapping[str, Any]:
        self.asked.append(("metadata", url))
        return _said(self.metadata_of.get(model))

    async def infer(self, url: str, model: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        self.asked.append(("infer", url))
        self.bodies.append(body)
        return _said(self.answers_of.get(model))


def _said(answer: Said | None) -> Mapping[str, Any]:
    if answer is None:
        raise NoAnswer("nobody is there")
    if isinstance(answer, NoAnswer):
        raise answer
    return answer
