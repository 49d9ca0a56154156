"""The bench’s own nats-servers: one set as `loa up` does not offer, or a cluster of them.

Loa refuses a server that acknowledges before its disk has the data, when it starts a bus or is
given one. `loa run` joins the bus of a Loa that runs on the same folder and has checked it; here
the bench takes that place, and its report names how the server is set.
"""

import asyncio
import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from consumers.app.settings import RunningInstance
from producers.bus import Bus, topology
from producers.nats_server import find_binary
from tests.support.nats_cluster import started_cluster

SETTINGS = """\
server_name: bench
listen: "127.0.0.1:-1"
http: "127.0.0.1:-1"
ports_file_dir: {run}
max_payload: 2MB
jetstream {{
  store_dir: {store}
  max_file_store: 1TB
  {sync}
}}
"""
ALWAYS, DEFAULT = "sync_interval: always", ""
START_S = 20


@dataclass(frozen=True)
class OwnBus:
    """Running servers that hold Loa's streams and buckets, and nothing else."""

    url: str
    pids: tuple[int, ...]
    monitors: tuple[str, ...]


@dataclass(frozen=True)
class Traffic:
    """Bytes that went between clients and servers, both ways, and from server to server."""

    clients: int = 0
    servers: int = 0

    def since(self, before: "Traffic") -> "Traffic":
        return Traffic(self.clients - before.clients, self.servers - before.servers)


@contextmanager
def own_bus(folder: Path, sync: str) -> Iterator[OwnBus]:
    """Start one in *folder*, where `loa run` and commands find it as the bus of a running Loa."""
    store = folder / "nats"
    store.mkdir()
    settings = store / "nats.conf"
    quoted = json.dumps(str(store))
    settings.write_text(SETTINGS.format(run=quoted, store=quoted, sync=sync))
    with (store / "nats.log").open("wb") as log:
        process = subprocess.Popen([find_binary(), "-c", settings], stdout=log, stderr=log)
    try:
        found = addresses(process, store)
        asyncio.run(prepare(found["nats"]))
        announce(folder, found["nats"])
        yield OwnBus(found["nats"], (process.pid,), (found["monitoring"],))
    finally:
        process.terminate()
        process.wait()


@contextmanager
def own_cluster(folder: Path, size: int) -> Iterator[OwnBus]:
    """Start *size* servers, each with every stream; they are found as with `own_bus`."""
    with started_cluster(folder / "nats", size) as cluster:
        asyncio.run(prepare(cluster.url, size))
        announce(folder, cluster.url)
        processes = (one.process for one in cluster.servers.values())
        pids = tuple(one.pid for one in processes if one)
        yield OwnBus(cluster.url, pids, cluster.monitor_urls)


def announce(folder: Path, url: str) -> None:
    """Write where the bus is, as a Loa that runs on *folder* does."""
    (folder / "run").mkdir(parents=True, exist_ok=True)
    ready = RunningInstance(url="", nats_url=url, pid=os.getpid())
    (folder / "run" / "ready.json").write_text(ready.model_dump_json())


def addresses(process: subprocess.Popen[bytes], store: Path) -> dict[str, str]:
    """Where `nats` and `monitoring` are, from the file that the server writes about its ports."""
    file, end = store / f"nats-server_{process.pid}.ports", time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        try:
            return {kind: urls[0] for kind, urls in json.loads(file.read_text()).items()}
        except (FileNotFoundError, ValueError):
            time.sleep(0.01)
    raise TimeoutError(f"nats-server did not start; its log is {store / 'nats.log'}")


async def prepare(url: str, replicas: int = 1) -> None:
    async with await Bus.connect(url, name="bench", replicas=replicas) as bus:
        await topology.apply(bus)


def traffic(monitors: Sequence[str]) -> Traffic:
    """Traffic counted by the servers so far; bytes between two of them where they arrived."""
    clients = servers = 0
    for monitor in monitors:
        with urllib.request.urlopen(f"{monitor}/varz", timeout=30) as answer:
            said = json.load(answer)
        clients += said["in_client_bytes"] + said["out_client_bytes"]
        servers += said["in_bytes"] - said["in_client_bytes"]
    return Traffic(clients, servers)
