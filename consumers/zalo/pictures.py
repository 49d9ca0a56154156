"""Removes copies of covers that no article shows: the item was withdrawn, or has another cover.

What is shown stands in the Zalo channel's notes, of whichever app, and in the items' records. So a
death, or a second process that does the same, leaves nothing undone and nothing wrong.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from pydantic import ValidationError

from channels.errors import Unreachable
from channels.portal.pictures import Pictures
from channels.zalo.notebook import Note
from consumers import restore
from consumers.items import Item
from contracts import subjects
from producers.bus import Bus, BusError

log = structlog.get_logger()
LOOK_S = 600.0
GRACE_S = 600.0
"""A picture lies there before the note that names it is written."""
NOTES = "note.zalo."
COPY = re.compile(r"anh/[0-9a-f]{64}\.jpg$")


@dataclass
class OldPictures:
    """Looks through all pictures from time to time."""

    bus: Bus
    pictures: Pictures
    clock: Callable[[], float]

    async def run(self) -> None:
        """As a task."""
        while True:
            try:
                await self.clear()
            except (Unreachable, BusError) as trouble:
                log.warning("pictures_not_looked_through", error=type(trouble).__name__)
            await asyncio.sleep(LOOK_S)

    async def clear(self) -> int:
        """How many went. Raises Unreachable, BusError."""
        if not await self.pictures.paths():
            return 0
        before = await self.before()
        removed = await self.pictures.clear(await self.shown(), before)
        if removed:
            log.info("pictures_removed", pictures=removed)
        return removed

    async def before(self) -> float:
        """Younger ones stay; after a restore those too that the notes may have forgotten."""
        settled, restored = self.clock() - GRACE_S, await restore.last(self.bus)
        return min(settled, restored.backup.timestamp()) if restored else settled

    async def shown(self) -> frozenset[str]:
        """What articles show, or are about to show, of items that were not withdrawn."""
        named = dict[str, set[str]]()
        async for key, value in self.bus.bucket(subjects.LEDGER.name).values(NOTES):
            if copies := copies_of(Note.decode(value.data)):
                named.setdefault(key.rpartition(".")[2], set()).update(copies)
        items = await self.bus.bucket(subjects.PUBLISHED.name).many(list(named))
        gone = {content_id for content_id, value in items.items() if withdrawn(value.data)}
        standing = (copies for content_id, copies in named.items() if content_id not in gone)
        return frozenset().union(*standing)


def copies_of(note: Note) -> set[str]:
    """The picture that is to be shown, and the one that is until then."""
    found = (COPY.search(place) for place in (note.picture, note.cover))
    return {copy[0] for copy in found if copy}


def withdrawn(record: bytes) -> bool:
    """One that can't be read is not."""
    try:
        return Item.model_validate_json(record).state == "withdrawn"
    except ValidationError:
        return False
