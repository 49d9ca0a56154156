"""A content event that intake has received, and the first record of the position that it takes."""

from dataclasses import dataclass
from datetime import datetime

from consumers.intake import items
from consumers.intake.approval import Draft
from consumers.intake.items import Item, ItemSummary, Position
from contracts import events
from contracts.base import tracing
from contracts.cloudevent import CloudEvent
from contracts.content import Submitted, Withdrawn
from contracts.delivery import Lane
from contracts.events import CheckedEvent
from contracts.records import EventRecord


@dataclass(frozen=True)
class ReceivedEvent(CheckedEvent):
    """A checked content event, and when intake received it.

    `is_edited`: a person has corrected it on its way. `takes_back`: the newest revision
    that a person withdraws; what was approved after it stays.
    """

    content: Submitted | Withdrawn
    received_at: datetime
    is_edited: bool = False
    takes_back: int = 0

    def to_record(self) -> EventRecord:
        return EventRecord(
            hash=self.content_hash,
            unit=self.unit,
            content_id=self.content_id,
            revision=self.revision,
            type=self.event.type,
            at=self.received_at,
        )

    def new_position(self, summary: ItemSummary, **more: object) -> Position:
        return Position.model_validate(
            {
                **ItemSummary.of(summary).model_dump(),
                "event_id": self.event_id,
                "hash": self.content_hash,
                "unit": self.unit,
                "kind": events.kind_of(self.event.type),
                "at": self.received_at,
                "event_time": self.event.time,
                **more,
            }
        )


def initial_position(checked: ReceivedEvent, text: Submitted, item: Item, release: str) -> Position:
    """The first record of a revision, in the state that the item gives it."""
    released_at = item.released.get(text.revision)
    record = checked.new_position(
        ItemSummary.of(text),
        state="released" if released_at else "waiting",
        released_at=released_at,
        not_before=text.not_before,
        author=text.author,
        submitter=submitter(checked.event),
        policy=release,
    )
    if text.revision in item.waiting:
        return record
    return items.close_superseded(record, item, text.revision)


def build_draft(checked: ReceivedEvent, text: Submitted) -> Draft:
    return Draft(
        content_id=text.content_id,
        revision=text.revision,
        unit=checked.unit,
        event_id=checked.event_id,
        hash=checked.content_hash,
        type=checked.event.type,
        data=checked.event.data,
        at=checked.received_at,
        event_time=checked.event.time,
        author=text.author,
        submitter=submitter(checked.event),
        trace=tracing.carrier(),
    )


def submitter(event: CloudEvent) -> str | None:
    named = event.extensions.get(events.SUBMITTER)
    return str(named) if named else None


def withdrawal_summary(text: Withdrawn, item: Item) -> ItemSummary:
    """The facts of a withdrawal of *item*: it goes wherever a position of the item went."""
    lane = Lane.NORMAL if item.lane is Lane.BULK else item.lane  # it is to stop a bulk
    return item.model_copy(update={"channels": item.reached, "lane": lane, **_titles(text, item)})


def _titles(text: Withdrawn, item: Item) -> dict[str, str | None]:
    """The titles of a withdrawal: a title in place of the item's own replaces the short one too."""
    kept = None if text.title else item.short_title
    return {"title": text.title or item.title, "short_title": text.short_title or kept}
