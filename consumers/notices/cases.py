"""Woken by a case event: one person is told at once, without a desk and without quiet hours."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import structlog
from structlog.contextvars import bound_contextvars

from consumers.ledger.entry import noticed
from consumers.notices.persons import Notices
from consumers.register import read
from contracts import errors, events, keys, subjects
from contracts.cloudevent import CloudEvent
from contracts.crash import crash_point
from contracts.delivery import BatchKey, ChannelName
from contracts.errors import Invalid
from contracts.records import EventRecord
from producers.bus import Bus

log = structlog.get_logger()


class Doubts(Protocol):
    """What may have been told before a restore; see `consumers.restore`."""

    async def may_be_told(self, said: datetime | None, accepted: datetime) -> bool: ...


@dataclass
class Cases:
    """Takes case events from CONTENT to the ledger. The HTTP door has numbered them."""

    bus: Bus
    notices: Notices
    clock: Callable[[], float]
    doubtful: Doubts | None = None

    async def take(self, event: CloudEvent, unit: str, *, seq: int) -> None:
        """Begin the notice of one event. Raises ContractError for what no door has taken."""
        notice = events.notice(event)
        event_id = keys.event_id(unit, event.source, event.id)
        crash_point("notice.fetched")
        with bound_contextvars(event_id=event_id, content_id=notice.content_id, unit=unit):
            record = await self.accepted(event_id, event)
            batch = await self.batch(notice.content_id, record.revision or 0, event_id)
            with bound_contextvars(revision=batch.revision, channel=batch.channel.value):
                doubt = await self.doubt(event, record)
                entry = noticed(seq, event_id, self.clock(), doubt=doubt)
                await self.notices.begin(batch, entry)

    async def accepted(self, event_id: str, event: CloudEvent) -> EventRecord:
        """What the door booked; an event that came another way has no number and no contact."""
        record = (await read(self.bus.bucket(subjects.EVENTS.name), event_id, EventRecord)).value
        if record is None or not record.revision:
            raise Invalid(errors.fault("type", "type_closed", value=event.type))
        if record.hash != keys.content_hash(event.type, event.data):
            raise errors.Conflict(errors.fault("id", "same_id_other_content"))
        return record

    async def batch(self, content_id: str, revision: int, event_id: str) -> BatchKey:
        """On the first of the channels that the door found to reach the person.

        Whose contact is gone was told where the batch is, if an earlier try has made one.
        """
        batch = BatchKey(ChannelName.ZALO, content_id, revision, 0)
        if record := await self.notices.record(batch, event_id):
            return batch._replace(channel=record.next_after(None) or batch.channel)
        mail = batch._replace(channel=ChannelName.EMAIL)
        return mail if await self.notices.ledger.state(mail) else batch

    async def doubt(self, event: CloudEvent, record: EventRecord) -> bool:
        if self.doubtful is None:
            return False
        return await self.doubtful.may_be_told(event.time, record.at)
