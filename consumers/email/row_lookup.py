"""Look up the ledger row of a returned mail, and the address it would reach now."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from pydantic import ValidationError

from consumers.email.receipts import ReturnedMail
from consumers.ledger import bulk
from consumers.ledger.entry import LedgerEntry
from consumers.ledger.row_ref import RowRef, find_batch
from consumers.ledger.store import Ledger
from contracts import keys, subjects
from contracts.base.times import utc_time
from contracts.delivery import BatchKey, ChannelName, PlanKey
from contracts.errors import ContractError
from contracts.records import NoticeRecord
from producers.bus import Bus

_EMAIL = ChannelName.EMAIL
_MONTH, _YEAR = timedelta(days=30), timedelta(days=365)
MAX_REPORT_AGE = {"bounce": _MONTH, "delay": _MONTH, "complaint": _YEAR}
"""Oldest report that counts, after the mail has left.

Servers give up after five days. An old mail shows its return path for ever, and its finder must not
be able to suppress the recipient.
"""
FindNoticeRecord = Callable[[BatchKey, str], Awaitable[NoticeRecord | None]]


class ReportTooLate(Exception):
    """The report is about a mail that left too long ago."""


class AddressedRow(NamedTuple):
    """A row and its recipient's current address; empty if there is none any more."""

    batch: BatchKey
    number: int
    address: str
    address_since: datetime | None = None  # time of the last write of the recipient's record


@dataclass
class RowLookup:
    """Looks up rows. *find_notice_record*: finds a case notice's contact. Raises BusError."""

    bus: Bus
    ledger: Ledger
    find_notice_record: FindNoticeRecord

    async def find(self, receipt: ReturnedMail) -> AddressedRow | None:
        """Find a row by its reference or its Message-ID; None if there is none.

        Raises ReportTooLate.
        """
        if receipt.place:
            row_ref = RowRef.parse(receipt.place)
            try:
                batch = await find_batch(self.bus, row_ref)
            except (ContractError, ValidationError):  # a restore may have put another message there
                return None
            return await self.load_row(batch, row_ref.row, receipt) if batch else None
        return await self.find_by_message_id(receipt)

    async def load_row(
        self, batch: BatchKey, number: int, receipt: ReturnedMail | None = None
    ) -> AddressedRow | None:
        """Load a row by its number. Raises ReportTooLate if the *receipt* is too old."""
        state = await self.ledger.state(batch)
        if state is None or number >= len(state.value.rows):
            return None
        if receipt and _is_late(state.value, receipt):
            raise ReportTooLate
        if keys.is_case(batch.content_id):
            record = await self.find_notice_record(batch, state.value.notice_recipient)
            address = record.contact.address(_EMAIL) if record else None
            return AddressedRow(batch, number, address or "")
        rows = await self.ledger.rows(batch)
        return AddressedRow(batch, number, *await self.subscriber_address(rows.ids[number]))

    async def subscriber_address(self, id: str) -> tuple[str, datetime | None]:
        value = await self.bus.bucket(subjects.SUBSCRIBERS.name).get(f"s.{id}")
        if value is None:
            return "", None
        return str(json.loads(value.data).get("email", "")), value.created

    async def find_by_message_id(self, receipt: ReturnedMail) -> AddressedRow | None:
        """Find a row by trying every recipient of the publication: slow and rare.

        A Message-ID can't be forged: it is a digest of the recipient's id, which only the mail
        reveals.
        """
        try:
            plan = PlanKey.parse(f"{_EMAIL}.{receipt.publication}")
        except ValueError:
            return None
        stored_plan = await self.ledger.plan(plan)
        if stored_plan is None or not receipt.message_id:
            return None
        batches = [BatchKey(*plan, number) for number in range(stored_plan.value.count)]
        async for batch in bulk.read_batches(self.ledger.bucket, batches, recipients=True):
            for number, id in enumerate(batch.rows.ids if batch.rows else ()):
                key = keys.delivery_key(plan.content_id, plan.revision, _EMAIL, id)
                if keys.message_id(key, "").startswith(f"<{receipt.message_id}@"):
                    return await self.load_row(batch.key, number, receipt)
            await asyncio.sleep(0)
        return None


def _is_late(entry: LedgerEntry, receipt: ReturnedMail) -> bool:
    """Whether the batch closed too long before the report; an open batch is never late."""
    max_age = MAX_REPORT_AGE[receipt.returned]
    return bool(entry.closed_at) and receipt.at - utc_time(entry.closed_at) > max_age
