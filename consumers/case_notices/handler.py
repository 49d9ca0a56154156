"""Handle case events: notify one person at once, without approval and without quiet hours."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import structlog
from structlog.contextvars import bound_contextvars

from consumers.case_notices.recipients import CaseNotices
from consumers.ledger.entry import notice_entry
from contracts import errors, events, keys, subjects
from contracts.base import tracing
from contracts.base.crash_points import crash_point
from contracts.cloudevent import CloudEvent
from contracts.delivery import BatchKey, ChannelName
from contracts.errors import Invalid
from contracts.records import EventRecord
from producers.bus import Bus
from producers.bus.records import read

log = structlog.get_logger()


class NoticeDoubts(Protocol):
    """Tells which notices may have gone out before a restore; see `operations.restore`."""

    async def may_have_been_notified(
        self, event_time: datetime | None, accepted_at: datetime
    ) -> bool: ...


@dataclass
class CaseNoticeHandler:
    """Moves case events from CONTENT to the ledger; the gateway has numbered them."""

    bus: Bus
    notices: CaseNotices
    clock: Callable[[], float]
    doubts: NoticeDoubts | None = None

    async def handle(self, event: CloudEvent, unit: str, *, seq: int) -> None:
        """Start the notice of one event. Raises ContractError if no gateway accepted it.

        A notice needs no approval, so a registration that another writer made sends none: a gateway
        on a machine of its own has no key to tell it.
        """
        notice = events.parse_case_notice(event)
        event_id = keys.event_id(unit, event.source, event.id)
        crash_point("notice.fetched")
        facts = {"event_id": event_id, "content_id": notice.content_id}
        with (
            tracing.continued(tracing.carrier(), event.extensions),
            tracing.span(tracing.NOTICE, {f"loa.{name}": id for name, id in facts.items()}),
            bound_contextvars(**facts, unit=unit),
        ):
            registered = self.bus.bucket(subjects.UNITS.name).get(unit)
            accepted = self.accepted_record(event_id, event)
            known, record = await asyncio.gather(registered, accepted, return_exceptions=True)
            if isinstance(known, BaseException):  # the sender's error comes first
                raise known
            if isinstance(record, BaseException):
                raise record
            batch = await self.first_batch(event_id, record)
            with bound_contextvars(revision=batch.revision, channel=batch.channel.value):
                doubt = self.doubts is not None and await self.doubts.may_have_been_notified(
                    event.time, record.at
                )
                entry = notice_entry(seq, event_id, self.clock(), doubt=doubt)
                await self.notices.start_batch(batch, entry)

    async def accepted_record(self, event_id: str, event: CloudEvent) -> EventRecord:
        """Load the gateway's record; an event from elsewhere has no number and no contact."""
        record = (await read(self.bus.bucket(subjects.EVENTS.name), event_id, EventRecord)).value
        if record is None or not record.revision:
            raise Invalid(errors.field_error("type", "type_closed", value=event.type))
        if record.hash != keys.content_hash(event.type, event.data):
            raise errors.Conflict(errors.field_error("id", "same_id_other_content"))
        return record

    async def first_batch(self, event_id: str, record: EventRecord) -> BatchKey:
        """Return the batch on the first channel that reaches the person.

        An earlier version's record does not name it. If the contact is deleted then, an earlier
        attempt may have started a batch by e-mail.
        """
        named = record.channel
        batch = BatchKey(named or ChannelName.ZALO, record.content_id, record.revision or 0, 0)
        if named:
            return batch
        if contact := await self.notices.find_record(batch, event_id):
            return batch._replace(channel=contact.next_after(None) or batch.channel)
        mail = batch._replace(channel=ChannelName.EMAIL)
        return mail if await self.notices.ledger.state(mail) else batch
