"""Items by status for `loa desk list`: from the desk's index, as the pages find them."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from consumers.app.settings import LoaSettings, load_deadlines, read_settings
from consumers.desk.index import INDEX_FILE, ItemIndex
from consumers.editorial.log import EditorialLog
from contracts.desk.index import ItemFilter, ItemRow, Page
from contracts.errors import Unavailable
from producers.bus import Bus

_PATIENCE_S = 300.0
_PAUSE_S = 0.1


async def find_rows(bus: Bus, wanted: ItemFilter, most: int) -> Sequence[ItemRow]:
    """The first rows of *wanted*, with all that was stored before.

    Raises Unavailable, BusError.
    """
    with TemporaryDirectory(prefix="loa-") as spare:
        async with _open_index(bus, _file(Path(spare))) as index:
            page = await _find_current(index, wanted)
            rows = list(page.rows)
            while page.next_cursor and len(rows) < most:
                page = await index.find(replace(wanted, cursor=page.next_cursor))
                rows += page.rows
            return rows[:most]


def _file(spare: Path) -> Path:
    """The index of this machine, else one that lasts as long as the command."""
    own = read_settings(LoaSettings).desk_dir / INDEX_FILE
    return own if own.is_file() else spare / INDEX_FILE


@asynccontextmanager
async def _open_index(bus: Bus, path: Path) -> AsyncIterator[ItemIndex]:
    deadlines = load_deadlines(read_settings(LoaSettings))
    index = ItemIndex(EditorialLog(bus), path, time.time, deadlines)
    following = asyncio.create_task(index.run())
    try:
        yield index
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def _find_current(index: ItemIndex, wanted: ItemFilter) -> Page:
    """The page once the index has what the log had. Raises Unavailable if that takes too long."""
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            page = await index.find(wanted)
        except Unavailable:  # the file is not made yet
            page = Page((), is_current=False)
            if time.monotonic() >= until:
                raise
        if page.is_current or time.monotonic() >= until:
            return page
        await asyncio.sleep(_PAUSE_S)
