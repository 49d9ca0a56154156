"""The kinds of facts, each with the key under which it is stored once.

A fact says what is so about its key. A later fact of the same key replaces it: a mail that comes
back, or evidence about a row in doubt, changes what is known of a delivery that had ended. Facts
name items, units, topics and channels, never a person.
"""

import json
from abc import abstractmethod
from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Any, ClassVar, Literal

from pydantic import AwareDatetime, ValidationError

from contracts import publication
from contracts.base.fields import Count
from contracts.delivery import ChannelName, Lane, Status
from contracts.errors import Unreadable, field_error
from contracts.records import Record
from contracts.subscriptions.reaction import Reaction
from contracts.text.moments import VIETNAM

FACT_POSITIONS_KEY = "facts"
"""Key in bucket `control` of the positions up to which sources were read. A restored bus has other
sequences, and is read from its start."""


class FactKind(StrEnum):
    """The kind of a fact; the first word of its key."""

    RELEASE = "release"
    DECISION = "decision"
    DELIVERY = "delivery"
    EVENTS = "events"
    REFUSALS = "refusals"
    NOTICES = "notices"
    OPINIONS = "opinions"
    READERS = "readers"
    INCIDENT = "incident"
    DAY = "day"


def day_of(at: datetime) -> date:
    """The day in Vietnam, by which reports count."""
    return at.astimezone(VIETNAM).date()


