"""Durations as Kubernetes writes them. Nothing else is imported here, so that programs which start often can use it."""

import re
from datetime import timedelta

# Six digits a part and 20 characters in all stay below what the API server's own durations can hold (292 years).
DURATION_PATTERN = r"^([0-9]{1,6}(ms|s|m|h))+$"
MAX_DURATION_LENGTH = 20

_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"([0-9]+)(ms|s|m|h)")


def seconds(duration: str) -> float:
    """Length in seconds of a duration such as `90s`, `1h30m` or `250ms`; ValueError when it is none."""
    if not re.fullmatch(DURATION_PATTERN, duration):
        raise ValueError(
            f"{duration!r} is not a duration; write whole numbers with ms, s, m or h, such as 90s or 1h30m"
        )
    return sum(int(number) * _UNIT_SECONDS[unit] for number, unit in _PART.findall(duration))


def told(span: timedelta) -> str:
    """As kubectl shows an age: its two largest units, such as `3d4h` or `12m30s`."""
    left = max(0, int(span.total_seconds()))
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        parts.append(f"{count}{unit}" if count else "")
    first = next((place for place, part in enumerate(parts) if part), len(parts) - 1)
    return "".join(parts[first : first + 2]) or "0s"
