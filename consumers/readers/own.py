"""What readers do with their own subscription, once a letter's link has let them in."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from consumers.faults import fault
from consumers.readers.farewells import BY_THE_READER, Farewells
from consumers.readers.letters import Letters, moment
from consumers.readers.links import Change, Links, Purpose, Uses, Whose, mark
from consumers.readers.office import Lift, judged
from consumers.readers.people import People, Taken
from consumers.readers.wishes import LISTS, email, frequency
from consumers.suppressions import Suppression
from contracts.errors import FieldError
from contracts.letter import Letter, LetterKind, Parted, masked
from contracts.links import LEFT_ALONE, Application, LinkRefused, Why
from contracts.subscriber import UNTIL_RESUMED, Subscriber
from contracts.vocabulary import Vocabulary

log = structlog.get_logger()
CHANGE = "/dang-ky/doi-dia-chi/"
Stands = Callable[[str], Awaitable[Suppression | None]]
"""Why mail is not sent to an address."""


@dataclass
class Own:
    """One reader's own affairs. Raises BusError."""

    people: People
    letters: Letters
    links: Links
    uses: Uses
    lift: Lift
    farewells: Farewells
    vocabulary: Vocabulary
    clock: Callable[[], float]
    stands: Stands

    async def reader(self, session: str) -> Subscriber | None:
        """Whose session it is: it lasts until they go out, for as long as they read there."""
        whose = self.whose(session)
        if whose is None or await self.uses.by(session) is not None:
            return None
        return await self.people.reading(whose.id, whose.address)

    async def out(self, session: str) -> None:
        """The reader has gone out: nobody comes in by that cookie again, whoever has a copy."""
        if self.whose(session) is not None:  # anybody can send what is none, to fill the bucket
            await self.uses.note(session)

    def whose(self, session: str) -> Whose | None:
        try:
            return self.links.read(Purpose.SESSION, session, Whose)
        except LinkRefused:
            return None

    def judge(self, reader: Subscriber, asked: Application) -> Sequence[FieldError]:
        return judged(asked.model_copy(update={"email": reader.email}), self.vocabulary)[1]

    async def save(self, reader: Subscriber, asked: Application) -> None:
        """Store wishes that `judge` finds good."""
        clean, _ = judged(asked.model_copy(update={"email": reader.email}), self.vocabulary)
        wishes = {name: getattr(clean, name) for name in ("name", *LISTS)}
        now = moment(self.clock())

        def wished(found: Subscriber) -> Subscriber:
            return found.told(frequency(clean.frequency)[0], now).model_copy(update=wishes)

        await self.change(reader, wished)

    async def pause(self, reader: Subscriber, until: datetime | None) -> None:
        """Send nothing before *until*; None: before the reader resumes."""
        end = until or UNTIL_RESUMED
        await self.change(reader, lambda one: one.model_copy(update={"paused_until": end}))

    async def resume(self, reader: Subscriber) -> None:
        await self.change(reader, lambda one: one.model_copy(update={"paused_until": None}))

    async def change(self, reader: Subscriber, move: Callable[[Subscriber], Subscriber]) -> None:
        """Whoever has left meanwhile stays away."""
        await self.people.change(reader.id, lambda one: move(one) if one.active else one)

    async def ask_to_move(self, reader: Subscriber, address: str) -> Sequence[FieldError]:
        """Send a letter to the new address; until its link is followed nothing changes.

        Raises NoLetterNow.
        """
        new, wrong = email(address)
        if not wrong and new.casefold() == reader.email.casefold():
            wrong = [fault("email", "same_address")]
        if wrong:
            return wrong
        change = Change(id=reader.id, old=reader.email, new=new)
        link = self.links.make(Purpose.CHANGE, change)
        await self.letters.send(
            Letter(
                kind=LetterKind.CHANGE,
                address=new,
                path=CHANGE + link.token,
                other=masked(reader.email),
                at=moment(self.clock()),
                expires_at=link.ends,
            )
        )
        return []

    def moving(self, token: str) -> Change:
        """What a link in a letter asks to change. Raises LinkRefused."""
        return self.links.read(Purpose.CHANGE, token, Change)

    async def move(self, token: str) -> None:
        """Give a reader the new address, and tell the old one. Raises LinkRefused."""
        change = self.moving(token)
        if await self.uses.by(token) is not None:
            person = await self.people.by_id(change.id)
            if person is None or person.email != change.new:
                raise LinkRefused(Why.USED)
            return
        try:
            moved = await self.farewells.move(change, mark(token))
        except Taken:
            raise LinkRefused(Why.TAKEN) from None
        if not moved:
            raise LinkRefused(Why.USED)
        await self.lift(change.new)
        await self.uses.note(token)
        log.info("reader_moved", recipient=change.id)

    async def leave(self, reader: Subscriber) -> Parted:
        """End the subscription."""
        parted = await self.farewells.part(reader, erase=False)
        if parted is not Parted.BEFORE:
            log.info("reader_left", recipient=reader.id)
        return parted

    async def erase(self, reader: Subscriber) -> Parted:
        """Delete everything that is kept of a reader, and of one who has left meanwhile."""
        parted = await self.farewells.part(reader, erase=True)
        if parted is not Parted.BEFORE:
            log.info("reader_erased", recipient=reader.id, reason=BY_THE_READER)
        return parted

    async def export(self, reader: Subscriber) -> Mapping[str, Any]:
        """Everything there is of a reader: the record, and what stands against the address."""
        stands = await self.stands(reader.email)
        left_alone = stands.model_dump(mode="json") if stands else None
        return {**reader.model_dump(mode="json"), LEFT_ALONE: left_alone}
