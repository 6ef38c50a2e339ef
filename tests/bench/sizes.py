"""How large something is: as JSON, and in memory."""

import json
import sys


def size(body: object) -> int:
    return len(json.dumps(body, separators=(",", ":")).encode())


def weigh(value: object, seen: set[int]) -> int:
    """Bytes of an object and of all that only it can reach; types and modules are everybody's."""
    if id(value) in seen or isinstance(value, type):
        return 0
    seen.add(id(value))
    parts: list[object] = []
    if isinstance(value, dict):
        parts = [*value.keys(), *value.values()]
    elif isinstance(value, (list, tuple, set, frozenset)):
        parts = list(value)
    parts += [getattr(value, name) for name in getattr(type(value), "__slots__", ()) if hasattr(value, name)]
    parts += [vars(value)] if hasattr(value, "__dict__") else []
    return sys.getsizeof(value) + sum(weigh(part, seen) for part in parts)
