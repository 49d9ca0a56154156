"""An answer of the server that is lost on the way, or older than what we know, does no harm."""

import re

import pytest

from consumers.ledger.codec import BatchRows
from consumers.ledger.cursor import PlanCursor
from consumers.ledger.store import Ledger
from contracts import subjects
from contracts.delivery import ChannelName, PlanKey
from producers import acceptance
from producers.bus import Bus, NoReply, RevisionConflict, topology
from tests.support.gateway_client import HURRIED_S, open_gateway, sample_event
from tests.support.tcp_proxy import TcpProxy
from tests.support.waiting import until

UNITS = subjects.UNITS.name
UP_TO = re.compile(rb"(Nats-UpTo-Sequence: )(\d+)")


class Without:
    """Lets every answer pass, except the first few that contain *words*."""

    def __init__(self, words, times):
        self.words, self.left = words, times

    def __call__(self, data):
        if self.words not in data or not self.left:
            return data
        self.left -= 1
        return b""


@pytest.fixture
async def stale_bus(own_server):
    """A bus whose answers can be lost on the way, and the proxy that loses them."""
    port = int(own_server.url.rpartition(":")[2])
    async with (
        TcpProxy(port) as proxy,
        await Bus.connect(own_server.url.replace(f":{port}", f":{proxy.port}")) as bus,
    ):
        await topology.apply(bus)
        yield proxy, bus


@pytest.mark.promise("1.3")
async def test_a_publish_whose_acknowledgement_is_lost_is_repeated_and_stored_once(stale_bus):
    proxy, bus = stale_bus
    proxy.down.rewrite = Without(b'"stream":"DEAD"', times=3)
    ack = await bus.publish("dead.a", b"x", msg_id="one", timeout_s=0.2)
    assert (ack.seq, ack.duplicate) == (1, True)
    assert [one.data async for one in bus.scan("DEAD")] == [b"x"]


async def test_a_swap_whose_answer_is_lost_is_silence_and_its_repeat_a_conflict(stale_bus):
    proxy, bus = stale_bus
    units = bus.bucket(UNITS)
    first = await units.create("vp", b"1")
    proxy.down.rewrite = lossy = Without(b'"stream":"KV_units"', times=1)
    with pytest.raises(NoReply):
        await units.swap("vp", b"2", first, timeout_s=0.2)
    await until(lambda: not lossy.left)
    with pytest.raises(RevisionConflict) as found:
        await units.swap("vp", b"2", first)
    assert found.value.revision == (await units.get("vp")).revision == first + 1


@pytest.mark.parametrize("stream", ["KV_events", "KV_publications", "CONTENT"])
async def test_an_event_with_a_lost_ack_is_503_then_the_same_202(
    stale_bus, clock, stream, monkeypatch
):
    proxy, bus = stale_bus
    async with open_gateway(bus, clock) as door:
        proxy.down.rewrite = lossy = Without(b'"stream":"%s"' % stream.encode(), times=1)
        with monkeypatch.context() as hurried:
            hurried.setattr(acceptance, "ANSWER_TIMEOUT_S", HURRIED_S)
            while lossy.left:
                lost = await door.post(sample_event())
                assert (lost.status_code, lost.headers["retry-after"]) == (503, "5")
        first, again = await door.post(sample_event()), await door.post(sample_event())
        assert first.status_code == again.status_code == 202
        assert first.json() == again.json()
        assert [one["id"] for one in await door.stored_events()] == ["e-1"]


class StaleReplica:
    """Answers the first direct gets as a replica does that has not heard the latest changes."""

    def __init__(self, answers):
        self.left = answers

    def __call__(self, data):
        if self.left and (found := UP_TO.search(data)):
            self.left -= 1
            return data.replace(found[0], found[1] + b"0" * len(found[2]))
        return data


async def test_a_plan_is_never_read_from_a_replica_that_is_behind(stale_bus):
    proxy, bus = stale_bus
    ledger, plan = Ledger(bus), PlanKey(ChannelName.EMAIL, "tin", 1)
    held = await ledger.create_plan(plan, PlanCursor())
    cursor = held.value.advance([["r1"]], complete=True, now=1.0)
    held = await ledger.append_batches(plan, held, cursor, [BatchRows(("r1",))])
    proxy.down.rewrite = replica = StaleReplica(answers=2)
    [(batch, _)] = [one async for one in ledger.entries(plan, held.value)]
    assert (batch.number, replica.left) == (0, 0)


async def test_what_only_a_replica_that_stays_behind_answers_is_silence(stale_bus, monkeypatch):
    monkeypatch.setattr("producers.bus.messages.READ_PATIENCE_S", 2.0)
    proxy, bus = stale_bus
    units = bus.bucket(UNITS)
    revision = await units.put("vp", b"1")
    proxy.down.rewrite = StaleReplica(answers=1000)
    with pytest.raises(NoReply, match="behind"):
        await units.get_many(["vp"], min_seq=revision)
