"""`kubectl model contract` and `kubectl model profile`, as people use them."""

import json
from pathlib import Path

import pytest
import yaml

from modelrollout.api.contract import Contract
from modelrollout.api.reference import Reference
from modelrollout.cli.errors import USAGE_ERROR
from modelrollout.cli.main import main

CSV = "amount,code,score\n" + "1.5,007,0.1\n2.5,007,0.2\n,008,0.3\n4,NA,true\n" * 5


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "train.csv"
    path.write_text(CSV)
    return path


def written(path: Path, content: object) -> Path:
    path.write_text(yaml.safe_dump(content))
    return path


def test_a_contract_is_imported_in_a_form_that_is_read_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    schema = written(tmp_path / "schema.yaml", {"properties": {"a b": {"type": "number", "pattern": "x"}}})

    assert main(["contract", "import", str(schema), "--from", "jsonschema"]) == 0

    out, err = capsys.readouterr()
    assert out == "version: 1\ninputs:\n- {name: a b, type: float, required: false}\n"
    assert Contract.model_validate(yaml.safe_load(out)).inputs[0].name == "a b"
    assert err == "left out: properties.a b.pattern\n"


def test_the_other_side_of_a_contract_is_kept(tmp_path: Path) -> None:
    known = written(tmp_path / "contract.yaml", {"inputs": [{"name": "x", "type": "float"}], "featurePipeline": "f1"})
    schema = written(tmp_path / "schema.yaml", {"properties": {"score": {"type": "number"}}})
    to = tmp_path / "both.yaml"

    arguments = ["contract", "import", str(schema), "--from", "jsonschema", "--as", "outputs"]
    assert main([*arguments, "--into", str(known), "-o", str(to)]) == 0

    both = Contract.model_validate(yaml.safe_load(to.read_text()))
    assert ([one.name for one in both.inputs], [one.name for one in both.outputs]) == (["x"], ["score"])
    assert both.feature_pipeline == "f1"


def test_a_difference_that_breaks_is_told_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    live = written(tmp_path / "live.yaml", {"inputs": [{"name": "x", "type": "float"}]})
    more = written(tmp_path / "more.yaml", {"inputs": [{"name": "x", "type": "float"}, {"name": "y", "type": "int"}]})

    assert main(["contract", "diff", str(live), str(more)]) == 1
    assert capsys.readouterr().out.startswith("breaking  inputs[y]: a new input that every request needs")
    assert main(["contract", "diff", str(live), str(live)]) == 0
    assert capsys.readouterr().out == "no difference\n"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"inputs": [{"name": "x", "typ": "float"}]}, "inputs[0].type: it is missing; add it (and 1 more)."),
        ([1], "holds no mapping of names to values."),
        ({"inputs": []}, "a contract names inputs, outputs or a featurePipeline"),
    ],
)
def test_what_is_no_contract_is_told_with_its_path(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: object, told: str
) -> None:
    file = written(tmp_path / "contract.yaml", content)

    assert main(["contract", "check", str(file)]) == USAGE_ERROR
    assert told in capsys.readouterr().err


def test_what_is_a_contract_is_told_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path / "c.yaml", {"inputs": [{"name": "x", "type": "int"}], "featurePipeline": "f1"})

    assert main(["contract", "check", str(file)]) == 0
    assert "a contract of 1 inputs and 0 outputs, featurePipeline f1" in capsys.readouterr().out


def test_a_csv_is_profiled(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", str(data), "--output", "score"]) == 0

    out, err = capsys.readouterr()
    made = Reference.model_validate(json.loads(out))
    assert made.rows == 20
    assert made.dataset is not None
    assert made.dataset.startswith("sha256:")
    amount, code = made.inputs
    assert (amount.edges, amount.missing_ratio) == ((1.5, 2, 3.25, 4), 0.25)
    assert (code.categories, code.missing_ratio) == (("007", "008"), 0.25)
    assert [one.name for one in made.outputs] == ["score"]
    assert err == "inputs: 2 (1 number, 1 category)\noutputs: 1 (1 category)\n"


def test_the_contract_says_what_the_columns_are(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fields = [{"name": "amount", "type": "float"}, {"name": "absent", "type": "float"}]
    contract = written(tmp_path / "contract.yaml", {"inputs": fields, "outputs": [{"name": "score", "type": "string"}]})
    to = tmp_path / "reference.json"

    assert main(["profile", str(data), "--contract", str(contract), "-o", str(to)]) == 0

    made = Reference.model_validate(json.loads(to.read_text()))
    assert [(one.name, one.missing_ratio) for one in made.inputs] == [("amount", 0.25), ("absent", 1)]
    assert "ignored, not in the contract: code" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a,a\n1,2\n", "the header has a more than once."),
        ("a,b\n1\n", "line 2: it has not the 2 cells of the header."),
        ("a,b\n1,2,3\n", "line 2: it has not the 2 cells of the header."),
        ("a,b\n", "holds no row."),
        ("", "holds no row."),
        ("a\n1\n", "has no column score, which --output names."),
    ],
)
def test_data_that_cannot_be_used_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, told: str
) -> None:
    path = tmp_path / "train.csv"
    path.write_text(text)

    assert main(["profile", str(path), "--output", "score"]) == USAGE_ERROR
    assert told in capsys.readouterr().err


def test_a_file_that_is_not_there_and_bins_without_sense_are_told(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["profile", str(tmp_path / "no.csv")]) == USAGE_ERROR
    assert "no.csv cannot be read: No such file" in capsys.readouterr().err
    assert main(["profile", str(data), "--bins", "99"]) == USAGE_ERROR
    assert "--bins must be from 2 to 20." in capsys.readouterr().err


def test_parquet_gives_what_the_same_csv_gives(tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = {
        "amount": [1.5, 2.5, None, 4.0] * 5,
        "code": ["007", "007", "008", None] * 5,
        "score": [0.1, 0.2, 0.3, 0.4] * 5,
    }
    data.write_text(CSV.replace("true", "0.4"))
    path = tmp_path / "train.parquet"
    parquet.write_table(arrow.table(columns), path)

    read = []
    for file in (data, path):
        assert main(["profile", str(file)]) == 0
        read.append(json.loads(capsys.readouterr().out))

    assert read[0]["inputs"] == read[1]["inputs"]


def test_a_file_that_only_says_it_is_parquet_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / "train.parquet"
    path.write_text("no")

    assert main(["profile", str(path)]) == USAGE_ERROR
    assert "train.parquet" in capsys.readouterr().err
