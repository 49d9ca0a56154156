"""Cutting a digest: what one rhythm's window holds becomes a record, or nothing does."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

import structlog

from consumers.digests.book import Book, Now, Places
from consumers.digests.calendar import Calendar
from consumers.digests.standing import begun, fits, part, standing
from consumers.register import Held, Register
from contracts import publication, subjects
from contracts.crash import crash_point
from contracts.digest import DigestItem, Gathered, Issue, named, rhythm
from contracts.errors import ContractError
from contracts.publication import Publication
from producers.bus import Bus, Message

log = structlog.get_logger()
ITEMS_MAX = 500
"""What is over comes in the next digest: a cut is one atomic batch, and a mail is to be read."""

Texts = Mapping[int, Publication]
"""Publications by their sequence."""


@dataclass
class Cutter:
    """Cuts what is due; late is better than never, and makes one digest of the whole gap."""

    bus: Bus
    book: Book
    register: Register
    calendar: Calendar
    clock: Callable[[], float]

    async def look(self, frequency: Gathered) -> None:
        """Cut if it is time; the very first look notes where the first window begins."""
        day = self.calendar.day(frequency, self.clock())
        held = await self.book.now(frequency)
        if held.value is None:
            await self.begin(frequency, day)
        elif day > held.value.day:
            await self.cut(frequency, held, day)

    async def begin(self, frequency: Gathered, day: date) -> None:
        await self.book.begin(frequency, await self.beginning(day))

    async def beginning(self, day: date) -> Now:
        """Where the first window begins: behind what was out when the cut of *day* was due."""
        moment = self.calendar.moment(day)
        return Now(upto=await self.last_before(moment), at=moment, day=day)

    async def last_before(self, moment: datetime) -> int:
        """The sequence of the last publication stored by *moment*; 0 for none."""
        low, high = 0, await self.last_seq()
        while low < high:
            middle = (low + high + 1) // 2
            message = await self.bus.get_message(subjects.PUBLICATIONS.name, middle)
            if message and message.time > moment:
                high = middle - 1
            else:
                low = middle
        return low

    async def last_seq(self) -> int:
        info = await self.bus.stream_info(subjects.PUBLICATIONS.name)
        return int(info["state"]["last_seq"])

    async def cut(self, frequency: Gathered, held: Held[Now], day: date) -> None:
        """Write what the window holds, in one batch with the place of the cut."""
        issue, carried = await self.gathered(frequency, held.known, day)
        crash_point("digest.gathered")
        last = issue.digest_id if issue.items else held.known.last
        now = Now(upto=issue.upto, at=issue.at, day=day, last=last, carried=carried)
        if await self.book.cut(frequency, held, now, issue if issue.items else None):
            crash_point("digest.cut")
            counts = {"items": len(issue.items), "carried": len(carried)}
            log.info("digest_cut", digest=issue.digest_id, **counts)

    async def gathered(
        self, frequency: Gathered, before: Now, day: date
    ) -> tuple[Issue, tuple[int, ...]]:
        """The digest of *day*, and what has to wait for a later one."""
        at = self.now()  # the moment first: what comes behind the window comes later
        upto = await self.last_seq()
        found = await self.window(before, upto)
        waiting = {seq for seq, one in found.items() if not begun(one, at)}
        ready = {seq: one for seq, one in found.items() if seq not in waiting}
        items = await self.items(frequency, before, ready, at)
        issue = Issue(
            digest_id=named(frequency, day),
            revision=1,
            frequency=frequency,
            after=before.upto,
            upto=upto,
            since=before.at,
            at=at,
            due=self.calendar.moment(day),
            issued=at,
            items=tuple(items[:ITEMS_MAX]),
        )
        return issue, tuple(sorted(waiting | {item.seq for item in items[ITEMS_MAX:]}))

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock(), UTC)

    async def window(self, before: Now, upto: int) -> dict[int, Publication]:
        """What was carried over, and everything behind the last cut."""
        found: dict[int, Publication] = {}
        stream, start = subjects.PUBLICATIONS.name, before.upto + 1
        for seq in before.carried:
            take(await self.bus.get_message(stream, seq), found)
        if start > upto:
            return found
        async for message in self.bus.scan(stream, start=start):
            if message.seq > upto:
                break
            take(message, found)
        return found

    async def items(
        self, frequency: Gathered, before: Now, found: Texts, at: datetime
    ) -> list[DigestItem]:
        """The newest text of each item, if it is one for digests and counts still."""
        newest: dict[str, int] = {}
        for seq, one in sorted(found.items()):
            known = newest.get(one.content_id)
            if known is None or found[known].revision <= one.revision:
                newest[one.content_id] = seq
        parts = []
        for seq in sorted(newest.values()):
            one = found[seq]
            stands = await standing(self.register, one.content_id, at)
            if fits(one, at) and stands.revision == one.revision:
                first = stands.only and seq not in before.carried
                parts.append(part(one, seq, first=first and not await self.held(one, frequency)))
        return parts

    async def held(self, one: Publication, frequency: Gathered) -> bool:
        """Whether a digest of this rhythm has held the item before."""
        stands = (await self.book.places(one.content_id)).value or Places()
        return any(rhythm(name) == frequency for name in stands.digests)


def take(message: Message | None, found: dict[int, Publication]) -> None:
    """Add a publication; what can't be read is left to a person."""
    if message is None:
        return
    try:
        found[message.seq] = publication.decode(message.data)
    except ContractError as broken:
        fields = [error.field for error in broken.errors]
        log.error("publication_unreadable", seq=message.seq, fields=fields)
