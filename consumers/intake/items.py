"""Content items, their positions, and the pure transitions between their states.

An item's record decides who owns it, which event has which position, and which positions are
released; an older position can't be released after a newer one. A position's record holds the
history of one position. `consumers.intake.repository` stores the results by compare-and-set.
"""

from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict

from consumers.intake.errors import Superseded, UnknownItem
from consumers.messages import field_error
from contracts import errors
from contracts.base.fields import REVISION_MAX
from contracts.content import Content, Corrected, ShortTitle, Submitted
from contracts.delivery import ChannelName, Lane
from contracts.editorial.action import NOT_RELEASED
from contracts.errors import Conflict, Forbidden, Invalid
from contracts.records import Ownership

_POSITION_LIMIT = REVISION_MAX - 1000
"""Units' own revisions stay below this, so that a withdrawal always finds a higher position."""

NOT_ADMITTED_CODE = "not-admitted"
"""Code of a position that intake refused; the same or another event may still take it."""

RELEASE_SLACK = timedelta(seconds=10)
"""A planner that starts at a text's time may not see a release made just before."""

SUPERSEDED_CODE = "superseded"
"""Code of a position that a newer revision superseded before its release."""

PositionState = Literal["waiting", "scheduled", "released", "withdrawn", "refused"]


class ItemSummary(BaseModel):
    """The facts of a content item shown in lists and repeated by its withdrawal."""

    model_config = ConfigDict(frozen=True, extra="allow")

    title: str = ""
    short_title: ShortTitle = None
    topic: str = ""
    channels: tuple[ChannelName, ...] = ()
    lane: Lane = Lane.NORMAL
    audiences: tuple[str, ...] = ()
    language: str = "vi"

    @classmethod
    def of(cls, content: "Content | ItemSummary") -> "ItemSummary":
        return ItemSummary(**{name: getattr(content, name) for name in ItemSummary.model_fields})


class Item(ItemSummary, Ownership):
    """A content item: bucket `publications`, key `<content_id>`. The summary is of `revision`."""

    state: Literal["", "released", "withdrawn"] = ""
    barred: int = 0  # the highest withdrawal: nothing below it may be released any more
    positions: dict[int, str] = {}  # position → the event that took it, for ever
    released: dict[int, datetime] = {}  # position → when; this moment never changes
    starts: dict[int, datetime] = {}  # position → its time, of those released before it
    withdrawals: tuple[int, ...] = ()  # the released positions that took the item back
    waiting: tuple[int, ...] = ()  # positions at the desk
    reached: tuple[ChannelName, ...] = ()  # every channel a position was released to

    @property
    def latest(self) -> int:
        """The highest position; a new revision has to be higher."""
        return max(self.revision, self.barred, *self.waiting)

    def visible_from(self, position: int) -> datetime:
        """The time from which readers see a released position."""
        return self.starts.get(position, self.released[position])

    @property
    def outdated(self) -> tuple[int, ...]:
        """Positions at the desk that can't be released any more."""
        return tuple(position for position in self.waiting if position < self.latest)

    def position_of(self, event_id: str) -> int:
        """The position that an event took; 0 for none."""
        return next((n for n, event in self.positions.items() if event == event_id), 0)


class Decision(BaseModel):
    """A decision of the desk: verdict, reviewer in a role, time and reason.

    The reason of an approval names the accounts that proposed it. `hash` is of the text decided on;
    a record of an earlier version has none, and means its position's text.
    """

    model_config = ConfigDict(frozen=True)

    verdict: Literal["approved", "rejected"]
    by: str
    name_hash: str = ""  # of the account's name
    at: datetime
    code: str = ""
    reason: str = ""
    role: str = ""
    hash: str = ""


class Position(ItemSummary):
    """One position of an item: bucket `publications`, key `<content_id>.<revision>`."""

    event_id: str
    hash: str
    unit: str
    kind: str  # submitted, corrected, withdrawn
    state: PositionState
    at: datetime
    event_time: datetime | None = None  # when the event came to be, as it says itself
    released_at: datetime | None = None
    not_before: datetime | None = None
    seq: int | None = None  # in PUBLICATIONS; None while it is not known to be there
    author: str | None = None
    submitter: str | None = None
    policy: str = ""  # how its unit released at intake: automatic or desk; not said before
    decision: Decision | None = None
    code: str = ""
    reason: str = ""

    @property
    def is_due(self) -> bool:
        """Whether it is to be released and, as far as is known, is not."""
        return self.state == "released" and self.seq is None and self.code != NOT_RELEASED


def require_owner(item: Item | None, unit: str, content_id: str) -> Item:
    """The item as *unit* may use it; the first unit that names an item owns it."""
    if item is None:
        return Item(unit=unit)
    if item.unit != unit:
        raise Forbidden(
            errors.field_error("data.content_id", "owned_by_other_unit", value=content_id)
        )
    return item


def admit(item: Item, event_id: str, position: int) -> Item:
    """Give a position to an event. Raises Conflict or Invalid when it is not available."""
    holder = item.positions.get(position)
    if holder == event_id:
        return item
    if holder is not None:
        free = max(item.positions) + 1
        raise Conflict(field_error("data.revision", "revision_taken", value=position, free=free))
    if position <= item.latest:
        raise Conflict(
            errors.field_error("data.revision", "revision_not_newer", latest=item.latest)
        )
    if position >= _POSITION_LIMIT:
        raise Invalid(field_error("data.revision", "revision_too_high", limit=_POSITION_LIMIT))
    return item.model_copy(update={"positions": item.positions | {position: event_id}})


