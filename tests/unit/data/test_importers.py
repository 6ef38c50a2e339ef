"""Contracts from what teams have already. The files in `documents` were written by the tools themselves."""

import json
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

from modelrollout.data.importers import IMPORTERS, Imported, ImportFailed, Side

DOCUMENTS = Path(__file__).parent / "documents"


def imported(source: str, document: Any, side: Side = Side.INPUTS) -> Imported:
    return IMPORTERS[source](document, side)


def fields(result: Imported, side: str = "inputs") -> dict[str, dict[str, Any]]:
    dumped = result.contract.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude_none=True)
    return {one.pop("name"): one for one in dumped.get(side, [])}


class TestMlflow:
    def test_a_signature_of_columns_and_tensors(self) -> None:
        result = imported("mlflow", yaml.safe_load((DOCUMENTS / "MLmodel").read_text()))

        assert fields(result) == {
            "amount": {"type": "FP64"},
            "age": {"type": "INT32", "required": False},
            "country": {"type": "string"},
            "flag": {"type": "bool"},
            "when": {"type": "timestamp"},
            "vec": {"type": "FP64", "shape": [-1, -1]},
            "blob": {"type": "BYTES"},
        }
        assert fields(result, "outputs") == {"output": {"type": "FP32", "shape": [-1, 3]}}
        assert [what.partition(":")[0] for what in result.left_out] == ["inputs[obj]", "signature.params"]

    @pytest.mark.parametrize(
        ("document", "told"),
        [
            ({"flavors": {}}, "the model has no signature; log it with one"),
            ({"signature": {"inputs": "[{"}}, "signature.inputs is no JSON"),
            (
                {"signature": {"inputs": '[{"type": "any"}]'}},
                r"nothing in it .*inputs\[input\]: a contract has no type",
            ),
            ({"signature": {"inputs": '{"type": "long"}'}}, "signature.inputs is no list"),
        ],
    )
    def test_a_model_that_tells_nothing_is_refused(self, document: Any, told: str) -> None:
        with pytest.raises(ImportFailed, match=told):
            imported("mlflow", document)


class TestOpenInference:
    METADATA: Any = json.loads(
        '{"name": "fraud", "platform": "sklearn", "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}],'
        ' "outputs": [{"name": "y", "datatype": "INT64", "shape": [-1]}]}'
    )

    def test_datatypes_and_shapes_are_taken_as_they_are(self) -> None:
        result = imported("v2", self.METADATA)

        assert fields(result) == {"x": {"type": "FP32", "shape": [-1, 4]}}
        assert fields(result, "outputs") == {"y": {"type": "INT64", "shape": [-1]}}

    @pytest.mark.parametrize(
        ("metadata", "told"),
        [
            ({"name": "fraud", "inputs": [], "outputs": []}, "nothing in it"),
            ({"inputs": [{"name": "x", "datatype": "FP8"}]}, r"inputs\[0\]\.type"),
            ({"inputs": [{"datatype": "FP32"}]}, "has no name"),
        ],
    )
    def test_metadata_that_tell_nothing_are_refused(self, metadata: Any, told: str) -> None:
        with pytest.raises(ImportFailed, match=told):
            imported("v2", metadata)


