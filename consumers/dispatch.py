"""Woken by a publication: freezes who gets it on one channel, as batches in the ledger.

Killed anywhere it resumes from the plan's cursor ("> last id"): nobody twice, nobody left out.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import structlog
from pydantic import BaseModel
from structlog.contextvars import bound_contextvars

from consumers.audience import Audience, Row, Telling
from consumers.fence import Fence
from consumers.lanes import Gate
from consumers.ledger.codec import Rows
from consumers.ledger.cursor import BATCH_ROWS, Cursor, cut
from consumers.ledger.store import Conflict, Held, Ledger
from consumers.settle import Later
from consumers.wake import Waker
from contracts.crash import crash_point
from contracts.delivery import BatchKey, ChannelName, PlanKey
from contracts.publication import Publication

log = structlog.get_logger()
CHUNK_BATCHES = 100
LONGEST_WAIT_S = 600.0
WAKES_AT_ONCE = 100


class Released(BaseModel):
    """A publication and its place in the stream."""

    publication: Publication
    seq: int


class Positions(Protocol):
    """The released positions of an item; see `consumers.release`."""

    async def positions(self, content_id: str) -> Sequence[int]: ...


class Doubts(Protocol):
    """What may have gone out before a restore; see `consumers.restore`."""

    async def may_be_out(self, publication: Publication, seq: int) -> bool: ...


@dataclass
class Dispatch:
    """Plans publications for one channel. The portal does not wait for older positions."""

    channel: ChannelName
    ledger: Ledger
    waker: Waker
    fence: Fence
    positions: Positions
    audience: Audience
    gate: Gate
    waits: bool = True
    doubtful: Doubts | None = None  # which plans may have been made once before, after a restore
    clock: Callable[[], float] = time.time

    async def on_publication(self, released: Released) -> None:
        """Plan one publication; returning means that every batch has its wake-up."""
        publication = released.publication
        self.gate.check(publication.lane)
        facts = {"content_id": publication.content_id, "revision": publication.revision}
        with bound_contextvars(channel=self.channel.value, lane=publication.lane.value, **facts):
            async with self.gate.enter(publication.lane):
                self.respect_start(publication)
                await self.dispatch(released)

    def respect_start(self, publication: Publication) -> None:
        """Nothing is planned before `not_before`."""
        if publication.not_before is None:
            return
        rest_s = publication.not_before.timestamp() - self.clock()
        if rest_s > 0:
            raise Later(min(rest_s, LONGEST_WAIT_S), "scheduled")

    async def dispatch(self, released: Released) -> None:
        publication = released.publication
        plan = PlanKey(self.channel, publication.content_id, publication.revision)
        crash_point("dispatch.fetched")
        lower = await self.lower(plan)
        mark = "w" if publication.action == "withdrawn" else "v"
        for older in lower:
            await self.fence.halt(older, f"{mark}{publication.revision}")
        named = self.channel in publication.channels
        if not named and not await self.fence.any_planned(lower):
            return
        crash_point("dispatch.older_halted")
        held = await self.ledger.create_plan(plan, await self.fresh(released))
        crash_point("dispatch.cursor_created")
        await self.wake(plan, range(held.value.count), held.value)
        if held.value.complete or held.value.halt:
            return
        if self.waits:
            await self.fence.quiet(lower)
        await self.audience.ready()
        await self.fill(plan, publication, held, lower)

    async def fresh(self, released: Released) -> Cursor:
        """A plan that is not begun."""
        publication, seq = released.publication, released.seq
        doubt = self.doubtful is not None and await self.doubtful.may_be_out(publication, seq)
        return Cursor(source=seq, lane=publication.lane, doubt=doubt, created=self.clock())

    async def lower(self, plan: PlanKey) -> list[PlanKey]:
        """The plans of every older position of the item on this channel."""
        positions = await self.positions.positions(plan.content_id)
        return [plan._replace(revision=one) for one in positions if one < plan.revision]

    async def fill(
        self,
        plan: PlanKey,
        publication: Publication,
        held: Held[Cursor],
        lower: Sequence[PlanKey],
    ) -> None:
        """Cut the audience into batches, from the cursor on; the first chunk is one batch."""
        following = self.channel in publication.channels and publication.action != "withdrawn"
        while not (held.value.complete or held.value.halt):
            after = held.value.last
            reached = self.fence.reached(lower, after)
            rows = self.audience.rows(Telling(publication, following, reached), after)
            try:
                async for chunk, complete in chunks(rows, first=held.value.count == 0):
                    held = await self.extend(plan, held, chunk, complete)
                    if following and not complete and held.value.total is None:
                        total = self.audience.count(publication)
                        held = Held(replace(held.value, total=total), held.revision)
            except Conflict:
                held = await self.catch_up(plan, held)
        crash_point("dispatch.planned")
        log.info("publication_planned", batches=held.value.count, recipients=held.value.planned)

    async def catch_up(self, plan: PlanKey, held: Held[Cursor]) -> Held[Cursor]:
        """Wake what another planner, or a late write of ours, stored first: nobody else may."""
        wider = await self.fence.held(plan)
        await self.wake(plan, range(held.value.count, wider.value.count), wider.value)
        return wider

    async def extend(
        self, plan: PlanKey, held: Held[Cursor], chunk: list[Row], complete: bool
    ) -> Held[Cursor]:
        """Store a chunk and wake its batches."""
        batches = [batch(rows) for rows in cut(chunk)]
        cursor = held.value.advance(
            [rows.ids for rows in batches], complete=complete, now=self.clock()
        )
        wider = await self.ledger.extend(plan, held, cursor, batches)
        crash_point("dispatch.batches_stored")
        await self.wake(plan, range(held.value.count, cursor.count), cursor)
        crash_point("dispatch.chunk_woken")
        return wider

    async def wake(self, plan: PlanKey, numbers: range, cursor: Cursor) -> None:
        """One wake-up per batch; on a resume again for all, which the queue absorbs."""
        for start in range(0, len(numbers), WAKES_AT_ONCE):
            some = numbers[start : start + WAKES_AT_ONCE]
            await asyncio.gather(
                *(self.waker.wake(BatchKey(*plan, number), cursor.lane, 0) for number in some)
            )


def batch(rows: Sequence[Row]) -> Rows:
    return Rows(tuple(row.id for row in rows), frozenset(row.id for row in rows if row.correction))


async def chunks(rows: AsyncIterator[Row], *, first: bool) -> AsyncIterator[tuple[list[Row], bool]]:
    """Cut *rows*: one batch first, then twice as many each time, up to CHUNK_BATCHES.

    So the first mail leaves at once, and whoever sends it in this process is not kept waiting while
    the rest is planned. The flag says that nothing follows; an empty audience is one empty chunk.
    """
    batches = 1 if first else CHUNK_BATCHES
    chunk: list[Row] = []
    async for row in rows:
        if len(chunk) == batches * BATCH_ROWS:
            yield chunk, False
            chunk, batches = [], min(2 * batches, CHUNK_BATCHES)
        elif len(chunk) % BATCH_ROWS == 0:
            await asyncio.sleep(0)  # let others run: reading rows never waits by itself
        chunk.append(row)
    yield chunk, True
