"""Trace an item for one reader: every mail that was to bring it, or why there is none."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime

from consumers.digests.store import DigestStore
from consumers.email.bounce_records import KEY_PREFIX, BatchBounces
from consumers.intake.items import Item
from consumers.ledger.entry import (
    DELIVERED_LETTERS,
    STATUS_OF_LETTER,
    WAITING_LETTERS,
    LedgerEntry,
    RowNote,
)
from consumers.ledger.errors import LedgerError
from consumers.ledger.plan_rows import PlanRows, RecipientRow
from consumers.ledger.store import Ledger
from consumers.messages import field_error, translate
from consumers.reporting.channel_state import channel_problems
from consumers.reporting.preview import PublicationFinder
from consumers.reporting.review import newest_text
from consumers.suppression.store import Suppression
from contracts import keys
from contracts.base.times import utc_time
from contracts.delivery import OPEN, ChannelName, Lane, PlanKey, Status
from contracts.errors import FieldError
from contracts.publication import Publication
from contracts.subscriptions import subscriber
from contracts.subscriptions.subscriber import UNTIL_RESUMED, Subscriber
from contracts.trace import OmitEmptyModel, StatusCounts, Trace
from producers.bus import Bus, records

EMAIL = ChannelName.EMAIL


class MailTrace(OmitEmptyModel):
    """A mail that was to bring one revision, alone or in a digest.

    `message_id`: the part of its Message-ID before the @. `sent_from`, `sent_to`: between them
    the mails of its batch were taken by the relay; without `sent_to` some were in doubt, and may
    have been taken before `sent_from`. `failed_at`: its first failure. `attempts`: failed ones.
    `due`: next attempt of a deferred mail. `came_back`: status code of its bounce.
    """

    omitted_when_empty = frozenset(
        {"digest", "attempts", "reason", "due", "came_back", "sent_from", "sent_to", "failed_at"}
    )

    revision: int
    digest: str = ""
    status: Status
    message_id: str = ""
    sent_from: datetime | None = None
    sent_to: datetime | None = None
    failed_at: datetime | None = None
    attempts: int = 0
    reason: str = ""
    due: datetime | None = None
    came_back: str = ""


class ReaderTrace(OmitEmptyModel):
    """The latest revision first. `why`: why there is no mail. `waits`: what delays all mail."""

    omitted_when_empty = frozenset({"why", "waits", "suppressed"})

    content_id: str
    mails: list[MailTrace]
    why: tuple[FieldError, ...] = ()
    waits: tuple[FieldError, ...] = ()
    suppressed: Suppression | None = None


@dataclass
class ReaderTracer:
    """Reads the ledger and the digests for one subscriber. Raises BusError or LedgerError."""

    bus: Bus
    subscriber: Subscriber
    now: datetime

    def __post_init__(self) -> None:
        self.ledger, self.digest_store = Ledger(self.bus), DigestStore(self.bus)
        self.rows = PlanRows(self.ledger)

    async def trace(self, content_id: str, item: Item) -> ReaderTrace:
        """Trace every mail; if there is none, return the current reasons."""
        mails = [traced async for traced in self.own_mails(content_id, item)]
        mails += [traced async for traced in self.digest_mails(content_id)]
        mails.sort(key=lambda mail: mail.revision, reverse=True)
        return ReaderTrace(
            content_id=content_id,
            mails=mails,
            why=tuple([] if mails else await self.missing_mail_reasons(content_id, item)),
            waits=tuple(await self.blocking_reasons(content_id, mails)),
        )

    async def own_mails(self, content_id: str, item: Item) -> AsyncIterator[MailTrace]:
        for revision in item.released:
            plan = PlanKey(EMAIL, content_id, revision)
            if row := await self.rows.find(plan, self.subscriber.id):
                yield await self.trace_mail(revision, row)

    async def digest_mails(self, content_id: str) -> AsyncIterator[MailTrace]:
        async for issue, number in self.digest_store.issues_with(content_id):
            row = await self.rows.find(issue.plan, self.subscriber.id)
            if row and row.picks >> number & 1:
                revision = issue.items[number].revision
                yield await self.trace_mail(revision, row, issue.digest_id)

    async def trace_mail(self, revision: int, place: RecipientRow, digest: str = "") -> MailTrace:
        state = await self.ledger.state(place.batch)
        if state is None:
            raise LedgerError(f"state.{place.batch} is missing")
        letter = state.value.rows[place.row]
        note = state.value.notes.get(place.row, RowNote())
        due, key = utc_time(note.due), f"{KEY_PREFIX}{place.batch}"
        bounces = await records.read(self.ledger.bucket, key, BatchBounces)
        return MailTrace(
            revision=revision,
            digest=digest,
            status=STATUS_OF_LETTER[letter],
            message_id=_message_id(place, self.subscriber.id),
            **_times_of(state.value, place.row),
            attempts=note.attempts,
            reason=note.reason,
            due=due if letter in WAITING_LETTERS and due > self.now else None,
            came_back=bounces.value.bounced.get(place.row, "") if bounces.value else "",
        )

    async def blocking_reasons(self, content_id: str, mails: list[MailTrace]) -> list[FieldError]:
        """Return why mail waits as a whole, if one of these does."""
        if not any(mail.status in OPEN for mail in mails):
            return []
        revision, channels = mails[0].revision, {EMAIL: StatusCounts(expected=len(mails))}
        facts = {"content_id": content_id, "revision": revision, "channels": channels}
        return await channel_problems(self.bus, Trace(**facts, state="released", timeline=[]))

    async def missing_mail_reasons(self, content_id: str, item: Item) -> list[FieldError]:
        if not self.subscriber.active:
            return [field_error("reader", "reader_left")]
        text = await newest_text(PublicationFinder(self.bus, self.now), item, content_id)
        if text is None:
            return [field_error("content_id", "item_not_out", value=content_id)]
        if EMAIL not in text.channels:
            return [field_error("channels", "item_not_by_mail", value=content_id)]
        if preferences := [*self.unmet_preferences(text), *self.frequency_reasons(text)]:
            return preferences
        stored_plan = await self.ledger.plan(PlanKey(EMAIL, content_id, text.revision))
        if stored_plan is None or not stored_plan.value.is_settled:
            return [field_error(EMAIL, "mail_not_planned")]
        return [
            field_error(EMAIL, "reader_removed" if stored_plan.value.removed else "reader_later")
        ]

    def unmet_preferences(self, publication: Publication) -> Iterator[FieldError]:
        """Yield each preference of the subscriber that the item does not meet."""
        for name, offered in subscriber.unmet_preferences(self.subscriber, publication).items():
            wanted = ", ".join(getattr(self.subscriber, name))
            yield field_error(name, "reader_left_out", wanted=wanted, offered=", ".join(offered))

    def frequency_reasons(self, publication: Publication) -> Iterator[FieldError]:
        """Yield why the frequency or a pause delays the item."""
        until = self.subscriber.paused_until
        if until and self.subscriber.is_paused_at(self.now):
            code = "reader_pauses_open" if until >= UNTIL_RESUMED else "reader_pauses_until"
            yield field_error("paused_until", code, until=until)
        elif self.subscriber.frequency != "immediate" and publication.lane is not Lane.URGENT:
            frequency = translate(self.subscriber.frequency)
            yield field_error("frequency", "reader_gathers", value=frequency)


def _message_id(place: RecipientRow, subscriber_id: str) -> str:
    """The part of a mail's Message-ID before the @."""
    batch = place.batch
    key = keys.delivery_key(batch.content_id, batch.revision, EMAIL, subscriber_id)
    return keys.message_id(key, "").removeprefix("<").partition("@")[0]


def _times_of(entry: LedgerEntry, row: int) -> dict[str, datetime]:
    """When the mails of a delivered row's batch left, or when the row failed first.

    The ledger has no time of each row. Batches of the first versions have none at all. Of rows that
    were in doubt it has the time at which the doubt ended.
    """
    note = entry.notes.get(row, RowNote())
    if entry.rows[row] in DELIVERED_LETTERS and entry.progress:
        first, last = (utc_time(entry.created + entry.progress[at]) for at in (0, -1))
        return {"sent_from": first} if entry.doubts else {"sent_from": first, "sent_to": last}
    return {"failed_at": utc_time(note.since)} if note.since else {}
