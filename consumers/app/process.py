"""One process from start to stop: bus, services, web, and an orderly end within 15 s."""

import asyncio
import gc
import os
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, contextmanager, suppress
from functools import partial
from itertools import chain
from typing import NamedTuple

import structlog

from channels.email.settings import EmailSettings
from channels.zalo.settings import ZaloSettings
from consumers.app import broker as app_broker
from consumers.app import instance
from consumers.app.node import Node, portal_readback_status
from consumers.app.ports import blame_setting
from consumers.app.service_names import KEYLESS_SERVICES, PORTAL_REPLICA
from consumers.app.services import SERVICES
from consumers.app.settings import (
    STAND_IN_NAMES,
    ZALO_SANDBOX,
    LoaSettings,
    RunningInstance,
    TracingSettings,
    read_settings,
)
from consumers.app.unit_access import UnitAccess
from consumers.app.web.health import health_app
from consumers.app.web.server import WebServer, bind_socket, socket_url
from consumers.app.wiring import stand_ins
from consumers.app.wiring.metrics import serve_metrics
from consumers.app.wiring.tracing import export_traces
from consumers.dead_letters.store import DeadLetterStore
from consumers.errors import StoppedEarly
from consumers.runtime import log_config, presence, stdio
from consumers.runtime.bus_wait import until_answered
from consumers.runtime.presence import REPORT_S, Presence, ProcessRecord
from consumers.status.facts import loa_version
from producers.access import without_password
from producers.bus import Bus, BusError, topology
from producers.bus.monitoring_endpoint import health_problem
from producers.bus.periodic import every
from producers.bus_access.rights import rights_table
from producers.nats_server import NatsServer
from producers.publisher import drain
from producers.units.registry import UnitRegistry

log = structlog.get_logger()
_BUS_CHECK_TIMEOUT_S = 2.0
_STOP_LIMIT_S = 14.0
_THREADS = 32
"""Of the loop, which has six on two cores: a portal's folder that hangs keeps as many."""
_SIGN_OF_LIFE_S = 10.0
_COLLECTIONS = (10_000, 20, 20)
"""New objects until a collection of the youngest, and of how many of these each older one is."""


async def run(settings: LoaSettings, services: Sequence[str] | None = None) -> None:
    """Run *services* (None: everything, `loa up`) until SIGTERM, SIGINT or a closed terminal.

    Raises Invalid when a Loa already runs on the data folder (single services may join it),
    StoreBusy when another process holds its store. A port that is taken is Invalid, too. A bus that
    is not Loa's own and does not answer yet is waited for.
    """
    stopped = _begin(settings)
    with suppress(StoppedEarly):
        await _run(settings, services, stopped)


async def _run(
    settings: LoaSettings, services: Sequence[str] | None, stopped: asyncio.Event
) -> None:
    """Run until *stopped* is set. Raises StoppedEarly where that is before the bus answered."""
    async with AsyncExitStack() as stack:
        if services is None:
            stack.enter_context(instance.exclusive(settings))
        with blame_setting("LOA_HTTP", settings.http_host, settings.http_port):
            bound = stack.enter_context(bind_socket(settings.http_host, settings.http_port))
        url, monitors, own = await stack.enter_async_context(instance.bus_server(settings))
        if own and services is not None:
            stack.enter_context(instance.exclusive(settings))
        name = stack.enter_context(_named(settings, services))
        answer = partial(until_answered, stopped=stopped if settings.nats_url else None)
        bus = await stack.enter_async_context(await answer(_connecting(settings, url, name)))
        node = await build_node(stack, settings, bus, NodeAddresses(url, socket_url(bound), name))
        node.stopped = stopped
        if own:
            _watch_server(node, own)
        await answer(partial(_prepare_bus, node, monitors, services))
        if own or services is None or not KEYLESS_SERVICES.issuperset(services):
            await node.open_proven_key()
        await add_services(node, services)
        await start(node, bound, stopped)
        if own or services is None:
            stack.enter_context(instance.announced(settings, _running_instance(node, url)))
        _log_ready(node, url)
        await _until_stopped(stopped)


@contextmanager
def _named(settings: LoaSettings, services: Sequence[str] | None) -> Iterator[str]:
    """The name of this process, which the lines of a single service bear, too."""
    folder, machine = settings.run_dir / "processes", settings.machine_name
    with presence.named(folder, machine, services or ("loa",)) as name:
        if services is not None:
            log_config.name_process(name)
        yield name


