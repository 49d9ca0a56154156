"""The last letter to an address: kept in one commit with the change it tells of until it begins.

A process that dies between the two leaves a note in the bucket `subscribers`. Whoever comes next
finishes it: the same press again, or within a minute any process with the pages. The letter's name
stands in the note, so that it goes once, however often it is begun.
"""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import structlog

from consumers.readers.letters import Letters, moment
from consumers.readers.links import Change, Purpose
from consumers.readers.people import People
from contracts import keys
from contracts.crash import crash_point
from contracts.letter import Farewell, Letter, LetterKind, masked
from contracts.subscriber import Subscriber
from producers.bus import BusError, Entry

log = structlog.get_logger()
KEPT = "f."
AGAIN = "/dang-ky"
EVERY_S = 60.0


@dataclass
class Farewells:
    """Ends what an address gets, and tells it so. Raises BusError."""

    people: People
    letters: Letters
    clock: Callable[[], float]

    async def part(self, reader: Subscriber, *, erase: bool) -> None:
        """Let a reader go; with *erase* nothing of them stays."""
        name = keys.letter_content_id("own", secrets.token_hex(16))
        kind = LetterKind.ERASED if erase else LetterKind.GOODBYE
        note = kept(name, self.letter(kind, reader.email), reader.id if erase else "")
        await self.people.leave(reader.id, moment(self.clock()), note)
        await self.finish(name)

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
        if farewell.forget:
            await self.people.forget(farewell.forget)
            await self.people.left_over(farewell.letter.address)
        crash_point("farewell.forgotten")
        await self.letters.begin(name, farewell.letter)
        crash_point("farewell.begun")
        await self.people.bucket.purge(KEPT + name)
        return True

    async def finish_all(self) -> None:
        """Finish what a crash, or a silent bus, has cut short."""
        for key in await self.people.bucket.keys(KEPT):
            if await self.finish(key.removeprefix(KEPT)):
                log.warning("farewell_finished")

    async def run(self) -> None:
        """Once a minute, over outages of the bus."""
        while True:
            try:
                await self.finish_all()
            except BusError as trouble:
                log.warning("bus_trouble", error=type(trouble).__name__, detail=str(trouble))
            await asyncio.sleep(EVERY_S)


def kept(name: str, letter: Letter, forget: str) -> Entry:
    """The note that is stored with a change."""
    return Entry(KEPT + name, Farewell(letter=letter, forget=forget).model_dump_json().encode())
