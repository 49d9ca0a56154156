"""Remove copies of cover pictures that no article shows any more.

The covers in use are those in the Zalo channel's article records, of any app, of items that are
not withdrawn. Every run starts from these, so a crash or a second process does no harm."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from pydantic import ValidationError

from channels.errors import Unreachable
from channels.portal.storage.pictures import PictureStore
from channels.zalo.publications.record import ArticleRecord
from consumers.intake.items import Item
from consumers.restored import last_restore
from contracts import subjects
from producers.bus import Bus, BusError

log = structlog.get_logger()
INTERVAL_S = 600.0
GRACE_S = 600.0
"""A cover is stored before the record that names it."""
_RECORD_PREFIX = "note.zalo."
_COVER_PATH = re.compile(r"anh/[0-9a-f]{64}\.jpg$")


@dataclass
class CoverCleanup:
    """Removes unused covers from time to time."""

    bus: Bus
    pictures: PictureStore
    clock: Callable[[], float]

    async def run(self) -> None:
        """Run as a task."""
        while True:
            try:
                await self.remove_unused()
            except (Unreachable, BusError) as trouble:
                log.warning("pictures_not_looked_through", error=type(trouble).__name__)
            await asyncio.sleep(INTERVAL_S)

    async def remove_unused(self) -> int:
        """Remove unused covers; return their number. Raises Unreachable, BusError."""
        if not await self.pictures.paths():
            return 0
        before = await self.cutoff()
        removed = await self.pictures.remove_unused(await self.covers_in_use(), before)
        if removed:
            log.info("pictures_removed", pictures=removed)
        return removed

    async def cutoff(self) -> float:
        """Return the time after which covers stay; after a restore records may be missing."""
        settled, restored = self.clock() - GRACE_S, await last_restore(self.bus)
        return min(settled, restored.backup.timestamp()) if restored else settled

    async def covers_in_use(self) -> frozenset[str]:
        """Return the covers that articles of not withdrawn items show, or will show."""
        covers_by_item = dict[str, set[str]]()
        async for key, value in self.bus.bucket(subjects.LEDGER.name).values(_RECORD_PREFIX):
            if copies := _cover_paths(ArticleRecord.decode(value.data)):
                covers_by_item.setdefault(key.rpartition(".")[2], set()).update(copies)
        items = await self.bus.bucket(subjects.PUBLISHED.name).get_many(list(covers_by_item))
        withdrawn = {content_id for content_id, value in items.items() if _is_withdrawn(value.data)}
        shown = covers_by_item.keys() - withdrawn
        return frozenset().union(*(covers_by_item[content_id] for content_id in shown))


def _cover_paths(record: ArticleRecord) -> set[str]:
    """Return the cover that is to be shown, and the one shown until then."""
    matches = (_COVER_PATH.search(url) for url in (record.picture, record.cover))
    return {copy[0] for copy in matches if copy}


def _is_withdrawn(record: bytes) -> bool:
    """Whether an item is withdrawn; an unreadable record counts as not withdrawn."""
    try:
        return Item.model_validate_json(record).state == "withdrawn"
    except ValidationError:
        return False
