"""Woken by a receipt: what a provider tells later is evidence for the ledger, never more."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from pydantic import BaseModel, PositiveInt, ValidationError
from structlog.contextvars import bound_contextvars

from channels.zalo.events import EVIDENCE, ZaloEvent
from consumers.ledger import moves
from consumers.ledger.entry import ON_THE_WIRE, OPEN, Entry
from consumers.ledger.store import Held, Ledger, Overtaken
from consumers.mail import receipts
from consumers.mail.receipts import MailReceipt
from consumers.notices.sent import ToldNotices
from consumers.settle import Later
from contracts import strict_json
from contracts.base import ContentId
from contracts.crash import crash_point
from contracts.delivery import BatchKey, ChannelName, PlanKey
from contracts.errors import Invalid, explain

log = structlog.get_logger()
TOO_EARLY_S = 5.0
SWAP_S = 10.0
NAME = "receipt"


class Receipt(BaseModel):
    """A provider says that one row has arrived."""

    channel: ChannelName
    content_id: ContentId
    revision: PositiveInt
    recipient: str

    @property
    def plan(self) -> PlanKey:
        return PlanKey(self.channel, self.content_id, self.revision)


Told = Receipt | ZaloEvent | MailReceipt


def read(data: bytes) -> Told:
    """One of our receipts, or what Zalo or mail told. Raises ContractError, naming the field."""
    said = strict_json.loads(data, NAME)
    kind = ZaloEvent if isinstance(said, dict) and "kind" in said else Receipt
    try:
        return (receipts.model_of(said) or kind).model_validate(said)
    except ValidationError as error:
        raise Invalid(*explain(error, NAME)) from error


@dataclass
class Feedback:
    """Applies receipts to rows that are in doubt, unknown or maybe sent.

    Without *notices* no event of Zalo's finds its row, without *mail* nothing that came back does.
    """

    ledger: Ledger
    notices: ToldNotices | None = None
    mail: Callable[[MailReceipt], Awaitable[None]] | None = None

    async def on_receipt(self, receipt: Told) -> None:
        """Upgrade the row; a receipt that comes before its row has ended waits for it."""
        if isinstance(receipt, ZaloEvent):
            await self.on_event(receipt)
        elif isinstance(receipt, MailReceipt):
            if self.mail:
                await self.mail(receipt)
        else:
            await self.on_row(receipt)

    async def on_event(self, event: ZaloEvent) -> None:
        """What arrived was no doubt sent; what Zalo tells of people is not for the ledger.

        A message without a tracking id may be anybody's: a reply, or what somebody wrote by hand.
        """
        if event.kind not in EVIDENCE or self.notices is None:
            return
        found = await self.notices.find(event.tracking_id, event.message_ids)
        if not found and event.tracking_id:
            log.warning("receipt_unmatched", channel=ChannelName.ZALO.value)
        elif not found:
            log.info("receipt_unmatched", channel=ChannelName.ZALO.value)
        for batch in found:
            with bound_contextvars(content_id=batch.content_id, channel=batch.channel.value):
                await self.apply(batch, 0)

    async def on_row(self, receipt: Receipt) -> None:
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

    async def arrived(self, batch: BatchKey, row: int) -> None:
        """What came back of a mail proves that the relay had it: a doubt ends.

        A row that is on the wire at this moment will be in doubt, or booked, in a moment.
        """
        held = await self.ledger.state(batch)
        if held and held.value.rows[row] in ON_THE_WIRE:
            raise Later(TOO_EARLY_S, "the row is on the wire")
        if held and moves.evidence(held.value, row) != held.value:
            await self.apply(batch, row)

    def check_ended(self, entry: Entry, row: int) -> None:
        if entry.rows[row] in OPEN:
            raise Later(TOO_EARLY_S, "the row has not ended yet")
