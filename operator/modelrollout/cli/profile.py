"""`kubectl model profile`: how training data are spread, as a small file without any of their rows. No cluster needed.

kubectl model profile train.csv --contract contract.yaml -o reference.json
kubectl model profile train.parquet --output score -o reference.json
"""

import argparse
import csv
import hashlib
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from modelrollout.api.contract import Contract, DataType, Family
from modelrollout.api.reference import MAX_BINS, Reference
from modelrollout.cli import documents
from modelrollout.cli.errors import CliError
from modelrollout.data.survey import USUAL_BINS, Row, Survey

_MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "<na>"})
_BLOCK_BYTES = 1 << 20


def run(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="kubectl model profile", description="How training data are spread: a reference to compare live data with."
    )
    parser.add_argument("data", type=Path, help="CSV with a header, or Parquet (needs the extra `profile`)")
    parser.add_argument("--contract", type=Path, help="which columns are inputs and outputs, and of what type")
    parser.add_argument(
        "--output",
        dest="outputs",
        action="append",
        default=[],
        metavar="COLUMN",
        help="a column that holds what the model answered; can be repeated",
    )
    parser.add_argument("--bins", type=int, default=USUAL_BINS, help="bins a feature (default: %(default)s)")
    parser.add_argument("-o", dest="to", type=Path, metavar="FILE", help="file to write (default: the terminal)")
    chosen = parser.parse_args(arguments)
    if not 2 <= chosen.bins <= MAX_BINS:
        raise CliError(f"--bins must be from 2 to {MAX_BINS}.")
    contract = documents.contract(chosen.contract) if chosen.contract else None
    survey = Survey(contract=contract, outputs=chosen.outputs, bins=chosen.bins)
    for row in rows(chosen.data, contract):
        survey.add(row)
    if not survey.rows:
        raise CliError(f"{chosen.data} holds no row.")
    made = survey.count(rows(chosen.data, contract), dataset=_digest(chosen.data))
    absent = sorted(set(chosen.outputs) - {one.name for one in made.outputs})
    if absent:
        raise CliError(f"{chosen.data} has no column {', '.join(absent)}, which --output names.")
    documents.write(documents.as_json(made), chosen.to)
    _tell(made, survey)
    return 0


def rows(path: Path, contract: Contract | None) -> Iterator[Row]:
    """One after the other, whatever the file's length."""
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


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return f"sha256:{digest.hexdigest()}"


def _tell(made: Reference, survey: Survey) -> None:
    """To the person, beside the document."""
    for side, features in (("inputs", made.inputs), ("outputs", made.outputs)):
        kinds: Any = Counter(feature.spread.value for feature in features)
        told = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        print(f"{side}: {len(features)}{f' ({told})' if told else ''}", file=sys.stderr)
    if survey.left_out:
        print(f"left out, no spread to compare: {', '.join(sorted(survey.left_out))}", file=sys.stderr)
    if survey.ignored:
        print(f"ignored, not in the contract: {', '.join(sorted(survey.ignored))}", file=sys.stderr)
