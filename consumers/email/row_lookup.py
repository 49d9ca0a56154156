"""Look up the ledger row of a returned mail, and the address it would reach now."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from pydantic import ValidationError

from consumers.email.receipts import ReturnedMail
from consumers.ledger import bulk
from consumers.ledger import row_ref as places
from consumers.ledger.codec import BatchRows
from consumers.ledger.entry import LedgerEntry
from consumers.ledger.row_ref import RowRef
from consumers.ledger.store import Ledger
from contracts import keys, subjects
from contracts.delivery import BatchKey, ChannelName, PlanKey
from contracts.errors import ContractError
from contracts.records import NoticeRecord
from producers.bus import Bus

EMAIL = ChannelName.EMAIL
MAX_REPORT_AGE = {
    "bounce": timedelta(days=30),
    "delay": timedelta(days=30),
    "complaint": timedelta(days=365),
}
"""So long after a mail has left a report of it counts. Servers give up after five days; a return
path stands in old mails for ever, and who finds one there could speak for its reader."""
FindNoticeRecord = Callable[[BatchKey, str], Awaitable[NoticeRecord | None]]


class ReportTooLate(Exception):
    """A report of a mail that has left too long ago."""


class AddressedRow(NamedTuple):
    """A row, and its recipient's address at this moment; empty when there is none any more."""

    batch: BatchKey
    number: int
    address: str
    address_since: datetime | None = None  # when what is known of the recipient was last written


@dataclass
class RowLookup:
    """Looks rows up. *record*: where a case notice's person is kept. Raises BusError."""

    bus: Bus
    ledger: Ledger
    find_notice_record: FindNoticeRecord

    async def find(self, receipt: ReturnedMail) -> AddressedRow | None:
        """By its place, else by its Message-ID; None when there is no such row. Raises TooLate."""
        if receipt.place:
            place = RowRef.parse(receipt.place)
            try:
                batch = await places.find_batch(self.bus, place)
            except (ContractError, ValidationError):  # something else lies there after a restore
                return None
            return await self.load_row(batch, place.row, receipt) if batch else None
        return await self.find_by_message_id(receipt)

    async def load_row(
        self, batch: BatchKey, number: int, receipt: ReturnedMail | None = None
    ) -> AddressedRow | None:
        """A row by its number. Raises TooLate when the *receipt* for it comes too late."""
        state = await self.ledger.state(batch)
        if state is None or number >= len(state.value.rows):
            return None
        if receipt and is_late(state.value, receipt):
            raise ReportTooLate
        if keys.is_case(batch.content_id):
            return AddressedRow(
                batch, number, await self.notice_address(batch, state.value.notice_recipient)
            )
        rows = await self.ledger.rows(batch)
        return AddressedRow(batch, number, *await self.subscriber_address(rows.ids[number]))

    async def notice_address(self, batch: BatchKey, recipient: str) -> str:
        record = await self.find_notice_record(batch, recipient)
        return record.contact.address(EMAIL) or "" if record else ""

    async def subscriber_address(self, id: str) -> tuple[str, datetime | None]:
        value = await self.bus.bucket(subjects.SUBSCRIBERS.name).get(f"s.{id}")
        if value is None:
            return "", None
        return str(json.loads(value.data).get("email", "")), value.created

    async def find_by_message_id(self, receipt: ReturnedMail) -> AddressedRow | None:
        """Slow, and rare: every recipient of the publication is tried.

        A Message-ID can't be made up: it is a digest of the recipient's id, which nobody knows who
        has not seen the mail.
        """
        try:
            plan = PlanKey.parse(f"{EMAIL}.{receipt.publication}")
        except ValueError:
            return None
        held = await self.ledger.plan(plan)
        if held is None or not receipt.message_id:
            return None
        batches = [BatchKey(*plan, number) for number in range(held.value.count)]
        async for batch in bulk.read_batches(self.ledger.bucket, batches, recipients=True):
            for number, _ in rows_with_message_id(batch.key, batch.rows, receipt.message_id):
                return await self.load_row(batch.key, number, receipt)
            await asyncio.sleep(0)
        return None


def is_late(entry: LedgerEntry, receipt: ReturnedMail) -> bool:
    """Whether all of its batch had left long before; while it is open nothing is late."""
    if not entry.closed_at:
        return False
    return (
        receipt.at.timestamp() - entry.closed_at > MAX_REPORT_AGE[receipt.returned].total_seconds()
    )


def rows_with_message_id(
    batch: BatchKey, rows: BatchRows | None, message_id: str
) -> Iterator[tuple[int, str]]:
    """Rows whose mails have the Message-ID *wanted* (its left side), with their recipients."""
    for number, id in enumerate(rows.ids if rows else ()):
        key = keys.delivery_key(batch.content_id, batch.revision, EMAIL, id)
        if keys.message_id(key, "").startswith(f"<{message_id}@"):
            yield number, id
