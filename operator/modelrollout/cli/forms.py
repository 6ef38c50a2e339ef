"""Contracts and references as files: read from YAML or JSON, and written so that a person can read them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from modelrollout.api.base import ApiType
from modelrollout.api.contract import Contract
from modelrollout.api.reference import Reference
from modelrollout.api.sentences import sentence
from modelrollout.cli.errors import CliError

Form = TypeVar("Form", bound=ApiType)


def mapping(path: Path, *, wanted: str = "mapping of names to values") -> Mapping[str, Any]:
    """What a file holds; the sentence for one that holds something else says what is `wanted`."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CliError(f"{path} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CliError(f"{path} is neither YAML nor JSON: {' '.join(str(error).split())}.") from error
    if not isinstance(content, Mapping):
        raise CliError(f"{path} holds no {wanted}.")
    return content


def contract(path: Path) -> Contract:
    return _read(path, Contract)


def reference(path: Path) -> Reference:
    return _read(path, Reference)


def _read(path: Path, form: type[Form]) -> Form:
    try:
        return form.model_validate(mapping(path))
    except ValidationError as error:
        raise CliError(f"{path}: {sentence(error)}.") from error


def told(document: ApiType) -> dict[str, Any]:
    """Without what is the default anyway; the version of the form is always said."""
    said = document.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude_none=True)
    return {"version": 1, **_plain(said)}


def _plain(value: Any) -> Any:
    """Whole numbers without a fraction, as people write them."""
    match value:
        case dict():
            return {name: _plain(part) for name, part in value.items()}
        case list():
            return [_plain(part) for part in value]
        case float() if value.is_integer() and abs(value) < 1e15:
            return int(value)
        case _:
            return value


def as_yaml(document: ApiType) -> str:
    """One line a field of a contract."""
    lines = []
    for name, value in told(document).items():
        if isinstance(value, list):
            lines += [f"{name}:", *(f"- {_line(entry)}" for entry in value)]
        else:
            lines.append(f"{name}: {_line(value)}")
    return "\n".join(lines) + "\n"


def as_json(document: ApiType) -> str:
    """One line a feature."""
    parts = []
    for name, value in told(document).items():
        if isinstance(value, list):
            listed = ",\n".join(f"  {json.dumps(entry, ensure_ascii=False)}" for entry in value)
            parts.append(f' "{name}": [\n{listed}\n ]')
        else:
            parts.append(f' "{name}": {json.dumps(value, ensure_ascii=False)}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _line(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000, allow_unicode=True)
    return text.removesuffix("...\n").strip()


def write(text: str, path: Path | None) -> None:
    """To the terminal where no file is named."""
    if path is None:
        print(text, end="")
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CliError(f"{path} cannot be written: {error.strerror}.") from error