def _keep_presence(node: Node) -> None:
    """Say on the bus that this process runs, until it stops."""
    now = node.clock()
    facts = {"name": node.name, "services": node.services, "version": loa_version()}
    record = ProcessRecord.model_validate(facts | {"pid": os.getpid(), "started": now, "at": now})
    kept = Presence(node.bus, record, node.clock)
    node.tasks.append(partial(every, REPORT_S, kept.renew))
    node.stack.push_async_callback(kept.end)


async def _until_stopped(stopped: asyncio.Event) -> None:
    """Wait for the stop; from then on the process ends in time, although a thread of it hangs."""
    await stopped.wait()
    log.info("stopping")
    timer = threading.Timer(_STOP_LIMIT_S, _leave)
    timer.daemon = True
    timer.start()


def _leave() -> None:
    """End the process at once; outcomes not yet committed are as after a kill."""
    hung = [one.name for one in threading.enumerate() if not one.daemon]
    log.error("stop_cut_short", after_s=_STOP_LIMIT_S, threads=sorted(set(hung)))
    log_config.close()
    os._exit(1)


def _log_ready(node: Node, nats_url: str) -> None:
    shown, metrics_url = without_password(nats_url), node.addresses["metrics"]
    log.info("ready", url=node.own_url, nats_url=shown, metrics_url=metrics_url)


def _spare_collections() -> None:
    """Let the garbage collector look at less, and less often.

    A full collection holds up every connection while it looks at each object. What the start has
    made stays for ever; and thousands of connections within a second make a million objects, which
    by Python's own thresholds is several full collections of hundreds of milliseconds.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECTIONS)


def _watch_server(node: Node, server: NatsServer) -> None:
    """Ask how our own server is, and tell it which keys of units are registered."""
    node.checks["nats"] = partial(health_problem, server.monitor_url)
    registry = UnitRegistry(node.bus, node.vocabulary, node.clock)
    node.tasks.append(UnitAccess(node.bus, server, registry).run)


async def _prepare_bus(
    node: Node, monitors: tuple[str, ...], services: Sequence[str] | None
) -> None:
    """Prepare the bus, or, with a key that has no right to, check that `loa bus apply` has."""
    if not (monitors or node.settings.nats_url):  # a running Loa has prepared the bus that we join
        return
    if node.settings.has_limited_rights:
        node.broker_watch.may_create = False
        table = rights_table()
        named = (table[name].streams() for name in services or SERVICES)
        await instance.require_bus(node.bus, dict.fromkeys(chain.from_iterable(named)))
    else:
        await instance.prepare_bus(node.bus, monitors)


def _running_instance(node: Node, nats_url: str) -> RunningInstance:
    own = {"url": node.own_url, "nats_url": nats_url, "pid": os.getpid(), "version": loa_version()}
    return RunningInstance.model_validate(own | node.addresses | {"started": node.clock()})


def _begin(settings: LoaSettings) -> asyncio.Event:
    """Say that the start begins, and return what a signal to stop sets."""
    stopped = _stop_on_signals()
    settings.run_dir.mkdir(parents=True, exist_ok=True)
    log.info("starting", folder=str(settings.data_dir))
    return stopped


def _stop_on_signals() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set, and SIGHUP where it means that the terminal is gone.

    Elsewhere SIGHUP is for reading secrets again, once they are read; `nohup` ignores it.
    """
    stopped, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    if _reloads_on_hangup():
        loop.add_signal_handler(signal.SIGHUP, lambda: None)
    elif signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        loop.add_signal_handler(signal.SIGHUP, stopped.set)
    return stopped


def _reload_on_hangup(node: Node) -> None:
    if _reloads_on_hangup():
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, node.secrets.asked.set)


def _reloads_on_hangup() -> bool:
    """Whether SIGHUP asks for a reload: no terminal could be closed, and it is not ignored."""
    return signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN and not stdio.has_terminal()


def _connecting(settings: LoaSettings, url: str, name: str) -> Callable[[], Awaitable[Bus]]:
    return partial(
        Bus.connect,
        url,
        name=name,
        access=settings.access(),
        replicas=settings.nats_replicas,
        placement_tags=settings.placement_tags,
    )


class NodeAddresses(NamedTuple):
    """Where a process finds its bus, where it is found, and the name that it has on the bus."""

    bus: str
    own: str
    name: str = "loa"


