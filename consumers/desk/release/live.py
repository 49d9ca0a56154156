"""The delivery of items as it goes on: one reader of each item, however many people watch."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import structlog

from consumers.channel_health import pauses
from consumers.channel_health.pauses import shown_pause
from consumers.desk.access import ItemAccess, item_facts
from consumers.desk.release.live_plan import LivePlan
from consumers.editorial.log import EditorialLog
from consumers.intake import item_log, items
from consumers.intake.items import Item
from consumers.intake.repository import ItemRepository
from consumers.ledger import codec
from consumers.ledger.cursor import PlanCursor
from consumers.ledger.store import Ledger
from consumers.messages import field_error
from consumers.staff.accounts import Account
from consumers.staff.policy import ObjectFacts
from contracts.base.times import Clock, utc_now
from contracts.delivery import ChannelName, PlanKey
from contracts.desk.live import ChannelProgress, LiveItem
from contracts.desk.operations import ChannelPause
from contracts.desk.previews import Wanted
from contracts.desk.roles import READ_DRAFTS
from contracts.errors import ContractError, NotFound
from producers.bus import Bus, BusError

log = structlog.get_logger()
_TICK_S, _IDLE_TICK_S = 1.0, 10.0
"""How often an item is read while it is being sent, and after that."""
_MOST_ITEMS = 64
_RECENT_S = 2.0
"""How old the record may be from which it is decided who may go on watching."""
_MAY_WATCH = (READ_DRAFTS, "operate")
_Name = tuple[str, int | None]


@dataclass
class _WatchedItem:
    """One item, and those who wait for its next state."""

    name: _Name
    plans: dict[PlanKey, LivePlan] = field(default_factory=dict)
    latest: LiveItem | None = None
    record: Item | None = None
    read_at: float = float("-inf")
    watchers: int = 0
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)
    published: asyncio.Event = field(default_factory=asyncio.Event)
    reader: asyncio.Task[None] | None = None

    def publish(self, state: LiveItem, now: float) -> None:
        self.latest, self.read_at = state, now
        waiting, self.published = self.published, asyncio.Event()
        waiting.set()


@dataclass
class LiveItems:
    """Reads each watched item at most once a second. A reader starts with the first watcher and
    ends with the last one.
    """

    bus: Bus
    clock: Clock
    access: ItemAccess
    is_stopping: bool = False
    _items: dict[_Name, _WatchedItem] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ledger, self.repository = Ledger(self.bus), ItemRepository(self.bus)
        self.log = EditorialLog(self.bus)

    async def look(self, wanted: Wanted) -> LiveItem:
        """The item now, or as it was less than a second ago.

        Raises NotFound, BusError, Forbidden for a person who may read neither the item nor status.
        """
        await self._require_readable(wanted)
        return await self._read(self._item(wanted))

    async def _require_readable(self, wanted: Wanted) -> None:
        """Let people see what readers see; the rest takes the right to read it, or to operate."""
        facts = await self._hidden_facts(_name(wanted), await self._record(wanted.content_id))
        if facts:
            await self.access.require(wanted.account, facts, *_MAY_WATCH)

    async def barred(self, watchers: Collection[Wanted]) -> frozenset[Wanted]:
        """Those who may watch no longer what readers do not see, or see no more."""
        hidden = {name: await self._facts_now(name) for name in {_name(one) for one in watchers}}
        asked = [(one, facts) for one in watchers if (facts := hidden[_name(one)])]
        accounts = await self._accounts_of([one for one, _ in asked])
        return frozenset(
            one for one, facts in asked if not self._may_watch(accounts.get(one.account), facts)
        )

    def _may_watch(self, account: Account | None, facts: ObjectFacts) -> bool:
        return account is not None and self.access.allows(account, facts, *_MAY_WATCH)

    async def _accounts_of(self, watchers: Collection[Wanted]) -> Mapping[str, Account]:
        ids = {one.account for one in watchers}
        return await self.access.accounts.find_many(ids) if ids else {}

    async def _facts_now(self, name: _Name) -> ObjectFacts | None:
        """As `_hidden_facts`, by a record that was read lately; no facts of an unreadable item."""
        try:
            return await self._hidden_facts(name, await self._recent_record(name))
        except ContractError:
            return ObjectFacts()

    async def _recent_record(self, name: _Name) -> Item:
        item = self._items.get(name)
        if item and item.record and self.clock() - item.read_at < _RECENT_S:
            return item.record
        return await self._record(name[0])

    async def _hidden_facts(self, name: _Name, record: Item) -> ObjectFacts | None:
        """The facts on which the right to watch depends; None where readers see the revision."""
        number = name[1] or max(record.released, default=0)
        if number and number == items.visible_revision(record, utc_now(self.clock)):
            return None
        return item_facts(await item_log.read(self.log, name[0]), record)

    async def watch(self, wanted: Wanted) -> AsyncGenerator[LiveItem, None]:
        """Yield the item's states, the present one first; a slow watcher misses some."""
        item = self._item(wanted)
        seen = await self._read(item)
        yield seen
        async with self._watched(item):
            while not self.is_stopping:
                if item.latest is seen or item.latest is None:
                    await item.published.wait()
                else:
                    seen = item.latest
                    yield seen

    def stop(self) -> None:
        """End what all watchers watch, since the process ends."""
        self.is_stopping = True
        for item in self._items.values():
            item.published.set()

    def _item(self, wanted: Wanted) -> _WatchedItem:
        """The item, used last; of many, the one that was not used longest is forgotten."""
        name = _name(wanted)
        item = self._items.pop(name, None) or _WatchedItem(name)
        self._items[name] = item
        unwatched = [one for one in self._items.values() if not one.watchers and one is not item]
        for one in unwatched[: max(len(self._items) - _MOST_ITEMS, 0)]:
            del self._items[one.name]
        return item

    @asynccontextmanager
    async def _watched(self, item: _WatchedItem) -> AsyncIterator[None]:
        item.watchers += 1
        if item.reader is None:
            item.reader = asyncio.create_task(self._keep_reading(item))
        try:
            yield
        finally:
            item.watchers -= 1
            if not item.watchers and item.reader:
                item.reader.cancel()
                item.reader = None

    async def _keep_reading(self, item: _WatchedItem) -> None:
        while True:
            is_over = item.latest is not None and item.latest.is_complete
            await asyncio.sleep(_IDLE_TICK_S if is_over else _TICK_S)
            try:
                await self._read(item)
            except (BusError, NotFound) as error:
                log.warning("live_item_not_read", error=type(error).__name__)

    async def _read(self, item: _WatchedItem) -> LiveItem:
        async with item.reading:
            now = self.clock()
            if item.latest is None or now - item.read_at >= _TICK_S:
                item.publish(await self._state(item), now)
        assert item.latest is not None  # noqa: S101
        return item.latest

    async def _state(self, item: _WatchedItem) -> LiveItem:
        content_id, revision = item.name
        record = item.record = await self._record(content_id)
        number = revision or max(record.released, default=0)
        channels = await self._channels(item, record, number) if number else []
        return LiveItem(
            content_id,
            number,
            record.title,
            number in record.withdrawals,
            record.starts.get(number),
            utc_now(self.clock),
            channels,
            await self._pauses(channels),
        )

    async def _pauses(self, channels: Sequence[ChannelProgress]) -> dict[ChannelName, ChannelPause]:
        """The pauses of channels on which something waits."""
        waiting = [one.channel for one in channels if not one.is_complete]
        found = await pauses.load_pauses(self.bus) if waiting else {}
        return {name: shown_pause(found[name]) for name in waiting if name in found}

    async def _record(self, content_id: str) -> Item:
        record = await self.repository.item(content_id)
        if record is None:
            raise NotFound(field_error("content_id", "item_unknown", value=content_id))
        return record

    async def _channels(
        self, item: _WatchedItem, record: Item, number: int
    ) -> list[ChannelProgress]:
        """The channels of one position, without those halted before their start."""
        plans = [PlanKey(channel, item.name[0], number) for channel in ChannelName]
        stored = await self.ledger.bucket.get_many([f"plan.{plan}" for plan in plans])
        item.plans = {plan: one for plan, one in item.plans.items() if plan in plans}
        found: list[ChannelProgress] = []
        for plan in plans:
            if value := stored.get(f"plan.{plan}"):
                cursor = codec.decode_cursor(value.data)
                if not cursor.is_halted_before_start:
                    found.append(await self._progress(item, plan, cursor))
            elif plan.channel in record.channels:
                found.append(ChannelProgress(plan.channel, 0, 0, {}))
        return found

    async def _progress(
        self, item: _WatchedItem, plan: PlanKey, cursor: PlanCursor
    ) -> ChannelProgress:
        live = item.plans.setdefault(plan, LivePlan(self.ledger, plan))
        await live.update(cursor, self.clock())
        return live.progress(self.clock())


def _name(wanted: Wanted) -> _Name:
    return wanted.content_id, wanted.revision
