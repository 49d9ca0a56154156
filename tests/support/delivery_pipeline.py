"""One channel's planner and worker on a real bus, wired as the composition root does it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from consumers.channel_health.breaker_store import BreakerStore
from consumers.deliver.renderings import RenderCache
from consumers.deliver.slots import WorkerSlot
from consumers.deliver.worker import DeliveryWorker
from consumers.dispatch.audience import SubscriberAudience
from consumers.dispatch.handler import Dispatcher
from consumers.dispatch.supersede import Supersession
from consumers.ledger.store import Ledger
from consumers.ledger.wakeups import Waker, WakeUp
from consumers.runtime.lanes import LaneSemaphore
from contracts import publication as publications
from contracts import subjects
from contracts.delivery import BatchKey, ChannelName, Lane, PlanKey, Status
from contracts.publication import Publication, StoredPublication
from producers.bus import Bus
from tests.support.publications import a_publication
from tests.support.scripted_channel import Clock, ScriptedChannel, StaticReaders, reader_ids

EMAIL = ChannelName.EMAIL


@dataclass
class ReleasedPositions:
    """The positions that tests have released."""

    known: dict[str, list[int]] = field(default_factory=dict)

    async def released_positions(self, content_id: str) -> list[int]:
        return self.known.get(content_id, [])

    async def halt_mark(self, content_id: str, revision: int) -> str:
        return ""


class DeliveryPipeline:
    """One channel's planner and worker, wired as the composition root does."""

    def __init__(
        self, bus: Bus, folder, readers: StaticReaders, provider: ScriptedChannel | None = None
    ):
        self.bus, self.readers, self.folder = bus, readers, folder
        self.provider = provider or ScriptedChannel()
        self.clock = Clock()
        self.circuit = BreakerStore(bus, EMAIL, self.clock)
        self.ledger, self.waker = Ledger(bus), Waker(bus)
        self.released = ReleasedPositions()
        self.fence = Supersession(self.ledger, self.waker, self.clock)
        self.planner = Dispatcher(
            EMAIL, self.ledger, self.waker, self.fence, self.released,
            SubscriberAudience(readers), LaneSemaphore(3), clock=self.clock,
        )  # fmt: skip
        self.worker = self.new_worker()

    def new_worker(self) -> DeliveryWorker:
        library = RenderCache(self.bus, self.ledger, self.provider.render)
        return DeliveryWorker(
            self.provider,
            self.ledger,
            library,
            self.readers,
            self.waker,
            LaneSemaphore(self.provider.connections),
            WorkerSlot(self.folder, "email"),
            self.circuit,
            clock=self.clock,
        )

    async def publish(self, publication: Publication) -> StoredPublication:
        subject = subjects.publication(publication.topic, publication.content_id)
        ack = await self.bus.publish(subject, publications.encode(publication))
        self.released.known.setdefault(publication.content_id, []).append(publication.revision)
        return StoredPublication(publication=publication, seq=ack.seq)

    async def plan(self, **changes) -> PlanKey:
        released = await self.publish(a_publication(**changes))
        await self.planner.on_publication(released)
        return PlanKey(EMAIL, released.publication.content_id, released.publication.revision)

    async def work(self, plan: PlanKey, number: int = 0, lane: Lane = Lane.NORMAL) -> None:
        await self.worker.on_wake_up(WakeUp(batch=str(BatchKey(*plan, number)), lane=lane))

    async def work_plan(self, plan: PlanKey) -> None:
        for number in range((await self.ledger.plan(plan)).value.count):
            await self.work(plan, number)

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
