"""Order between the positions of one item: the older ones are stopped, and quiet, before the newer.

The plan cursor is halted first: it is part of every atomic batch, so a planner that is still at
work fails as a whole. Only then the entries, numbered 0 to count-1 by that cursor.
"""

import heapq
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

import structlog

from consumers.ledger import moves
from consumers.ledger.codec import Rows
from consumers.ledger.cursor import Cursor
from consumers.ledger.entry import Entry
from consumers.ledger.store import Conflict, Held, Ledger, LedgerError, Overtaken, Silence
from consumers.settle import Later
from consumers.wake import Waker
from contracts.crash import crash_point
from contracts.delivery import BatchKey, PlanKey

log = structlog.get_logger()
SWAP_S = 10.0
ASK_AGAIN_S = 2.0
WAKE_AGAIN_S = 60.0


@dataclass
class Fence:
    """Halts plans and entries of older positions, and says when they are quiet."""

    ledger: Ledger
    waker: Waker
    clock: Callable[[], float] = time.time
    woken: dict[BatchKey, float] = field(default_factory=dict)  # while something waits for them

    async def halt(self, plan: PlanKey, why: str) -> Cursor:
        """Stop *plan* for good, creating it halted where it does not exist."""
        now = self.clock()
        held = await self.ledger.create_plan(plan, Cursor(halt=why, created=now))
        while not held.value.halt:
            held = await self.halt_cursor(plan, held, why)
        crash_point("fence.cursor_halted")
        open_entries = [
            (batch, entry)
            async for batch, entry in self.ledger.entries(plan, held.value)
            if not entry.value.closed and not entry.value.halt
        ]
        for batch, entry in sorted(open_entries, key=lambda one: not one[1].value.owner):
            await self.halt_entry(batch, entry, why)
            crash_point("fence.entry_halted")
        if open_entries:
            log.info("plan_halted", plan=str(plan), why=why, entries=len(open_entries))
        return held.value

    async def halt_cursor(self, plan: PlanKey, held: Held[Cursor], why: str) -> Held[Cursor]:
        try:
            return await self.ledger.swap_plan(plan, held, held.value.halted(why))
        except (Conflict, Silence):
            return await self.held(plan)

    async def halt_entry(self, batch: BatchKey, held: Held[Entry], why: str) -> None:
        """Mark one entry, over whatever its owner writes meanwhile."""
        until = time.monotonic() + SWAP_S
        while True:
            halted = moves.halt(held.value, why, self.clock())
            if halted is held.value:
                return
            try:
                await self.ledger.swap(batch, held, halted, until=until)
            except Overtaken as other:
                held = other.state
            else:
                return

    async def any_planned(self, plans: Sequence[PlanKey]) -> bool:
        """Whether one of *plans* was ever begun: somebody may have its text."""
        for plan in plans:
            if (held := await self.ledger.plan(plan)) and held.value.planned:
                return True
        return False

    async def quiet(self, plans: Sequence[PlanKey]) -> None:
        """Return once no older text can land any more. Raises Later until then."""
        for plan in plans:
            cursor = (await self.held(plan)).value
            async for batch, entry in self.ledger.entries(plan, cursor):
                await self.check_quiet(batch, entry.value)
                self.woken.pop(batch, None)

    async def check_quiet(self, batch: BatchKey, entry: Entry) -> None:
        now = self.clock()
        if not entry.closed:
            if max(entry.lease, self.woken.get(batch, 0.0) + WAKE_AGAIN_S) < now:
                self.woken[batch] = now
                await self.waker.wake(batch, entry.lane)
            raise Later(ASK_AGAIN_S, "an older position is still on its way")
        # Also where every row has ended since: evidence that one call arrived says nothing of one
        # that was given up before it, and the letters do not tell the two apart.
        if now < entry.settle:
            raise Later(entry.settle - now, "an older position may still land")

    async def held(self, plan: PlanKey) -> Held[Cursor]:
        """A plan that exists. Raises LedgerError when it does not."""
        held = await self.ledger.plan(plan)
        if held is None:
            raise LedgerError(f"plan.{plan} vanished")
        return held

    async def reached(self, plans: Sequence[PlanKey], after: str) -> AsyncIterator[str]:
        """Ids > *after* that got, or may have got, any of *plans*: sorted, unique."""
        streams = [self.reached_by(plan, after) for plan in plans]
        last = after
        async for id in merged(streams):
            if id > last:
                yield id
                last = id

    async def reached_by(self, plan: PlanKey, after: str) -> AsyncIterator[str]:
        async for batch, entry in self.ledger.entries(plan, (await self.held(plan)).value):
            rows = entry.value.reached()
            ids = (await self.ledger.rows(batch)).ids if rows else ()
            for row in rows:
                if ids[row] > after:
                    yield ids[row]

    async def picked(self, plan: PlanKey, number: int, after: str) -> AsyncIterator[str]:
        """As `reached_by`, of a digest: only those for whom item *number* stood in it."""
        async for batch, entry in self.ledger.entries(plan, (await self.held(plan)).value):
            rows = entry.value.reached()
            known = await self.ledger.rows(batch) if rows else Rows(())
            for id in (known.ids[row] for row in rows):
                if id > after and known.picks[id] >> number & 1:
                    yield id


async def distinct(streams: Sequence[AsyncIterator[str]]) -> AsyncIterator[str]:
    """Several sorted streams as one that names everybody once."""
    last = ""
    async for id in merged(streams):
        if id != last:
            yield id
        last = id


async def merged(streams: Sequence[AsyncIterator[str]]) -> AsyncIterator[str]:
    """Several sorted streams as one; memory is one id per stream."""
    heads: list[tuple[str, int]] = []
    for number, stream in enumerate(streams):
        if (first := await anext(stream, None)) is not None:
            heads.append((first, number))
    heapq.heapify(heads)
    while heads:
        id, number = heads[0]
        yield id
        following = await anext(streams[number], None)
        if following is None:
            heapq.heappop(heads)
        else:
            heapq.heapreplace(heads, (following, number))
