"""Zalo from the ledger to the sandbox: planner, worker, notes and tokens on a real bus, by HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from consumers.deliver.worker import DeliveryWorker
from consumers.deliver.worker_slot_file import WorkerSlot
from consumers.dispatch.audience import ZaloAudience
from consumers.ledger.entry import STATUS_OF_LETTER, LedgerEntry
from consumers.ledger.store import Ledger
from consumers.ledger.wakeups import Waker, WakeUp
from consumers.runtime.errors import RetryLater
from consumers.zalo.stores import BusArticleStore, BusKeyValueStore
from contracts.base.times import vietnam_time
from contracts.delivery import BatchKey, ChannelName, Lane, PlanKey, Status
from contracts.publication import Publication
from producers.bus import Bus
from tests.support.clock import FakeClock
from tests.support.services import ReleasedPositions, new_dispatcher, new_worker
from tests.support.zalo_account import SimulatedKill, ZaloAccount, memory_stores, open_zalo_account

ROUNDS = 200
BOTH = {"article": Status.DELIVERED, "broadcast": Status.DELIVERED}


@dataclass
class ZaloPipeline:
    """One Official Account's planner and worker; a kill ends the worker and starts the next."""

    bus: Bus
    folder: Path
    account: ZaloAccount
    released: ReleasedPositions = field(default_factory=ReleasedPositions)
    workers: int = 0

    def __post_init__(self) -> None:
        self.clock = self.account.clock
        self.ledger, self.waker = Ledger(self.bus), Waker(self.bus)
        self.planner = new_dispatcher(
            self.bus, ZaloAudience(), self.released, self.clock,
            channel=ChannelName.ZALO, ledger=self.ledger,
        )  # fmt: skip
        self.worker = self.new_worker()

    def new_worker(self) -> DeliveryWorker:
        """A new process: its slot is not the dead one's, so the lease has to run out."""
        self.workers += 1
        channel = self.account.new_channel()
        slot = WorkerSlot(self.folder, f"zalo-{self.workers}")
        return new_worker(self.bus, channel, self.clock, self.folder, ledger=self.ledger, slot=slot)

    async def publish(self, publication: Publication) -> BatchKey:
        """Release and plan a publication; returns its batch. Older positions go first."""
        released = await self.released.publish(self.bus, publication)
        plan = PlanKey(ChannelName.ZALO, publication.content_id, publication.revision)
        for _ in range(ROUNDS):
            try:
                await self.planner.on_publication(released)
                return BatchKey(*plan, 0)
            except RetryLater as later:
                await self.finish_older(plan)
                self.clock.advance(later.delay_s)
        raise AssertionError("never planned")

    async def finish_older(self, plan: PlanKey) -> None:
        for number in self.released.known[plan.content_id][:-1]:
            batch = BatchKey(*plan._replace(revision=number), 0)
            if await self.ledger.state(batch):
                await self.wake(batch)

    async def wake(self, batch: BatchKey) -> float:
        """One wake-up; in how many seconds the next one is worth it."""
        try:
            await self.worker.on_wake_up(WakeUp(batch=str(batch), lane=Lane.NORMAL))
        except RetryLater as later:
            return later.delay_s
        except SimulatedKill:
            self.worker.slot.close()
            self.worker = self.new_worker()
            return 66.0
        entry = await self.entry(batch)
        return max(0.0, entry.due - self.clock())

    async def finish(self, batch: BatchKey) -> dict[str, Status]:
        """Wake it as the queue does until it is closed; how its rows ended."""
        for _ in range(ROUNDS):
            entry = await self.entry(batch)
            if entry.closed_at:
                return await self.row_statuses(batch)
            self.clock.advance(await self.wake(batch))
        raise AssertionError(f"{batch} never closes: {await self.entry(batch)}")

    async def entry(self, batch: BatchKey) -> LedgerEntry:
        state = await self.ledger.state(batch)
        assert state is not None
        return state.value

    async def row_statuses(self, batch: BatchKey) -> dict[str, Status]:
        """Row names with their recorded statuses."""
        entry, rows = await self.entry(batch), await self.ledger.rows(batch)
        return {
            name: STATUS_OF_LETTER[letter]
            for name, letter in zip(rows.ids, entry.rows, strict=True)
        }


@asynccontextmanager
async def open_zalo_pipeline(
    bus: Bus, folder: Path, clock: FakeClock
) -> AsyncIterator[ZaloPipeline]:
    async with open_zalo_account(folder / "sandbox", clock) as account:
        notebook = BusArticleStore(bus, account.sandbox.settings.app_id)
        account.elsewhere = memory_stores(BusKeyValueStore(bus), notebook, account.key)
        account.new_channel()
        await account.consent()
        pipeline = ZaloPipeline(bus, folder / "slots", account)
        try:
            yield pipeline
        finally:
            pipeline.worker.slot.close()


class CallLog:
    """Every request that the channel makes, with Vietnam's time."""

    def __init__(self, pipeline: "ZaloPipeline") -> None:
        self.calls: list[tuple[datetime, str]] = []
        self.clock = pipeline.clock
        pipeline.account.after_request = self.note

    def note(self, request) -> None:
        self.calls.append((vietnam_time(self.clock()), request.url.rpartition("/")[2]))

    def count(self, name: str) -> int:
        return sum(called == name for _, called in self.calls)
