"""Ends `unknown` rows by what a person has seen: a broadcast that nobody can ask about."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import structlog

from consumers.ledger import moves
from consumers.ledger.store import Ledger, Overtaken
from contracts.delivery import BatchKey, ChannelName

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
        prefix = f"state.{self.channel}.{content_id}."
        keys = [key async for key, _ in self.ledger.bucket.values(prefix)]
        found = sorted(BatchKey.parse(key.removeprefix("state.")) for key in keys)
        return [
            done
            for batch in found
            if revision in (None, batch.revision)
            async for done in self.settled(batch, arrived, by)
        ]

    async def settled(self, batch: BatchKey, arrived: bool, by: str) -> AsyncIterator[Settled]:
        rows = await self.of_batch(batch, arrived, by)
        ids = (await self.ledger.rows(batch)).ids if rows else ()
        for row in rows:
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
