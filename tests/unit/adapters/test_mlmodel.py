"""The file MLmodel: what a revision keeps of it. The contract itself is made by `modelrollout.data.importers`."""

import pytest

from modelrollout.adapters.mlmodel import Mlmodel, MlmodelError, read
from modelrollout.api.contract import Contract
from tests.registry.training import MLMODEL


def test_the_signature_is_a_contract_that_reads_back_as_it_is_kept() -> None:
    found = read(MLMODEL).contract

    assert found == {
        "inputs": [{"name": "amount", "type": "FP64"}, {"name": "country", "type": "string", "required": False}],
        "outputs": [{"name": "output", "type": "FP64", "shape": [-1, 2]}],
    }
    assert Contract.model_validate(found).model_dump(mode="json", exclude_defaults=True) == found


@pytest.mark.parametrize(
    "text",
    [
        "model_id: m-1",
        "{model_id: m-1, signature: 7}",
        "{model_id: m-1, signature: {inputs: '[{'}}",
        '{model_id: m-1, signature: {inputs: \'[{"type": "object", "name": "o"}]\'}}',
    ],
    ids=["no signature", "no mapping", "no JSON", "nothing that a contract can say"],
)
def test_a_model_whose_signature_says_nothing_has_no_contract(text: str) -> None:
    assert read(text) == Mlmodel(model_id="m-1", contract=None)


@pytest.mark.parametrize(("text", "says"), [("{a: [", "MLmodel is no YAML"), ("<html>", "MLmodel is no mapping")])
def test_what_is_no_description_of_a_model_is_said_to_be_none(text: str, says: str) -> None:
    with pytest.raises(MlmodelError, match=says):
        read(text)
