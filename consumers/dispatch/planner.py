"""Planner: freeze a sorted sequence of recipients as batches in the ledger.

After a crash it resumes from the plan's cursor ("> last id"): each recipient is planned once.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace

from consumers.dispatch.audience import AudienceRow
from consumers.dispatch.supersede import Supersession
from consumers.ledger.codec import BatchRows
from consumers.ledger.cursor import MAX_BATCH_ROWS, PlanCursor, split_into_batches
from consumers.ledger.store import Ledger
from consumers.ledger.wakeups import Waker
from contracts.base.crash_points import crash_point
from contracts.delivery import BatchKey, PlanKey
from producers.bus import RevisionConflict
from producers.bus.records import Versioned

CHUNK_BATCHES = 25
"""12,500 recipients at once: a million costs no more memory than twenty thousand."""
CHUNK_S = 0.5
"""The longest time for which rows are read before they are stored."""
_CONCURRENT_WAKE_UPS = 100

RecipientsAfter = Callable[[str], AsyncIterator[AudienceRow]]
"""The recipients behind an id, sorted, each once."""


class Planner:
    """Base of the planners; each of them supplies its own recipients."""

    ledger: Ledger
    waker: Waker
    supersession: Supersession
    clock: Callable[[], float]

    async def plan_batches(
        self,
        plan: PlanKey,
        held: Versioned[PlanCursor],
        recipients_after: RecipientsAfter,
        count: Callable[[], int] | None = None,
    ) -> Versioned[PlanCursor]:
        """Cut recipients into batches, from the cursor on; the first chunk is one batch.

        *count*: their number, asked once the first chunk is stored. Returns the plan's last
        cursor: complete, or halted by a newer position.
        """
        while not (held.value.complete or held.value.halt):
            try:
                async for chunk, complete in _split_into_chunks(
                    recipients_after(held.value.last), not held.value.count
                ):
                    held = await self.store_chunk(plan, held, chunk, complete)
                    if count and not complete and held.value.total is None:
                        held = Versioned(replace(held.value, total=count()), held.revision)
            except RevisionConflict:
                held = await self.wake_new_batches(plan, held)
        crash_point("dispatch.planned")
        return held

    async def wake_new_batches(
        self, plan: PlanKey, held: Versioned[PlanCursor]
    ) -> Versioned[PlanCursor]:
        """Wake batches that another planner, or an earlier write of this one, has stored."""
        wider = await self.supersession.load_plan(plan)
        await self.wake_batches(plan, range(held.value.count, wider.value.count), wider.value)
        return wider

    async def store_chunk(
        self, plan: PlanKey, held: Versioned[PlanCursor], chunk: list[AudienceRow], complete: bool
    ) -> Versioned[PlanCursor]:
        batches = [_build_rows(rows) for rows in split_into_batches(chunk)]
        ids = [rows.ids for rows in batches]
        cursor = held.value.advance(ids, complete=complete, now=self.clock())
        wider = await self.ledger.append_batches(plan, held, cursor, batches)
        crash_point("dispatch.batches_stored")
        await self.wake_batches(plan, range(held.value.count, cursor.count), cursor)
        crash_point("dispatch.chunk_woken")
        return wider

    async def wake_batches(self, plan: PlanKey, numbers: range, cursor: PlanCursor) -> None:
        """One wake-up per batch; on a resume again for all, which the queue absorbs."""
        for start in range(0, len(numbers), _CONCURRENT_WAKE_UPS):
            some = numbers[start : start + _CONCURRENT_WAKE_UPS]
            await asyncio.gather(
                *(self.waker.wake(BatchKey(*plan, number), cursor.lane, 0) for number in some)
            )


def _build_rows(rows: Sequence[AudienceRow]) -> BatchRows:
    return BatchRows(
        tuple(row.id for row in rows),
        frozenset(row.id for row in rows if row.correction),
        {row.id: row.picks for row in rows if row.picks},
    )


async def _split_into_chunks(
    rows: AsyncIterator[AudienceRow], first: bool
) -> AsyncIterator[tuple[list[AudienceRow], bool]]:
    """Cut *rows*: one batch first, then twice as many each time, up to CHUNK_BATCHES.

    So the first mail leaves at once, and a worker in this process does not wait for the rest of the
    plan. Where other work takes turns so long that a chunk grows for CHUNK_S, it ends with the
    batch it has. The flag marks the last chunk; an empty audience is one empty chunk.
    """
    now = asyncio.get_running_loop().time
    batches, began = 1 if first else CHUNK_BATCHES, now()
    chunk: list[AudienceRow] = []
    async for row in rows:
        if chunk and len(chunk) % MAX_BATCH_ROWS == 0:
            if len(chunk) == batches * MAX_BATCH_ROWS or now() - began >= CHUNK_S:
                yield chunk, False
                chunk, batches, began = [], min(2 * batches, CHUNK_BATCHES), now()
            else:
                await asyncio.sleep(0)  # let others run: reading rows never waits by itself
        chunk.append(row)
    yield chunk, True
