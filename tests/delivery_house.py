"""One channel's planner and worker on a real bus, wired as the composition root does it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from consumers.audience import Subscribers
from consumers.circuit import Circuit
from consumers.deliver import Deliver
from consumers.dispatch import Dispatch, Released
from consumers.fence import Fence
from consumers.lanes import Gate
from consumers.ledger.store import Ledger
from consumers.library import Library
from consumers.slots import Slot
from consumers.wake import Waker, WakeUp
from contracts import publication as publications
from contracts import subjects
from contracts.delivery import BatchKey, ChannelName, Lane, PlanKey, Status
from contracts.publication import Publication
from producers.bus import Bus
from tests.builders import a_publication
from tests.fakes import Clock, People, Provider, people

EMAIL = ChannelName.EMAIL


@dataclass
class Released_:
    """The positions that tests have released."""

    known: dict[str, list[int]] = field(default_factory=dict)

    async def positions(self, content_id: str) -> list[int]:
        return self.known.get(content_id, [])

    async def overtaken(self, content_id: str, revision: int) -> str:
        return ""


class House:
    """One channel's planner and worker, wired as the composition root does."""

    def __init__(self, bus: Bus, folder, readers: People, provider: Provider | None = None):
        self.bus, self.readers, self.folder = bus, readers, folder
        self.provider = provider or Provider()
        self.clock = Clock()
        self.circuit = Circuit(bus, EMAIL, self.clock)
        self.ledger, self.waker = Ledger(bus), Waker(bus)
        self.released = Released_()
        self.fence = Fence(self.ledger, self.waker, self.clock)
        self.planner = Dispatch(
            EMAIL, self.ledger, self.waker, self.fence, self.released,
            Subscribers(readers), Gate(3), clock=self.clock,
        )  # fmt: skip
        self.worker = self.a_worker()

    def a_worker(self) -> Deliver:
        library = Library(self.bus, self.ledger, self.provider.render)
        return Deliver(
            self.provider, self.ledger, library, self.readers, self.waker,
            Gate(self.provider.connections), Slot(self.folder, "email"), self.circuit,
            clock=self.clock,
        )  # fmt: skip

    async def publish(self, publication: Publication) -> Released:
        subject = subjects.publication(publication.topic, publication.content_id)
        ack = await self.bus.publish(subject, publications.encode(publication))
        self.released.known.setdefault(publication.content_id, []).append(publication.revision)
        return Released(publication=publication, seq=ack.seq)

    async def plan(self, **changes) -> PlanKey:
        released = await self.publish(a_publication(**changes))
        await self.planner.on_publication(released)
        return PlanKey(EMAIL, released.publication.content_id, released.publication.revision)

    async def work(self, plan: PlanKey, number: int = 0, lane: Lane = Lane.NORMAL) -> None:
        await self.worker.on_wake_up(WakeUp(batch=str(BatchKey(*plan, number)), lane=lane))

    async def work_all(self, plan: PlanKey) -> None:
        for number in range((await self.ledger.plan(plan)).value.count):
            await self.work(plan, number)

    async def counts(self, plan: PlanKey) -> dict[Status, int]:
        total: dict[Status, int] = {}
        cursor = (await self.ledger.plan(plan)).value
        async for _, held in self.ledger.entries(plan, cursor):
            for status, count in held.value.count().items():
                total[status] = total.get(status, 0) + count
        return total

    async def entry(self, plan: PlanKey, number: int = 0):
        return (await self.ledger.state(BatchKey(*plan, number))).value


def a_house(bus: Bus, folder: Path, count: int = 3, **provider: Any) -> House:
    """So many readers, and a provider that is told how to behave."""
    return House(bus, folder, People(people(count)), Provider(**provider))


async def wake_ups(bus: Bus) -> int:
    return (await bus.stream_info("DELIVER"))["state"]["messages"]
