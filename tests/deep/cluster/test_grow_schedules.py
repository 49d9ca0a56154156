"""Wake-ups that are scheduled while their stream gets replicas: none is lost."""

import asyncio
from datetime import UTC, datetime, timedelta

from contracts import subjects
from contracts.delivery import BatchKey, ChannelName, Lane
from producers.bus import Bus, NoReply, topology
from tests.support.nats_cluster import PATIENCE_S

QUEUE = subjects.deliver(ChannelName.EMAIL, Lane.NORMAL)
SPAN_S = 15.0
"""Longer than a stream that grows is without a leader."""
NAMES = [f"tin-{number}" for number in range(60)]


async def schedule(bus: Bus) -> datetime:
    """Wake-ups of which each comes due a little later after its writing; when the last one does."""
    at = datetime.now(UTC)
    for number, name in enumerate(NAMES):
        at = datetime.now(UTC) + timedelta(seconds=SPAN_S * number / len(NAMES))
        batch = BatchKey(ChannelName.EMAIL, name, 1, 0)
        await bus.schedule(at, subjects.scheduled(batch, 1), QUEUE, name.encode())
    return at


async def take_all(bus: Bus) -> None:
    """Take wake-ups until each has come, past the times without a leader."""
    missing = {*NAMES}
    while missing:
        try:
            async with bus.pull(subjects.DELIVER.name, subjects.durable(QUEUE)) as pull:
                while missing:
                    if msg := await pull.next():
                        missing.discard(msg.data.decode())
                        await bus.connection.request(msg.reply, b"+ACK")
        except NoReply:
            await asyncio.sleep(0.1)


async def test_each_wake_up_comes_although_its_stream_grows_meanwhile(cluster):
    async with (
        await Bus.connect(cluster.url, name="one") as bus,
        await Bus.connect(cluster.url, name="three", replicas=3) as grown,
    ):
        await topology.apply(bus)
        taking = asyncio.create_task(take_all(bus))
        last_at = await schedule(bus)
        assert datetime.now(UTC) < last_at, "some are not due yet"
        await topology.apply(grown)
        await asyncio.wait_for(taking, PATIENCE_S)
