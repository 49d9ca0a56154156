"""Manual resolution: end `unknown` rows as an operator has verified."""

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import structlog

from consumers.case_notices.recipients import NOT_REACHED_ROWS, CaseNotices
from consumers.ledger import bulk, moves
from consumers.ledger.entry import LedgerEntry
from consumers.ledger.store import Ledger
from consumers.progress import report_progress
from contracts import keys
from contracts.delivery import BatchKey, ChannelName, Status

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ResolvedRow:
    batch: BatchKey
    recipient: str
    arrived: bool

    @property
    def status(self) -> Status:
        if self.arrived:
            return Status.DELIVERED
        return Status.SUPPRESSED if keys.is_case(self.batch.content_id) else Status.FAILED


@dataclass(frozen=True, slots=True)
class UnresolvedRow:
    """One row that may have been sent; `since` in epoch seconds."""

    batch: BatchKey
    recipient: str
    since: float


@dataclass
class ManualResolution:
    """Resolves one channel's unknown rows; *case_notices* continues on the next channel."""

    ledger: Ledger
    channel: ChannelName
    case_notices: CaseNotices | None = None
    clock: Callable[[], float] = time.time

    async def resolve(
        self, content_id: str, revision: int | None, *, arrived: bool, by: str
    ) -> list[ResolvedRow]:
        """End every unknown row of the item, or of one revision of it. Raises BusError."""
        states = bulk.read_states(self.ledger.bucket, f"{self.channel}.{content_id}.")
        batches = sorted([batch.key async for _, batch in states if batch])
        wanted = [batch for batch in batches if revision in (None, batch.revision)]
        resolved = list[ResolvedRow]()
        for number, batch in enumerate(wanted):
            report_progress("batches", number, len(wanted))
            resolved += [row async for row in self.resolve_batch(batch, arrived, by)]
        return resolved

    async def unknown_rows(self) -> AsyncIterator[UnresolvedRow]:
        """Every row of the channel that waits for a receipt or an operator, unordered."""
        read = 0
        async for _, batch in bulk.read_states(self.ledger.bucket, f"{self.channel}."):
            report_progress("batches", read := read + 1)
            if batch is None or batch.entry is None:
                continue
            for row in moves.unknown_rows(batch.entry):
                ids = (await self.ledger.rows(batch.key)).ids
                yield UnresolvedRow(batch.key, ids[row], batch.entry.closed_at)

    async def resolve_batch(
        self, batch: BatchKey, arrived: bool, by: str
    ) -> AsyncIterator[ResolvedRow]:
        rows = await self.write_resolution(batch, arrived, by)
        await self.try_next_channel(batch)
        ids = (await self.ledger.rows(batch)).ids if rows else ()
        for row in rows:
            yield ResolvedRow(batch, ids[row], arrived)

    async def try_next_channel(self, batch: BatchKey) -> None:
        """Start the next channel of a notice that was not sent; repeats change nothing."""
        if self.case_notices is None or not keys.is_case(batch.content_id):
            return
        state = await self.ledger.state(batch)
        if state and state.value.closed_at and state.value.rows in NOT_REACHED_ROWS:
            await self.case_notices.try_next_channel(batch, state.value, self.clock())

    async def write_resolution(self, batch: BatchKey, arrived: bool, by: str) -> list[int]:
        """End the unknown rows of *batch* and return them; a receipt may have come first."""

        def end(entry: LedgerEntry) -> LedgerEntry:
            reason, now = f"settled by {by}", self.clock()
            return moves.end_unknown(entry, now, arrived=arrived, reason=reason)

        changed = await self.ledger.change(batch, end)
        rows = moves.unknown_rows(changed.before) if changed else []
        if rows:
            log.info("unknown_settled", batch=str(batch), rows=len(rows), arrived=arrived)
        return rows
