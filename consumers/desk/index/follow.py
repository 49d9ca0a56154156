"""Apply the editorial log to the index's file, in order."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from typing import TypeVar

import structlog

from consumers.desk.index.file import IndexFile
from consumers.desk.index.projection import ItemHistory
from consumers.desk.sqlite_copy.file import Position
from consumers.desk.sqlite_copy.keeper import is_same_stream
from consumers.editorial.log import EditorialLog, parse_act
from consumers.progress import report_progress
from contracts import subjects
from contracts.errors import ContractError
from producers.bus import Message
from producers.bus.messages import chunked

log = structlog.get_logger()
T = TypeVar("T")
_STREAM = subjects.EDITORIAL.name
_CHUNK = 8192
_REMEMBERED = 512
_CHECK_S = 10.0


@dataclass
class IndexFollower:
    """The file's only writer. Folding and writing run in the thread of *writer*.

    Earlier acts of an item that is not remembered are read again from the log.
    """

    log: EditorialLog
    file: IndexFile
    writer: Executor
    position: Position = field(default_factory=Position)
    last_seq: int = 0
    """The log's last message, when it was asked last."""
    _items: OrderedDict[str, ItemHistory] = field(default_factory=OrderedDict)
    _check_at: float = 0.0

    async def advance(self) -> None:
        """Apply all that the log holds now. Raises BusError, sqlite3.Error."""
        if time.monotonic() >= self._check_at:
            await self.check_log()
            self._check_at = time.monotonic() + _CHECK_S
        scan = self.log.bus.scan(_STREAM, start=self.position.seq + 1)
        async for messages in chunked(scan, _CHUNK):
            await self._apply(messages)
            report_progress("acts", self.position.seq, self.last_seq)

    async def check_log(self) -> None:
        """Begin anew if the log is not the one that the file is of."""
        info = await self.log.bus.stream_info(_STREAM)
        self.last_seq = int(info["state"]["last_seq"])
        self.position = await self._in_writer(lambda: self.file.position)
        created = str(info["created"])
        if not await is_same_stream(self.log.bus, _STREAM, created, self.position):
            await self._in_writer(lambda: self.file.reset(created))
            self.position = Position(stream=created)
            self._items.clear()
            log.info("desk_index_begun", messages=self.last_seq)

    async def _apply(self, messages: list[Message]) -> None:
        genuine = [message for message in messages if await self.log.is_genuine(message)]
        items = await self._items_before(genuine)
        last = messages[-1]
        position = Position(last.seq, last.time.isoformat(), self.position.stream)
        await self._in_writer(lambda: self._write(items, genuine, position))
        self.position, self.last_seq = position, max(self.last_seq, last.seq)

    async def _items_before(self, messages: Iterable[Message]) -> dict[str, ItemHistory]:
        """Each item of *messages* as it is before them."""
        first: dict[str, int] = {}
        for message in messages:
            first.setdefault(subjects.item_of_editorial(message.subject), message.seq)
        missing = first.keys() - self._items.keys()
        known = await self._in_writer(lambda: self.file.known(missing)) if missing else frozenset()
        found = {id: self._items.get(id) or ItemHistory(id) for id in first}
        return found | {id: await self._read(id, first[id]) for id in known}

    async def _read(self, content_id: str, end: int) -> ItemHistory:
        """The item by its acts before message *end*."""
        found = ItemHistory(content_id)
        async for message in self.log.bus.scan(_STREAM, subjects.editorial(content_id)):
            if message.seq < end and await self.log.is_genuine(message):
                found = _after(found, message)
        return found

    def _write(
        self, items: dict[str, ItemHistory], messages: list[Message], position: Position
    ) -> None:
        for message in messages:
            content_id = subjects.item_of_editorial(message.subject)
            items[content_id] = _after(items[content_id], message)
        self.file.apply(items.values(), position)
        self._remember(items)

    def _remember(self, items: dict[str, ItemHistory]) -> None:
        for content_id, item in items.items():
            self._items[content_id] = item
            self._items.move_to_end(content_id)
        while len(self._items) > _REMEMBERED:
            self._items.popitem(last=False)

    async def _in_writer(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self.writer, call)


def _after(item: ItemHistory, message: Message) -> ItemHistory:
    """The item after an act of the log, which this version may be unable to read."""
    try:
        return item.after(parse_act(message), message.seq)
    except ContractError as unreadable:
        return replace(item.broken_by(unreadable), seq=message.seq)
