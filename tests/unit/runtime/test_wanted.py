"""What a spec refers to is looked up without disturbing anybody: fetched once, told by the watch, said if missing."""

from typing import Any

import pytest

from modelrollout.adapters.kubernetes import CONFIG_MAPS, SECRETS, Forbidden, JsonObject, Unreachable
from modelrollout.adapters.registry import NoRegistry
from modelrollout.api.config import Config, Document, DocumentRef
from modelrollout.api.contract import ContractSource
from modelrollout.api.modeldeployment import ModelDeploymentSpec
from modelrollout.plan.observation import Wanted
from modelrollout.runtime.configs import SECRET_PERIOD_SECONDS, Configs, Secrets
from modelrollout.runtime.resolver import Resolver
from modelrollout.runtime.wanted import MAX_DOCUMENT_BYTES, Lookup
from tests.builders import NAME, NAMESPACE, spec
from tests.clock import ManualClock
from tests.faults.direct import Line
from tests.faults.store import Store


class Place:
    """A namespace with ConfigMaps and Secrets, and a lookup in it."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store = Store(self.clock)
        self.line = Line(self.store)
        self.configs = Configs()
        self.lookup = Lookup(
            api=self.line,
            configs=self.configs,
            secrets=Secrets(self.clock),
            resolver=Resolver(NoRegistry(), self.clock, lambda _: None),
        )

    def holds(self, name: str, resource: Any = CONFIG_MAPS, **data: str) -> JsonObject:
        body = {"metadata": {"name": name, "namespace": NAMESPACE}, "data": data}
        return self.store.apply(resource, body, manager="people")

    async def wanted(self, of: ModelDeploymentSpec) -> Wanted:
        return await self.lookup.wanted(NAMESPACE, NAME, of)


@pytest.fixture
def place() -> Place:
    return Place()


def configured(*names: str, secrets: tuple[str, ...] = ()) -> ModelDeploymentSpec:
    return spec("1").model_copy(update={"config": Config(config_map_refs=names, secret_refs=secrets)})


def with_card(name: str, key: str | None = None) -> ModelDeploymentSpec:
    card = Document(config_map_ref=DocumentRef(name=name, key=key))
    return spec("1").model_copy(update={"card": card})


async def test_the_content_of_config_maps_is_the_configuration(place: Place) -> None:
    place.holds("settings", threshold="0.5")
    before = await place.wanted(configured("settings"))

    place.configs.put(place.holds("settings", threshold="0.6"))
    after = await place.wanted(configured("settings"))

    (old,), (new,) = before.config.config_maps, after.config.config_maps
    assert old.digest != new.digest
    assert after.sources[new.copy_name].data == {"threshold": "0.6"}
    assert old.copy_name == f"fraud-config-{old.digest[:10]}"


async def test_a_config_map_is_fetched_once_and_then_told_by_the_watch(place: Place) -> None:
    place.holds("settings", threshold="0.5")

    for _ in range(5):
        await place.wanted(configured("settings"))

    assert [str(request) for request in place.line.log] == ["get configmaps/settings"]


async def test_config_maps_that_nobody_names_are_not_kept(place: Place) -> None:
    assert place.configs.put(place.holds("kube-root-ca.crt", certificate="…")) is False


async def test_an_event_from_before_the_fetch_is_no_news(place: Place) -> None:
    old = place.holds("settings", threshold="0.5")
    place.holds("settings", threshold="0.6")
    await place.wanted(configured("settings"))

    assert place.configs.put(old) is False
    assert (await place.wanted(configured("settings"))).sources


async def test_labels_of_a_config_map_are_no_content(place: Place) -> None:
    body = place.holds("settings", threshold="0.5")
    await place.wanted(configured("settings"))
    body["metadata"] |= {"labels": {"team": "x"}, "resourceVersion": "999"}

    assert place.configs.put(body) is False


MISSING = {
    "config map": (configured("nowhere"), "ConfigMissing", "config: there is no ConfigMap nowhere; apply it"),
    "secret": (configured(secrets=("nowhere",)), "ConfigMissing", "config: there is no Secret nowhere; apply it"),
    "card": (with_card("nowhere"), "ConfigMissing", "card: there is no ConfigMap nowhere; apply it"),
    "key": (with_card("two"), "DocumentInvalid", "card.configMapRef.key: name one of the keys of ConfigMap two: a, b"),
    "other key": (with_card("two", "c"), "DocumentInvalid", "name one of the keys of ConfigMap two: a, b"),
    "list": (with_card("list"), "DocumentInvalid", "key card of ConfigMap list must be a mapping"),
    "text": (with_card("broken"), "DocumentInvalid", "key card of ConfigMap broken is neither YAML nor JSON"),
    "long": (with_card("long"), "DocumentInvalid", "is longer than 128 KiB; shorten it"),
}


@pytest.mark.parametrize(("of", "reason", "says"), MISSING.values(), ids=MISSING.keys())
async def test_what_cannot_be_used_is_said_with_the_field_and_the_remedy(
    place: Place, of: ModelDeploymentSpec, reason: str, says: str
) -> None:
    place.holds("two", a="1", b="2")
    place.holds("list", card="[1, 2]")
    place.holds("broken", card="{a: [}")
    place.holds("long", card="a: " + "x" * MAX_DOCUMENT_BYTES)

    missing = (await place.wanted(of)).missing

    assert missing is not None
    assert missing[0] == reason
    assert says in missing[1]


CONTRACTS = {
    "type": ("inputs: [{name: amount, type: double}]", "inputs[0].type: Input should be 'bool', 'int'"),
    "missing": ("inputs: [{name: amount}]", "inputs[0].type: it is missing; add it"),
    "unknown": ("inputs: [{name: amount, typ: int, type: int}]", "inputs[0].typ: there is no such field; correct"),
    "rule": ("inputs: [{name: a, type: float, range: {min: 2, max: 1}}]", "inputs[0].range: range: min must not be"),
    "several": ("inputs: [{name: a}]\noutputs: [{name: b}]", "inputs[0].type: it is missing; add it (and 1 more)"),
    "keys": ("1: 2", "names must be text"),
}


@pytest.mark.parametrize(("text", "says"), CONTRACTS.values(), ids=CONTRACTS.keys())
async def test_a_contract_of_no_known_form_is_refused_with_the_path_in_it(place: Place, text: str, says: str) -> None:
    place.holds("fraud-contract", contract=text)
    source = ContractSource(config_map_ref=DocumentRef(name="fraud-contract"))

    missing = (await place.wanted(spec("1").model_copy(update={"contract": source}))).missing

    assert missing is not None
    assert missing[0] == "DocumentInvalid"
    assert f"contract: key contract of ConfigMap fraud-contract: {says}" in missing[1]


async def test_a_reference_that_does_not_fit_together_is_refused(place: Place) -> None:
    inline = {"rows": 10, "inputs": [{"name": "amount", "spread": "number", "edges": [0, 1], "ratios": []}]}

    missing = (await place.wanted(spec("1").model_copy(update={"reference": Document(inline=inline)}))).missing

    assert missing is not None
    assert "reference.inline: inputs[0]: amount: there are 0 ratios for 1 bins" in missing[1]


async def test_a_contract_is_kept_as_it_was_written(place: Place) -> None:
    inline = {"inputs": [{"name": "amount", "type": "float"}]}
    of = spec("1").model_copy(update={"contract": ContractSource(inline=inline)})

    assert (await place.wanted(of)).contract == inline


async def test_a_document_is_kept_as_it_was_written(place: Place) -> None:
    place.holds("fraud-card", card="purpose: find fraud\nowner: {team: payments}")

    assert (await place.wanted(with_card("fraud-card"))).card == {
        "purpose": "find fraud",
        "owner": {"team": "payments"},
    }


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Forbidden(403, "Forbidden", "configmaps is forbidden"), "ConfigUnreadable"),
        (Unreachable(0, "Timeout", "no answer"), "ConfigUnreadable"),
    ],
)
async def test_an_api_server_that_refuses_is_a_reason_and_no_fault(place: Place, error: Any, reason: str) -> None:
    place.holds("settings", threshold="0.5")

    async def refuse(*_: Any, **__: Any) -> JsonObject:
        raise error

    place.line.get = refuse  # type: ignore[method-assign]
    missing = (await place.wanted(configured("settings"))).missing

    assert missing is not None
    assert missing[0] == reason


class TestSecrets:
    async def test_only_a_hash_is_kept_and_it_changes_with_the_content(self, place: Place) -> None:
        place.holds("key", SECRETS, password="hunter2")
        before = (await place.wanted(configured(secrets=("key",)))).config.secrets[0]

        place.holds("key", SECRETS, password="hunter3")
        await place.clock.run(SECRET_PERIOD_SECONDS)
        after = (await place.wanted(configured(secrets=("key",)))).config.secrets[0]

        assert before.hash != after.hash
        assert "hunter" not in str(before.model_dump())

    async def test_the_same_content_written_again_is_the_same_mark(self, place: Place) -> None:
        place.holds("key", SECRETS, password="hunter2")
        before = await place.wanted(configured(secrets=("key",)))

        body = place.store.get(SECRETS, NAMESPACE, "key")
        body["metadata"]["labels"] = {"rotated": "no"}
        place.store.apply(SECRETS, body, manager="people")
        await place.clock.run(SECRET_PERIOD_SECONDS)

        assert (await place.wanted(configured(secrets=("key",)))).config == before.config

    async def test_one_is_read_once_a_minute(self, place: Place) -> None:
        place.holds("key", SECRETS, password="hunter2")

        for _ in range(4):
            await place.wanted(configured(secrets=("key",)))
            await place.clock.run(SECRET_PERIOD_SECONDS / 2)

        assert len(place.line.log) == 2

    async def test_one_that_may_not_be_read_says_what_to_grant(self, place: Place) -> None:
        place.holds("key", SECRETS, password="hunter2")

        async def refuse(*_: Any, **__: Any) -> JsonObject:
            raise Forbidden(403, "Forbidden", "secrets is forbidden")

        place.line.get = refuse  # type: ignore[method-assign]
        missing = (await place.wanted(configured(secrets=("key",)))).missing

        assert missing is not None
        assert "may not get Secret key; grant it by a Role in this namespace" in missing[1]

    async def test_one_that_was_known_stays_known_while_the_api_server_is_away(self, place: Place) -> None:
        place.holds("key", SECRETS, password="hunter2")
        before = await place.wanted(configured(secrets=("key",)))
        await place.clock.run(SECRET_PERIOD_SECONDS)

        async def away(*_: Any, **__: Any) -> JsonObject:
            raise Unreachable(0, "Timeout", "no answer")

        place.line.get = away  # type: ignore[method-assign]
        assert (await place.wanted(configured(secrets=("key",)))).config == before.config