class Fact(Record):
    """One fact. `encode` gives the same bytes for the same fact."""

    kind: ClassVar[FactKind]

    @property
    @abstractmethod
    def parts(self) -> tuple[object, ...]:
        """The part of the key that distinguishes it within its kind."""

    @property
    def key(self) -> str:
        """The idempotency key, and the rest of the fact's subject."""
        return ".".join(map(str, (self.kind, *self.parts)))

    @property
    @abstractmethod
    def day(self) -> date:
        """The day on which it counts."""

    def replaces(self, stored: "Fact") -> bool:
        """Whether it is stored in place of *stored*, a fact of the same key."""
        return self != stored

    def encode(self) -> bytes:
        """Canonical JSON: sorted keys, no spaces, UTF-8."""
        values = self.model_dump(mode="json", exclude_none=True)
        canonical = json.dumps(values, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return canonical.encode()


class ReleaseFact(Fact):
    """A revision, or the withdrawal of an item, was released to its channels."""

    kind: ClassVar = FactKind.RELEASE

    content_id: str
    revision: int
    action: publication.Action
    unit: str
    topic: str
    lane: Lane
    channels: tuple[ChannelName, ...]
    audiences: tuple[str, ...] = ()
    released_at: AwareDatetime
    shown_at: AwareDatetime
    """When readers saw it: its release, or its own time if that was later."""
    interrupts_at: AwareDatetime | None = None
    """The begin of the interruption of services that it states; None if it states none."""
    expected_recovery_at: AwareDatetime | None = None
    resumed_at: AwareDatetime | None = None
    services: tuple[str, ...] | None = None
    """The services that are interrupted."""
    is_force_majeure: bool | None = None
    """Whether it says what force majeure prevented an earlier announcement."""

    @property
    def parts(self) -> tuple[object, ...]:
        return self.content_id, self.revision

    @property
    def day(self) -> date:
        return day_of(self.shown_at)


Verdict = Literal["approved", "rejected", "withdrawn", "superseded"]


class DecisionFact(Fact):
    """A revision's way over the desk, without the people: when it came, and what became of it.

    `by_rule`: a rule approved it, and no person. `returns`: how often it went back.
    """

    kind: ClassVar = FactKind.DECISION

    content_id: str
    revision: int
    unit: str
    topic: str = ""
    by_rule: bool = False
    event_at: AwareDatetime | None = None
    """When the unit's event came to be, as it says itself; None for a text written at the desk."""
    sent_at: AwareDatetime
    """When the unit's system, or a person of the unit, sent it first."""
    confirmed_at: AwareDatetime | None = None
    proposed_at: AwareDatetime | None = None
    decided_at: AwareDatetime | None = None
    """The last decision; None while it waits."""
    verdict: Verdict | None = None
    code: str = ""
    published_at: AwareDatetime | None = None
    returns: Count = 0

    @property
    def parts(self) -> tuple[object, ...]:
        return self.content_id, self.revision

    @property
    def day(self) -> date:
        return day_of(self.decided_at or self.sent_at)


class DeliveryFact(Fact):
    """The delivery of one revision, or one digest, on one channel has ended.

    `counts`: rows by their final status, which add up to `expected`. `copies`: possible duplicates,
    outside the sum. `bounced` and `complained`: of the delivered mails, those that came back, and
    those that readers called spam. `causes`: rows that were not delivered, by status and code.
    """

    kind: ClassVar = FactKind.DELIVERY

    channel: ChannelName
    content_id: str
    revision: int
    lane: Lane
    began_at: AwareDatetime
    """When its recipients were first put into batches."""
    ended_at: AwareDatetime | None = None
    """None where retention removed the rows before the fact was written."""
    counts: Mapping[Status, Count]
    copies: Count = 0
    bounced: Count = 0
    complained: Count = 0
    reached_s: Mapping[Literal["first", "half", "most", "all"], float] = {}
    """Seconds from `began_at` to the first delivery, and to 50, 95 and 100 % of them."""
    within_10_s: Count | None = None
    """Rows certainly delivered within ten seconds; None where no times are known."""

    @property
    def parts(self) -> tuple[object, ...]:
        return self.channel, self.content_id, self.revision

    @property
    def day(self) -> date:
        return day_of(self.ended_at or self.began_at)

    def replaces(self, stored: Fact) -> bool:
        return self.ended_at is not None and self != stored

    @property
    def expected(self) -> Count:
        return sum(self.counts.values())

    def count(self, status: Status) -> Count:
        return self.counts.get(status, 0)


class _OfDay(Fact):
    """A count of one day in Vietnam, which is over."""

    on: date

    @property
    def day(self) -> date:
        return self.on


class _Counted(_OfDay):
    """A count of messages of a day. Some are erased later, so a smaller count replaces none."""

    @property
    @abstractmethod
    def total(self) -> Count:
        """The messages of all sorts."""

    def replaces(self, stored: Fact) -> bool:
        return isinstance(stored, _Counted) and self.total > stored.total


class EventsFact(_Counted):
    """A unit's events that the doors accepted on a day, by kind: `content.*` and `case.*`."""

    kind: ClassVar = FactKind.EVENTS

    unit: str
    accepted: Mapping[str, Count]

    @property
    def parts(self) -> tuple[object, ...]:
        return self.on, self.unit

    @property
    def total(self) -> Count:
        return sum(self.accepted.values())


class RefusalsFact(_Counted):
    """A unit's accepted events that intake refused on a day, by kind, each try: dead letters."""

    kind: ClassVar = FactKind.REFUSALS

    unit: str
    refused: Mapping[str, Count]

    @property
    def parts(self) -> tuple[object, ...]:
        return self.on, self.unit

    @property
    def total(self) -> Count:
        return sum(self.refused.values())


NoticeSort = Literal["case", "letter"]
"""A step of a dossier, or a letter about a subscription or to staff."""


class NoticesFact(_OfDay):
    """The case notices, or the letters, that ended on a day on one channel, by final status."""

    kind: ClassVar = FactKind.NOTICES

    channel: ChannelName
    sort: NoticeSort
    counts: Mapping[Status, Count]
    copies: Count = 0

    @property
    def parts(self) -> tuple[object, ...]:
        return self.on, self.channel, self.sort

    def replaces(self, stored: Fact) -> bool:  # noqa: ARG002
        return False  # retention removes notices one by one


class OpinionsFact(_Counted):
    """How often readers of an item pressed which button on a day, by channel."""

    kind: ClassVar = FactKind.OPINIONS

    content_id: str
    counts: Mapping[ChannelName, Mapping[Reaction, Count]]

    @property
    def parts(self) -> tuple[object, ...]:
        return self.on, self.content_id

    @property
    def total(self) -> Count:
        return sum(sum(presses.values()) for presses in self.counts.values())


class ReadersFact(_OfDay):
    """How many readers a channel had at the end of a day, and how many came and left on it.

    `total`: None for a day that was counted later. `left`: by the way they left.
    """

    kind: ClassVar = FactKind.READERS

    channel: ChannelName
    total: Count | None = None
    came: Count
    left: Mapping[str, Count]

    @property
    def parts(self) -> tuple[object, ...]:
        return self.on, self.channel

    def replaces(self, stored: Fact) -> bool:  # noqa: ARG002
        return False  # who is erased later is not in a later count


class IncidentFact(Fact):
    """A channel, or a part of it, was paused by a person, or stopped by its circuit breaker."""

    kind: ClassVar = FactKind.INCIDENT

    what: Literal["pause", "breaker"]
    circuit: str
    began_at: AwareDatetime
    ended_at: AwareDatetime | None = None
    """None while it lasts."""
    reason: str = ""
    """The reason of a breaker; people's own words are in the audit log."""

    @property
    def parts(self) -> tuple[object, ...]:
        return int(self.began_at.timestamp()), self.what, self.circuit

    @property
    def day(self) -> date:
        return day_of(self.began_at)


class DayFact(_OfDay):
    """The kinds of facts that were counted to the end of a day: a kind that is not here has no
    data for the day, which is something else than zero."""

    kind: ClassVar = FactKind.DAY

    counted: tuple[FactKind, ...]

    @property
    def parts(self) -> tuple[object, ...]:
        return (self.on,)


_KINDS: Mapping[str, type[Fact]] = {
    one.kind: one
    for one in (
        *(ReleaseFact, DecisionFact, DeliveryFact, EventsFact, RefusalsFact),
        *(OpinionsFact, NoticesFact, ReadersFact, IncidentFact, DayFact),
    )
}


def decode(key: str, data: bytes) -> Fact:
    """The fact that is stored under *key*. Raises Unreadable for one of a later version."""
    kind = _KINDS.get(key.partition(".")[0])
    try:
        fact = kind.model_validate_json(data) if kind else None
    except ValidationError as error:
        raise Unreadable(field_error("fact", "fact_unreadable", value=key)) from error
    if fact is None or fact.key != key:
        raise Unreadable(field_error("fact", "fact_unreadable", value=key))
    return fact


def release_of(released: publication.Publication) -> ReleaseFact:
    """The fact of a release. A withdrawal counts for the channels that had the item."""
    return ReleaseFact(
        **{name: getattr(released, name) for name in _OF_PUBLICATION},
        channels=tuple(sorted(released.channels)),
        audiences=tuple(sorted(released.audiences)),
        shown_at=released.shown_at,
        **_interruption(released),
    )


def _interruption(released: publication.Publication) -> dict[str, Any]:
    """A text's statement of an interruption; whether it announces it follows from those before."""
    if (said := released.interruption) is None:
        return {}
    stated = {name: getattr(said, name) for name in _OF_INTERRUPTION}
    return stated | {
        "interrupts_at": said.begins_at,
        "is_force_majeure": bool(said.force_majeure),
    }


_OF_INTERRUPTION = ("expected_recovery_at", "resumed_at", "services")
_OF_PUBLICATION = ("content_id", "revision", "action", "unit", "topic", "lane", "released_at")
