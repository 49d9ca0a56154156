"""The desk's index for commands, which find items as the pages do."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from consumers.app.settings import LoaSettings, load_deadlines, read_settings
from consumers.cli.background import in_background
from consumers.desk.index import INDEX_FILE, ItemIndex
from consumers.desk.index.file import index_format
from consumers.desk.sqlite_copy.file import has_format, open_reader
from consumers.editorial.log import EditorialLog
from contracts.desk.index import ItemFilter, ItemRow
from contracts.errors import Unavailable
from producers.bus import Bus

_PATIENCE_S = 300.0
_PAUSE_S = 0.1


async def find_rows(bus: Bus, wanted: ItemFilter, most: int) -> Sequence[ItemRow]:
    """The first rows of *wanted*, with all that was stored before.

    Raises Unavailable, BusError.
    """
    async with open_current_index(bus) as index:
        page = await index.find(wanted)
        rows = list(page.rows)
        while page.next_cursor and len(rows) < most:
            page = await index.find(replace(wanted, cursor=page.next_cursor))
            rows += page.rows
        return rows[:most]


@asynccontextmanager
async def open_current_index(bus: Bus) -> AsyncIterator[ItemIndex]:
    """The index with all that was stored before; one for this command where there is none.

    Raises Unavailable if that takes too long, BusError.
    """
    with TemporaryDirectory(prefix="loa-") as spare:
        async with _open_index(bus, _file(Path(spare))) as index:
            await _wait_until_current(index)
            yield index


def _file(spare: Path) -> Path:
    """The index of this machine, else one that lasts as long as the command.

    One of another version is left to the process of that version, which may still run.
    """
    own = read_settings(LoaSettings).desk_dir / INDEX_FILE
    return own if own.is_file() and _has_our_format(own) else spare / INDEX_FILE


def _has_our_format(file: Path) -> bool:
    """Whether this version made the index, with today's deadlines; False if it can't be read."""
    try:
        with closing(open_reader(file)) as db:
            return has_format(db, index_format(load_deadlines(read_settings(LoaSettings))))
    except sqlite3.Error:
        return False


@asynccontextmanager
async def _open_index(bus: Bus, path: Path) -> AsyncIterator[ItemIndex]:
    deadlines = load_deadlines(read_settings(LoaSettings))
    index = ItemIndex(EditorialLog(bus), path, time.time, deadlines)
    async with in_background(index.run):
        yield index


async def _wait_until_current(index: ItemIndex) -> None:
    """Wait until the index has what the log had. Raises Unavailable without a file by then."""
    until, is_current = time.monotonic() + _PATIENCE_S, False
    while not is_current and time.monotonic() < until:
        try:
            is_current = (await index.find(ItemFilter(limit=1))).is_current
        except Unavailable:  # the file is not made yet
            if time.monotonic() + _PAUSE_S >= until:
                raise
        if not is_current:
            await asyncio.sleep(_PAUSE_S)
