"""`kubectl model contract`: make a contract from what there is, check one, compare two. No cluster needed.

kubectl model contract import MLmodel --from mlflow > contract.yaml
kubectl model contract check contract.yaml
kubectl model contract diff live.yaml candidate.yaml
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from modelrollout.api.contract import Contract, Severity
from modelrollout.cli import documents
from modelrollout.cli.errors import CliError
from modelrollout.data.compatibility import breaking, compare
from modelrollout.data.importers import IMPORTERS, ImportFailed, Side

BROKEN = 1


def run(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="kubectl model contract", description="What a model takes and gives.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="import | check | diff")
    importing = verbs.add_parser("import", help="a contract from a signature, metadata or schema")
    importing.add_argument("file", type=Path, help="YAML or JSON")
    importing.add_argument("--from", dest="source", required=True, choices=IMPORTERS, help="what the file is")
    importing.add_argument(
        "--as",
        dest="side",
        type=Side,
        choices=list(Side),
        default=Side.INPUTS,
        help="what a schema of one side describes (default: %(default)s)",
    )
    importing.add_argument("--into", type=Path, metavar="CONTRACT", help="a contract whose other side is kept")
    importing.add_argument("-o", "--output", type=Path, help="file to write (default: the terminal)")
    checking = verbs.add_parser("check", help="whether a file is a contract")
    checking.add_argument("file", type=Path)
    comparing = verbs.add_parser("diff", help="whether a contract breaks another one")
    comparing.add_argument("live", type=Path)
    comparing.add_argument("candidate", type=Path)
    chosen = parser.parse_args(arguments)
    match chosen.verb:
        case "import":
            return _import(chosen.file, chosen.source, side=chosen.side, into=chosen.into, output=chosen.output)
        case "check":
            return _check(chosen.file)
        case _:
            return _diff(live=chosen.live, candidate=chosen.candidate)


def _import(file: Path, source: str, *, side: Side, into: Path | None, output: Path | None) -> int:
    try:
        imported = IMPORTERS[source](documents.mapping(file), side)
    except ImportFailed as error:
        raise CliError(f"{file}: {error}.") from error
    made = imported.contract
    if into is not None:
        known = documents.contract(into)
        given = {part: getattr(made, part) for part in ("inputs", "outputs") if getattr(made, part)}
        made = Contract.model_validate({**known.model_dump(), **{name: list(value) for name, value in given.items()}})
    documents.write(documents.as_yaml(made), output)
    for what in imported.left_out:
        print(f"left out: {what}", file=sys.stderr)
    return 0


def _check(file: Path) -> int:
    contract = documents.contract(file)
    pipeline = f", featurePipeline {contract.feature_pipeline}" if contract.feature_pipeline else ""
    print(f"{file}: a contract of {len(contract.inputs)} inputs and {len(contract.outputs)} outputs{pipeline}")
    return 0


def _diff(*, live: Path, candidate: Path) -> int:
    findings = compare(live=documents.contract(live), candidate=documents.contract(candidate))
    for finding in findings:
        print(f"{'breaking' if finding.severity is Severity.BREAKING else 'note':<8}  {finding}")
    if not findings:
        print("no difference")
    return BROKEN if breaking(findings) else 0
