"""The operator's port: `/metrics`, `/readyz` and `/livez`, on a web server of their own."""

import asyncio
import errno
import socket
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress

import structlog
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import Metric

from channels.errors import ChannelError
from consumers.app.node import Node
from consumers.app.ports import METRICS_PORT_OFFSET, blame_setting
from consumers.app.settings import MetricsSettings, read_settings
from consumers.app.web.health import failing_checks
from consumers.app.web.metrics_app import metrics_app
from consumers.app.web.server import AppRouter, WebServer, bind_socket, socket_url
from consumers.runtime import log_config
from consumers.status.disks import DiskMonitor
from consumers.status.facts import loa_version
from consumers.status.metrics import FOLDERS, ProcessFacts, TokenTimes, families
from contracts.base import tracing
from producers import metrics

log = structlog.get_logger()
_LAST_PORT = 65535
_TIMEOUT_S = 3.0
_FRESH_S = 5.0


async def serve_metrics(node: Node) -> None:
    """Serve the operator's port, apart from every public one. Raises Invalid for a named port."""
    settings = read_settings(MetricsSettings)
    if "vocabulary" in vars(node):
        metrics.UNIT.allow(node.vocabulary.units)
    scrape, registry = Scrape(node), CollectorRegistry()
    ProcessCollector(registry=registry)
    router = AppRouter()
    router.apps |= {name: node.web_apps.apps[name] for name in ("livez", "readyz")}
    router.add(metrics_app((metrics.REGISTRY, registry), scrape.families), "metrics")
    bound = _bind(node, settings)
    web = WebServer(router)
    serving = asyncio.create_task(web.serve([bound]))
    node.stack.push_async_callback(web.finish, serving)
    await web.until_started(serving)
    node.addresses["metrics"] = socket_url(bound)


def _bind(node: Node, settings: MetricsSettings) -> socket.socket:
    """Listen on the port; where nothing names it and it is taken, on one that the system chooses.

    Nothing waits for metrics.
    """
    public = node.settings.http_port
    above = public + METRICS_PORT_OFFSET if 0 < public <= _LAST_PORT - METRICS_PORT_OFFSET else 0
    port = above if settings.port is None else settings.port
    with blame_setting("LOA_METRICS", settings.host, port):
        try:
            return node.stack.enter_context(bind_socket(settings.host, port))
        except OSError as error:
            if settings.port is not None or error.errno != errno.EADDRINUSE:
                raise
        log.warning("metrics_port_taken", port=port)
        return node.stack.enter_context(bind_socket(settings.host, 0))


class Scrape:
    """Gathers what a scrape shows; several scrapes within seconds share one reading of the bus."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.lock = asyncio.Lock()
        self.checks: Mapping[str, str | None] = {}
        self.token: TokenTimes | None = None
        self.fresh_until = 0.0
        folders = (node.settings.data_dir, node.settings.nats_dir, node.settings.portal_dir)
        self.disks = DiskMonitor(dict(zip(FOLDERS, folders, strict=True)))

    async def families(self) -> Iterable[Metric]:
        """The gauges of this process, and of the facts if it gathers them.

        Prometheus compares the clock with its own: it is read before any wait.
        """
        now = self.node.clock()
        async with self.lock:
            if time.monotonic() >= self.fresh_until:
                await self.read()
                self.fresh_until = time.monotonic() + _FRESH_S
        failing = {name: problem for name, problem in self.checks.items() if problem}
        monitor = self.node.status_monitor
        facts = self.node.facts(failing) if monitor and monitor.is_tried else None
        is_read = bool(monitor and monitor.read_at)
        return list(families(self.process_facts(now), facts, is_read=is_read))

    async def read(self) -> None:
        """Read bus and disks, all at once; without an answer in time, the last facts are shown."""
        reads = [self.read_checks(), self.read_token(), self.disks.measure(_TIMEOUT_S)]
        if monitor := self.node.status_monitor:
            reads.append(monitor.refresh_if_old(_TIMEOUT_S))
        await asyncio.gather(*reads)

    async def read_checks(self) -> None:
        checks = self.node.checks
        self.checks = {**dict.fromkeys(checks), **await failing_checks(checks)}

    async def read_token(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_TIMEOUT_S):
                self.token = await self.token_times()

    async def token_times(self) -> TokenTimes | None:
        """The times of Zalo's tokens, if this process has them."""
        if self.node.zalo_tokens is None:
            return None
        try:
            grant = (await self.node.zalo_tokens.read()).grant
        except ChannelError:  # of another key; deliver-zalo says so itself
            return None
        if grant.missing_consent:
            return None
        return TokenTimes(grant.obtained_at, grant.expires_at)

    def process_facts(self, now: float) -> ProcessFacts:
        """Facts that the process knows without the bus."""
        node, link = self.node, self.node.bus.connection
        monitor = node.status_monitor
        return ProcessFacts(
            now=now,
            checks=self.checks,
            is_connected=link.nc.is_connected,
            disconnects=link.disconnects,
            dropped_lines=log_config.log_losses().get("dropped", 0),
            dropped_spans=tracing.dropped_spans(),
            disks=self.disks.spaces,
            directory_at=node.directory_confirmed_at(),
            desk_index_lag=node.desk_index.lag if node.desk_index else None,
            replica_lag=node.replica.lag_now_s if node.replica else None,
            token=self.token,
            services=node.services,
            versions={"loa": loa_version(), "nats_server": node.bus.server_version},
            stream_usage=node.capacity.usage if "capacity" in vars(node) else {},
            facts_read_at=monitor.read_at if monitor else 0.0,
        )
