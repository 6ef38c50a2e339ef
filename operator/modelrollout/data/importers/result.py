"""What an importer gives, and what all of them share."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pydantic import ValidationError

from modelrollout.api.contract import Contract
from modelrollout.api.sentences import sentence


class ImportFailed(ValueError):  # noqa: N818
    """Why a document gives no contract: one sentence, without a full stop."""


class Side(StrEnum):
    INPUTS = "inputs"
    OUTPUTS = "outputs"


@dataclass(frozen=True, slots=True)
class Imported:
    """The contract, and in `left_out` what of the source it does not say."""

    contract: Contract
    left_out: tuple[str, ...] = ()


@dataclass(slots=True)
class Draft:
    """A contract that is being put together."""

    fields: dict[Side, list[dict[str, Any]]] = field(default_factory=lambda: {side: [] for side in Side})
    left_out: list[str] = field(default_factory=list)

    def add(self, side: Side, entry: Mapping[str, Any]) -> None:
        """Parts that are None are not given; outputs are always there, so none is required."""
        given = {name: value for name, value in entry.items() if value is not None}
        if side is Side.OUTPUTS:
            given.pop("required", None)
        self.fields[side].append(given)

    def leave_out(self, what: str) -> None:
        self.left_out.append(what)

    def finish(self) -> Imported:
        given = {side.value: fields for side, fields in self.fields.items() if fields}
        if not given:
            why = f": {'; '.join(self.left_out)}" if self.left_out else ""
            raise ImportFailed(f"there is nothing in it that a contract could say{why}")
        try:
            contract = Contract.model_validate(given)
        except ValidationError as error:
            raise ImportFailed(f"it gives no contract: {sentence(error)}") from error
        return Imported(contract, tuple(self.left_out))


def mapping(value: object, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ImportFailed(f"{what} is no mapping of names to values")
    return value


def items(value: object, what: str) -> Iterator[Mapping[str, Any]]:
    """Of a list of mappings."""
    if not isinstance(value, list):
        raise ImportFailed(f"{what} is no list")
    for place, one in enumerate(value):
        yield mapping(one, f"{what}[{place}]")


def within(*, low: Iterable[float | None], high: Iterable[float | None]) -> dict[str, float] | None:
    """The narrowest range that all bounds agree on."""
    lows, highs = [one for one in low if one is not None], [one for one in high if one is not None]
    bounds = ({"min": max(lows)} if lows else {}) | ({"max": min(highs)} if highs else {})
    return bounds or None


def number(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
