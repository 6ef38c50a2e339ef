"""The small parts: packed bodies, the budget, the queue, sampling, redaction, examples, the settings file, series."""

import gzip
import json
import math
import zlib
from functools import partial
from pathlib import Path

import pytest

from modelrollout.api.observe import Comparison
from modelrollout.observer.answers import Output, UnreadableError, unpacked
from modelrollout.observer.budget import Account, Budget
from modelrollout.observer.examples import Examples
from modelrollout.observer.options import parse
from modelrollout.observer.pending import Pending, Sampled
from modelrollout.observer.redaction import CHARACTERS, DEPTH, ELEMENTS, HIDDEN, Redaction
from modelrollout.observer.sampling import TokenBucket, chance
from modelrollout.observer.settings_file import SettingsFile
from tests.clock import ManualClock

# Packed bodies


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", " GZIP "])
def test_gzip(encoding: str) -> None:
    assert unpacked(gzip.compress(b"body"), encoding, longest=4) == b"body"


def test_deflate_and_none() -> None:
    assert unpacked(zlib.compress(b"body"), "deflate", longest=100) == b"body"
    assert unpacked(b"body", "", longest=100) == b"body"
    assert unpacked(b"body", "identity", longest=100) == b"body"


@pytest.mark.parametrize(
    ("body", "encoding", "reason"),
    [
        (gzip.compress(b"body"), "gzip", "longer than 3 bytes when unpacked"),
        (gzip.compress(bytes(100_000_000)), "gzip", "longer than 3 bytes when unpacked"),
        (gzip.compress(b"abc")[:-9], "gzip", "breaks off"),
        (b"", "gzip", "breaks off"),
        (b"body", "gzip", "not packed as it says"),
        (b"body", "br", "the encoding br is not known"),
        (b"body", "gzip, br", "is not known"),
    ],
)
def test_what_cannot_be_unpacked(body: bytes, encoding: str, reason: str) -> None:
    with pytest.raises(UnreadableError, match=reason):
        unpacked(body, encoding, longest=3)


# Budget and queue


def test_a_budget_is_never_exceeded() -> None:
    budget = Budget(10)
    one, other = Account(budget), Account(budget)
    assert one.take(6)
    assert not other.take(5)
    assert other.take(4)
    one.close()
    one.close()
    assert (budget.held, budget.peak) == (4, 10)


def test_what_can_be_let_go_makes_room() -> None:
    held: list[Account] = []

    def let_go() -> bool:
        if not held:
            return False
        held.pop().close()
        return True

    budget = Budget(10, make_room=let_go)
    for _ in range(5):
        held.append(Account(budget))
        assert held[-1].take(2)
    assert not budget.take(11)
    assert len(held) == 5
    assert budget.take(5)
    assert (len(held), budget.held) == (2, 9)
    assert not budget.take(10)
    assert held == []


def sampled(budget: Budget, name: str) -> Sampled:
    account = Account(budget)
    assert account.take(1)
    return Sampled(key=name, method="POST", target="/", headers=(), body=b"", account=account)


async def test_the_oldest_make_way_and_give_back_what_they_held() -> None:
    budget, dropped = Budget(100), []
    pending = Pending(longest=2, on_drop=lambda: dropped.append(1))
    for name in "abc":
        pending.put(sampled(budget, name))
    assert budget.held == 2
    assert [(await pending.get()).key for _ in range(2)] == ["b", "c"]
    assert dropped == [1]
    assert not pending.drop_oldest()


# Sampling


def test_chances_are_even_and_independent_for_each_purpose() -> None:
    drawn = [(chance(f"id-{number}", "sample"), chance(f"id-{number}", "noise")) for number in range(4000)]
    for purpose in (0, 1):
        share = sum(one[purpose] < 0.3 for one in drawn) / len(drawn)
        assert share == pytest.approx(0.3, abs=0.03)
    both = sum(one < 0.3 and other < 0.3 for one, other in drawn) / len(drawn)
    assert both == pytest.approx(0.09, abs=0.02)


def test_a_bucket_gives_its_rate_and_a_burst_of_one_second() -> None:
    clock = ManualClock()
    bucket = TokenBucket(5, clock)
    assert sum(bucket.take() for _ in range(20)) == 5
    clock.advance(1.0)
    assert sum(bucket.take() for _ in range(20)) == 5
    clock.advance(100.0)
    assert sum(bucket.take() for _ in range(20)) == 5


def test_a_slow_bucket_gives_one_at_a_time() -> None:
    clock = ManualClock()
    bucket = TokenBucket(0.5, clock)
    assert [bucket.take(), bucket.take()] == [True, False]
    clock.advance(2.0)
    assert bucket.take()


