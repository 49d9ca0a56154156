"""Texts that people write at the desk: the event that each makes, and the position that it takes.

The text has its position from the moment it is sent to the unit's leader, so that it has its place
among what the unit's system sends.
"""

from pydantic import ValidationError

from consumers.intake import items
from consumers.intake.approval import Draft
from consumers.intake.items import Item, ItemSummary, Position
from consumers.intake.received import ReceivedEvent, initial_position
from contracts import events, keys
from contracts.cloudevent import CloudEvent
from contracts.content import Withdrawn
from contracts.editorial import Action, ItemState, Status
from contracts.errors import ContractError

RETURNED_CODE = "returned"
"""Code of a position whose text went back to who sent it."""


def event_id(unit: str, content_id: str, revision: int) -> str:
    """The id of the event that a text of the desk makes."""
    return keys.event_id(unit, _source(unit), _own_id(content_id, revision))


def is_written(draft: Draft) -> bool:
    """Whether people wrote the text at the desk; other texts came with a unit's event."""
    return draft.event_id == event_id(draft.unit, draft.content_id, draft.revision)


def next_revision(item: Item | None, state: ItemState) -> int:
    """The number of a text that a person begins: above every position of the item.

    A withdrawal takes a position, which one that is not carried out yet does not have.
    """
    taken = max(state.revision, max(item.positions, default=0) if item else 0)
    is_withdrawal_due = (item.barred if item else 0) < state.ended
    return taken + (2 if state.status is Status.WITHDRAWN and is_withdrawal_due else 1)


def received(draft: Draft) -> ReceivedEvent:
    """The event that a text of the desk makes, as intake has received it. Raises Conflict."""
    event = CloudEvent(
        specversion="1.0",
        id=_own_id(draft.content_id, draft.revision),
        source=_source(draft.unit),
        type=draft.type,
        subject=draft.content_id,
        time=draft.at,
        data=draft.data,
        extensions={events.SUBMITTER: draft.submitter} if draft.submitter else {},
    )
    return ReceivedEvent(draft.unit, event, draft.content, draft.at)


def with_position(item: Item | None, draft: Draft) -> Item:
    """The item with the text's position, which waits. Raises Forbidden, Conflict, Invalid."""
    known = items.require_owner(item, draft.unit, draft.content_id)
    taken = items.admit(known, draft.event_id, draft.revision)
    if taken is known:
        return known
    return taken.model_copy(update={"waiting": tuple(sorted({*taken.waiting, draft.revision}))})


def first_position(draft: Draft, item: Item) -> Position:
    """The first record of the position that a text of the desk takes."""
    return initial_position(received(draft), draft.content, item, "desk")


def with_summary(position: Position, draft: Draft) -> Position:
    """The record with the summary of its present text: an editor may have changed that.

    A text that breaks the contract, which can only be rejected, leaves it as it is.
    """
    try:
        text = draft.content
    except (ContractError, ValidationError):
        return position
    summary = ItemSummary.of(text).model_dump()
    return position.model_copy(update={**summary, "not_before": text.not_before})


def as_waiting(position: Position, draft: Draft | None, state: ItemState) -> Position:
    """The record of a waiting position with its present text's summary, or why that went back.

    Without a draft the text is with its unit; what its author saves of it changes no record.
    """
    if state.status is Status.DRAFT:
        return position
    is_returned, change = state.status is Status.RETURNED, state.last_change
    note = change.note if is_returned and change else ""
    why = {"code": RETURNED_CODE if is_returned else "", "reason": note}
    return (with_summary(position, draft) if draft else position).model_copy(update=why)


def withdrawal(content_id: str, act: Action, unit: str) -> ReceivedEvent:
    """The event that a person's withdrawal makes, as intake has received it."""
    text = Withdrawn(content_id=content_id, reason=act.note, **_titles(act))
    event = CloudEvent(
        specversion="1.0",
        id=act.id,
        source=_source(unit),
        type=events.WITHDRAWN,
        subject=content_id,
        time=act.at,
        data=text.model_dump(mode="json", exclude_none=True),
        extensions={events.SUBMITTER: act.by},
    )
    return ReceivedEvent(unit, event, text, act.at)


def _titles(act: Action) -> dict[str, str]:
    given = {"title": act.title, "short_title": act.short_title}
    return {name: value for name, value in given.items() if value}


def _source(unit: str) -> str:
    return f"{events.UNIT_SOURCE_PREFIX}{unit}"


def _own_id(content_id: str, revision: int) -> str:
    return f"desk.{content_id}.{revision}"
