"""Content items for a list, the last changed first, without reading the whole store."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from pydantic import ConfigDict, Field

from consumers.channel_health import breaker_store, pauses
from consumers.channel_health.destinations import load_destinations
from consumers.editorial import waiting
from consumers.editorial.waiting import TextReturn
from consumers.email import bounce_stops
from consumers.intake.items import Item, Position
from consumers.intake.repository import ItemRepository
from consumers.intake.written import RETURNED_CODE
from consumers.ledger import bulk, codec, watermark
from consumers.ledger.cursor import PlanCursor
from consumers.ledger.store import Ledger
from consumers.progress import report_progress
from consumers.reporting.plan_summary import status_counts, summarize
from consumers.zalo import held_rows
from contracts import keys
from contracts.base.times import Clock
from contracts.delivery import ChannelName, Lane, PlanKey
from contracts.editorial import ItemState
from contracts.trace import OmitEmptyModel, StatusCounts, TraceState
from producers.bus import Bus

_CHUNK_SIZE = 100
_DESK, _AUTHOR = "desk", "author"
"""Who has a text that waits."""


class ListedItem(OmitEmptyModel):
    """One item: text and state of its newest released position, or of its newest one.

    `channels`: counts of the channels to which that position was released. `held`: who or what can
    let it go on: an operator, the desk, or the author of a text that went back. `returned`: that
    return. `planning`: channels that have not planned all their recipients yet. `changed`: the last
    change of the item's record.
    """

    model_config = ConfigDict(frozen=True)
    omitted_when_empty = frozenset({"returned"})

    content_id: str
    title: str
    unit: str
    topic: str
    revision: int
    state: TraceState
    held: tuple[str, ...] = ()
    returned: TextReturn | None = None
    planning: tuple[ChannelName, ...] = ()
    changed: datetime
    channels: dict[ChannelName, StatusCounts] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ItemFilter:
    """Criteria of a list; an empty one means everything."""

    unit: str = ""
    topic: str = ""
    state: str = ""
    held: bool = False
    missing: bool = False
    since: datetime | None = None

    def accepts(self, item: ListedItem) -> bool:
        """Whether *item* passes; `held` and `missing` need its plans."""
        pairs = ((self.unit, item.unit), (self.topic, item.topic), (self.state, item.state))
        return (
            all(wanted in ("", value) for wanted, value in pairs)
            and (not self.held or bool(item.held))
            and (not self.missing or bool(item.planning))
        )


async def _no_problem() -> str:
    return ""


class _Candidate(NamedTuple):
    item: ListedItem
    plans: dict[ChannelName, PlanCursor | None]


@dataclass
class ItemLister:
    """Reads items from the last changed one back. Raises BusError.

    *is_visible*: whether the person who asks may see an item; the plans of others are not read.
    *reads_notes*: whether that person may also read what people wrote about its texts.
    """

    bus: Bus
    wanted: ItemFilter
    is_visible: Callable[[ListedItem], bool] = lambda _: True
    reads_notes: Callable[[ItemState], bool] = lambda _: True
    clock: Clock = time.time
    find_store_problem: Callable[[], Awaitable[str]] = _no_problem
    stopped: dict[ChannelName, str] = field(default_factory=dict)
    stopped_plans: Collection[str] = ()
    open_plans: set[PlanKey] = field(default_factory=set)
    zalo_waits: dict[PlanKey, str] = field(default_factory=dict)
    """Plans of Zalo that wait for a person, with the reason of one row."""
    store_problem: str | None = None
    """Why the bus stores nothing; None until a list of held items or an unfinished plan asks."""

    def __post_init__(self) -> None:
        self.repository, self.ledger = ItemRepository(self.bus), Ledger(self.bus)

    async def items(self) -> AsyncIterator[ListedItem]:
        """The wanted items, the last changed first, with their counts."""
        await self.load_stops()
        chunk: list[ListedItem] = []
        async for item in self.described():
            chunk.append(item)
            if len(chunk) >= _CHUNK_SIZE:
                async for listed in self.with_plans(chunk):
                    yield listed
                chunk = []
        async for listed in self.with_plans(chunk):
            yield listed

    async def described(self) -> AsyncIterator[ListedItem]:
        """Items that pass what needs no plan."""
        read, early = 0, ItemFilter(self.wanted.unit, self.wanted.topic, self.wanted.state)
        async for content_id, value in self.repository.bucket.newest_values("*"):
            if self.wanted.since and value.created < self.wanted.since:
                return
            read += 1
            report_progress("items", read)
            if keys.is_personal(content_id):
                continue
            item = Item.model_validate_json(value.data)
            if self.wanted.unit in ("", item.unit):
                number = item.revision or max(item.positions, default=0)
                position = await self.untold_position(content_id, item, number)
                listed = self.describe(content_id, item, position, value.created)
                if early.accepts(listed) and self.is_visible(listed):
                    held = await self.desk_hold(content_id, item, {number: position})
                    yield listed.model_copy(update={"held": held})

    async def untold_position(self, content_id: str, item: Item, number: int) -> Position | None:
        """The record of the shown position, where the item alone does not tell what is shown."""
        is_known = item.revision and item.title
        return None if is_known else await self.repository.position(content_id, number)

    def describe(
        self, content_id: str, item: Item, position: Position | None, changed: datetime
    ) -> ListedItem:
        number = item.revision or max(item.positions, default=0)
        text = position or item
        return ListedItem(
            content_id=content_id,
            title=text.title,
            unit=item.unit,
            topic=text.topic,
            revision=number,
            state=self.state_of(item, position),
            changed=changed,
            channels=dict.fromkeys(sorted(item.channels), StatusCounts()) if item.revision else {},
        )

    async def desk_hold(
        self, content_id: str, item: Item, known: Mapping[int, Position | None]
    ) -> tuple[str, ...]:
        """Who has the text that waits: the desk, or its author; empty without one.

        *known*: records that were read already.
        """
        newest = max(item.waiting, default=0)
        if not newest:
            return ()
        position = known.get(newest) or await self.repository.position(content_id, newest)
        is_returned = position is not None and position.code == RETURNED_CODE
        return (_AUTHOR if is_returned else _DESK,)

    async def find_return(self, item: ListedItem) -> TextReturn | None:
        """The return of a text that its author has to send again."""
        if _AUTHOR not in item.held:
            return None
        history = await waiting.read_history(self.bus, item.content_id)
        if not self.reads_notes(history[0]):
            history = waiting.without_notes(history)
        return waiting.find_return(history)

    def state_of(self, item: Item, position: Position | None) -> TraceState:
        if item.state == "released":
            starts = item.starts.get(item.revision)
            is_ahead = starts is not None and starts.timestamp() > self.clock()
            return "scheduled" if is_ahead else "released"
        return item.state or (position.state if position else "received")

    async def load_stops(self) -> None:
        """Read the channels that can't send, and, if there are any, the open plans."""
        breakers = await breaker_store.load_breakers(self.bus)
        broken = {
            name: "broken"
            for name in ChannelName
            if not breakers[breaker_store.circuit_of(name, Lane.NORMAL)].is_closed
        }
        paused = dict.fromkeys(await pauses.load_pauses(self.bus), "paused")
        places = await load_destinations(self.bus)
        failing = {name: "failing" for name, place in places.items() if place.failing}
        self.stopped = failing | broken | paused
        stops = (await bounce_stops.load_stops(self.bus)).plans
        self.stopped_plans = {plan for plan, stop in stops.items() if stop.is_stopped}
        if self.wanted.held:
            self.store_problem = await self.find_store_problem()
        if self.stopped or self.store_problem:
            start = await watermark.read_watermark(self.bus)
            async for _, batch in bulk.read_states(self.ledger.bucket, start=start):
                if batch and batch.entry and batch.entry.is_open:
                    self.open_plans.add(batch.key.plan)
        async for key, entry in held_rows.open_batches(self.bus):
            for reason in held_rows.held_reasons(entry).values():
                self.zalo_waits[key.plan] = reason

    async def with_plans(self, listed: list[ListedItem]) -> AsyncIterator[ListedItem]:
        """The items of *listed* that pass with their plans, with counts."""
        for candidate in await self.load_plans(listed):
            rough = candidate.item.model_copy(update={"channels": _rough_counts(candidate.plans)})
            if self.wanted.accepts(rough):
                counts = {
                    name: await self.count(rough, name, cursor)
                    for name, cursor in candidate.plans.items()
                }
                found = {"channels": counts, "returned": await self.find_return(rough)}
                yield rough.model_copy(update=found)

    async def load_plans(self, listed: list[ListedItem]) -> list[_Candidate]:
        """The plans of many items, by few requests."""
        plans = [_plan(item, name) for item in listed for name in item.channels]
        found = await self.ledger.bucket.get_many([f"plan.{plan}" for plan in plans])
        values = {plan: found.get(f"plan.{plan}") for plan in plans}
        cursors = {plan: codec.decode_cursor(one.data) for plan, one in values.items() if one}
        is_planning = not all(plan in cursors and cursors[plan].is_settled for plan in plans)
        if self.store_problem is None and is_planning:
            self.store_problem = await self.find_store_problem()
        return [self.candidate(item, cursors) for item in listed]

    def candidate(self, item: ListedItem, cursors: dict[PlanKey, PlanCursor]) -> _Candidate:
        plans = {name: cursors.get(_plan(item, name)) for name in item.channels}
        begun = {
            name: plan for name, plan in plans.items() if not (plan and plan.is_halted_before_start)
        }
        held = [f"{name} {self.stopped[name]}" for name in begun if self.is_held(item, name, plans)]
        stopped = [name for name in begun if str(_plan(item, name)) in self.stopped_plans]
        held += [f"{name} stopped" for name in stopped]
        held += self.other_holds(item, begun)
        planning = tuple(name for name, plan in begun.items() if not (plan and plan.is_settled))
        found = {"held": (*item.held, *held), "planning": planning}
        return _Candidate(item.model_copy(update=found), begun)

    def other_holds(
        self, item: ListedItem, plans: dict[ChannelName, PlanCursor | None]
    ) -> Iterator[str]:
        """Causes beside a stop of a channel: Zalo waits for a person, the bus stores nothing."""
        zalo = ChannelName.ZALO
        reason = self.zalo_waits.get(_plan(item, zalo))
        if reason and zalo in plans and zalo not in self.stopped:
            yield f"{zalo} waits for a person ({reason.removeprefix('zalo ')})"
        if self.store_problem and any(self.is_unfinished(item, *pair) for pair in plans.items()):
            yield "the bus can't store"

    def is_unfinished(self, item: ListedItem, name: ChannelName, plan: PlanCursor | None) -> bool:
        """Whether recipients have to be planned, or rows of the plan are open."""
        return not (plan and plan.is_settled) or _plan(item, name) in self.open_plans

    def is_held(
        self, item: ListedItem, name: ChannelName, plans: dict[ChannelName, PlanCursor | None]
    ) -> bool:
        """Whether a channel that can't send has rows of the item left."""
        is_open = plans[name] is None or _plan(item, name) in self.open_plans
        return name in self.stopped and is_open

    async def count(
        self, item: ListedItem, name: ChannelName, cursor: PlanCursor | None
    ) -> StatusCounts:
        if cursor is None:
            return StatusCounts()
        if cursor.removed:
            return StatusCounts.model_validate(cursor.counts)
        summary = await summarize(self.ledger, _plan(item, name), cursor)
        return status_counts(cursor, summary.statuses, summary.copies)


def _plan(item: ListedItem, name: ChannelName) -> PlanKey:
    return PlanKey(name, item.content_id, item.revision)


def _rough_counts(plans: dict[ChannelName, PlanCursor | None]) -> dict[ChannelName, StatusCounts]:
    """The state by the cursors alone: enough to tell whether recipients are missing."""
    return {
        name: StatusCounts(
            expected=cursor.planned + cursor.missing_count,
            missing=cursor.missing_count,
            complete=cursor.is_settled,
        )
        if cursor
        else StatusCounts()
        for name, cursor in plans.items()
    }
