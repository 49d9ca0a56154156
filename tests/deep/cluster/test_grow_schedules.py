"""Wake-ups that are scheduled while their stream gets replicas: none is lost."""

import asyncio
from datetime import UTC, datetime, timedelta

from contracts import subjects
from contracts.delivery import BatchKey, ChannelName, Lane
from producers.bus import Bus, NoReply, topology
from tests.support.nats_cluster import PATIENCE_S

QUEUE = subjects.deliver(ChannelName.EMAIL, Lane.NORMAL)
SPAN_S, COUNT = 15.0, 60
"""Longer than a stream that grows is without a leader."""


async def schedule(bus: Bus) -> tuple[set[str], datetime]:
    """Wake-ups of which each comes due a little later after its writing; when the last one does."""
    names, at = [f"tin-{number}" for number in range(COUNT)], datetime.now(UTC)
    for number, name in enumerate(names):
        at = datetime.now(UTC) + timedelta(seconds=SPAN_S * number / COUNT)
        batch = BatchKey(ChannelName.EMAIL, name, 1, 0)
        await bus.schedule(at, subjects.scheduled(batch, 1), QUEUE, name.encode())
    return {*names}, at


async def test_each_wake_up_comes_although_its_stream_grows_meanwhile(cluster):
    came = set[str]()
    async with (
        await Bus.connect(cluster.url, name="one") as bus,
        await Bus.connect(cluster.url, name="three", replicas=3) as grown,
    ):
        await topology.apply(bus)

        async def take() -> None:
            while True:
                try:
                    async with bus.pull(subjects.DELIVER.name, subjects.durable(QUEUE)) as pull:
                        while True:
                            if msg := await pull.next():
                                came.add(msg.data.decode())
                                await bus.connection.request(msg.reply, b"+ACK")
                except NoReply:
                    await asyncio.sleep(0.1)

        taking = asyncio.create_task(take())
        wanted, last_at = await schedule(bus)
        assert datetime.now(UTC) < last_at, "some are not due yet"
        await topology.apply(grown)
        async with asyncio.timeout(PATIENCE_S):
            while came != wanted:
                await asyncio.sleep(0.1)
        taking.cancel()
