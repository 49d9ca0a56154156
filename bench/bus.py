"""The bench's own nats-server, with a durability setting that `loa up` does not offer.

Loa refuses a server that acknowledges before its disk has the data, when it starts a bus or is
given one. `loa run` joins the bus of a Loa that runs on the same folder and has checked it; here
the bench takes that place, and its report names how the server is set.
"""

import asyncio
import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from consumers.app.settings import RunningInstance
from producers.bus import Bus, topology
from producers.nats_server import find_binary

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
    """A running server that holds Loa's streams and buckets, and nothing else."""

    url: str
    pid: int


@contextmanager
def own_bus(folder: Path, sync: str) -> Iterator[OwnBus]:
    """Start one in *folder*, where `loa run` and commands find it as the bus of a running Loa."""
    (folder / "run").mkdir(parents=True, exist_ok=True)
    store = folder / "nats"
    store.mkdir()
    settings = store / "nats.conf"
    quoted = json.dumps(str(store))
    settings.write_text(SETTINGS.format(run=quoted, store=quoted, sync=sync))
    with (store / "nats.log").open("wb") as log:
        process = subprocess.Popen([find_binary(), "-c", settings], stdout=log, stderr=log)
    try:
        url = address(process, store)
        asyncio.run(prepare(url))
        ready = RunningInstance(url="", nats_url=url, pid=os.getpid())
        (folder / "run" / "ready.json").write_text(ready.model_dump_json())
        yield OwnBus(url, process.pid)
    finally:
        process.terminate()
        process.wait()


def address(process: subprocess.Popen[bytes], store: Path) -> str:
    """Where clients connect, from the file that the server writes about its ports."""
    file, end = store / f"nats-server_{process.pid}.ports", time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        try:
            return str(json.loads(file.read_text())["nats"][0])
        except (FileNotFoundError, ValueError):
            time.sleep(0.01)
    raise TimeoutError(f"nats-server did not start; its log is {store / 'nats.log'}")


async def prepare(url: str) -> None:
    async with await Bus.connect(url, name="bench") as bus:
        await topology.apply(bus)
