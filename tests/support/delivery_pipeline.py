"""One channel's planner and worker on a real bus, wired as the composition root does it."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from consumers.channel_health.breaker_store import BreakerStore
from consumers.deliver.worker import DeliveryWorker
from consumers.dispatch.audience import SubscriberAudience
from consumers.dispatch.supersede import Supersession
from consumers.ledger.store import Ledger
from consumers.ledger.wakeups import Waker, WakeUp
from contracts.delivery import BatchKey, ChannelName, Lane, PlanKey, Status
from contracts.publication import Publication, StoredPublication
from producers.bus import Bus
from tests.support.clock import FakeClock
from tests.support.publications import a_publication
from tests.support.scripted_channel import ScriptedChannel, StaticReaders, reader_ids
from tests.support.services import ReleasedPositions, new_dispatcher, new_worker
from tests.support.waiting import until

EMAIL = ChannelName.EMAIL


class DeliveryPipeline:
    """One channel's planner and worker, wired as the composition root does."""

    def __init__(
        self, bus: Bus, folder, readers: StaticReaders, provider: ScriptedChannel | None = None
    ):
        self.bus, self.readers, self.folder = bus, readers, folder
        self.provider = provider or ScriptedChannel()
        self.clock = FakeClock()
        self.circuit = BreakerStore(bus, EMAIL, self.clock)
        self.ledger, self.waker = Ledger(bus), Waker(bus)
        self.released = ReleasedPositions()
        self.fence = Supersession(self.ledger, self.waker, self.clock)
        self.planner = new_dispatcher(
            bus, SubscriberAudience(readers), self.released, self.clock,
            ledger=self.ledger, waker=self.waker, supersession=self.fence,
        )  # fmt: skip
        self.worker = self.new_worker()

    def new_worker(self, **parts: Any) -> DeliveryWorker:
        own = {"ledger": self.ledger, "waker": self.waker, "contact_lookup": self.readers}
        return new_worker(self.bus, self.provider, self.clock, self.folder, **own | parts)

    async def publish(self, publication: Publication) -> StoredPublication:
        return await self.released.publish(self.bus, publication)

    async def plan(self, **changes) -> PlanKey:
        released = await self.publish(a_publication(**changes))
        await self.planner.on_publication(released)
        return PlanKey(EMAIL, released.publication.content_id, released.publication.revision)

    async def work(self, plan: PlanKey, number: int = 0, lane: Lane = Lane.NORMAL) -> None:
        await self.worker.on_wake_up(WakeUp(batch=str(BatchKey(*plan, number)), lane=lane))

    async def work_plan(self, plan: PlanKey) -> None:
        for number in range((await self.ledger.plan(plan)).value.count):
            await self.work(plan, number)

    @asynccontextmanager
    async def held_window(self, work: Coroutine[Any, Any, Any]) -> AsyncIterator[asyncio.Task[Any]]:
        """Begin *work*; its window stays with the provider as long as the block runs."""
        self.provider.hold, before = asyncio.Event(), len(self.provider.windows)
        running = asyncio.create_task(work)
        await until(lambda: len(self.provider.windows) > before)
        yield running
        self.provider.hold.set()

    async def status_counts(self, plan: PlanKey) -> dict[Status, int]:
        total: dict[Status, int] = {}
        cursor = (await self.ledger.plan(plan)).value
        async for _, held in self.ledger.entries(plan, cursor):
            for status, count in held.value.count_by_status().items():
                total[status] = total.get(status, 0) + count
        return total

    async def entry(self, plan: PlanKey, number: int = 0):
        return (await self.ledger.state(BatchKey(*plan, number))).value


def new_delivery_pipeline(
    bus: Bus, folder: Path, count: int = 3, **provider: Any
) -> DeliveryPipeline:
    """So many readers, and a provider that is told how to behave."""
    return DeliveryPipeline(
        bus, folder, StaticReaders(reader_ids(count)), ScriptedChannel(**provider)
    )


async def wake_ups(bus: Bus) -> int:
    return (await bus.stream_info("DELIVER"))["state"]["messages"]
