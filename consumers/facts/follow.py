"""Write facts behind their sources: a durable follower, which any number of processes may run.

First the facts of what is new, then the position. A process that dies between is followed by one
that derives the same facts again, and finds them there.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from typing import NamedTuple, Self

import structlog
from pydantic import Field

from consumers.facts.days import last_day, midnight
from consumers.facts.sources import AT_ONCE, FactSource
from consumers.facts.store import FactStore
from consumers.progress import report_progress
from contracts import subjects
from contracts.base.crash_points import crash_point
from contracts.base.times import Clock, utc_now, vietnam_time
from contracts.facts import FACT_POSITIONS_KEY, DayFact, Fact, FactKind
from contracts.facts.kinds import day_of
from contracts.facts.totals import Span
from contracts.records import Record
from producers import metrics
from producers.bus import Bus, RevisionConflict, records
from producers.bus.messages import chunked
from producers.bus.periodic import attempt, every

log = structlog.get_logger()
INTERVAL_S = 60.0
_BEGINNINGS = (subjects.CONTENT.name, subjects.EDITORIAL.name, subjects.PUBLICATIONS.name)
"""Streams whose first message tells the first day that can be counted."""
_KEPT_EVERY = 500
"""Facts of one source after which its position is kept."""
_MAX_TRIES = 20
_SETTLED = timedelta(minutes=10)
"""Messages that are older are on every replica."""


class SourcePosition(Record):
    """The sequence up to which a source was read. `created`: when its stream was made.

    `before`: what `seq` was when the last round began. The next round reads from there, as a
    replica that was behind may have left out what came last.
    """

    seq: int = 0
    before: int = 0
    created: str = ""

    def of_stream(self, created: str, last: int) -> "SourcePosition":
        """The position, or the start of a stream that a restore has made anew."""
        is_same = created == self.created and self.seq <= last
        return self if is_same else SourcePosition(created=created)

    def moved_to(self, seq: int) -> "SourcePosition":
        """The position at *seq*, or where it is if that is further."""
        return self.model_copy(update={"seq": max(seq, self.seq)})

    def next_round(self) -> "SourcePosition":
        return self.model_copy(update={"before": self.seq})


class SourcePositions(Record):
    """The position in each source."""

    sources: dict[str, SourcePosition] = Field(default_factory=dict)

    def of(self, name: str) -> SourcePosition:
        return self.sources.get(name, SourcePosition())

    def with_position(self, name: str, position: SourcePosition) -> Self:
        return self.model_copy(update={"sources": self.sources | {name: position}})


class FactPositions(SourcePositions):
    """Bucket `control`, key `facts`: the position in each source, the last closed day."""

    closed: date | None = None

    def with_closed(self, day: date) -> "FactPositions":
        return self.model_copy(update={"closed": max(day, self.closed or day)})


async def read_positions(bus: Bus) -> FactPositions:
    """The positions; those of a later version, which can't be read, count as none."""
    bucket = bus.bucket(subjects.CONTROL.name)
    stored = await records.read_or_absent(bucket, FACT_POSITIONS_KEY, FactPositions)
    return stored.value or FactPositions()


async def first_open_day(store: FactStore, clock: Clock) -> date:
    """The day after the last one that is closed; before the first one, that of the first event.

    Without any event the day on which facts were followed first. Earlier days are never counted.
    """
    newest = (await store.newest(FactKind.DAY)).values()
    closed = [one.fact.day for one in newest if one.fact]
    if closed:
        return max(closed) + timedelta(days=1)
    states = [(await store.bus.stream_info(name))["state"] for name in _BEGINNINGS]
    begun = [day_of(datetime.fromisoformat(one["first_ts"])) for one in states if one["messages"]]
    followed = (await read_positions(store.bus)).closed
    today = vietnam_time(clock()).date()
    return min([*begun, followed + timedelta(days=1) if followed else today])


class FactCounts(NamedTuple):
    """The facts of one round: all of them, and those that were new or had changed."""

    derived: int = 0
    written: int = 0


