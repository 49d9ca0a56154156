"""Stop the plans of an item's older positions before a newer one is sent.

The plan cursor is halted first: it is part of every atomic batch, so a planner still at work
fails as a whole. Only then the entries, numbered 0 to count-1 by that cursor."""

import heapq
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

import structlog

from consumers.ledger import moves
from consumers.ledger.cursor import PlanCursor
from consumers.ledger.entry import REACHED_LETTERS, LedgerEntry
from consumers.ledger.errors import LedgerError
from consumers.ledger.store import Ledger
from consumers.ledger.wakeups import Waker
from consumers.runtime.errors import RetryLater
from contracts.base.crash_points import crash_point
from contracts.delivery import BatchKey, PlanKey
from producers.bus import NoReply, RevisionConflict
from producers.bus.records import Versioned

log = structlog.get_logger()
RECHECK_S = 2.0
_REWAKE_S = 60.0


@dataclass
class Supersession:
    """Halts plans and entries of older positions, and requires that they are settled."""

    ledger: Ledger
    waker: Waker
    clock: Callable[[], float] = time.time
    last_woken: dict[BatchKey, float] = field(default_factory=dict)  # while something waits

    async def halt(self, plan: PlanKey, why: str) -> PlanCursor:
        """Stop *plan* for good, creating it halted where it does not exist."""
        now = self.clock()
        held = await self.ledger.create_plan(plan, PlanCursor(halt=why, created=now))
        while not held.value.halt:
            held = await self.halt_cursor(plan, held, why)
        crash_point("fence.cursor_halted")
        open_entries = [
            (batch, entry)
            async for batch, entry in self.ledger.entries(plan, held.value)
            if not entry.value.closed_at and not entry.value.halt
        ]
        for batch, entry in sorted(open_entries, key=lambda one: not one[1].value.owner):
            await self.ledger.change(batch, lambda each: moves.halt(each, why, self.clock()), entry)
            crash_point("fence.entry_halted")
        if open_entries:
            log.info("plan_halted", plan=str(plan), why=why, entries=len(open_entries))
        return held.value

    async def halt_cursor(
        self, plan: PlanKey, held: Versioned[PlanCursor], why: str
    ) -> Versioned[PlanCursor]:
        try:
            return await self.ledger.swap_plan(plan, held, held.value.with_halt(why))
        except (RevisionConflict, NoReply):
            return await self.load_plan(plan)

    async def any_planned(self, plans: Sequence[PlanKey]) -> bool:
        """Whether one of *plans* was ever begun, so that recipients may have its text."""
        for plan in plans:
            if (held := await self.ledger.plan(plan)) and held.value.planned:
                return True
        return False

    async def require_settled(self, plans: Sequence[PlanKey]) -> None:
        """Raises RetryLater while an older text may still arrive."""
        for plan in plans:
            cursor = (await self.load_plan(plan)).value
            async for batch, entry in self.ledger.entries(plan, cursor):
                await self.require_entry_settled(batch, entry.value)
                self.last_woken.pop(batch, None)

    async def require_entry_settled(self, batch: BatchKey, entry: LedgerEntry) -> None:
        now = self.clock()
        if not entry.closed_at:
            if max(entry.lease_until, self.last_woken.get(batch, 0.0) + _REWAKE_S) < now:
                await self.waker.wake(batch, entry.lane)
                self.last_woken[batch] = now
            raise RetryLater(RECHECK_S, "an older position is still on its way")
        # Also where every row has ended since: evidence that one call arrived says nothing of one
        # that was given up before it, and the letters do not tell the two apart.
        if now < entry.effects_until:
            raise RetryLater(entry.effects_until - now, "an older position may still land")

    async def load_plan(self, plan: PlanKey) -> Versioned[PlanCursor]:
        """A plan that exists. Raises LedgerError when it does not."""
        held = await self.ledger.plan(plan)
        if held is None:
            raise LedgerError(f"plan.{plan} vanished")
        return held

    def reached_recipients(self, plans: Sequence[PlanKey], after: str) -> AsyncIterator[str]:
        """Ids > *after* that got, or may have got, any of *plans*: sorted, unique."""
        return merge_distinct([self.reached_in_plan(plan, after) for plan in plans])

    async def reached_in_plan(
        self, plan: PlanKey, after: str, item: int | None = None
    ) -> AsyncIterator[str]:
        """As `reached_recipients`, for one plan; of a digest those whose mail held *item*."""
        await self.load_plan(plan)  # a lost plan is an error, not one without recipients
        async for id, picks in self.ledger.recipients(plan, REACHED_LETTERS, after):
            if item is None or picks >> item & 1:
                yield id


async def merge_distinct(streams: Sequence[AsyncIterator[str]]) -> AsyncIterator[str]:
    """Several sorted streams as one, each id once."""
    last = ""
    async for id in merge_sorted(streams):
        if id != last:
            yield id
        last = id


async def merge_sorted(streams: Sequence[AsyncIterator[str]]) -> AsyncIterator[str]:
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
