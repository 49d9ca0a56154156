"""The ledger's leader is killed while readers are told: each is told, and no copy is undeclared."""

import asyncio
import time
from collections import Counter
from contextlib import suppress
from statistics import median

import pytest
import structlog

from contracts import subjects
from producers.bus import Bus, BusError
from tests.support.loa_process import LoaProcess, RelayProcess, wait_until

pytestmark = pytest.mark.timeout(900)
READERS, KILLS = 3000, 3
LEDGER = f"KV_{subjects.LEDGER.name}"
PATIENCE_S = 300.0
log = structlog.get_logger()


class Acceptance:
    """Publishes to the stream's leader all the time, and knows the longest pause since `begin`."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        self.longest_s, self.last = 0.0, time.monotonic()

    async def run(self, bus: Bus) -> None:
        """Each write is known by an id, and repeated until it is acknowledged."""
        bucket, number = bus.bucket(subjects.LEDGER.name), 0
        while True:
            number += 1
            with suppress(BusError):
                await bucket.put("acceptance", str(number).encode())
                now = time.monotonic()
                self.longest_s, self.last = max(self.longest_s, now - self.last), now
            await asyncio.sleep(0.01)

    async def after(self, moment: float) -> float:
        """The longest pause, once something was accepted after *moment*."""
        while self.last <= moment:
            await asyncio.sleep(0.01)
        return self.longest_s


@pytest.mark.promise("5.1")
async def test_every_reader_is_told_once_although_the_ledgers_leader_dies_three_times(
    cluster, cluster_bus, tmp_path
):
    settings = {"NATS_URL": cluster.url, "NATS_REPLICAS": 3, "CANARY_EVERY_S": 0}
    acceptance, gaps = Acceptance(), []
    with RelayProcess(tmp_path) as relay, LoaProcess(tmp_path, **settings, **relay.settings) as loa:
        loa.add_unit()
        loa.readers(READERS)
        probing = asyncio.create_task(acceptance.run(cluster_bus))
        event_id = loa.publish("tin-1", "email")
        for kill in range(1, KILLS + 1):
            enough = kill * READERS // (KILLS + 2)
            await asyncio.to_thread(
                wait_until, lambda n=enough: relay.count() > n, "mails", PATIENCE_S
            )
            leader = await cluster.leader_of(cluster_bus, LEDGER)
            acceptance.begin()
            cluster.servers[leader].kill()
            gaps.append(await acceptance.after(time.monotonic()))
            cluster.start(leader)
            await cluster.until_all_current(cluster_bus)
        story = await asyncio.to_thread(loa.trace_of_event, event_id, PATIENCE_S)
        probing.cancel()
        log.info("accepted_again", n=len(gaps), median_s=median(gaps), longest_s=max(gaps))
        check(relay, story["channels"]["email"])
        assert loa.violations() == []


def check(relay: RelayProcess, counts: dict[str, int]) -> None:
    """Each reader has it; copies only where the ledger says so."""
    copies = Counter(relay.accepted_mails())
    assert len({recipient for recipient, _ in copies}) == len(copies) == READERS
    assert (counts["expected"], counts["delivered"], counts["missing"]) == (READERS, READERS, 0)
    extra = sum(copies.values()) - READERS
    log.info("copies", sent=extra, declared=counts["maybe_duplicate"])
    assert extra <= counts["maybe_duplicate"]