class TestPandera:
    EXPECTED: ClassVar[dict[str, Any]] = {
        "amount": {"type": "FP64", "nullable": True, "range": {"min": 0, "max": 100}},
        "age": {"type": "INT32", "required": False, "range": {"min": 0, "max": 120}},
        "country": {"type": "category", "categories": ["DE", "FR"]},
        "when": {"type": "timestamp"},
        "code": {"type": "string"},
        "flag": {"type": "bool"},
        "n": {"type": "INT64", "range": {"min": 4}},
    }

    @pytest.mark.parametrize("name", ["pandera-0.35.yaml", "pandera-0.35.json"])
    def test_the_export_of_today(self, name: str) -> None:
        result = imported("pandera", yaml.safe_load((DOCUMENTS / name).read_text()))

        assert fields(result) == self.EXPECTED
        assert result.left_out == ("columns.code: check str_matches",)

    @pytest.mark.parametrize(
        "checks",
        [
            {"greater_than_or_equal_to": 0, "less_than_or_equal_to": 9},
            {"in_range": {"min_value": 0, "max_value": 9}},
            {"greater_than_or_equal_to": {"min_value": 0}, "less_than_or_equal_to": {"max_value": 9}},
            {"in_range": {"min_value": 0, "max_value": 9, "options": {"raise_warning": False}}},
            {"greater_than": -1, "less_than": {"value": 10, "options": {}}},
            [
                {"value": 0, "options": {"check_name": "greater_than_or_equal_to"}},
                {"value": 9, "options": {"check_name": "less_than_or_equal_to"}},
            ],
            [{"min_value": 0, "max_value": 9, "options": {"check_name": "in_range"}}],
        ],
    )
    def test_checks_in_all_the_ways_in_which_they_were_ever_written(self, checks: Any) -> None:
        result = imported("pandera", {"columns": {"x": {"pandas_dtype": "int64", "checks": checks}}})

        assert fields(result)["x"]["range"] == {"min": 0, "max": 9}
        assert not result.left_out

    def test_what_a_contract_cannot_say_is_told(self) -> None:
        columns = {
            "a": {"dtype": "float64", "checks": {"greater_than": 0}},
            "b_+": {"dtype": "str", "regex": True},
            "c": {"dtype": "timedelta64[ns]"},
            "d": {"dtype": "int64", "checks": {"isin": [1, 2]}},
        }

        result = imported("pandera", {"columns": columns, "checks": {"mine": {}}})

        assert [what.partition(":")[0] for what in result.left_out] == [
            "columns.a",
            "columns.b_+",
            "columns.c",
            "columns.d",
            "checks of the whole frame",
        ]

    def test_a_schema_of_answers_is_of_outputs(self) -> None:
        result = imported("pandera", {"columns": {"score": {"dtype": "float"}}}, Side.OUTPUTS)

        assert fields(result, "outputs") == {"score": {"type": "float"}}


class TestJsonSchema:
    def test_a_row_as_pydantic_describes_it(self) -> None:
        schema = {
            "$defs": {"Country": {"enum": ["DE", "FR"], "type": "string"}},
            "type": "object",
            "required": ["amount", "country", "image", "level"],
            "properties": {
                "amount": {"type": "number", "minimum": 0, "maximum": 10},
                "age": {"anyOf": [{"type": "integer", "exclusiveMinimum": 0}, {"type": "null"}], "default": None},
                "country": {"$ref": "#/$defs/Country"},
                "when": {"type": "string", "format": "date-time"},
                "image": {
                    "type": "array",
                    "minItems": 2,
                    "maxItems": 2,
                    "items": {"type": "array", "items": {"type": "number"}},
                },
                "level": {"enum": [1, 2, None]},
                "mixed": {"type": ["integer", "number", "null"]},
            },
        }

        assert fields(imported("jsonschema", schema)) == {
            "amount": {"type": "float", "range": {"min": 0, "max": 10}},
            "age": {"type": "int", "nullable": True, "required": False, "range": {"min": 1}},
            "country": {"type": "category", "categories": ["DE", "FR"]},
            "when": {"type": "timestamp", "required": False},
            "image": {"type": "float", "shape": [-1, 2, -1]},
            "level": {"type": "category", "categories": ["1", "2"], "nullable": True},
            "mixed": {"type": "float", "nullable": True, "required": False},
        }

    def test_a_list_of_rows_is_described_by_its_row(self) -> None:
        schema = {"type": "array", "items": {"properties": {"x": {"type": "boolean"}}}}

        assert fields(imported("jsonschema", schema)) == {"x": {"type": "bool", "required": False}}

    @pytest.mark.parametrize(
        ("schema", "told"),
        [
            ({"type": "string"}, "no object with properties"),
            ({"properties": {"x": {"$ref": "https://example.com/x"}}}, "leads out of the document"),
            ({"properties": {"x": {"$ref": "#/$defs/x"}}, "$defs": {"x": {"$ref": "#/$defs/x"}}}, "round in a circle"),
            ({"properties": {"x": {"$ref": "#/nowhere"}}}, "#/nowhere is no mapping"),
            ({"properties": {"x": {"type": "object"}}}, r"nothing in it .*properties\.x"),
            ({"properties": ["x"]}, "properties is no mapping"),
        ],
    )
    def test_a_schema_of_something_else_is_refused(self, schema: Any, told: str) -> None:
        with pytest.raises(ImportFailed, match=told):
            imported("jsonschema", schema)

    def test_what_a_contract_cannot_say_is_told(self) -> None:
        schema = {
            "properties": {"x": {"type": "string", "pattern": "^a"}, "y": {"type": "number", "exclusiveMinimum": 0}}
        }

        assert imported("jsonschema", schema).left_out == (
            "properties.x.pattern",
            "properties.y: an exclusive bound, which a range includes",
        )
