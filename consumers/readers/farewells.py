"""The last letter to an address: kept in one commit with the change it tells of until it begins.

A process that dies between the two leaves a note in the bucket `subscribers`, which any process
with the pages finishes within a minute; a move is finished by the same press again, too. (Whoever
has left or is erased has no page to press on.) The letter's name stands in the note, so that it
goes once, however often it is begun.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import structlog
from pydantic import ValidationError

from consumers.readers.letters import Letters, moment
from consumers.readers.links import Change, Purpose
from consumers.readers.people import People, stored
from contracts import keys
from contracts.crash import crash_point
from contracts.letter import Farewell, Letter, LetterKind, Parted, masked
from contracts.subscriber import Subscriber
from producers.bus import BusError, Entry

log = structlog.get_logger()
KEPT = "f."
AGAIN = "/dang-ky"
BY_THE_READER = "by the reader"
EVERY_S = 60.0


@dataclass
class Farewells:
    """Ends what an address gets, and tells it so. Raises BusError."""

    people: People
    letters: Letters
    clock: Callable[[], float]
    unreadable: set[str] = field(default_factory=set)

    async def part(self, reader: Subscriber, *, erase: bool) -> Parted:
        """Let a reader go; with *erase* nothing of them stays, if they have left already neither.

        Once that stands the bus may fall silent: then what follows is left to `run`. The letter's
        name is made of the record, random id and all, so that two presses make one letter.
        """
        kind = LetterKind.ERASED if erase else LetterKind.GOODBYE
        name = keys.letter_content_id("own", kind.value, stored(reader).decode())
        note = kept(name, self.letter(kind, reader.email), reader.id if erase else "")
        if not await self.people.leave(reader.id, moment(self.clock()), note):
            if not erase or await self.people.by_id(reader.id) is None:
                return Parted.BEFORE
            await self.people.bucket.put(note.key, note.data)  # what leaving keeps goes as well
        try:
            await self.finish(name)
        except BusError as trouble:
            log.warning("farewell_put_off", error=type(trouble).__name__)
            return Parted.SOON
        return Parted.DONE

    async def move(self, change: Change, link: str) -> bool:
        """Give a reader another address; as `People.move`. *link* tells this change from others."""
        name = keys.letter_content_id("own", link)
        letter = self.letter(LetterKind.CHANGED, change.old, masked(change.new))
        note = partial(kept, name, letter)
        moved = await self.people.move(
            change.id, change.old, change.new, lambda left_behind: [note(left_behind)]
        )
        if moved:
            await self.finish(name)
        return moved

    def letter(self, kind: LetterKind, address: str, other: str = "") -> Letter:
        """A letter that asks for nothing."""
        now = moment(self.clock())
        ends = now + Purpose.CONFIRM.life
        return Letter(kind=kind, address=address, path=AGAIN, other=other, at=now, expires_at=ends)

    async def finish(self, name: str) -> bool:
        """Do what follows from a change; False where that is done, or nothing has changed."""
        value = await self.people.bucket.get(KEPT + name)
        if value is None:
            return False
        crash_point("farewell.kept")
        farewell = Farewell.model_validate_json(value.data)
        forgotten = farewell.forget and await self.people.forget(farewell.forget)
        if forgotten and farewell.erases:
            await self.people.unname(farewell.forget)
        if forgotten and farewell.letter:
            await self.people.left_over(farewell.letter.address)
        crash_point("farewell.forgotten")
        if farewell.letter:
            await self.letters.begin(name, farewell.letter)
        crash_point("farewell.begun")
        await self.people.bucket.purge(KEPT + name)
        return True

    async def finish_all(self) -> None:
        """Finish what a crash, or a silent bus, has cut short.

        A note that can't be read (a newer Loa's, say) is left for whoever can, and stops no other.
        """
        for key in await self.people.bucket.keys(KEPT):
            name = key.removeprefix(KEPT)
            try:
                if await self.finish(name):
                    log.warning("farewell_finished")
            except ValidationError:
                self.cry(name)

    def cry(self, name: str) -> None:
        """Once for each note: it is met every minute."""
        if name not in self.unreadable:
            self.unreadable.add(name)
            log.error("farewell_unreadable", content_id=name)

    async def run(self) -> None:
        """Once a minute, over outages of the bus."""
        while True:
            try:
                await self.finish_all()
            except BusError as trouble:
                log.warning("bus_trouble", error=type(trouble).__name__, detail=str(trouble))
            await asyncio.sleep(EVERY_S)


def kept(name: str, letter: Letter | None, forget: str) -> Entry:
    """The note that is stored with a change."""
    return Entry(KEPT + name, Farewell(letter=letter, forget=forget).model_dump_json().encode())
