"""`kubectl model profile`: how training data are spread, as a small file that holds none of their rows."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from modelrollout.cli.errors import CliError

if TYPE_CHECKING:
    from modelrollout.api.reference import Reference
    from modelrollout.data.survey import Survey

_DESCRIPTION = """\
How training data are spread, feature by feature: the reference that live data are compared with. Numbers are told by
bins, words that come again and again by name, all other text by its length. No row is in it, and no word that fewer
than five rows have, unless the contract says that it is a category.
"""
_EPILOG = """\
  kubectl model profile train.csv --contract contract.yaml -o reference.json
  kubectl model profile train.parquet --output score -o reference.json
"""
_BINS = 10
_MOST_BINS = 20
_BLOCK_BYTES = 1 << 20


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="kubectl model profile",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument(
        "data", type=Path, metavar="FILE", help="CSV with a header, or Parquet (with the extra `profile`)"
    )
    made.add_argument(
        "--contract", type=Path, metavar="CONTRACT", help="which columns are inputs and outputs, and of what type"
    )
    made.add_argument(
        "--output",
        dest="outputs",
        action="append",
        default=[],
        metavar="COLUMN",
        help="a column that holds what the model answered; can be repeated",
    )
    made.add_argument("--bins", type=int, default=_BINS, metavar="NUMBER", help="bins a feature (default: %(default)s)")
    made.add_argument("-o", dest="to", type=Path, metavar="FILE", help="file to write (default: the terminal)")
    return made


def run(arguments: Sequence[str]) -> int:
    chosen = parser().parse_args(arguments)
    if not 2 <= chosen.bins <= _MOST_BINS:
        raise CliError(f"--bins must be from 2 to {_MOST_BINS}.")
    from modelrollout.cli import forms
    from modelrollout.cli.tables import rows
    from modelrollout.data.survey import Survey

    contract = forms.contract(chosen.contract) if chosen.contract else None
    survey = Survey(contract=contract, outputs=chosen.outputs, bins=chosen.bins)
    for row in rows(chosen.data, contract):
        survey.add(row)
    if not survey.rows:
        raise CliError(f"{chosen.data} holds no row.")
    made = survey.count(rows(chosen.data, contract), dataset=_digest(chosen.data))
    absent = sorted(set(chosen.outputs) - {one.name for one in made.outputs})
    if absent:
        raise CliError(f"{chosen.data} has no column {', '.join(absent)}, which --output names.")
    forms.write(forms.as_json(made), chosen.to)
    _tell(made, survey)
    return 0


def _digest(path: Path) -> str:
    import hashlib

    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return f"sha256:{digest.hexdigest()}"


def _tell(made: "Reference", survey: "Survey") -> None:
    """To the person, beside the document."""
    from collections import Counter

    for side, features in (("inputs", made.inputs), ("outputs", made.outputs)):
        kinds = Counter(feature.spread.value for feature in features)
        told = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        print(f"{side}: {len(features)}{f' ({told})' if told else ''}", file=sys.stderr)
    if survey.left_out:
        print(f"left out, no spread to compare: {', '.join(sorted(survey.left_out))}", file=sys.stderr)
    if survey.ignored:
        print(f"ignored, not in the contract: {', '.join(sorted(survey.ignored))}", file=sys.stderr)
