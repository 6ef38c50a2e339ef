"""Durations as Kubernetes writes them, and nothing else."""

import re

import pytest
from pydantic import TypeAdapter, ValidationError

from modelrollout.api.base import Duration, seconds
from modelrollout.api.durations import DURATION_PATTERN, MAX_DURATION_LENGTH

GO_MAX_SECONDS = 2**63 / 1e9  # Go counts durations in nanoseconds, in 64 bits with a sign

duration = TypeAdapter(Duration)


@pytest.mark.parametrize(
    ("text", "length"),
    [("250ms", 0.25), ("90s", 90), ("5m", 300), ("1h30m", 5400), ("1h2m3s4ms", 3723.004), ("08s", 8), ("30m1h", 5400)],
)
def test_length(text: str, length: float) -> None:
    assert seconds(duration.validate_python(text)) == pytest.approx(length)


@pytest.mark.parametrize(
    "text", ["", "5", "s", "1.5m", "-5s", "5 m", "5min", "1d", "5s\n", "5S", "٥s", "1234567s", "+5s"]
)
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="such as 90s or 1h30m"):
        seconds(text)
    with pytest.raises(ValidationError, match="such as 30s or 1h30m"):
        duration.validate_python(text)


@pytest.mark.parametrize("text", ["0s", "0h0m0s0ms", "000ms"])
def test_zero_is_a_length_but_no_duration_of_the_api(text: str) -> None:
    assert seconds(text) == 0
    with pytest.raises(ValidationError, match="longer than zero"):
        duration.validate_python(text)


def test_the_longest_still_fits_into_a_duration_of_the_api_server() -> None:
    longest = "999999h999999h99999h"
    assert len(longest) == MAX_DURATION_LENGTH
    assert re.fullmatch(DURATION_PATTERN, longest)
    assert seconds(duration.validate_python(longest)) < GO_MAX_SECONDS
    with pytest.raises(ValidationError, match="at most 20 characters"):
        duration.validate_python(longest + "1s")
