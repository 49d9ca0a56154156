"""A real cluster of nats-servers on loopback, whose servers a test kills, freezes and replaces."""

import asyncio
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from producers.bus import Bus, BusError, NoReply, topology
from producers.bus.monitoring_endpoint import fetch_page
from producers.nats_server import find_binary, tie_to_parent
from tests.support.drill import PATIENCE_S as PATIENCE_S
from tests.support.nats_accounts import ACCOUNTS
from tests.support.ports import free_port

_POLL_S = 0.05
TAG = "disk:ssd"
_SETTINGS = """\
server_name: {name}
server_tags: [{tags}]
listen: "127.0.0.1:{client}"
http: "127.0.0.1:{monitor}"
jetstream {{
  store_dir: "{store}"
  sync_interval: always
  max_memory_store: 256MB
  max_file_store: 300GB
}}
cluster {{
  name: loa
  listen: "127.0.0.1:{route}"
  advertise: "127.0.0.1:{reached}"
  routes: [{routes}]
}}
"""


@dataclass
class ClusterServer:
    """One server of a cluster; its ports stay the same over restarts.

    The others reach it at the port *proxy*, where there is one in front of its routes.
    """

    name: str
    folder: Path
    client: int
    route: int
    monitor: int
    proxy: int = 0
    tags: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://loa:loa@127.0.0.1:{self.client}"

    @property
    def monitor_url(self) -> str:
        return f"http://127.0.0.1:{self.monitor}"

    @property
    def reached(self) -> int:
        """The port at which the other servers reach it."""
        return self.proxy or self.route

    @property
    def store(self) -> Path:
        return self.folder / "store"

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self, settings: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / "nats.conf"
        file.write_text(settings)
        with (self.folder / "nats.log").open("ab") as log:
            self.process = subprocess.Popen(
                [find_binary(), "-c", file],
                cwd=self.folder, stdout=log, stderr=log, preexec_fn=tie_to_parent(),
            )  # fmt: skip

    def send(self, number: signal.Signals) -> None:
        if self.process is not None and self.is_running:
            self.process.send_signal(number)

    def kill(self) -> None:
        """End the server without a word, also a frozen one."""
        self.end(signal.SIGKILL)

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.send(number)
        if self.process is not None:
            self.process.wait()


@dataclass
class NatsCluster:
    """The servers of a cluster, by name; `accounts` is the part of their settings for clients."""

    folder: Path
    accounts: str = ACCOUNTS
    servers: dict[str, ClusterServer] = field(default_factory=dict)

    def add(self, name: str) -> ClusterServer:
        """One more server; those that run learn of it by its own routes."""
        taken = {port for one in self.servers.values() for port in (one.client, one.route)}
        taken |= {one.monitor for one in self.servers.values()}
        ports: list[int] = []
        while len(ports) < 3:
            if (port := free_port()) not in taken:
                taken.add(port)
                ports.append(port)
        self.servers[name] = ClusterServer(name, self.folder / name, *ports)
        return self.servers[name]

    @property
    def url(self) -> str:
        return ",".join(one.url for one in self.servers.values())

    @property
    def monitor_urls(self) -> tuple[str, ...]:
        return tuple(one.monitor_url for one in self.servers.values())

    def start(self, name: str) -> None:
        server = self.servers[name]
        routes = (f'"nats-route://127.0.0.1:{one.reached}"' for one in self.servers.values())
        places = {"client": server.client, "route": server.route, "monitor": server.monitor}
        places["reached"] = server.reached
        tags = ", ".join(f'"{tag}"' for tag in server.tags)
        settings = _SETTINGS.format(
            name=name, tags=tags, store=server.store, routes=", ".join(routes), **places
        )
        server.start(settings + self.accounts)

    def replace_by_empty(self, name: str) -> None:
        """Start *name*, which has ended, with nothing on its disk."""
        shutil.rmtree(self.servers[name].store)
        self.start(name)

    def end(self) -> None:
        """End what is left of the servers that were started here."""
        for server in self.servers.values():
            server.send(signal.SIGCONT)
            server.kill()

    async def leader_of(self, bus: Bus, stream: str) -> str:
        """The name of the server that leads *stream*, as soon as there is one."""
        while True:
            if leader := (await stream_cluster(bus, stream)).get("leader"):
                return str(leader)
            await asyncio.sleep(_POLL_S)

    async def until_current(self, bus: Bus, stream: str, replicas: int = 3) -> None:
        """Wait until all *replicas* of *stream* have all it holds."""
        async with asyncio.timeout(PATIENCE_S):
            while not is_current(await stream_cluster(bus, stream), replicas):
                await asyncio.sleep(_POLL_S)

    async def until_all_current(self, bus: Bus) -> None:
        """As `until_current`, for every stream of Loa."""
        for stream in topology.stream_names():
            await self.until_current(bus, stream)


async def stream_cluster(bus: Bus, stream: str) -> dict[str, Any]:
    """Replicas of *stream* by the cluster; none while it has no leader."""
    try:
        info = await bus.stream_info(stream)
    except NoReply:
        return {}
    return dict(info.get("cluster") or {})


def is_current(cluster: dict[str, Any], replicas: int) -> bool:
    others = [one for one in cluster.get("replicas", ()) if not one.get("offline")]
    has_all = len(others) == replicas - 1 and all(one["current"] for one in others)
    is_growing = "desired" in cluster  # a server that is lost meanwhile may leave it so for minutes
    return bool(cluster.get("leader")) and has_all and not is_growing


async def until_usable(cluster: NatsCluster, size: int) -> None:
    """Wait until the cluster has a leader that knows *size* servers, and answers."""
    async with asyncio.timeout(PATIENCE_S):
        while not await meta_leader(cluster, size):
            await asyncio.sleep(_POLL_S)
        async with await Bus.connect(cluster.url, name="test", patience_s=PATIENCE_S) as bus:
            await bus.connection.repeatable_api_request("INFO", patience_s=PATIENCE_S)


async def meta_leader(cluster: NatsCluster, size: int = 3) -> str:
    """The leader of a cluster of *size* servers, as one of them knows it; else empty."""
    for server in cluster.servers.values():
        try:
            _, page = await fetch_page(server.monitor_url, "/jsz")
        except BusError:
            continue
        meta = page.get("meta_cluster") or {}
        if meta.get("leader") and meta.get("cluster_size") == size:
            return str(meta["leader"])
    return ""


@contextmanager
def started_cluster(
    folder: Path, size: int = 3, tagged: Sequence[int] = (), **options: Any
) -> Iterator[NatsCluster]:
    """A cluster of *size* new servers that answer; its loop is idle afterwards.

    Those with the numbers *tagged* have TAG.
    """
    cluster = NatsCluster(folder, **options)
    try:
        for number in range(1, size + 1):
            cluster.add(f"n{number}").tags = (TAG,) if number in tagged else ()
        for name in cluster.servers:
            cluster.start(name)
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            runner.run(until_usable(cluster, size))
        yield cluster
    finally:
        cluster.end()
