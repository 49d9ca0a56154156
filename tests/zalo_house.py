"""Zalo from the ledger to the sandbox: planner, worker, notes and tokens on a real bus, by HTTP."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from channels.zalo.connect import Stores
from channels.zalo.hours import local
from consumers.addresses import Places
from consumers.audience import OfficialAccount
from consumers.circuit import Circuit
from consumers.deliver import Deliver
from consumers.dispatch import Dispatch, Released
from consumers.fence import Fence
from consumers.lanes import Gate
from consumers.ledger.entry import Entry
from consumers.ledger.store import Ledger
from consumers.library import Library
from consumers.settle import Later
from consumers.slots import Slot
from consumers.vault import BusNotebook, BusVault
from consumers.wake import Waker, WakeUp
from contracts import publication as publications
from contracts import subjects
from contracts.delivery import BatchKey, ChannelName, Lane, PlanKey, Status
from contracts.publication import Publication
from producers.bus import Bus
from tests.conftest import Clock
from tests.zalo_stage import Killed, Stage, staged

ROUNDS = 200
BOTH = {"article": Status.DELIVERED, "broadcast": Status.DELIVERED}
STATUSES = {
    ord("d"): Status.DELIVERED,
    ord("x"): Status.FAILED,
    ord("K"): Status.UNKNOWN,
    ord("u"): Status.SUPPRESSED,
}


@dataclass
class ZaloHouse:
    """One Official Account's planner and worker; a kill ends the worker and starts the next."""

    bus: Bus
    folder: Path
    stage: Stage
    known: dict[str, list[int]] = field(default_factory=dict)
    workers: int = 0

    def __post_init__(self) -> None:
        self.clock = self.stage.clock
        self.ledger, self.waker = Ledger(self.bus), Waker(self.bus)
        fence = Fence(self.ledger, self.waker, self.clock)
        self.planner = Dispatch(
            ChannelName.ZALO, self.ledger, self.waker, fence, self, OfficialAccount(), Gate(3),
            clock=self.clock,
        )  # fmt: skip
        self.worker = self.a_worker()

    async def positions(self, content_id: str) -> Sequence[int]:
        return self.known.get(content_id, [])

    async def overtaken(self, content_id: str, revision: int) -> str:
        return ""

    def a_worker(self) -> Deliver:
        """A new process: its slot is not the dead one's, so the lease has to run out."""
        self.workers += 1
        channel = self.stage.start()
        return Deliver(
            channel, self.ledger, Library(self.bus, self.ledger, channel.render), Places(),
            self.waker, Gate(2), Slot(self.folder, f"zalo-{self.workers}"),
            Circuit(self.bus, ChannelName.ZALO, self.clock), clock=self.clock,
        )  # fmt: skip

    async def publish(self, publication: Publication) -> BatchKey:
        """Release and plan it; what is to be delivered then. An older position is worked off."""
        subject = subjects.publication(publication.topic, publication.content_id)
        ack = await self.bus.publish(subject, publications.encode(publication))
        self.known.setdefault(publication.content_id, []).append(publication.revision)
        released = Released(publication=publication, seq=ack.seq)
        plan = PlanKey(ChannelName.ZALO, publication.content_id, publication.revision)
        for _ in range(ROUNDS):
            try:
                await self.planner.on_publication(released)
                return BatchKey(*plan, 0)
            except Later as later:
                await self.older(plan)
                self.clock.advance(later.delay_s)
        raise AssertionError("never planned")

    async def older(self, plan: PlanKey) -> None:
        for number in self.known[plan.content_id][:-1]:
            batch = BatchKey(*plan._replace(revision=number), 0)
            if await self.ledger.state(batch):
                await self.visit(batch)

    async def visit(self, batch: BatchKey) -> float:
        """One wake-up; in how many seconds the next one is worth it."""
        try:
            await self.worker.on_wake_up(WakeUp(batch=str(batch), lane=Lane.NORMAL))
        except Later as later:
            return later.delay_s
        except Killed:
            self.worker.slot.close()
            self.worker = self.a_worker()
            return 66.0
        entry = await self.entry(batch)
        return max(0.0, entry.due - self.clock())

    async def finish(self, batch: BatchKey) -> dict[str, Status]:
        """Wake it as the queue does until it is closed; how its rows ended."""
        for _ in range(ROUNDS):
            entry = await self.entry(batch)
            if entry.closed:
                return await self.ending(batch)
            self.clock.advance(await self.visit(batch))
        raise AssertionError(f"{batch} never closes: {await self.entry(batch)}")

    async def entry(self, batch: BatchKey) -> Entry:
        state = await self.ledger.state(batch)
        assert state is not None
        return state.value

    async def ending(self, batch: BatchKey) -> dict[str, Status]:
        """The rows' names with what is booked of each."""
        entry, rows = await self.entry(batch), await self.ledger.rows(batch)
        return {
            name: STATUSES.get(letter, Status.MAYBE_SENT)
            for name, letter in zip(rows.ids, entry.rows, strict=True)
        }


@asynccontextmanager
async def zalo_house(bus: Bus, folder: Path, clock: Clock) -> AsyncIterator[ZaloHouse]:
    async with staged(folder / "sandbox", clock) as stage:
        notebook = BusNotebook(bus, stage.sandbox.settings.app_id)
        stage.elsewhere = Stores(BusVault(bus), notebook, stage.key)
        stage.start()
        await stage.consent()
        house = ZaloHouse(bus, folder / "slots", stage)
        try:
            yield house
        finally:
            house.worker.slot.close()


class Calls:
    """Every request that the channel makes, with Vietnam's time."""

    def __init__(self, house: "ZaloHouse") -> None:
        self.made: list[tuple[datetime, str]] = []
        self.clock = house.clock
        house.stage.after_request = self.note

    def note(self, request) -> None:
        self.made.append((local(self.clock()), request.url.rpartition("/")[2]))

    def count(self, name: str) -> int:
        return sum(called == name for _, called in self.made)
