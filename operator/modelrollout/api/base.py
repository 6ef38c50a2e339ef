"""What every API type shares: camelCase on the wire, frozen, closed, and durations as Kubernetes writes them."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints
from pydantic.alias_generators import to_camel

_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"([0-9]+)(ms|s|m|h)")
DURATION_PATTERN = r"^([0-9]+(ms|s|m|h))+$"


class ApiType(BaseModel):
    """Unknown fields are refused: a misspelt tolerance must not become a default."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid")


def seconds(duration: str) -> float:
    """Length in seconds of a duration such as `90s`, `1h30m` or `250ms`; ValueError when it is none."""
    if not re.match(DURATION_PATTERN, duration):
        raise ValueError(
            f"{duration!r} is not a duration; write whole numbers with ms, s, m or h, such as 90s or 1h30m"
        )
    return sum(int(number) * _UNIT_SECONDS[unit] for number, unit in _PART.findall(duration))


def _checked(duration: str) -> str:
    seconds(duration)
    return duration


Duration = Annotated[str, StringConstraints(pattern=DURATION_PATTERN, max_length=20), AfterValidator(_checked)]
