"""Ends `unknown` rows by what a person has seen: a broadcast that nobody can ask about."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import structlog

from consumers.ledger import moves
from consumers.ledger.store import Ledger, Overtaken
from contracts.delivery import BatchKey, ChannelName, PlanKey

log = structlog.get_logger()
SWAP_S = 10.0


@dataclass(frozen=True, slots=True)
class Settled:
    """One row that has an end now."""

    batch: BatchKey
    recipient: str
    arrived: bool


@dataclass
class Settlement:
    """One channel's rows that nobody but a person can know of."""

    ledger: Ledger
    channel: ChannelName

    async def settle(
        self, content_id: str, revision: int | None, *, arrived: bool, by: str
    ) -> list[Settled]:
        """End every unknown row of the item, or of one revision of it. Raises BusError."""
        return [
            done
            async for plan in self.plans(content_id, revision)
            async for done in self.of_plan(plan, arrived, by)
        ]

    async def plans(self, content_id: str, revision: int | None) -> AsyncIterator[PlanKey]:
        prefix = f"plan.{self.channel}.{content_id}."
        found = [key async for key, _ in self.ledger.bucket.values(prefix)]
        for key in sorted(found):
            plan = PlanKey.parse(key.removeprefix("plan."))
            if revision in (None, plan.revision):
                yield plan

    async def of_plan(self, plan: PlanKey, arrived: bool, by: str) -> AsyncIterator[Settled]:
        held = await self.ledger.plan(plan)
        for number in range(held.value.count if held else 0):
            batch = BatchKey(*plan, number)
            ids = (await self.ledger.rows(batch)).ids
            for row in await self.of_batch(batch, arrived, by):
                yield Settled(batch, ids[row], arrived)

    async def of_batch(self, batch: BatchKey, arrived: bool, by: str) -> list[int]:
        """The rows that were ended; a receipt that comes first has told already."""
        held = await self.ledger.state(batch)
        while held is not None:
            rows = [row for row, one in enumerate(held.value.rows) if one in moves.UNKNOWN]
            if not rows:
                return []
            entry = held.value
            for row in rows:
                entry = moves.settle(entry, row, arrived=arrived, why=f"settled by {by}")
            try:
                await self.ledger.swap(batch, held, entry, until=time.monotonic() + SWAP_S)
            except Overtaken as other:
                held = other.state
                continue
            log.info("unknown_settled", batch=str(batch), rows=len(rows), arrived=arrived)
            return rows
        return []
