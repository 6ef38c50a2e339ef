"""Which headers of a copy reach the versions."""

import pytest

from modelrollout.observer.headers import carries_credentials, forwarded


@pytest.mark.parametrize(
    "name",
    [
        *("authorization", "proxy-authorization", "cookie", "x-api-key", "api-key", "apikey", "x-auth-token"),
        *("x-amz-security-token", "x-csrf-token", "x-forwarded-client-cert", "x-client-secret", "x_api_key"),
        *("x-goog-iap-jwt-assertion", "x-session-id", "x-user-password", "x-hub-signature-256"),
    ],
)
def test_what_carries_credentials(name: str) -> None:
    assert carries_credentials(name)
    assert name not in {passed for passed, _ in forwarded([(name, "x")], keep=frozenset())}
    assert (name, "x") in forwarded([(name, "x")], keep=frozenset({name}))


@pytest.mark.parametrize("name", ["content-type", "x-request-id", "accept", "user-agent", "x-tenant", "x-user-id"])
def test_what_does_not(name: str) -> None:
    assert (name, "x") in forwarded([(name, "x")], keep=frozenset())


@pytest.mark.parametrize(
    "name", ["connection", "transfer-encoding", "content-length", "traceparent", "x-envoy-internal"]
)
def test_what_belongs_to_a_connection_or_a_trace_never_passes(name: str) -> None:
    assert (name, "x") not in forwarded([(name, "x")], keep=frozenset({name}))


@pytest.mark.parametrize(
    ("host", "asked"),
    [
        ("fraud.example.com-shadow", "fraud.example.com"),
        ("fraud-shadow:8080", "fraud:8080"),
        ("fraud.example.com", "fraud.example.com"),
        ("fraud-shadow.example.com", "fraud-shadow.example.com"),
    ],
)
def test_the_host_is_that_of_the_user(host: str, asked: str) -> None:
    assert ("Host", asked) in forwarded([("Host", host)], keep=frozenset())


def test_a_replay_says_so_once() -> None:
    passed = forwarded([("X-Modelrollout-Replay", "0"), ("Accept-Encoding", "br")], keep=frozenset())
    assert [value for name, value in passed if name.lower() == "x-modelrollout-replay"] == ["1"]
    assert [value for name, value in passed if name.lower() == "accept-encoding"] == ["identity"]
