"""A pandera schema in its YAML or JSON export. Its checks have been written in several ways over time; all are read.

Checks that a contract has no word for (patterns, lengths, those of one's own) are told and left out.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from modelrollout.data.importers.result import Draft, Imported, Side, mapping, number, within

_KNOWN = frozenset(
    {
        "greater_than",
        "greater_than_or_equal_to",
        "less_than",
        "less_than_or_equal_to",
        "equal_to",
        "in_range",
        "isin",
    }
)
_OPEN = ("greater_than", "less_than")
_PARTS = frozenset(
    {
        "title",
        "description",
        "dtype",
        "pandas_dtype",
        "nullable",
        "checks",
        "unique",
        "allow_duplicates",
        "coerce",
        "required",
        "regex",
        "metadata",
        "default",
        "drop_invalid_rows",
        "report_duplicates",
        "name",
    }
)


def contract(document: Mapping[str, Any], side: Side = Side.INPUTS) -> Imported:
    """`side` is what the columns are."""
    draft = Draft()
    for key, column in mapping(document.get("columns"), "columns").items():
        name = str(key)
        _column(draft, side, name, mapping(column or {}, f"columns.{name}"))
    if document.get("checks"):
        draft.leave_out("checks of the whole frame")
    return draft.finish()


def _column(draft: Draft, side: Side, name: str, column: Mapping[str, Any]) -> None:
    if column.get("regex"):
        draft.leave_out(f"columns.{name}: it is a pattern for names")
        return
    dtype = str(column.get("dtype") or column.get("pandas_dtype") or "")
    checks = dict(_checks(name, column))
    for check in sorted(checks.keys() - _KNOWN):
        draft.leave_out(f"columns.{name}: check {check}")
    for check in _OPEN:
        if check in checks and not _whole(dtype):
            draft.leave_out(f"columns.{name}: {check} excludes its bound, and a range includes it")
    categories = _texts(checks.get("isin"))
    kind = _type(dtype, categorical=categories is not None)
    if kind is None:
        draft.leave_out(f"columns.{name}: a contract has no type for {dtype or 'a column without one'}")
        return
    numeric = kind not in ("category", "string", "bool", "timestamp")
    if numeric and categories is not None:
        draft.leave_out(f"columns.{name}: isin of numbers")
        categories = None
    if kind == "category" and categories is None:
        kind = "string"
    draft.add(
        side,
        {
            "name": name,
            "type": kind,
            "nullable": True if column.get("nullable") else None,
            "required": bool(column.get("required", True)),
            "range": _range(checks, step=1 if _whole(dtype) else 0) if numeric else None,
            "categories": categories,
        },
    )


def _checks(name: str, column: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each check by its name with its statistics, whichever way the file has them."""
    checks = column.get("checks") or {}
    if isinstance(checks, list):
        for one in checks:
            said = mapping(one, f"a check of columns.{name}")
            options = mapping(said.get("options") or {}, f"options of a check of columns.{name}")
            yield str(options.get("check_name") or said.get("check_name") or "without a name"), _statistics(said)
    else:
        for check, said in mapping(checks, f"columns.{name}.checks").items():
            yield str(check), _statistics(said)
    for check, said in column.items():
        if check not in _PARTS:
            yield check, _statistics(said)


def _statistics(said: Any) -> Any:
    """A value alone, or the mapping of several."""
    if not isinstance(said, Mapping):
        return said
    kept = {key: value for key, value in said.items() if key not in ("options", "check_name")}
    return kept["value"] if kept.keys() == {"value"} else kept


def _bound(said: Any, part: str) -> float | None:
    return number(said.get(part)) if isinstance(said, Mapping) else number(said)


def _moved(bound: float | None, by: int) -> float | None:
    return None if bound is None else bound + by


def _whole(dtype: str) -> bool:
    return dtype.lower().startswith(("int", "uint"))


def _range(checks: Mapping[str, Any], *, step: int) -> dict[str, float] | None:
    inside = checks.get("in_range")
    inside = inside if isinstance(inside, Mapping) else {}
    return within(
        low=(
            _moved(_bound(checks.get("greater_than"), "min_value"), step),
            _bound(checks.get("greater_than_or_equal_to"), "min_value"),
            number(inside.get("min_value")),
            _bound(checks.get("equal_to"), "value"),
        ),
        high=(
            _moved(_bound(checks.get("less_than"), "max_value"), -step),
            _bound(checks.get("less_than_or_equal_to"), "max_value"),
            number(inside.get("max_value")),
            _bound(checks.get("equal_to"), "value"),
        ),
    )


def _texts(allowed: Any) -> list[str] | None:
    if isinstance(allowed, Mapping):
        allowed = allowed.get("allowed_values")
    if not isinstance(allowed, list):
        return None
    return [str(one).lower() if isinstance(one, bool) else str(one) for one in allowed]


def _type(dtype: str, *, categorical: bool) -> str | None:
    """pandas writes a type in many ways: `int64`, `Int64`, `float`, `datetime64[ns, UTC]`, `string[python]`."""
    plain = dtype.lower()
    if found := re.fullmatch(r"(u?int)(8|16|32|64)", plain):
        return f"{found[1]}{found[2]}".upper()
    if found := re.fullmatch(r"float(16|32|64)", plain):
        return f"FP{found[1]}"
    if plain.startswith("datetime") or plain in ("timestamp", "date"):
        return "timestamp"
    if plain.startswith(("str", "object", "category")):
        return "category" if categorical or plain.startswith("category") else "string"
    return {"int": "int", "float": "float", "bool": "bool", "boolean": "bool"}.get(plain)
