"""Queries of users, filled for one version: values stay values."""

import json
import re

import pytest

from modelrollout.adapters.promql import Arm, fill, literal
from modelrollout.api.gates import PLACEHOLDERS
from tests.unit.adapters.test_queries import NASTY

ARM = Arm(namespace="payments", name="fraud", revision="0123456789")


def test_each_placeholder_is_filled_everywhere() -> None:
    template = 'a{n="{{namespace}}",m="{{name}}",r="{{revision}}"} / b{pod=~"{{pods}}",also=~"{{pods}}"}'
    assert fill(template, ARM) == (
        'a{n="payments",m="fraud",r="0123456789"} / b{pod=~"fraud-0123456789-.+",also=~"fraud-0123456789-.+"}'
    )


def test_pods_are_those_of_the_version_only() -> None:
    pattern = re.compile(fill("{{pods}}", ARM))
    assert pattern.fullmatch("fraud-0123456789-7d9c-abcde")
    for other in ("fraud-0123456789", "fraud-abcdefabcd-7d9c-abcde", "fraud-eu-0123456789-7d9c-abcde"):
        assert not pattern.fullmatch(other)


def test_text_without_placeholders_stays_as_it_is() -> None:
    text = "sum(rate(x[5m])) > bool 1 # {}"
    assert fill(text, ARM) == text


@pytest.mark.parametrize("name", NASTY)
def test_a_value_does_not_become_syntax(name: str) -> None:
    filled = fill('x{name=~"{{name}}"} + y', Arm(namespace="n", name=name, revision="0123456789"))
    found = re.fullmatch(r'x\{name=~("(?:[^"\\]|\\.)*")\} \+ y', filled, re.DOTALL)
    assert found, filled
    assert re.compile(json.loads(found[1])).fullmatch(name)


def test_a_value_that_looks_like_a_placeholder_is_not_filled_again() -> None:
    sly = Arm(namespace="n", name="{{pods}}", revision="0123456789")
    assert fill("{{name}}", sly) == literal("{{pods}}")
    assert all(placeholder not in fill("{{name}} {{namespace}}", sly) for placeholder in PLACEHOLDERS)
