"""Woken by a receipt: what a provider tells later is evidence for the ledger, never more."""

import time
from dataclasses import dataclass

import structlog
from pydantic import BaseModel, PositiveInt
from structlog.contextvars import bound_contextvars

from consumers.ledger import moves
from consumers.ledger.entry import OPEN, Entry
from consumers.ledger.store import Held, Ledger, Overtaken
from consumers.settle import Later
from contracts.base import ContentId
from contracts.crash import crash_point
from contracts.delivery import BatchKey, ChannelName, PlanKey

log = structlog.get_logger()
TOO_EARLY_S = 5.0
SWAP_S = 10.0


class Receipt(BaseModel):
    """A provider says that one row has arrived."""

    channel: ChannelName
    content_id: ContentId
    revision: PositiveInt
    recipient: str

    @property
    def plan(self) -> PlanKey:
        return PlanKey(self.channel, self.content_id, self.revision)


@dataclass
class Feedback:
    """Applies receipts to rows that are in doubt, unknown or maybe sent."""

    ledger: Ledger

    async def on_receipt(self, receipt: Receipt) -> None:
        """Upgrade the row; a receipt that comes before its row has ended waits for it."""
        with bound_contextvars(content_id=receipt.content_id, channel=receipt.channel.value):
            found = await self.find(receipt)
            if found is None:
                log.warning("receipt_unmatched")
                return
            batch, row = found
            await self.apply(batch, row)

    async def find(self, receipt: Receipt) -> tuple[BatchKey, int] | None:
        """The row, by binary search: ids are sorted over all batches of a plan."""
        held = await self.ledger.plan(receipt.plan)
        low, high = 0, held.value.count if held else 0
        while low < high:
            batch = BatchKey(*receipt.plan, (low + high) // 2)
            ids = (await self.ledger.rows(batch)).ids
            if receipt.recipient < ids[0]:
                high = batch.number
            elif receipt.recipient > ids[-1]:
                low = batch.number + 1
            else:
                return (batch, ids.index(receipt.recipient)) if receipt.recipient in ids else None
        return None

    async def apply(self, batch: BatchKey, row: int) -> None:
        held = await self.ledger.state(batch)
        while held is not None:
            upgraded = moves.evidence(held.value, row)
            if upgraded == held.value:
                self.check_ended(held.value, row)
                return
            held = await self.write(batch, held, upgraded)

    async def write(
        self, batch: BatchKey, held: Held[Entry], upgraded: Entry
    ) -> Held[Entry] | None:
        """None when written, else what somebody else wrote meanwhile."""
        try:
            await self.ledger.swap(batch, held, upgraded, until=time.monotonic() + SWAP_S)
        except Overtaken as other:
            return other.state
        crash_point("feedback.booked")
        log.info("receipt_applied", batch=str(batch))
        return None

    def check_ended(self, entry: Entry, row: int) -> None:
        if entry.rows[row] in OPEN:
            raise Later(TOO_EARLY_S, "the row has not ended yet")
