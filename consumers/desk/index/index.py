"""The index of the desk's items: a copy of the editorial log for lists and search.

It follows the log, and its file may be deleted at any time. One process of a machine writes the
file, all others read it.
"""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from consumers.desk.index import queries
from consumers.desk.index.keeper import IndexKeeper
from consumers.desk.index.near import find_near
from consumers.desk.index.sketches import sketch_of
from consumers.editorial.log import EditorialLog
from contracts.base.times import Clock
from contracts.desk.deadlines import Deadlines, default_deadlines
from contracts.desk.index import (
    CampaignGroup,
    ItemFilter,
    ItemRow,
    NearItem,
    NearWanted,
    Page,
)
from contracts.editorial import Status


class ItemIndex:
    """Lists and finds items while `run` runs beside it, in threads of its own."""

    def __init__(
        self, editorial_log: EditorialLog, path: Path, clock: Clock,
        deadlines: Deadlines | None = None,
    ) -> None:  # fmt: skip
        self.clock = clock
        self._keeper = IndexKeeper(editorial_log, path, deadlines or default_deadlines())

    @property
    def lag(self) -> int:
        """How many messages of the log were not applied when that was known last."""
        return self._keeper.lag

    async def find(self, wanted: ItemFilter) -> Page:
        """The items of *wanted*, with all that was stored before the call, if that comes in time.

        Raises Unavailable when the file can't be read.
        """
        is_current = await self._keeper.next_end()
        page = await self._keeper.read(lambda db: queries.find_page(db, wanted, self._now_us()))
        return page._replace(is_current=is_current)

    async def get(self, content_id: str) -> ItemRow | None:
        """The item's row. Raises as `find`."""
        await self._keeper.next_end()
        return await self._keeper.read(lambda db: queries.find_item(db, content_id, self._now_us()))

    async def count(self, wanted: ItemFilter) -> Mapping[Status, int]:
        """How many items *wanted* finds, by their present status. Raises as `find`."""
        await self._keeper.next_end()
        return await self._keeper.read(
            lambda db: queries.count_statuses(db, wanted, self._now_us())
        )

    async def count_campaigns(self, campaigns: Sequence[str]) -> Sequence[CampaignGroup]:
        """Count the items that joined campaigns by their state for readers. Raises as `find`."""
        await self._keeper.next_end()
        return await self._keeper.read(
            lambda db: queries.count_campaigns(db, campaigns, self._now_us())
        )

    async def near(self, data: Mapping[str, Any], wanted: NearWanted) -> Sequence[NearItem]:
        """The items most like a text; acts of the last moment may be missing. Raises as `find`."""
        if not (sketch := await asyncio.to_thread(sketch_of, data)):
            return ()
        return await self._keeper.read(lambda db: find_near(db, sketch, wanted, self._now_us()))

    def _now_us(self) -> int:
        return round(self.clock() * 1_000_000)

    async def run(self) -> None:
        """Follow the log until cancelled, over outages of the bus and of the file."""
        await self._keeper.run()
