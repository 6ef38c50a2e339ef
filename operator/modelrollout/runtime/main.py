"""The process: a standby until it holds the Lease, then watches, metrics hub and workers until it ends or loses it.

Crash-only: losing the Lease, or any of the parts, ends the process, and its successor starts from what the statuses
say. All is imported and connected before the Lease is held, so that a standby takes over in the time of one list.
"""

import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import AsyncIterator, Sequence

import kopf

from modelrollout.adapters.alertmanager import Alertmanager
from modelrollout.adapters.clock import Clock, SystemClock
from modelrollout.adapters.kubernetes import ApiError, KubernetesApi, KubernetesClient, NotConfiguredError
from modelrollout.adapters.modelserver import HttpModelServer
from modelrollout.adapters.prometheus import MetricsSource, PrometheusSource
from modelrollout.adapters.registry import Registry, RegistryMissingError
from modelrollout.adapters.tracing import ENDPOINTS, NO_TRACER, Tracer
from modelrollout.runtime import first_list, handlers, resync
from modelrollout.runtime.cache import Cache
from modelrollout.runtime.directory import Directory
from modelrollout.runtime.filing import Filing
from modelrollout.runtime.health import HealthServer
from modelrollout.runtime.history import Histories
from modelrollout.runtime.hub import MetricsHub
from modelrollout.runtime.leader import LeaderElector
from modelrollout.runtime.ledger import Ledger
from modelrollout.runtime.queue import WorkQueue
from modelrollout.runtime.receiver import Receiver
from modelrollout.runtime.reconcile import Reconciler
from modelrollout.runtime.registry_link import RegistryLink
from modelrollout.runtime.settings import Settings, parse
from modelrollout.runtime.tasks_of_others import TasksOfOthers
from modelrollout.runtime.telemetry import Telemetry
from modelrollout.runtime.traced import TracedApi, TracedRegistry, TracedSource
from modelrollout.runtime.verifier import Verifier
from modelrollout.runtime.workers import Workers

log = logging.getLogger(__name__)

FIRST_LIST_TRIES = 30
FIRST_LIST_PAUSE_SECONDS = 1.0


def main(arguments: Sequence[str] | None = None) -> int:
    settings = parse(sys.argv[1:] if arguments is None else arguments)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s", stream=sys.stderr
    )
    logging.getLogger("kopf").setLevel(logging.INFO if settings.verbose else logging.WARNING)
    try:
        return asyncio.run(run(settings))
    except NotConfiguredError as error:
        log.error("%s", error)
        return 2


