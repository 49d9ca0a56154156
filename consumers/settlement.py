"""Ends `unknown` rows by what a person has seen: what nobody can ask Zalo about."""

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import structlog

from consumers.ledger import bulk, moves
from consumers.ledger.store import Ledger, Overtaken
from consumers.notices.persons import SURELY_NOT, Notices
from contracts import keys
from contracts.delivery import BatchKey, ChannelName, Status

log = structlog.get_logger()
SWAP_S = 10.0


@dataclass(frozen=True, slots=True)
class Settled:
    """One row that has an end now."""

    batch: BatchKey
    recipient: str
    arrived: bool

    @property
    def status(self) -> Status:
        if self.arrived:
            return Status.DELIVERED
        return Status.SUPPRESSED if keys.is_case(self.batch.content_id) else Status.FAILED


@dataclass(frozen=True, slots=True)
class Unsettled:
    """One row of which nobody knows whether it went out; `since` in epoch seconds."""

    batch: BatchKey
    recipient: str
    since: float


@dataclass
class Settlement:
    """One channel's rows that nobody but a person can know of; *notices* go on where one ends."""

    ledger: Ledger
    channel: ChannelName
    notices: Notices | None = None
    clock: Callable[[], float] = time.time

    async def settle(
        self, content_id: str, revision: int | None, *, arrived: bool, by: str
    ) -> list[Settled]:
        """End every unknown row of the item, or of one revision of it. Raises BusError."""
        prefix = f"state.{self.channel}.{content_id}."
        names = [key async for key, _ in self.ledger.bucket.values(prefix)]
        found = sorted(BatchKey.parse(key.removeprefix("state.")) for key in names)
        return [
            done
            for batch in found
            if revision in (None, batch.revision)
            async for done in self.settled(batch, arrived, by)
        ]

    async def unknown(self) -> AsyncIterator[Unsettled]:
        """Every row of the channel that waits for a receipt or a person, in no order."""
        async for _, batch in bulk.states(self.ledger.bucket, f"{self.channel}."):
            if batch is None or batch.entry is None:
                continue
            for row in moves.unknown(batch.entry):
                ids = (await self.ledger.rows(batch.key)).ids
                yield Unsettled(batch.key, ids[row], batch.entry.closed)

    async def settled(self, batch: BatchKey, arrived: bool, by: str) -> AsyncIterator[Settled]:
        rows = await self.of_batch(batch, arrived, by)
        await self.follow(batch)
        ids = (await self.ledger.rows(batch)).ids if rows else ()
        for row in rows:
            yield Settled(batch, ids[row], arrived)

    async def follow(self, batch: BatchKey) -> None:
        """The next channel of a notice that was surely not sent; asked again, it is there."""
        held = await self.ledger.state(batch) if keys.is_case(batch.content_id) else None
        if self.notices and held and held.value.closed and held.value.rows in SURELY_NOT:
            await self.notices.ended(batch, held.value, self.clock())

    async def of_batch(self, batch: BatchKey, arrived: bool, by: str) -> list[int]:
        """The rows that were ended; a receipt that comes first has told already."""
        held = await self.ledger.state(batch)
        while held is not None:
            rows = moves.unknown(held.value)
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
