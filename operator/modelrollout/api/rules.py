"""A rule that a schema cannot say, written once for both sides that must refuse the same thing.

The API server judges `cel` when somebody applies an object; the operator judges `holds` when it reads one that got past
(an older CRD, a restored backup). Both answer with the same message, which names the field and the remedy. Rules stand
where the value is: on a type as a decorated method, on a field as part of its annotation. The CRDs are generated from
them (`modelrollout.api.crd`).
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

EXTENSION = "x-kubernetes-validations"

Value = TypeVar("Value")


@dataclass(frozen=True)
class Rule:
    """`cel` and `holds` say the same. `holds` is None where only the API server can tell: it alone sees the old object.

    `pattern` is the regular expression that the rule asks for, if it is of that sort; the schema then shows it as well.
    """

    cel: str
    message: str
    holds: Callable[[Any], bool] | None
    pattern: str | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(lambda value: check(value, (self,)), handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return extended(handler(core), (self,))


def rule(cel: str, message: str) -> Callable[[Callable[[Any], bool]], Rule]:
    """Turns a method that says whether the rule holds into the rule itself."""
    return lambda holds: Rule(cel, message, holds)


def matching(pattern: str, message: str) -> Rule:
    """The whole text matches `pattern`, which must mean the same to Python and to RE2."""
    expression = re.compile(pattern)
    return Rule(
        cel=f"self.matches(r'{pattern}')",
        message=message,
        holds=lambda text: expression.fullmatch(text) is not None,
        pattern=pattern,
    )


def rules_of(cls: type) -> tuple[Rule, ...]:
    """The rules that a type and its bases declare, in the order of declaration."""
    return tuple(value for base in reversed(cls.__mro__) for value in vars(base).values() if isinstance(value, Rule))


def check(value: Value, rules: Iterable[Rule]) -> Value:
    """The value itself; ValueError with the message of every rule that it breaks."""
    broken = [rule.message for rule in rules if rule.holds is not None and not rule.holds(value)]
    if broken:
        raise ValueError("; ".join(broken))
    return value


def extended(schema: JsonSchemaValue, rules: Iterable[Rule]) -> JsonSchemaValue:
    """`schema` with these rules after those that it has."""
    added = [{"rule": rule.cel, "message": rule.message} for rule in rules]
    if not added:
        return schema
    result = {**schema, EXTENSION: [*schema.get(EXTENSION, ()), *added]}
    for pattern in (rule.pattern for rule in rules if rule.pattern):
        result["pattern"] = pattern
    return result
