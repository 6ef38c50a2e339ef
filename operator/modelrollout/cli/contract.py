"""`kubectl model contract`: make a contract from what there is, check one, compare two. No cluster needed."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from modelrollout.cli.errors import CliError

_EPILOG = """\
  kubectl model contract import MLmodel --from mlflow -o contract.yaml
  kubectl model contract check contract.yaml
  kubectl model contract diff live.yaml candidate.yaml

diff exits with 1 where the candidate's contract breaks the live one's.
"""
_SOURCES = {
    "mlflow": "an MLmodel file with a signature",
    "v2": "metadata of the Open Inference Protocol, the answer of GET v2/models/MODEL",
    "pandera": "a schema as to_yaml or to_json writes it",
    "jsonschema": "the JSON Schema of one row",
}
BROKEN = 1


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="kubectl model contract",
        description="What a model takes and gives: inputs, outputs and the features' pipeline.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    verbs = made.add_subparsers(dest="verb", required=True, metavar="import | check | diff")
    importing = verbs.add_parser(
        "import",
        help="a contract from a signature, metadata or schema",
        epilog="\n".join(f"  {name:<10}  {what}" for name, what in _SOURCES.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    importing.add_argument("file", type=Path, metavar="FILE", help="YAML or JSON")
    importing.add_argument("--from", dest="source", required=True, choices=_SOURCES, help="what the file is")
    importing.add_argument(
        "--as",
        dest="side",
        choices=("inputs", "outputs"),
        default="inputs",
        help="what a schema of one side describes (default: %(default)s)",
    )
    importing.add_argument("--into", type=Path, metavar="CONTRACT", help="a contract whose other side is kept")
    importing.add_argument("-o", "--output", type=Path, metavar="FILE", help="file to write (default: the terminal)")
    checking = verbs.add_parser("check", help="whether a file is a contract")
    checking.add_argument("file", type=Path, metavar="FILE")
    comparing = verbs.add_parser("diff", help="whether a contract breaks another one")
    comparing.add_argument("live", type=Path, metavar="LIVE")
    comparing.add_argument("candidate", type=Path, metavar="CANDIDATE")
    return made


def run(arguments: Sequence[str]) -> int:
    chosen = parser().parse_args(arguments)
    match chosen.verb:
        case "import":
            return _import(chosen.file, chosen.source, side=chosen.side, into=chosen.into, output=chosen.output)
        case "check":
            return _check(chosen.file)
        case _:
            return _diff(live=chosen.live, candidate=chosen.candidate)


def _import(file: Path, source: str, *, side: str, into: Path | None, output: Path | None) -> int:
    from modelrollout.api.contract import Contract
    from modelrollout.cli import forms
    from modelrollout.data.importers import IMPORTERS, ImportFailed, Side

    try:
        imported = IMPORTERS[source](forms.mapping(file), Side(side))
    except ImportFailed as error:
        raise CliError(f"{file}: {error}.") from error
    made = imported.contract
    if into is not None:
        given = {part: getattr(made, part) for part in ("inputs", "outputs") if getattr(made, part)}
        made = Contract.model_validate({**forms.contract(into).model_dump(), **given})
    forms.write(forms.as_yaml(made), output)
    for what in imported.left_out:
        print(f"left out: {what}", file=sys.stderr)
    return 0


def _check(file: Path) -> int:
    from modelrollout.cli import forms

    contract = forms.contract(file)
    pipeline = f", featurePipeline {contract.feature_pipeline}" if contract.feature_pipeline else ""
    print(f"{file}: a contract of {len(contract.inputs)} inputs and {len(contract.outputs)} outputs{pipeline}")
    return 0


def _diff(*, live: Path, candidate: Path) -> int:
    from modelrollout.api.contract import Severity
    from modelrollout.cli import forms
    from modelrollout.data.compatibility import breaking, compare

    findings = compare(live=forms.contract(live), candidate=forms.contract(candidate))
    for finding in findings:
        print(f"{'breaking' if finding.severity is Severity.BREAKING else 'note':<8}  {finding}")
    if not findings:
        print("no difference")
    return BROKEN if breaking(findings) else 0