@dataclass
class FactFollower:
    """Keep `run` running; each round reads all that is there now. Raises BusError."""

    store: FactStore
    sources: Sequence[FactSource]
    clock: Clock
    counts: dict[str, FactCounts] = field(default_factory=dict)
    closed: date | None = None
    """The last day that this process has closed."""

    def __post_init__(self) -> None:
        self.began = utc_now(self.clock)

    @property
    def bus(self) -> Bus:
        return self.store.bus

    async def run(self) -> None:
        await every(INTERVAL_S, self.follow)

    async def follow(self) -> None:
        """One round over all sources; what stops one does not stop the others."""
        self.counts.clear()
        for source in self.sources:
            await attempt(partial(self.follow_source, source))
        await attempt(self.close_days)

    async def rebuild(self) -> dict[str, FactCounts]:
        """Derive all facts from the start; returns what was written. Removes nothing."""
        for source in self.sources:
            await self.follow_source(source, from_start=True)
        await self.close_days()
        return self.counts

    async def close_days(self) -> None:
        """Store for each past day which kinds were counted to its end, once a round has read all.

        What does not last counts for the last day alone, and incidents only if this process began
        before its end.
        """
        read = {one.kind for one in self.sources if one.name in self.counts}
        if self.closed == (last := last_day(self.clock)) or len(self.counts) < len(self.sources):
            return
        if self.began >= midnight(last + timedelta(days=1)):
            read.discard(FactKind.INCIDENT)
        lasting = {one.kind for one in self.sources if one.is_lasting}
        first = await first_open_day(self.store, self.clock)
        for day in Span(first, last).days():
            counted = read if day == last else read & lasting
            closed = DayFact(on=day, counted=tuple(sorted(counted)))
            if not (await self.store.read(closed.key)).fact:
                await self.store.add(closed, 0)
        await self._update(lambda stored: stored.with_closed(max(last, first - timedelta(days=1))))
        self.closed = last

    async def follow_source(self, source: FactSource, *, from_start: bool = False) -> None:
        """Write the facts behind the position of *source*, or all, then the position."""
        if not (from_start or await source.is_due()):
            self.counts[source.name] = FactCounts()
            return
        began, info = utc_now(self.clock), await self.bus.stream_info(source.stream)
        created, last = str(info["created"]), int(info["state"]["last_seq"])
        known = (await read_positions(self.bus)).of(source.name).of_stream(created, last)
        derived = written = 0
        start = 0 if from_start else known.before
        position = known.next_round()
        async for chunk in chunked(source.derive(start), AT_ONCE):
            facts = {one.fact.key: one.fact for one in chunk if one.fact}
            stored = await asyncio.gather(*(self.write(source, one) for one in facts.values()))
            derived, written = derived + len(facts), written + sum(stored)
            report_progress(source.kind, derived)
            position = position.moved_to(chunk[-1].seq)
            if derived // _KEPT_EVERY > (derived - len(facts)) // _KEPT_EVERY:
                await self._keep(source, position)
        if not known.seq:
            position = await self._without_settled(source, position, began)
        if position != known:
            await self._keep(source, position)
        self.counts[source.name] = FactCounts(derived, written)

    async def _without_settled(
        self, source: FactSource, position: SourcePosition, began: datetime
    ) -> SourcePosition:
        """The position after a source's first round: only young messages are read once more."""
        recent = await self.bus.first_seq_since(source.stream, began - _SETTLED)
        settled = recent - 1 if recent else position.seq
        return position.model_copy(update={"before": min(settled, position.seq)})

    async def write(self, source: FactSource, fact: Fact) -> bool:
        """Store *fact* unless it is there; True if this call has stored it.

        Where another fact of its key is stored, derive it once more: the other process may have
        read its source later than *fact* was derived.
        """
        current: Fact | None = fact
        for _ in range(_MAX_TRIES):
            stored = await self.store.read(fact.key)
            if stored.seq and current != stored.fact:
                current = await source.derive_again(fact)
            if current is None or (stored.fact and not current.replaces(stored.fact)):
                return False
            crash_point("facts.decided")
            if await self.store.add(current, stored.seq):
                crash_point("facts.stored")
                metrics.FACTS.add(source.kind)
                return True
        raise RevisionConflict(f"{fact.key} changed {_MAX_TRIES} times")

    async def _keep(self, source: FactSource, position: SourcePosition) -> None:
        """Store the position in *source*, also over that of a process that is further.

        Both have written the facts before their positions; what is read again changes nothing.
        """
        await self._update(lambda stored: stored.with_position(source.name, position))
        crash_point("facts.position_kept")

    async def _update(self, change: Callable[[FactPositions], FactPositions]) -> None:
        bucket = self.bus.bucket(subjects.CONTROL.name)
        await records.update_or_create(bucket, FACT_POSITIONS_KEY, FactPositions, change)
