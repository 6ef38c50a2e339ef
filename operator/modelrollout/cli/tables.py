"""Rows of a file, one after the other, whatever its length: CSV by the standard library, Parquet by pyarrow."""

import csv
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from modelrollout.api.contract import Contract, DataType, Family
from modelrollout.cli.errors import CliError
from modelrollout.data.survey import Row

_MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "<na>"})


def rows(path: Path, contract: Contract | None) -> Iterator[Row]:
    """`contract` says which cells are text even where they look like numbers."""
    return _parquet(path) if path.suffix in (".parquet", ".pq") else _csv(path, _texts(contract))


def _texts(contract: Contract | None) -> frozenset[str]:
    """Columns whose cells are text even where they look like numbers."""
    fields = (*contract.inputs, *contract.outputs) if contract is not None else ()
    return frozenset(one.name for one in fields if one.type.family is Family.TEXT or one.type is DataType.TIMESTAMP)


def _csv(path: Path, texts: frozenset[str]) -> Iterator[Row]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            names = reader.fieldnames or []
            if len(set(names)) != len(names):
                twice = ", ".join(name for name, count in Counter(names).items() if count > 1)
                raise CliError(f"{path}: the header has {twice} more than once.")
            for row in reader:
                if None in row or None in row.values():
                    raise CliError(f"{path}, line {reader.line_num}: it has not the {len(names)} cells of the header.")
                yield {name: cell if _is_text(name, cell, texts) else value(cell) for name, cell in row.items()}
    except OSError as error:
        raise CliError(f"{path} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise CliError(f"{path} is no CSV in UTF-8: {error}.") from error


def _is_text(name: str, cell: str, texts: frozenset[str]) -> bool:
    return name in texts and cell.strip().lower() not in _MISSING


def value(cell: str) -> object:
    """What a cell says: nothing, a truth, a number or text. `007` is text."""
    text = cell.strip()
    plain = text.lower()
    if plain in _MISSING:
        return None
    if plain in ("true", "false"):
        return plain == "true"
    digits = text.lstrip("+-")
    if len(digits) > 1 and digits[0] == "0" and digits[1].isdigit():
        return text
    try:
        return float(text)
    except ValueError:
        return text


def _parquet(path: Path) -> Iterator[Row]:
    try:
        import pyarrow.lib as arrow
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise CliError("Parquet needs pyarrow: pip install 'modelrollout-operator[profile]'; CSV does not.") from error
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches():
                for row in batch.to_pylist():
                    yield {name: float(one) if isinstance(one, Decimal) else one for name, one in row.items()}
    except OSError as error:
        raise CliError(f"{path} cannot be read: {error}.") from error
    except arrow.ArrowException as error:
        raise CliError(f"{path} is no Parquet: {error}.") from error
