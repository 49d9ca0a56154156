"""Handle provider receipts: evidence that upgrades ledger rows and never downgrades them."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from pydantic import BaseModel, PositiveInt, ValidationError
from structlog.contextvars import bound_contextvars

from channels.zalo.webhook.events import DELIVERY_KINDS, ZaloEvent
from consumers.case_notices.message_ids import NoticeFinder
from consumers.email import receipts
from consumers.email.receipts import MailReceipt
from consumers.ledger import moves
from consumers.ledger.entry import OPEN_LETTERS, SENDING_LETTERS, LedgerEntry
from consumers.ledger.plan_rows import PlanRows
from consumers.ledger.store import Ledger
from consumers.runtime.errors import RetryLater
from contracts.base import strict_json
from contracts.base.crash_points import crash_point
from contracts.base.fields import ContentId
from contracts.base.times import Clock
from contracts.delivery import BatchKey, ChannelName, PlanKey
from contracts.errors import Invalid, explain

log = structlog.get_logger()
RETRY_S = 5.0
_ROOT_FIELD = "receipt"


class DeliveryReceipt(BaseModel):
    """A provider's confirmation that one row has arrived."""

    channel: ChannelName
    content_id: ContentId
    revision: PositiveInt
    recipient: str

    @property
    def plan(self) -> PlanKey:
        return PlanKey(self.channel, self.content_id, self.revision)


AnyReceipt = DeliveryReceipt | ZaloEvent | MailReceipt


def parse_receipt(data: bytes) -> AnyReceipt:
    """Parse a receipt of ours, of Zalo or of mail. Raises ContractError, naming the field."""
    body = strict_json.loads(data, _ROOT_FIELD)
    kind = ZaloEvent if isinstance(body, dict) and "kind" in body else DeliveryReceipt
    try:
        return (receipts.receipt_model(body) or kind).model_validate(body)
    except ValidationError as error:
        raise Invalid(*explain(error, _ROOT_FIELD)) from error


@dataclass
class FeedbackHandler:
    """Applies receipts to rows in doubt, unknown or maybe sent.

    Zalo's events are matched by *notices*, mail receipts are passed to *on_mail_receipt*; without
    them such receipts are ignored.
    """

    ledger: Ledger
    notices: NoticeFinder | None = None
    on_mail_receipt: Callable[[MailReceipt], Awaitable[None]] | None = None
    clock: Clock = time.time

    async def on_receipt(self, receipt: AnyReceipt) -> None:
        """Upgrade the row of a receipt; raise RetryLater until the row has ended."""
        if isinstance(receipt, ZaloEvent):
            await self.on_zalo_event(receipt)
        elif isinstance(receipt, MailReceipt):
            if self.on_mail_receipt:
                await self.on_mail_receipt(receipt)
        else:
            await self.on_delivery_receipt(receipt)

    async def on_zalo_event(self, event: ZaloEvent) -> None:
        """Apply Zalo's evidence for a message.

        A message without a tracking id may be a reply, or written by hand in Zalo's console.
        """
        if event.kind not in DELIVERY_KINDS or self.notices is None:
            return
        batches = await self.notices.find(event.tracking_id, event.message_ids)
        if not batches and event.tracking_id:
            log.warning("receipt_unmatched", channel=ChannelName.ZALO.value)
        elif not batches:
            log.info("receipt_unmatched", channel=ChannelName.ZALO.value)
        for batch in batches:
            with bound_contextvars(content_id=batch.content_id, channel=batch.channel.value):
                await self.apply_evidence(batch, 0)

    async def on_delivery_receipt(self, receipt: DeliveryReceipt) -> None:
        with bound_contextvars(content_id=receipt.content_id, channel=receipt.channel.value):
            row = await PlanRows(self.ledger).find(receipt.plan, receipt.recipient)
            if row is None:
                log.warning("receipt_unmatched")
            else:
                await self.apply_evidence(row.batch, row.row)

    async def apply_evidence(self, batch: BatchKey, row: int) -> None:
        """Upgrade a row that has ended. Raises RetryLater while it is open."""

        def upgrade(entry: LedgerEntry) -> LedgerEntry:
            upgraded = moves.apply_evidence(entry, row, self.clock())
            if upgraded == entry and entry.rows[row] in OPEN_LETTERS:
                raise RetryLater(RETRY_S, "the row has not ended yet")
            return upgraded

        if await self.ledger.change(batch, upgrade):
            crash_point("feedback.booked")
            log.info("receipt_applied", batch=str(batch))

    async def confirm_sent(self, batch: BatchKey, row: int) -> None:
        """End a doubt: returned mail proves that the relay had accepted it.

        A row on the wire is booked in a moment. Raises RetryLater until then.
        """
        state = await self.ledger.state(batch)
        if state and state.value.rows[row] in SENDING_LETTERS:
            raise RetryLater(RETRY_S, "the row is on the wire")
        if state and moves.apply_evidence(state.value, row, self.clock()) != state.value:
            await self.apply_evidence(batch, row)
