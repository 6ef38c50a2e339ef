"""The query for alerts: one text for all policies, and no way out of a string."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from modelrollout.adapters.alerts import firing, queries
from modelrollout.adapters.prometheus import Series
from modelrollout.plan.alerts import Selector

PAGES = Selector(equal=(("severity", "page"),))
BY_NAME = Selector(equal=(("team", "fraud"),), matching=(("alertname", "Fraud.*"),))


def test_one_query_for_all_and_each_policy_once() -> None:
    assert queries([PAGES, BY_NAME, PAGES]) == [
        '(ALERTS_FOR_STATE{severity="page"} and ignoring (alertstate) ALERTS{alertstate="firing",severity="page"})'
        " or "
        '(ALERTS_FOR_STATE{team="fraud",alertname=~"Fraud.*"} and ignoring (alertstate) '
        'ALERTS{alertstate="firing",team="fraud",alertname=~"Fraud.*"})'
    ]


def test_nothing_is_asked_for_nobody() -> None:
    assert queries([]) == []


def test_it_is_split_where_a_url_would_grow_too_long() -> None:
    many = [Selector(equal=(("team", f"team-{number}"),)) for number in range(100)]
    asked = queries(many, limit=6000)
    assert 1 < len(asked) < 10
    assert sum(text.count("ALERTS_FOR_STATE") for text in asked) == 100


@given(st.text(max_size=40), st.text(max_size=40))
def test_a_value_stays_inside_its_string(value: str, pattern: str) -> None:
    (text,) = queries([Selector(equal=(("team", value),), matching=(("alertname", pattern),))])
    rest, strings = _without_strings(text)
    assert rest == (
        "(ALERTS_FOR_STATE{team=,alertname=~} and ignoring (alertstate) ALERTS{alertstate=,team=,alertname=~})"
    )
    assert strings == 5


def _without_strings(text: str) -> tuple[str, int]:
    """As PromQL reads it: a string ends at the first quote that no backslash stands before."""
    rest, inside, escaped, strings = "", False, False, 0
    for character in text:
        if inside and escaped:
            escaped = False
        elif inside and character == "\\":
            escaped = True
        elif character == '"':
            inside, strings = not inside, strings + (not inside)
        elif not inside:
            rest += character
    assert not inside
    return rest, strings


def test_an_answer_tells_labels_and_since_when() -> None:
    answer = Series({"__name__": "ALERTS_FOR_STATE", "alertname": "Errors", "pod": "fraud-1"}, 1795521600.0)
    (alert,) = firing([answer])
    assert (alert.labels, alert.name) == ({"alertname": "Errors", "pod": "fraud-1"}, "Errors")
    assert alert.starts_at == datetime.fromtimestamp(1795521600, UTC)


def test_what_is_no_time_and_labels_without_end_are_left_out() -> None:
    assert list(firing([Series({"alertname": "Errors"}, 1e300)])) == []
    (alert,) = firing([Series({"alertname": "Errors", "query": "x" * 201}, 0.0)])
    assert alert.labels == {"alertname": "Errors"}