async def build_node(
    stack: AsyncExitStack, settings: LoaSettings, bus: Bus, addresses: NodeAddresses
) -> Node:
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS, "loa"))
    tracing = read_settings(TracingSettings)
    await stack.enter_async_context(export_traces(tracing))
    watch = app_broker.BrokerWatch()
    store_dead_letter = DeadLetterStore(bus).bury_message
    broker = app_broker.create_broker(addresses.bus, store_dead_letter, watch, settings.access())
    email, zalo = read_settings(EmailSettings), read_settings(ZaloSettings)
    node = Node(settings, email, zalo, bus, broker, watch, addresses.own, stack, addresses.name)
    if tracing.traces_url:
        node.read_once[TracingSettings] = tracing
    node.tasks += [watch.run, partial(watch.keep_durables, bus)]
    node.tasks.append(partial(every, _SIGN_OF_LIFE_S, partial(instance.note_life, settings)))
    node.checks["consumers"] = watch.check
    node.checks["bus"] = partial(_check_bus, bus)
    unseen, usage = partial(portal_readback_status, bus), node.stream_usage
    reports = (node.blocked_channels, node.canaries, usage, unseen, node.bus_damages)
    losses, failing = log_config.log_losses, node.failing_channels
    app = health_app(node.checks, *reports, losses, failing, findings=node.findings)
    node.web_apps.add(app, "livez", "readyz")
    return node


async def _check_bus(bus: Bus) -> str | None:
    """The problem that keeps the bus from taking events, or None; a stream may be gone."""
    try:
        async with asyncio.timeout(_BUS_CHECK_TIMEOUT_S):
            found = await topology.stream_infos(bus)
    except (BusError, TimeoutError) as error:
        return str(error) or "no answer"
    gone = [name for name in topology.stream_names() if name not in found]
    return f"streams are gone: {', '.join(gone)}" if gone else None


async def add_services(node: Node, services: Sequence[str] | None) -> None:
    """Let each service add its parts; stand-ins first, because others depend on them."""
    if services is None:
        node.displaced = await stand_ins.find_displaced(node)
        services = services_for_up(node)
        stand_ins.report_withheld(node, stand_ins.withheld_services(node))
        node.on_ready.append(partial(_drain_spool, node))
    node.services += services
    for name in sorted(services, key=lambda name: name not in STAND_IN_NAMES):
        await SERVICES[name](node)
    _keep_presence(node)


async def _drain_spool(node: Node) -> None:
    """Send the events that `loa publish` kept while the bus was away."""
    drained = await drain(node.bus, node.settings.spool_dir, vocabulary=node.vocabulary)
    if drained.accepted or drained.refused:
        log.info("spool_drained", sent=len(drained.accepted), refused=len(drained.refused))


def services_for_up(node: Node) -> list[str]:
    """All services but a replica of the portal, without stand-ins for configured channels.

    The inbound server runs only with a bounce domain, a stand-in only where others can't reach it
    and it takes no real destination's place, or LOA_STAND_INS names it; rows of a channel without a
    worker wait.
    """
    excluded = stand_ins.configured_services(node)
    withheld = stand_ins.withheld_services(node)
    if ZALO_SANDBOX in withheld:  # without an app there is nothing to send with
        excluded.add("deliver-zalo")
    excluded |= withheld
    excluded.add(PORTAL_REPLICA)
    if not node.email.bounce_domain:
        excluded.add("bounces")
    return [name for name in SERVICES if name not in excluded]


async def start(node: Node, bound: socket.socket, stopped: asyncio.Event) -> None:
    """Start tasks, web servers and broker; the stack ends them in the opposite order."""
    await serve_metrics(node)
    node.tasks.append(node.secrets.run)
    background = asyncio.create_task(_run_tasks(node, stopped))
    node.stack.push_async_callback(_cancel_task, background)
    if node.public_url.startswith("https:"):
        node.web_apps.require_https()
    web = WebServer(node.web_apps, node.settings.connection_limits())
    serving = asyncio.create_task(web.serve([bound]))
    node.stack.push_async_callback(web.finish, serving)
    await node.broker.start()
    node.stack.push_async_callback(app_broker.stop_broker, node.broker)
    node.stack.callback(node.broker_watch.stop)
    for on_stop in node.on_stop:
        node.stack.callback(on_stop)
    for hook in node.on_ready:
        await hook()
    await web.until_started(serving)
    _reload_on_hangup(node)
    _spare_collections()


async def _run_tasks(node: Node, stopped: asyncio.Event) -> None:
    """Run the background tasks; one that fails stops the process."""
    try:
        async with asyncio.TaskGroup() as group:
            for task in node.tasks:
                group.create_task(task())
            await asyncio.Event().wait()
    except* Exception:
        log.exception("background_failed")
        stopped.set()
        raise


async def _cancel_task(task: asyncio.Task[None]) -> None:
    """Cancel *task*. Raises its exception if it had failed."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.result()
