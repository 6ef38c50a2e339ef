"""Gate templates as watches tell them: who is woken, and what a gate gets."""

from typing import Any

import pytest

from modelrollout.adapters.kubernetes import CLUSTER_GATE_TEMPLATES, GATE_TEMPLATES, MODEL_DEPLOYMENTS, Resource
from modelrollout.api.gates import Gate, Signal, TemplateKind, TemplateRef
from modelrollout.api.gatetemplate import GateTemplateSpec
from modelrollout.runtime import handlers, resync
from modelrollout.runtime.cache import Cache
from modelrollout.runtime.queue import Key, WorkQueue
from tests.builders import ERRORS, spec
from tests.clock import ManualClock

SLOW = TemplateRef(name="slow")
ERRORS_EVERYWHERE = TemplateRef(kind=TemplateKind.CLUSTER, name="errors")


def template(name: str, *, namespace: str | None = "payments", **fields: object) -> dict[str, Any]:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"metadata": metadata, "spec": {"signal": "Latency", **fields}}


def deployment(namespace: str, name: str, *gates: Gate) -> dict[str, Any]:
    return {
        "metadata": {"namespace": namespace, "name": name, "uid": f"{namespace}-{name}", "resourceVersion": "1"},
        "spec": spec("2", gates=gates).model_dump(mode="json", by_alias=True, exclude_none=True),
    }


@pytest.fixture
def cache() -> Cache:
    cache = Cache()
    slow = Gate(name="slow", template=SLOW)
    everywhere = Gate(name="errors", template=ERRORS_EVERYWHERE)
    for body in (
        deployment("payments", "fraud", slow),
        deployment("payments", "churn", ERRORS),
        deployment("shop", "search", slow, everywhere),
        deployment("shop", "ads", everywhere),
    ):
        cache.put(MODEL_DEPLOYMENTS, body)
    return cache


async def woken(cache: Cache, resource: Resource, body: dict[str, Any], type_: str | None = "ADDED") -> set[Key]:
    queue = WorkQueue(ManualClock())
    handlers.take_in(resource, {"type": type_, "object": body}, cache=cache, queue=queue)
    found = set()
    while queue.depth:
        key = await queue.get()
        queue.done(key)
        found.add(key)
    await queue.close()
    return found


@pytest.mark.parametrize("type_", ["ADDED", "MODIFIED", "DELETED", None])
async def test_whoever_names_it_is_woken(cache: Cache, type_: str | None) -> None:
    assert await woken(cache, GATE_TEMPLATES, template("slow"), type_) == {("payments", "fraud")}
    everywhere = template("errors", namespace=None)
    assert await woken(cache, CLUSTER_GATE_TEMPLATES, everywhere, type_) == {("shop", "search"), ("shop", "ads")}
    assert await woken(cache, GATE_TEMPLATES, template("other"), type_) == set()


async def test_a_template_belongs_to_its_namespace_and_a_cluster_s_to_all(cache: Cache) -> None:
    await woken(cache, GATE_TEMPLATES, template("slow", over="250ms"))
    await woken(cache, CLUSTER_GATE_TEMPLATES, template("errors", namespace=None))
    assert cache.templates.find("payments", SLOW) == GateTemplateSpec(signal=Signal.LATENCY, over="250ms")
    assert cache.templates.find("shop", SLOW) == (
        "there is no GateTemplate slow in namespace shop; apply it, or name another one"
    )
    for namespace in ("payments", "shop"):
        assert isinstance(cache.templates.find(namespace, ERRORS_EVERYWHERE), GateTemplateSpec)
    assert "there is no ClusterGateTemplate slow; apply it" in str(
        cache.templates.find("payments", TemplateRef(kind=TemplateKind.CLUSTER, name="slow"))
    )


async def test_one_that_is_deleted_is_gone(cache: Cache) -> None:
    await woken(cache, GATE_TEMPLATES, template("slow"))
    await woken(cache, GATE_TEMPLATES, template("slow"), "DELETED")
    assert "there is no GateTemplate slow" in str(cache.templates.find("payments", SLOW))


async def test_one_that_cannot_be_read_says_why(cache: Cache) -> None:
    await woken(cache, GATE_TEMPLATES, template("slow", max=3))
    found = cache.templates.find("payments", SLOW)
    assert isinstance(found, str)
    assert found.startswith("GateTemplate slow cannot be read: ")
    assert "max and min: Threshold needs one of them" in found


async def test_an_event_that_is_no_object_wakes_nobody(cache: Cache) -> None:
    assert await woken(cache, GATE_TEMPLATES, {"metadata": {}}) == set()


class _Lists:
    """An API server that has these templates; it is asked for nothing else."""

    def __init__(self, *bodies: dict[str, Any]) -> None:
        self.bodies = bodies
        self.asked: list[str] = []

    async def list(
        self, resource: Resource, *, namespace: str | None, label_selector: str = ""
    ) -> list[dict[str, Any]]:
        self.asked.append(resource.plural)
        return [body for body in self.bodies if ("namespace" in body["metadata"]) is resource.namespaced]


async def test_what_was_deleted_while_nobody_listened_is_forgotten() -> None:
    cache, queue = Cache(), WorkQueue(ManualClock())
    slow, errors = template("slow"), template("errors", namespace=None)
    handlers.take_in(GATE_TEMPLATES, {"type": None, "object": slow}, cache=cache, queue=queue)
    handlers.take_in(CLUSTER_GATE_TEMPLATES, {"type": None, "object": errors}, cache=cache, queue=queue)
    kept = _Lists(slow, errors)
    await resync.once(kept, cache, queue, namespace=None)  # type: ignore[arg-type]
    assert kept.asked == ["gatetemplates", "clustergatetemplates"]
    assert isinstance(cache.templates.find("payments", SLOW), GateTemplateSpec)
    await resync.once(_Lists(errors), cache, queue, namespace=None)  # type: ignore[arg-type]
    assert isinstance(cache.templates.find("payments", SLOW), str)
    assert isinstance(cache.templates.find("payments", ERRORS_EVERYWHERE), GateTemplateSpec)
    await queue.close()