async def run(settings: Settings) -> int:
    """0 after SIGTERM or SIGINT, 1 when something that the operator cannot live without was lost."""
    clock, telemetry = SystemClock(), Telemetry()
    stop = asyncio.Event()
    _obey_signals(stop)
    async with contextlib.AsyncExitStack() as stack:
        tracer = _tracer(settings)
        stack.push_async_callback(tracer.close)
        api = await stack.enter_async_context(
            await KubernetesClient.connect(
                clock=clock, on_request=telemetry.api_request, writes_per_second=100, write_burst=200
            )
        )
        prometheus = PrometheusSource(settings.prometheus_url, clock=clock)
        stack.push_async_callback(prometheus.close)
        source: MetricsSource = TracedSource(prometheus, tracer) if settings.traces else prometheus
        # Of what rollouts and alerts ask alone: a Lease that is renewed and lists that are compared tell nothing.
        asked: KubernetesApi = TracedApi(api, tracer) if settings.traces else api
        queue, cache, ledger = WorkQueue(clock), Cache(), Ledger()
        registry = _registry(settings, telemetry)
        if registry is not None:
            stack.push_async_callback(registry.close)
            registry = TracedRegistry(registry, tracer) if settings.traces else registry
        link = RegistryLink(
            cache=cache,
            clock=clock,
            wake=queue.add,
            registry=registry,
            writing=settings.writing,
            poll_seconds=settings.registry_poll_seconds,
        )
        alertmanager = await _alertmanager(stack, settings, clock)
        hub = MetricsHub(
            source,
            clock,
            queue.add,
            on_query=telemetry.prometheus_query,
            alertmanager=alertmanager,
            tracer=tracer,
        )
        server = await stack.enter_async_context(HttpModelServer())
        verifier = Verifier(server, clock, queue.add)
        stack.push_async_callback(verifier.close)
        reconciler = Reconciler(
            api=asked,
            cache=cache,
            ledger=ledger,
            hub=hub,
            histories=Histories(source, on_query=telemetry.prometheus_query),
            verifier=verifier,
            clock=clock,
            telemetry=telemetry,
            registry=link,
            observer_image=settings.observer_image,
        )
        workers = Workers(queue=queue, reconciler=reconciler, clock=clock, telemetry=telemetry, tracer=tracer)
        telemetry.watch_queue(lambda: queue.depth)
        stack.push_async_callback(queue.close)
        await stack.enter_async_context(
            HealthServer(live={"workers": workers.stuck}, ready={}, exposition=telemetry.exposition, port=settings.port)
        )
        await _listen_for_alerts(stack, settings, api=asked, cache=cache, clock=clock, telemetry=telemetry)
        elector = LeaderElector(
            api,
            clock,
            namespace=settings.lease_namespace,
            name=settings.lease_name,
            identity=settings.identity,
            on_change=telemetry.lead,
        )
        async with _campaign(elector) as leadership:
            log.info("standing by for the Lease %s/%s", settings.lease_namespace, settings.lease_name)
            if not await _becomes_leader(elector, stop):
                return 0
            return await _lead(
                settings,
                api=api,
                clock=clock,
                cache=cache,
                queue=queue,
                hub=hub,
                link=link,
                workers=workers,
                leadership=leadership,
                stop=stop,
            )


def _tracer(settings: Settings) -> Tracer:
    """OpenTelemetry is imported here, before the Lease is held, and only where traces are asked for."""
    if not settings.traces:
        return NO_TRACER
    try:
        from modelrollout.adapters.opentelemetry import OpenTelemetry
    except ModuleNotFoundError as error:
        raise NotConfiguredError(
            "The environment asks for traces, but OpenTelemetry's client is not installed: install "
            f"modelrollout-operator[otel], or leave the variables {' and '.join(reversed(ENDPOINTS))} out."
        ) from error
    try:
        return OpenTelemetry(identity=settings.identity)
    except ValueError as error:
        raise NotConfiguredError(f"OpenTelemetry refuses one of the variables OTEL_*: {error}") from error


def _registry(settings: Settings, telemetry: Telemetry) -> Registry | None:
    """MLflow's client is imported here, before the Lease is held: it takes seconds."""
    if settings.mlflow_url is None:
        return None
    from modelrollout.adapters.mlflow import MlflowRegistry

    try:
        return MlflowRegistry(
            settings.mlflow_url, token_file=settings.mlflow_token_file, on_call=telemetry.registry_call
        )
    except (ValueError, RegistryMissingError) as error:
        raise NotConfiguredError(str(error)) from error


async def _alertmanager(stack: contextlib.AsyncExitStack, settings: Settings, clock: Clock) -> Alertmanager | None:
    if settings.alertmanager_url is None:
        return None
    return await stack.enter_async_context(Alertmanager(settings.alertmanager_url, clock))


async def _listen_for_alerts(
    stack: contextlib.AsyncExitStack,
    settings: Settings,
    *,
    api: KubernetesApi,
    cache: Cache,
    clock: Clock,
    telemetry: Telemetry,
) -> None:
    """Before the Lease is held: what is heard is kept by the API server, and whoever leads finds it there."""
    if settings.alerts_token_file is None:
        return
    directory = Directory(api=api, cache=cache, clock=clock, namespace=settings.namespace)
    filing = Filing(api=api, directory=directory, clock=clock, account=settings.account, on_alerts=telemetry.alerts)
    await stack.enter_async_context(
        Receiver(
            filing.take,
            token_file=settings.alerts_token_file,
            clock=clock,
            port=settings.alerts_port,
            on_request=telemetry.alert_request,
        )
    )


