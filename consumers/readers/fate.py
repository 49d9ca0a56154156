"""What became of an item for one reader, by mail: every mail that was to bring it, or why none."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from consumers import register
from consumers.digests.book import Book
from consumers.digests.received import Received
from consumers.faults import fault, word
from consumers.items import Item
from consumers.ledger.entry import STATUS, TRIABLE, Note
from consumers.ledger.store import Ledger, LedgerError
from consumers.mail.books import PREFIX, Back
from consumers.preview import Finder
from consumers.review import newest_text
from consumers.story import Count, Story, Terse
from consumers.suppressions import Suppression
from consumers.waits import waits
from contracts import subscriber
from contracts.delivery import OPEN, BatchKey, ChannelName, Lane, PlanKey, Status
from contracts.errors import FieldError
from contracts.publication import Publication
from contracts.subscriber import UNTIL_RESUMED, Subscriber
from producers.bus import Bus

EMAIL = ChannelName.EMAIL


class Mail(Terse):
    """A mail that was to bring one revision: alone, or in a digest.

    `attempts` were spent in vain. `due`: when one that waits is tried again. `came_back`: the code
    with which it did, after the relay had taken it.
    """

    rare = frozenset({"digest", "attempts", "reason", "due", "came_back"})

    revision: int
    digest: str = ""
    status: Status
    attempts: int = 0
    reason: str = ""
    due: datetime | None = None
    came_back: str = ""


class Fate(Terse):
    """The latest revision first. `why`: why there is no mail. `waits`: what holds all mail up."""

    rare = frozenset({"why", "waits", "suppressed"})

    content_id: str
    mails: list[Mail]
    why: tuple[FieldError, ...] = ()
    waits: tuple[FieldError, ...] = ()
    suppressed: Suppression | None = None


class Place(NamedTuple):
    """A reader's row; `picks` as in a digest's rows."""

    batch: BatchKey
    row: int
    picks: int


@dataclass
class OneReader:
    """Reads the ledger and the digests for one person. Raises BusError or LedgerError."""

    bus: Bus
    reader: Subscriber
    now: datetime

    def __post_init__(self) -> None:
        self.ledger, self.book = Ledger(self.bus), Book(self.bus)
        self.received = Received(self.ledger, self.book)

    async def fate(self, content_id: str, item: Item) -> Fate:
        """Every mail; where there is none, why, as things stand now."""
        found = [one async for one in self.alone(content_id, item)]
        found += [one async for one in self.gathered(content_id)]
        found.sort(key=lambda mail: mail.revision, reverse=True)
        return Fate(
            content_id=content_id,
            mails=found,
            why=tuple([] if found else await self.why(content_id, item)),
            waits=tuple(await self.held_up(content_id, found)),
        )

    async def alone(self, content_id: str, item: Item) -> AsyncIterator[Mail]:
        for revision in item.released:
            if place := await self.place(PlanKey(EMAIL, content_id, revision)):
                yield await self.mail(revision, place)

    async def gathered(self, content_id: str) -> AsyncIterator[Mail]:
        places = (await self.book.places(content_id)).value
        for name in places.digests if places else ():
            for issue, _ in await self.book.every(name):
                number = issue.number(content_id)
                place = None if number is None else await self.place(issue.plan)
                if number is not None and place and place.picks >> number & 1:
                    yield await self.mail(issue.items[number].revision, place, name)

    async def place(self, plan: PlanKey) -> Place | None:
        id = self.reader.id
        async for batch, rows in self.received.across(plan, id, id):
            if id in rows.ids:
                return Place(batch, rows.ids.index(id), rows.picks.get(id, 0))
        return None

    async def mail(self, revision: int, place: Place, digest: str = "") -> Mail:
        held = await self.ledger.state(place.batch)
        if held is None:
            raise LedgerError(f"state.{place.batch} is missing")
        letter, note = held.value.rows[place.row], held.value.notes.get(place.row, Note())
        due = datetime.fromtimestamp(note.due, UTC)
        back = await register.read(self.ledger.bucket, f"{PREFIX}{place.batch}", Back)
        return Mail(
            revision=revision,
            digest=digest,
            status=STATUS[letter],
            attempts=note.attempts,
            reason=note.reason,
            due=due if letter in TRIABLE and due > self.now else None,
            came_back=back.value.bounced.get(place.row, "") if back.value else "",
        )

    async def held_up(self, content_id: str, mails: list[Mail]) -> list[FieldError]:
        """Why mail waits as a whole, where one of these does."""
        if not any(one.status in OPEN for one in mails):
            return []
        revision, channels = mails[0].revision, {EMAIL: Count()}
        facts = {"content_id": content_id, "revision": revision, "channels": channels}
        return await waits(self.bus, Story(**facts, state="released", timeline=[]))

    async def why(self, content_id: str, item: Item) -> list[FieldError]:
        """Why nothing was planned for the reader."""
        if not self.reader.active:
            return [fault("reader", "reader_left")]
        text = await newest_text(Finder(self.bus, self.now), item, content_id)
        if text is None:
            return [fault("content_id", "item_not_out", value=content_id)]
        if EMAIL not in text.channels:
            return [fault("channels", "item_not_by_mail", value=content_id)]
        if wishes := [*self.left_out(text), *self.rhythm(text)]:
            return wishes
        held = await self.ledger.plan(PlanKey(EMAIL, content_id, text.revision))
        settled = held is not None and (held.value.complete or held.value.halt)
        return [fault(EMAIL, "reader_later" if settled else "mail_not_planned")]

    def left_out(self, text: Publication) -> Iterator[FieldError]:
        """Each wish of the reader that the item does not meet."""
        for name, offered in subscriber.unmet(self.reader, text).items():
            wanted = ", ".join(getattr(self.reader, name))
            yield fault(name, "reader_left_out", wanted=wanted, offered=", ".join(offered))

    def rhythm(self, text: Publication) -> Iterator[FieldError]:
        """When the reader wants to be told."""
        until = self.reader.paused_until
        if until and self.reader.paused_at(self.now):
            code = "reader_pauses_open" if until >= UNTIL_RESUMED else "reader_pauses_until"
            yield fault("paused_until", code, until=f"{until.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}")
        elif self.reader.frequency != "immediate" and text.lane is not Lane.URGENT:
            yield fault("frequency", "reader_gathers", value=word(self.reader.frequency))
