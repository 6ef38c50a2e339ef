"""What every API type shares: camelCase on the wire, frozen, closed, its rules checked; and durations as Kubernetes
writes them.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, StringConstraints, WithJsonSchema, model_validator
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from modelrollout.api.durations import DURATION_PATTERN, MAX_DURATION_LENGTH
from modelrollout.api.durations import seconds as seconds
from modelrollout.api.rules import Rule, check, extended, rules_of


class ApiType(BaseModel):
    """Unknown fields are refused: a misspelt tolerance must not become a default. JSON knows no infinity."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        ignored_types=(Rule,),
    )
    _rules: ClassVar[tuple[Rule, ...]] = ()

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        cls._rules = rules_of(cls)

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler.resolve_ref_schema(handler(core))
        schema.update(extended(schema, rules_of(cls)))
        return schema

    @model_validator(mode="after")
    def _keeps_its_rules(self) -> Self:
        return check(self, type(self)._rules)


class ApiObject(ApiType):
    """A whole object. Metadata stays with the caller, but for the rules of the name."""

    name_rules: ClassVar[tuple[Rule, ...]] = ()

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """From the object as the API server gives it; ValueError, with all messages, when it breaks a rule."""
        check(body["metadata"]["name"], cls.name_rules)
        return cls.model_validate({part: body[part] for part in cls.model_fields if part in body})


def _is_positive(duration: str) -> bool:
    return re.fullmatch(DURATION_PATTERN, duration) is not None and seconds(duration) > 0


Duration = Annotated[
    str,
    StringConstraints(max_length=MAX_DURATION_LENGTH),
    Rule(
        cel=f"self.matches(r'{DURATION_PATTERN}') && duration(self) > duration('0s')",
        message="must be a duration longer than zero: whole numbers with ms, s, m or h, such as 30s or 1h30m",
        holds=_is_positive,
        pattern=DURATION_PATTERN,
    ),
]

Preserved = Annotated[dict[str, Any], WithJsonSchema({"type": "object", "x-kubernetes-preserve-unknown-fields": True})]
"""An object that the API server keeps as it is, with whatever it holds."""
