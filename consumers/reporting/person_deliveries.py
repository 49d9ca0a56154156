"""Every message to one person that the ledger knows, with how it ended."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from consumers.digests.store import DigestStore
from consumers.email.bounce_records import KEY_PREFIX, BatchBounces
from consumers.intake.repository import ItemRepository
from consumers.ledger import bulk
from consumers.ledger.entry import STATUS_OF_LETTER, LedgerEntry, RowNote
from consumers.ledger.plan_rows import PlanRows, RecipientRow
from consumers.ledger.store import Ledger
from consumers.progress import report_progress
from contracts import keys
from contracts.base.times import utc_time
from contracts.delivery import BatchKey, ChannelName, PlanKey
from contracts.records import NoticeRecord
from contracts.subscriptions.person_export import ExportedDelivery
from producers.bus import Bus, records


@dataclass
class PersonDeliveries:
    """Reads the ledger. Raises BusError or LedgerError."""

    bus: Bus
    titles: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ledger, self.digests = Ledger(self.bus), DigestStore(self.bus)
        self.rows, self.items = PlanRows(self.ledger), ItemRepository(self.bus)

    async def to_subscriber(self, id: str) -> AsyncIterator[ExportedDelivery]:
        """Yield every mail to a subscriber's id, digests too; an unreadable plan is left out."""
        report_progress("plans", read := 0)
        async for _, plan, _ in bulk.read_plans(self.ledger.bucket, f"{ChannelName.EMAIL}."):
            report_progress("plans", read := read + 1)
            row = await self.rows.find(plan, id) if plan else None
            delivery = await self.delivery(row.batch, row.row) if row else None
            if plan and row and delivery:
                yield await self.with_content(delivery, plan, row)

    async def of_notice(self, notice: NoticeRecord) -> AsyncIterator[ExportedDelivery]:
        """Yield the messages of one case notice, channel by channel."""
        for channel in notice.channels:
            batch = BatchKey(channel, notice.content_id, notice.revision, 0)
            if delivery := await self.delivery(batch, 0):
                yield delivery

    async def of_letter(self, content_id: str) -> ExportedDelivery | None:
        return await self.delivery(BatchKey(ChannelName.EMAIL, content_id, 1, 0), 0)

    async def delivery(self, batch: BatchKey, row: int) -> ExportedDelivery | None:
        """One row; None if its batch is not there."""
        state = await self.ledger.state(batch)
        if state is None:
            return None
        key = f"{KEY_PREFIX}{batch}"
        bounces = (await records.read(self.ledger.bucket, key, BatchBounces)).value
        return _delivery_of(batch, row, state.value, bounces or BatchBounces())

    async def with_content(
        self, delivery: ExportedDelivery, plan: PlanKey, row: RecipientRow
    ) -> ExportedDelivery:
        """A delivery with the title of its item, or with the items of its digest."""
        if not keys.is_digest(plan.content_id):
            return delivery.model_copy(update={"title": await self.title(plan.content_id)})
        stored = await self.digests.issue(plan.content_id, plan.revision)
        items = enumerate(stored.issue.items) if stored else ()
        own = tuple(item.content_id for number, item in items if row.picks >> number & 1)
        return delivery.model_copy(update={"items": own})

    async def title(self, content_id: str) -> str:
        if content_id not in self.titles:
            item = await self.items.item(content_id)
            self.titles[content_id] = item.title if item else ""
        return self.titles[content_id]


def _delivery_of(
    batch: BatchKey, row: int, entry: LedgerEntry, bounces: BatchBounces
) -> ExportedDelivery:
    note = entry.notes.get(row, RowNote())
    return ExportedDelivery(
        channel=batch.channel,
        content_id=batch.content_id,
        revision=batch.revision,
        status=STATUS_OF_LETTER[entry.rows[row]],
        planned_at=utc_time(entry.created),
        ended_at=utc_time(entry.closed_at) if entry.closed_at else None,
        failed_attempts=note.attempts,
        reason=note.reason,
        came_back=bounces.bounced.get(row, ""),
        reported_as_spam=row in bounces.complained,
    )
