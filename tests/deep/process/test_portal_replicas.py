"""Replicas of the portal, each a process with a folder of its own, have one portal's files."""

import asyncio
import json
import os
import random
import sqlite3
import time
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import pytest

from channels.portal.index.index import IndexSnapshot, has_tables
from channels.portal.storage.index_swap import INDEX_FILE
from consumers.key_file import KeyFile, open_key_file
from consumers.portal_replica.position import ledger_end
from consumers.portal_replica.status import load_replicas
from contracts.vocabulary import DEFAULT
from producers.bus import Bus
from tests.support.loa_process import LOA, RunningLoa, start_loa, wait_until
from tests.support.portal_dir import public_files
from tests.support.portal_log import drawn_log
from tests.support.released_items import deliver_to_portal
from tests.support.seals import open_seals, use_key, write_replica_key
from tests.support.split_loa import SERVER

NAMES = ("web1", "web2")
COUNT = int(os.environ.get("LOA_TEST_REPLICA_ITEMS", "600"))
"""Positions of the log: some hundreds in each run; 10,000 by this setting."""
KILLS = max(6, min(COUNT // 100, 40))
AT_ONCE = 25
"""Positions that are stored together: the bus syncs its disk once for many of them."""
FIRST_PART = COUNT // 3
PATIENCE_S = 120.0 + COUNT / 5
pytestmark = pytest.mark.timeout(4 * PATIENCE_S)


class Replica:
    """`loa run portal-replica` in a data folder of its own, with its part of the key alone."""

    def __init__(self, folder: Path, url: str, part: Path) -> None:
        self.folder, self.log = folder, folder / "log"
        (folder / "data").mkdir(parents=True)
        part.rename(folder / "data" / part.name)
        self.process: RunningLoa | None = None
        outside = {name: one for name, one in os.environ.items() if not name.startswith("LOA_")}
        self.environ = outside | {
            "LOA_DATA_DIR": str(folder / "data"),
            "LOA_NATS_URL": url,
            "LOA_PUBLIC_URL": "https://loa.example.vn",
            "LOA_HTTP_PORT": "0",
            "LOA_REPLICA_NAME": folder.name,
        }

    def start(self) -> None:
        self.log.write_bytes(b"")
        self.process = start_loa(LOA, ("run", "portal-replica"), self.environ, self.log)

    def told(self, event: str) -> dict | None:
        lines = (line for line in self.log.read_text().splitlines() if line.endswith("}"))
        return next((one for one in map(json.loads, lines) if one["event"] == event), None)

    def position(self) -> str:
        """As its index has it; empty while that is being made."""
        index = self.folder / "data/portal/state" / INDEX_FILE
        with suppress(sqlite3.Error):
            if has_tables(index):
                with closing(IndexSnapshot(index)) as snapshot:
                    return snapshot.metadata("followed")
        return ""

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def replicas(tmp_path, other_server):
    """Two replicas of one bus, and the bus of who writes the log."""
    with other_server(SERVER) as server:
        url = server.url.replace("nats://", "nats://loa:loa@")
        KeyFile.open(tmp_path / "vault.key")
        pair = [Replica(tmp_path / name, url, write_replica_key(tmp_path)) for name in NAMES]
        yield pair, url, tmp_path
        for one in pair:
            if one.process and one.process.poll() is None:
                one.kill()


async def test_two_replicas_of_one_log_are_equal_byte_for_byte(replicas):
    """One follows in peace, from an empty folder; the other is killed again and again."""
    (calm, killed), url, folder = replicas
    calm.start()
    await awaits_take_over(calm)
    async with await Bus.connect(url, name="test") as bus:
        await open_key_file(bus, folder / "vault.key")
        seals = await open_seals(bus, folder, time.time)
        await use_key(bus, folder)
        await ready(calm)
        log, rng = drawn_log(COUNT, DEFAULT), random.Random(7)
        await deliver_all(bus, log[:FIRST_PART], seals)
        killed.start()
        parts = list(batched(log[FIRST_PART:], AT_ONCE))
        kills = set(rng.sample(range(len(parts)), KILLS))
        for number, part in enumerate(parts):
            await deliver_all(bus, part, seals)
            if number in kills:
                await follows(killed)
                await asyncio.sleep(rng.random())  # at any moment: no outcome depends on it
                killed.kill()
                killed.start()
        await caught_up(bus, (await ledger_end(bus)).seq)
    shown = public_files(calm.folder / "data/portal")
    pages = {path for path in shown if path.startswith("tin/") and path.endswith("/index.html")}
    assert pages == {f"tin/{one.content_id}/index.html" for one in log}
    assert public_files(killed.folder / "data/portal") == shown


def batched(log, size):
    return (log[first : first + size] for first in range(0, len(log), size))


async def deliver_all(bus, log, seals):
    for part in batched(log, AT_ONCE):
        await asyncio.gather(*(deliver_to_portal(bus, one, seals=seals) for one in part))


async def follows(replica: Replica) -> None:
    """Wait until it goes on from a position of its own."""
    await asyncio.to_thread(wait_until, replica.position, "a replica to follow", PATIENCE_S)
    await ready(replica)


async def awaits_take_over(replica: Replica) -> None:
    """Wait until it says that it waits for a process with the whole key file."""
    told = partial(replica.told, "replica_awaits_take_over")
    await asyncio.to_thread(wait_until, told, "a replica to wait", PATIENCE_S)
    assert not replica.told("ready")


async def ready(replica: Replica) -> None:
    told = partial(replica.told, "ready")
    await asyncio.to_thread(wait_until, told, "a replica to be ready", PATIENCE_S)


async def caught_up(bus: Bus, seq: int) -> None:
    """Wait until both replicas report that they have followed the ledger to *seq*."""
    async with asyncio.timeout(PATIENCE_S):
        while [one.seq for one in await load_replicas(bus, time.time())] != [seq, seq]:
            await asyncio.sleep(0.2)