@contextlib.asynccontextmanager
async def _campaign(elector: LeaderElector) -> AsyncIterator["asyncio.Task[None]"]:
    """The elector's task. It is cancelled last, when nothing writes any more, and then hands the Lease over."""
    campaign = asyncio.create_task(elector.run())
    try:
        yield campaign
    finally:
        campaign.cancel()
        await asyncio.gather(campaign, return_exceptions=True)


async def _becomes_leader(elector: LeaderElector, stop: asyncio.Event) -> bool:
    """Whether the Lease was won before we were told to stop."""
    won, stopped = asyncio.create_task(elector.acquired()), asyncio.create_task(stop.wait())
    await asyncio.wait([won, stopped], return_when=asyncio.FIRST_COMPLETED)
    for wait in (won, stopped):
        wait.cancel()
    return elector.is_leader and not stop.is_set()


async def _lead(
    settings: Settings,
    *,
    api: KubernetesClient,
    clock: Clock,
    cache: Cache,
    queue: WorkQueue,
    hub: MetricsHub,
    link: RegistryLink,
    workers: Workers,
    leadership: "asyncio.Task[None]",
    stop: asyncio.Event,
) -> int:
    """Act until told to stop. Each part is needed by all: the first to end takes the others with it."""
    if not await _filled(settings, api=api, cache=cache, queue=queue, stop=stop):
        return 1
    parts = {
        "the watches": asyncio.create_task(_watch(settings, cache=cache, queue=queue, stop=stop)),
        "the metrics hub": asyncio.create_task(hub.run()),
        "the registry": asyncio.create_task(link.run()),
        "the workers": asyncio.create_task(workers.run(settings.workers)),
        "the resync": asyncio.create_task(resync.run(api, cache, queue, clock, namespace=settings.namespace)),
        "the leadership": leadership,
    }
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([*parts.values(), stopping], return_when=asyncio.FIRST_COMPLETED)
        ended = [name for name, part in parts.items() if part.done()]
        if stop.is_set():
            return 0
        for name in ended:
            log.error("%s ended; so does the process", name)
        return 1
    finally:
        stop.set()
        writing = {name: part for name, part in parts.items() if part is not leadership}
        for part in (*writing.values(), stopping):
            part.cancel()
        for name, part in writing.items():
            with contextlib.suppress(asyncio.CancelledError):
                await _settled(name, part)


async def _watch(settings: Settings, *, cache: Cache, queue: WorkQueue, stop: asyncio.Event) -> None:
    """kopf, until told to stop. It puts signal handlers of its own in place of ours, with which it would end alone."""
    tasks = await kopf.spawn_tasks(
        registry=handlers.registry(cache, queue, namespace=settings.namespace),
        settings=handlers.settings(),
        clusterwide=settings.namespace is None,
        namespaces=[settings.namespace] if settings.namespace else (),
        stop_flag=stop,
    )
    _obey_signals(stop)
    await kopf.run_tasks(tasks, ignored=TasksOfOthers())


def _obey_signals(stop: asyncio.Event) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)


async def _filled(
    settings: Settings, *, api: KubernetesClient, cache: Cache, queue: WorkQueue, stop: asyncio.Event
) -> bool:
    """The first list, tried for a while: right after an installation the API server does not know our kinds yet."""
    for _ in range(FIRST_LIST_TRIES):
        try:
            await first_list.fill(api, cache, queue, namespace=settings.namespace)
        except ApiError as error:
            log.warning("the first list failed: %s; trying again", error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), FIRST_LIST_PAUSE_SECONDS)
                return False
        else:
            return True
    return False


async def _settled(name: str, part: "asyncio.Task[None]") -> None:
    try:
        await part
    except Exception as error:  # noqa: BLE001  the process ends anyway; what ended it has to be said
        log.error("%s: %s: %s", name, type(error).__name__, error)
