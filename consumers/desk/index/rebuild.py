"""Make the index anew while no process writes it."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import structlog

from consumers.desk.index.file import IndexFile
from consumers.desk.index.follow import IndexFollower
from consumers.desk.sqlite_copy.file import delete_copy
from consumers.directory.directory import try_lock
from consumers.editorial.log import EditorialLog
from consumers.messages import field_error
from contracts.desk.deadlines import Deadlines
from contracts.errors import Invalid
from producers.bus import Bus

log = structlog.get_logger()


async def rebuild_index(bus: Bus, path: Path, deadlines: Deadlines) -> int:
    """Read every act again; return the number of items. Raises Invalid while Loa writes it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with try_lock(path.with_suffix(".lock")) as is_locked:
        if not is_locked:
            raise Invalid(field_error("desk", "desk_index_in_use"))
        delete_copy(path)
        items = await _fill(EditorialLog(bus), path, deadlines)
        log.info("desk_index_rebuilt", items=items)
        return items


async def _fill(editorial_log: EditorialLog, path: Path, deadlines: Deadlines) -> int:
    with ThreadPoolExecutor(1) as writer, closing(IndexFile(path, deadlines)) as file:
        await IndexFollower(editorial_log, file, writer).advance()
        return file.count()