def admit_text(item: Item, event_id: str, text: Submitted) -> Item:
    """Give a text's revision to its event.

    Raises UnknownItem for a correction of nothing, and as `admit`.
    """
    if isinstance(text, Corrected) and not item.positions:
        unknown = field_error("data.content_id", "nothing_to_correct", value=text.content_id)
        raise UnknownItem(unknown)
    return admit(item, event_id, text.revision)


def release(
    item: Item, position: int, summary: ItemSummary, at: datetime, start: datetime | None = None
) -> Item:
    """Release a position, visible from *start*. Raises Superseded after a newer release."""
    if position in item.released:
        return item
    if position <= max(item.revision, item.barred):
        raise Superseded(position)
    update = {
        "state": "released",
        "revision": position,
        "waiting": tuple(one for one in item.waiting if one != position),
        "reached": tuple(sorted({*item.reached, *summary.channels})),
        **{name: getattr(summary, name) for name in ItemSummary.model_fields},
    }
    return record_release_time(item, position, at, start).model_copy(update=update)


def record_release_time(item: Item, position: int, at: datetime, start: datetime | None) -> Item:
    """Record when a position was released, and its start time where that is later."""
    starts = item.starts | ({position: start} if start and start > at else {})
    return item.model_copy(update={"released": item.released | {position: at}, "starts": starts})


def is_replaced(item: Item, revision: int, now: datetime) -> bool:
    """Whether readers have a later text in the place of *revision*; 0: of none."""
    return 0 < revision < visible_revision(item, now)


def withdraw(item: Item, event_id: str, at: datetime, content_id: str) -> Item:
    """Withdraw the item by one more position, released only if readers may have seen the item.

    The same event always gets the same position. Raises UnknownItem without content.
    """
    if not item.positions:
        raise UnknownItem(field_error("data.content_id", "nothing_to_withdraw", value=content_id))
    if item.position_of(event_id):
        return item
    position = max(item.positions) + 1
    positions = item.positions | {position: event_id}
    taken = item.model_copy(update={"positions": positions, "barred": position})
    return release_withdrawal(taken, position, at) if item.state == "released" else taken


def release_withdrawal(item: Item, position: int, at: datetime) -> Item:
    released = item.released | {position: at}
    gone = (*item.withdrawals, position)
    update = {"state": "withdrawn", "revision": position, "released": released, "withdrawals": gone}
    return item.model_copy(update=update)


def superseding_position(item: Item, position: int, slack: timedelta = timedelta()) -> int:
    """The first newer position that was released before the time of *position*; 0 for none.

    A superseded text is never shown, even when the newer one starts later.
    """
    start = item.starts.get(position)
    newer = (number for number in sorted(item.released) if number > position)
    return next((one for one in newer if start and item.released[one] + slack <= start), 0)


def halt_mark(item: Item, position: int) -> str:
    """The halt mark of a superseded text ("v7", or "w7" by a withdrawal); empty for others."""
    by = superseding_position(item, position)
    return f"{'w' if by in item.withdrawals else 'v'}{by}" if by else ""


def is_visible(item: Item, now: datetime) -> bool:
    """Whether readers see a text of the item: released, not withdrawn, and its time has come."""
    return bool(visible_revision(item, now))


def visible_revision(item: Item, now: datetime) -> int:
    """The revision that readers see; 0 for none."""
    gone = max(item.withdrawals, default=0)
    texts = visible_revisions(item, max(item.released, default=0))
    here = [one for one in texts if one > gone and item.starts.get(one, now) <= now]
    return max(here, default=0) if item.state == "released" else 0


def visible_before(item: Item, number: int, now: datetime) -> list[int]:
    """Earlier revisions that readers may have seen, if position *number* is released *now*."""
    then = item.model_copy(update={"released": item.released | {number: now}})
    return [one for one in visible_revisions(then, number) if one < number]


def visible_revisions(item: Item, number: int) -> list[int]:
    """Revisions up to position *number* that readers may have seen, lowest first."""
    past = {one: at for one, at in item.released.items() if one <= number}
    then = item.model_copy(update={"released": past})
    texts = sorted(past.keys() - item.withdrawals)
    return [one for one in texts if not superseding_position(then, one, RELEASE_SLACK)]


def without_waiting(item: Item, positions: tuple[int, ...]) -> Item:
    waiting = tuple(position for position in item.waiting if position not in positions)
    return item.model_copy(update={"waiting": waiting})


def keep_from_readers(position: Position) -> Position:
    """Put an approved position in force that changes nothing for readers, unless it was closed."""
    return position.model_copy(update={"code": NOT_RELEASED}) if position.is_due else position


def close_superseded(position: Position, item: Item, number: int) -> Position:
    """Close an undecided or unreleased position that a newer one has superseded."""
    is_open = position.state in ("waiting", "released") and position.code != NOT_RELEASED
    if number in item.released or not is_open:
        return position
    if number < item.barred:
        return position.model_copy(update={"state": "withdrawn"})
    why = field_error("data.revision", "superseded").message
    return position.model_copy(update={"state": "refused", "code": SUPERSEDED_CODE, "reason": why})