# Redaction


def test_what_is_named_is_hidden_wherever_it_is() -> None:
    redaction = Redaction(["card", "amount"])
    shown = redaction.shown(
        {
            "inputs": [
                {"name": "amount", "datatype": "FP32", "shape": [1], "data": [3.5]},
                {"name": "country", "datatype": "BYTES", "shape": [1], "data": ["DE"]},
            ],
            "instances": [{"card": "4111", "deep": {"card": {"number": "4111"}}}],
            "access_token": "abc",
            "password": "abc",
            "max_tokens": 5,
        }
    )
    text = json.dumps(shown)
    assert "4111" not in text
    assert "3.5" not in text
    assert "abc" not in text
    assert text.count(HIDDEN) == 5
    assert '"DE"' in text
    assert '"max_tokens": 5' in text


def test_an_output_is_hidden_by_its_name_its_source_or_a_key_on_the_way() -> None:
    redaction = Redaction(["email"])
    assert redaction.hides_output("email", None)
    assert redaction.hides_output("contact", Comparison(output="email", name="contact"))
    assert redaction.hides_output("contact", Comparison(path="$.user.email[0]", name="contact"))
    assert not redaction.hides_output("label", Comparison(output="label"))


def test_little_is_shown() -> None:
    redaction = Redaction([])
    assert redaction.shown(list(range(100))) == [*range(ELEMENTS), "[90 more]"]
    assert redaction.shown("x" * 1000) == "x" * CHARACTERS + f"[{1000 - CHARACTERS} more]"
    assert redaction.shown([math.nan, math.inf, 10**100]) == ["nan", "inf", "[a very large number]"]
    assert redaction.output(Output([0.1, 0.9], (2,), keys=("cat", "dog"))) == {"cat": 0.1, "dog": 0.9}
    assert redaction.output(Output(("yes",), ())) == "yes"
    deep: object = 1
    for _ in range(DEPTH + 3):
        deep = [deep]
    assert json.dumps(redaction.shown(deep)).count("[") == DEPTH + 1
    assert len(json.dumps(redaction.shown({str(key): key for key in range(1000)}))) < 1000


def test_bytes_that_are_no_text_can_be_shown() -> None:
    broken = b"\xff".decode("utf-8", errors="surrogateescape")
    json.dumps(Redaction([]).shown({broken: [broken]}), ensure_ascii=False).encode()


# Examples


def test_the_worst_are_kept_worst_first() -> None:
    examples, made = Examples(kept=2), []

    def example(severity: float) -> dict[str, float]:
        made.append(severity)
        return {"severity": severity}

    for severity in (0.2, 0.1, 0.05, 0.9, 0.2):
        examples.offer(severity, partial(example, severity))
    assert [one["severity"] for one in examples.worst_first()] == [0.9, 0.2]
    assert made == [0.2, 0.1, 0.9]


# Settings and options


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the file: Invalid JSON"),
        ("{}", "namespace: Field required"),
        ('{"observe": {"sideEffects": "None", "sampel": {}}}', "observe.sampel: Extra inputs are not permitted"),
    ],
)
def test_a_file_that_cannot_be_used_says_where(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "observer.json"
    path.write_text(text)
    file = SettingsFile(path)
    assert file.changed() is None
    assert file.problem is not None
    assert str(path) in file.problem
    assert problem in file.problem or problem.startswith("observe.")


def test_no_file(tmp_path: Path) -> None:
    file = SettingsFile(tmp_path / "observer.json")
    assert file.changed() is None
    assert file.problem == f"{tmp_path / 'observer.json'} cannot be read: No such file or directory"


def test_a_file_is_read_again_only_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "observer.json"
    settings = {
        "namespace": "payments",
        "deployment": "fraud",
        "live": {"revision": "0" * 10, "url": "http://fraud-1.payments.svc:8080"},
        "observe": {"sideEffects": "None"},
    }
    path.write_text(json.dumps(settings))
    file = SettingsFile(path)
    assert file.changed() is not None
    assert file.changed() is None
    path.write_text(json.dumps({**settings, "deployment": "credit"}))
    again = file.changed()
    assert again is not None
    assert again.deployment == "credit"


def test_options_have_defaults_for_the_pod() -> None:
    options = parse([])
    assert str(options.settings) == "/etc/modelrollout/observer.json"
    assert (options.host, options.metrics_port) == (None, 9090)


def test_no_memory_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--held-mib", "0"])
    assert "--held-mib: must be at least 1" in capsys.readouterr().err
