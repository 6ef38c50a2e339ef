"""`docs/reference.md` is what the types say, and says it so that a table can be read."""

import pytest

from modelrollout.api.crd import RESOURCES
from modelrollout.api.docs import rendered


def test_every_kind_has_a_chapter() -> None:
    for resource in RESOURCES:
        assert f"\n## {resource.kind}\n" in rendered()


def test_every_line_of_a_table_has_four_cells_and_every_field_its_description() -> None:
    rows = [line for line in rendered().splitlines() if line.startswith(("| `", "| **`"))]
    assert len(rows) > 100
    for row in rows:
        assert row.replace("\\|", "/").count("|") == 5, row
        assert not row.endswith("|  |"), f"no description: {row}"


@pytest.mark.parametrize(
    "row",
    [
        "| **`spec.model`** | object |  | The model version that should be live. Changing it starts a rollout. |",
        "| `spec.serving.replicas` | integer, from 1 to 500 | `1` | Pods of the live revision. "
        "Changing it starts no rollout. |",
    ],
)
def test_a_field_is_told_with_type_bounds_default_and_meaning(row: str) -> None:
    assert row in rendered().splitlines()
