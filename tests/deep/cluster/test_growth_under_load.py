"""From one server to a cluster of three, and back to normal after a loss, with Loa delivering.

`LOA_TEST_MAILS=200000` (`make scale-drills`) sends as many mails meanwhile.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import structlog

from contracts import subjects
from producers.bus import Bus
from tests.support.acceptance_probe import AcceptanceProbe
from tests.support.drill import MAILS, PATIENCE_S
from tests.support.loa_process import LoaProcess, RelayProcess, wait_until
from tests.support.nats_cluster import NatsCluster
from tests.support.split_loa import SERVER

pytestmark = [pytest.mark.timeout(1800 + 4 * PATIENCE_S), pytest.mark.promise("5.1")]
READERS = 1200
STAGES = 3
ITEMS = max(1, -(-MAILS // (STAGES * READERS)))
"""Published in each stage."""
DELIVERED_S = 300 + PATIENCE_S
LEDGER = f"KV_{subjects.LEDGER.name}"
log = structlog.get_logger()


class GrowingLoa(LoaProcess):
    """Loa, the mails that it is to send, and a sender that knocks at its door all the time."""

    relay: RelayProcess
    events: list[str]
    beside: list[str]

    half_way: int

    def publish_items(self, stage: str) -> None:
        self.half_way = self.relay.count() + READERS * ITEMS // 2
        self.events += [self.publish(f"{stage}-{number}", "email") for number in range(ITEMS)]

    def until_half_way(self) -> None:
        """Wait until as many mails have left as are half of those of a stage."""
        wait_until(lambda: self.relay.count() > self.half_way, "mails under way")

    @contextmanager
    def probed(self, stage: str) -> Iterator[None]:
        """Send one event after the other meanwhile, and log the longest time without acceptance."""
        probe = AcceptanceProbe(self.ready().url, self.key, f"mot-tin-{stage}")
        probe.start()
        yield
        log.info("stage", name=stage, longest_without_acceptance_s=probe.end())
        self.beside += probe.accepted

    def use(self, url: str, replicas: int) -> None:
        self.environ |= {"LOA_NATS_URL": url, "LOA_NATS_REPLICAS": str(replicas)}


@pytest.fixture
def loa(tmp_path, relay):
    loa = GrowingLoa(tmp_path, CANARY_EVERY_S=0, **relay.settings)
    loa.relay, loa.events, loa.beside = relay, [], []
    yield loa
    loa.__exit__()


def test_from_one_server_to_three_and_on_after_a_loss_no_mail_is_lost(
    loa, cluster, relay, other_server, tmp_path
):
    began = time.monotonic()
    with other_server(SERVER) as single:
        loa.use(single.url.replace("nats://", "nats://loa:loa@"), 1)
        begin_on_one_server(loa)
        assert loa.cli("backup", tmp_path / "backup", "--json").exit_code == 0
    loa.use(cluster.url, 1)
    assert loa.cli("restore", "--moved", tmp_path / "backup", "--json").exit_code == 0
    loa.start()
    for channel in ("portal", "email"):
        assert loa.cli("resume", channel).exit_code == 0
    grow(loa, cluster)
    lose_and_replace(loa, cluster)
    log.info("whole_again", took_s=time.monotonic() - began)
    check_mails(loa, relay)
    log.info("delivered", beside=len(loa.beside), took_s=time.monotonic() - began)
    assert loa.violations() == []


def begin_on_one_server(loa: GrowingLoa) -> None:
    """Stop Loa amid its mails, as the way into a cluster is a backup."""
    loa.start()
    loa.add_unit()
    loa.readers(READERS)
    with loa.probed("mot-may"):
        loa.publish_items("mot-may")
        loa.until_half_way()
    assert loa.stop() == 0


def grow(loa: GrowingLoa, cluster: NatsCluster) -> None:
    """Give every stream three replicas while mails leave."""
    with loa.probed("lon-len"):
        loa.publish_items("lon-len")
        loa.use(cluster.url, 3)
        assert loa.cli("bus", "apply", "--json").exit_code == 0
        asyncio.run(until_whole(cluster))
        loa.until_half_way()


def lose_and_replace(loa: GrowingLoa, cluster: NatsCluster) -> None:
    """Kill the server that leads the ledger while mails leave; an empty one takes its place."""
    with loa.probed("mat-may"):
        loa.publish_items("mat-may")
        loa.until_half_way()
        lost = asyncio.run(ledgers_leader(cluster))
        cluster.servers[lost].kill()
        cluster.replace_by_empty(lost)
        asyncio.run(until_whole(cluster))


async def until_whole(cluster: NatsCluster) -> None:
    """Wait until each server has everything."""
    async with await Bus.connect(cluster.url, name="test") as bus:
        await cluster.until_all_current(bus)


async def ledgers_leader(cluster: NatsCluster) -> str:
    async with await Bus.connect(cluster.url, name="test") as bus:
        return await cluster.leader_of(bus, LEDGER)


def check_mails(loa: GrowingLoa, relay: RelayProcess) -> None:
    """Each reader has each item, under one Message-ID, and each copy is declared."""
    traces = [loa.trace_of_event(event_id, DELIVERED_S)["channels"] for event_id in loa.events]
    counts = [one["email"] for one in traces]
    assert {(one["expected"], one["delivered"]) for one in counts} == {(READERS, READERS)}
    mails = Counter(relay.accepted_mails())
    lost = READERS * len(loa.events) - len(mails)
    copies, declared = mails.total() - len(mails), sum(one["maybe_duplicate"] for one in counts)
    log.info("mails", sent=len(mails), lost=lost, copies=copies, declared=declared)
    per_reader = Counter(reader for reader, _ in mails)
    assert (len(per_reader), set(per_reader.values())) == (READERS, {len(loa.events)})
    assert copies <= declared
    for event_id in loa.beside:
        told = loa.trace_of_event(event_id, DELIVERED_S)  # the sweep finds wake-ups lost on the way
        assert told["channels"]["portal"]["delivered"] == 1
