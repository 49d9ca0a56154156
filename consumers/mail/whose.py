"""From what came back to its row, and from a row to the address that it would reach now."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from pydantic import ValidationError

from consumers.ledger import bulk
from consumers.ledger.codec import Rows
from consumers.ledger.entry import Entry
from consumers.ledger.store import Ledger
from consumers.mail import place as places
from consumers.mail.place import Place
from consumers.mail.receipts import Returned
from contracts import keys, subjects
from contracts.delivery import BatchKey, ChannelName, PlanKey
from contracts.errors import ContractError
from contracts.records import NoticeRecord
from producers.bus import Bus

EMAIL = ChannelName.EMAIL
TOO_LATE = {
    "bounce": timedelta(days=30),
    "delay": timedelta(days=30),
    "complaint": timedelta(days=365),
}
"""So long after a mail has left a report of it counts. Servers give up after five days; a return
path stands in old mails for ever, and who finds one there could speak for its reader."""
Record = Callable[[BatchKey, str], Awaitable[NoticeRecord | None]]


class TooLate(Exception):
    """A report of a mail that has left too long ago."""


class Row(NamedTuple):
    """A row, and its recipient's address at this moment; empty when there is none any more."""

    batch: BatchKey
    number: int
    address: str
    since: datetime | None = None  # when what is known of the recipient was last written


@dataclass
class Whose:
    """Looks rows up. *record*: where a case notice's person is kept. Raises BusError."""

    bus: Bus
    ledger: Ledger
    record: Record

    async def find(self, receipt: Returned) -> Row | None:
        """By its place, else by its Message-ID; None when there is no such row. Raises TooLate."""
        if receipt.place:
            place = Place.parse(receipt.place)
            try:
                batch = await places.batch(self.bus, place)
            except (ContractError, ValidationError):  # something else lies there after a restore
                return None
            return await self.row(batch, place.row, receipt) if batch else None
        return await self.by_message_id(receipt)

    async def row(
        self, batch: BatchKey, number: int, receipt: Returned | None = None
    ) -> Row | None:
        """A row by its number. Raises TooLate when the *receipt* for it comes too late."""
        state = await self.ledger.state(batch)
        if state is None or number >= len(state.value.rows):
            return None
        if receipt and is_late(state.value, receipt):
            raise TooLate
        if keys.is_case(batch.content_id):
            return Row(batch, number, await self.of_notice(batch, state.value.recipient))
        rows = await self.ledger.rows(batch)
        return Row(batch, number, *await self.of_reader(rows.ids[number]))

    async def of_notice(self, batch: BatchKey, recipient: str) -> str:
        record = await self.record(batch, recipient)
        return record.contact.address(EMAIL) or "" if record else ""

    async def of_reader(self, id: str) -> tuple[str, datetime | None]:
        value = await self.bus.bucket(subjects.SUBSCRIBERS.name).get(f"s.{id}")
        if value is None:
            return "", None
        return str(json.loads(value.data).get("email", "")), value.created

    async def by_message_id(self, receipt: Returned) -> Row | None:
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
        async for batch in bulk.batches(self.ledger.bucket, batches, recipients=True):
            for number, _ in named(batch.key, batch.rows, receipt.message_id):
                return await self.row(batch.key, number, receipt)
            await asyncio.sleep(0)
        return None


def is_late(entry: Entry, receipt: Returned) -> bool:
    """Whether all of its batch had left long before; while it is open nothing is late."""
    if not entry.closed:
        return False
    return receipt.at.timestamp() - entry.closed > TOO_LATE[receipt.returned].total_seconds()


def named(batch: BatchKey, rows: Rows | None, wanted: str) -> Iterator[tuple[int, str]]:
    """Rows whose mails have the Message-ID *wanted* (its left side), with their recipients."""
    for number, id in enumerate(rows.ids if rows else ()):
        key = keys.delivery_key(batch.content_id, batch.revision, EMAIL, id)
        if keys.message_id(key, "").startswith(f"<{wanted}@"):
            yield number, id
