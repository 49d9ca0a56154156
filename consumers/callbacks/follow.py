"""Tell units what becomes of their items: a durable follower, of which any number may run.

First the facts of what is new, then the position. A process that dies between is followed by one
that finds the same facts again, and that they are told.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby

from pydantic import AwareDatetime

from consumers.callbacks.sources import Derived, StatusSource
from consumers.callbacks.status_store import StatusStore, subject_of
from consumers.facts.follow import SourcePosition, SourcePositions
from contracts import subjects
from contracts.base.crash_points import crash_point
from contracts.base.times import Clock, utc_now
from contracts.facts.content_status import STATUS_POSITIONS_KEY
from producers.bus import records, topology
from producers.bus.messages import chunked
from producers.bus.periodic import attempt, every

INTERVAL_S = 1.0
_AT_ONCE = 16
"""Changes whose facts are told at a time."""
_SLACK = timedelta(minutes=10)
"""How far the clocks of processes may differ from the server's."""
_AGE_MARGIN = timedelta(days=1)


class StatusPositions(SourcePositions):
    """Bucket `control`, key `content-status`: the position in each source.

    `since`: what was so before is not told.
    """

    since: AwareDatetime


@dataclass
class StatusFollower:
    """Keep `run` running; each round tells all that is new. Raises BusError."""

    store: StatusStore
    sources: Sequence[StatusSource]
    clock: Clock

    positions: StatusPositions | None = None
    """As this process has kept them last."""

    def __post_init__(self) -> None:
        self.bus = self.store.bus
        self.control = self.bus.bucket(subjects.CONTROL.name)

    async def run(self) -> None:
        """Follow each source on its own: none waits for another's long catching up."""
        steps = [partial(self.follow_source, source) for source in self.sources]
        await asyncio.gather(*(every(INTERVAL_S, step) for step in steps))

    async def follow(self) -> None:
        """One round over all sources; what stops one does not stop the others."""
        for source in self.sources:
            await attempt(partial(self.follow_source, source))

    async def follow_source(self, source: StatusSource) -> None:
        """Tell the facts of changes behind the position of *source*, then move the position."""
        info, stored = await self.bus.stream_info(source.stream), await self._positions()
        created, last = str(info["created"]), int(info["state"]["last_seq"])
        known = stored.of(source.name).of_stream(created, last)
        if known.seq == known.before == last:
            return
        since = await self._told_since(stored)
        start = known.before or await self._first(source, since, last)
        position = known.next_round()
        async for chunk in chunked(source.derive(start), _AT_ONCE):
            await self._tell(chunk, since)
            position = position.moved_to(chunk[-1].seq)
            if len(chunk) == _AT_ONCE:
                position = position.model_copy(update={"before": chunk[-1].seq})
                await self._keep(source, position)
        position = position.moved_to(last)
        if position != known:
            await self._keep(source, position)

    async def _tell(self, chunk: Sequence[Derived], since: datetime) -> None:
        """Tell the facts of some changes; those of one item one after another."""
        facts = [one for derived in chunk for one in derived.facts if one.status.at >= since]
        facts.sort(key=subject_of)
        items = [list(of_item) for _, of_item in groupby(facts, subject_of)]
        await asyncio.gather(*map(self.store.tell, items))

    async def _first(self, source: StatusSource, since: datetime, last: int) -> int:
        """The sequence behind which a source, whose *last* one is known, is read first."""
        first = await self.bus.first_seq_since(source.stream, since)
        return first - 1 if first else last

    async def _told_since(self, stored: StatusPositions) -> datetime:
        """The moment from which on facts are told: what STATUS may have forgotten is not repeated.

        A fact that is nearly as old as what it forgets was told, or is no news.
        """
        age = topology.age_of((await self.bus.stream_info(subjects.STATUS.name))["config"])
        oldest = utc_now(self.clock) - max(age - _AGE_MARGIN, timedelta())
        return max(stored.since, oldest) if age else stored.since

    async def _positions(self) -> StatusPositions:
        """The positions; before the first round those of a stream that has just begun."""
        if self.positions is None:
            began = StatusPositions(since=await self._began() - _SLACK)
            await self._update(lambda stored: stored or began)
        return records.require(self.positions)

    async def _update(self, change: Callable[[StatusPositions | None], StatusPositions]) -> None:
        kept = await records.update(self.control, STATUS_POSITIONS_KEY, StatusPositions, change)
        self.positions = kept.value

    async def _began(self) -> datetime:
        """When STATUS was made, or the first of its facts stored: a restore makes it anew."""
        info = await self.bus.stream_info(subjects.STATUS.name)
        made, first = info["created"], info["state"]["first_ts"]
        times = [made, first] if info["state"]["messages"] else [made]
        return min(map(datetime.fromisoformat, times))

    async def _keep(self, source: StatusSource, position: SourcePosition) -> None:
        """Store a position, also over that of a process that is further: both have told before."""

        def change(stored: StatusPositions | None) -> StatusPositions:
            return records.require(stored).with_position(source.name, position)

        await self._update(change)
        crash_point("status.position_kept")
