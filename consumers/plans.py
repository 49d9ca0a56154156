"""Freezing a sorted sequence of recipients as batches in the ledger: what every plan is made by.

Killed anywhere it resumes from the plan's cursor ("> last id"): nobody twice, nobody left out.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace

from consumers.audience import Row
from consumers.fence import Fence
from consumers.ledger.codec import Rows
from consumers.ledger.cursor import BATCH_ROWS, Cursor, cut
from consumers.ledger.store import Conflict, Held, Ledger
from consumers.wake import Waker
from contracts.crash import crash_point
from contracts.delivery import BatchKey, PlanKey

CHUNK_BATCHES = 25
"""12,500 recipients at once: a million costs no more memory than twenty thousand."""
WAKES_AT_ONCE = 100

Audience = Callable[[str], AsyncIterator[Row]]
"""The recipients behind an id, sorted, each once."""


class Planner:
    """What has recipients planned; a planner of its own says who they are."""

    ledger: Ledger
    waker: Waker
    fence: Fence
    clock: Callable[[], float]

    async def cut_up(
        self,
        plan: PlanKey,
        held: Held[Cursor],
        behind: Audience,
        count: Callable[[], int] | None = None,
    ) -> Held[Cursor]:
        """Cut recipients into batches, from the cursor on; the first chunk is one batch.

        *count*: how many there are, asked once the first ones are stored. Returns the plan as it
        ended: complete, or halted by somebody else.
        """
        while not (held.value.complete or held.value.halt):
            try:
                async for chunk, complete in chunks(behind(held.value.last), not held.value.count):
                    held = await self.extend(plan, held, chunk, complete)
                    if count and not complete and held.value.total is None:
                        held = Held(replace(held.value, total=count()), held.revision)
            except Conflict:
                held = await self.catch_up(plan, held)
        crash_point("dispatch.planned")
        return held

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
    return Rows(
        tuple(row.id for row in rows),
        frozenset(row.id for row in rows if row.correction),
        {row.id: row.picks for row in rows if row.picks},
    )


async def chunks(rows: AsyncIterator[Row], first: bool) -> AsyncIterator[tuple[list[Row], bool]]:
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
