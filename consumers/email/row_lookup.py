"""Look up the ledger row of a returned mail, and the address it would reach now."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from pydantic import ValidationError

from consumers.email.receipts import ReturnedMail
from consumers.ledger import bulk
from consumers.ledger.row_ref import RowRef, find_batch
from consumers.ledger.store import Ledger
from contracts import keys, subjects
from contracts.base.times import utc_time
from contracts.delivery import BatchKey, ChannelName, PlanKey
from contracts.errors import ContractError
from contracts.records import NoticeRecord
from producers.bus import Bus

_EMAIL = ChannelName.EMAIL


class AddressedRow(NamedTuple):
    """A row and its recipient's current address; empty if there is none any more."""

    batch: BatchKey
    number: int
    closed_at: datetime | None  # when the batch ended; None while it is open
    address: str
    address_since: datetime | None = None  # time of the last write of the recipient's record


@dataclass
class RowLookup:
    """Looks up rows. *find_notice_record*: finds a case notice's contact. Raises BusError."""

    bus: Bus
    ledger: Ledger
    find_notice_record: Callable[[BatchKey, str], Awaitable[NoticeRecord | None]]

    async def find(self, receipt: ReturnedMail) -> AddressedRow | None:
        """Find a row by its reference or its Message-ID; None if there is none."""
        if not receipt.place:
            return await self.find_by_message_id(receipt)
        row_ref = RowRef.parse(receipt.place)
        try:
            batch = await find_batch(self.bus, row_ref)
        except (ContractError, ValidationError):  # a restore may have put another message there
            return None
        return await self.load_row(batch, row_ref.row) if batch else None

    async def load_row(self, batch: BatchKey, number: int) -> AddressedRow | None:
        """Load a row by its number; None if there is none."""
        stored = await self.ledger.state(batch)
        if stored is None or number >= len(stored.value.rows):
            return None
        entry = stored.value
        closed_at = utc_time(entry.closed_at) if entry.closed_at else None
        if keys.is_case(batch.content_id):
            record = await self.find_notice_record(batch, entry.notice_recipient)
            address = record.contact.address(_EMAIL) if record else None
            return AddressedRow(batch, number, closed_at, address or "")
        id = (await self.ledger.rows(batch)).ids[number]
        return AddressedRow(batch, number, closed_at, *await self.subscriber_address(id))

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
        batches = [BatchKey(*plan, number) for number in range(stored_plan.value.stored_count)]
        async for batch in bulk.read_batches(self.ledger.bucket, batches, recipients=True):
            for number, id in enumerate(batch.rows.ids if batch.rows else ()):
                key = keys.delivery_key(plan.content_id, plan.revision, _EMAIL, id)
                if keys.message_id(key, "").startswith(f"<{receipt.message_id}@"):
                    return await self.load_row(batch.key, number)
            await asyncio.sleep(0)
        return None
