"""What the next digest would hold and for whom, as far as it is known now; nothing is written."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from pydantic import AwareDatetime, BaseModel

from consumers.digests.book import Book
from consumers.digests.calendar import Calendar
from consumers.digests.cut import Cutter
from consumers.digests.served import Served
from consumers.digests.standing import texts
from consumers.faults import fault
from consumers.ledger.store import Ledger
from consumers.register import Register
from consumers.story import Count, Story
from contracts import subjects
from contracts.delivery import ChannelName
from contracts.digest import FREQUENCIES, Digest, Gathered
from contracts.errors import Invalid
from contracts.subscriber import Subscriber, matches
from producers.bus import Bus


class Last(BaseModel):
    """The last digest of a rhythm that held something, and what became of its mails."""

    digest_id: str
    at: AwareDatetime
    items: int
    edition: int
    """Above 1: it was issued again because a text in it had changed."""
    mails: Count | None = None
    """None: its readers are not planned yet."""


class Outlook(BaseModel):
    """One rhythm. `readers` read at it now; `items` wait, `later` ones for their own time."""

    frequency: Gathered
    next: AwareDatetime
    digest_id: str
    overdue: bool
    readers: int
    items: int
    later: int
    last: Last | None = None


class Coming(NamedTuple):
    """A digest that is not cut yet; `later`: how many items wait beyond it."""

    digest: Digest
    later: int
    overdue: bool
    last: str


Tell = Callable[[str], Awaitable[Story | None]]
"""What became of a digest; see `consumers.trace`."""


@dataclass
class Forecast:
    """Raises BusError."""

    bus: Bus
    ledger: Ledger
    calendar: Calendar
    clock: Callable[[], float]

    def __post_init__(self) -> None:
        self.book, self.register = Book(self.bus), Register(self.bus)

    async def coming(self, frequency: Gathered) -> Coming:
        """The next digest, of what is out now; one that should have been cut is next at once."""
        now = self.clock()
        held = await self.book.now(frequency)
        due = self.calendar.day(frequency, now)
        overdue = held.value is not None and due > held.value.day
        day = due if overdue else self.calendar.following(frequency, due)
        at = max(self.calendar.moment(day), datetime.fromtimestamp(now, UTC))
        cutter = Cutter(self.bus, self.book, self.register, self.calendar, at.timestamp)
        before = held.value or await cutter.beginning(due)
        issue, carried = await cutter.gathered(frequency, before, day)
        digest = Digest(issue, await texts(self.bus, issue))
        return Coming(digest, len(carried), overdue, before.last)

    async def picks(self, one: Subscriber, digest: Digest) -> int:
        """Which of its items a reader would get: what matches, and was not sent to them yet."""
        wanted = sum(1 << number for number, text in digest.texts.items() if matches(one, text))
        served = Served(self.ledger, self.book, digest.issue, "")
        await served.open()
        return await served.left_of(one.id, wanted, changed=True)

    async def of_reader(self, one: Subscriber) -> tuple[Digest, int]:
        """A reader's next digest, and which of its items. Raises Invalid if there will be none."""
        if not one.active:
            raise Invalid(fault("digest", "digest_of_nobody"))
        if one.frequency == "immediate":
            raise Invalid(fault("digest", "reads_at_once"))
        digest = (await self.coming(one.frequency)).digest
        if one.paused_at(digest.issue.at):
            at = f"{digest.issue.due:%d/%m/%Y %H:%M}"  # as Vietnam's clocks have it
            raise Invalid(fault("digest", "reader_pauses", at=at))
        picks = await self.picks(one, digest)
        if not picks:
            raise Invalid(fault("digest", "digest_without_reader", value=digest.content_id))
        return digest, picks

    async def of_all(self, frequency: Gathered) -> tuple[Digest, int]:
        """The next digest with everything in it. Raises Invalid if nothing waits for it."""
        digest = (await self.coming(frequency)).digest
        if not digest.texts:
            raise Invalid(fault("digest", "digest_empty", value=digest.content_id))
        return digest, digest.issue.all

    async def outlook(self, tell: Tell) -> list[Outlook]:
        """All rhythms."""
        coming = {frequency: await self.coming(frequency) for frequency in FREQUENCIES}
        readers = await self.readers({name: one.digest.issue.at for name, one in coming.items()})
        return [
            Outlook(
                frequency=frequency,
                next=one.digest.issue.due,
                digest_id=one.digest.content_id,
                overdue=one.overdue,
                readers=readers[frequency],
                items=len(one.digest.texts),
                later=one.later,
                last=await self.last(one.last, tell),
            )
            for frequency, one in coming.items()
        ]

    async def readers(self, moments: Mapping[Gathered, datetime]) -> dict[Gathered, int]:
        """How many read at each rhythm, and do not pause at its moment."""
        found = dict.fromkeys(moments, 0)
        bucket = self.bus.bucket(subjects.SUBSCRIBERS.name)
        async for _, value in bucket.values("s."):
            one = Subscriber.model_validate_json(value.data)
            if one.active and one.frequency != "immediate":
                found[one.frequency] += not one.paused_at(moments[one.frequency])
        return found

    async def last(self, digest_id: str, tell: Tell) -> Last | None:
        issues = await self.book.every(digest_id) if digest_id else ()
        if not issues:
            return None
        issue, story = issues[-1].issue, await tell(digest_id)
        planned = await self.ledger.plan(issues[0].issue.plan)
        return Last(
            digest_id=digest_id,
            at=issue.at,
            items=sum(not item.out for item in issue.items),
            edition=issue.revision,
            mails=story.channels.get(ChannelName.EMAIL) if story and planned else None,
        )
