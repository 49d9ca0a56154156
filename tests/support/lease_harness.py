"""One claim on one batch, worked on by hand: planned on the real bus, by a provider that waits."""

import asyncio
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from consumers.deliver.batch_run import BatchRun
from consumers.deliver.lease import Lease, UncommittedOutcomes
from consumers.ledger import moves
from consumers.ledger.entry import LedgerEntry, TimeRules
from contracts.delivery import BatchKey, PlanKey
from producers.bus import Bus
from tests.support.delivery_pipeline import DeliveryPipeline
from tests.support.scripted_channel import ScriptedChannel, StaticReaders, reader_ids

ME, OTHER = "me.email.0#aa#1", "other.email.0#bb#1"
EVER = float("inf")
LEASE_S = 60.0


class LeaseHarness(DeliveryPipeline):
    """A house in which one claim at a time is worked on by hand."""

    async def plan_batch(self, readers: int) -> None:
        self.readers.ids = reader_ids(readers)
        self.plan_key: PlanKey = await self.plan()
        self.batch = BatchKey(*self.plan_key, 0)
        self.stop, self.wanted = asyncio.Event(), asyncio.Event()

    async def claim(
        self,
        *,
        lease_s: float = LEASE_S,
        token: str = ME,
        unbooked: UncommittedOutcomes | None = None,
    ) -> BatchRun:
        held = await self.ledger.state(self.batch)
        edition = await self.worker.render_cache.content(self.plan_key)
        rules = replace(self.worker.time_rules(edition), lease_s=lease_s)
        claim = Lease(self.batch, token, rules, self.ledger, held, self.clock, unbooked)
        rows = await self.ledger.rows(self.batch)
        policy, stopped = self.worker.policy, self.stop.is_set
        reports = policy.before_commit, policy.after_commit
        told = *(partial(report, self.batch) for report in reports), policy.resolutions
        return BatchRun(claim, self.provider, self.readers, edition, rows, stopped, *told)

    async def run(self, work: BatchRun | None = None) -> LedgerEntry:
        work = work or await self.claim()
        async with self.provider.session() as session:
            return await work.run(session, self.wanted.is_set)

    async def change(self, move) -> None:
        """Another owner's write; *move* is a rule of the ledger."""
        held = await self.ledger.state(self.batch)
        await self.ledger.swap(self.batch, held, move(held.value), until=EVER)

    async def row_letters(self) -> str:
        return (await self.ledger.state(self.batch)).value.rows.decode()

    def sent(self) -> list[str]:
        return [id for _, id in self.provider.arrivals]

    def taken_over(self, entry: LedgerEntry) -> LedgerEntry:
        """Entry that another worker writes when it takes over our lease."""
        return moves.claim(entry, OTHER, self.clock(), TimeRules(LEASE_S))

    def halted(self, entry: LedgerEntry) -> LedgerEntry:
        return moves.halt(entry, "w2", self.clock())


def receipt_for(row: int):
    return lambda entry: moves.apply_evidence(entry, row, entry.created)


async def new_lease_harness(bus: Bus, folder: Path, readers: int, **provider: Any) -> LeaseHarness:
    """So many readers are planned, in one batch; a window takes three."""
    desk = LeaseHarness(bus, folder, StaticReaders([]), ScriptedChannel(**{"window": 3} | provider))
    await desk.plan_batch(readers)
    return desk
