"""The service `digests`: cuts what is due, plans it, and issues again what was stopped.

Digests are planned one after the other in the order in which they were issued: each asks the ones
before it who has had an item. Any number of processes may do so; the bucket and the ledger decide.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Protocol

import structlog
from structlog.contextvars import bound_contextvars

from consumers.digests import holdings
from consumers.digests.book import Book, Stored
from consumers.digests.cut import Cutter
from consumers.digests.readers import DigestReaders
from consumers.digests.renew import Renewal
from consumers.digests.served import LEFT
from consumers.fence import Fence
from consumers.ledger import codec
from consumers.ledger.cursor import Cursor
from consumers.ledger.store import Ledger, LedgerError
from consumers.plans import Planner
from consumers.settle import Later
from consumers.wake import Waker
from contracts.crash import crash_point
from contracts.delivery import ChannelName, Lane, PlanKey
from contracts.digest import FREQUENCIES, Issue
from producers.bus import BusError

log = structlog.get_logger()
LOOK_S = 5.0
SAID_S = 600.0
PATIENCE_S = 2 * 3600.0


class Doubts(Protocol):
    """What may have gone out before a restore; see `consumers.restore`."""

    async def may_be_cut(self, due: datetime) -> bool: ...


@dataclass
class Digests(Planner):
    """Keep `run` running; `turn` does everything that can be done now."""

    ledger: Ledger
    waker: Waker
    fence: Fence
    book: Book
    cutter: Cutter
    renewal: Renewal
    readers: DigestReaders
    doubtful: Doubts | None = None
    clock: Callable[[], float] = time.time
    said: float = 0.0
    woken: set[PlanKey] = field(default_factory=set)  # planned, and nobody is left asleep

    async def run(self) -> None:
        while True:
            try:
                await self.turn()
            except Later as later:
                if self.now_and_then():
                    log.info("digest_waits", reason=later.why)
            except (LedgerError, *codec.BROKEN) as broken:
                if self.now_and_then():
                    log.error("digest_stuck", reason=f"{type(broken).__name__}: {broken}"[:200])
            except BusError as trouble:
                log.warning("bus_trouble", error=type(trouble).__name__, detail=str(trouble))
            await asyncio.sleep(LOOK_S)

    def now_and_then(self) -> bool:
        """Whether it is time to say again why nothing goes on."""
        if self.clock() - self.said < SAID_S:
            return False
        self.said = self.clock()
        return True

    async def turn(self) -> None:
        """Raises Later when a digest has to wait, and all behind it do; or BusError."""
        for frequency in FREQUENCIES:
            await self.cutter.look(frequency)
        while await self.attend():
            pass  # something was issued again: the order is another one now

    async def attend(self) -> bool:
        """See to every open digest, the oldest issue first; True when one was issued again."""
        calls = (await self.book.open()).calls
        latest = {name: (await self.book.every(name))[-1] for name in calls}
        for name, stored in sorted(latest.items(), key=lambda one: one[1].order):
            facts = {"content_id": name, "revision": stored.issue.revision}
            with bound_contextvars(channel=ChannelName.EMAIL.value, **facts):
                if await self.stopped(stored.issue):
                    await self.issue_again(stored.issue)
                    return True
                await self.have_planned(stored)
                if await self.stopped(stored.issue):
                    return True
                if not self.expires_later(stored.issue):
                    await self.book.done(name, calls[name])
        return False

    def expires_later(self, issue: Issue) -> bool:
        """Whether a text in it will be over some time: then it is looked at once more."""
        return issue.expires_at is not None and issue.expires_at.timestamp() > self.clock()

    async def stopped(self, issue: Issue) -> bool:
        """Whether the issue is halted; one with a text that no longer counts is halted here.

        A newer position is registered before its planner looks for digests: either that one finds
        the issue, or we find the position before anybody is planned.
        """
        held = await self.ledger.plan(issue.plan)
        if held and held.value.halt:
            return True
        if issue.plan in self.woken and self.expires_later(issue):
            return False  # from here on it is the planner of the newer position who halts it
        if not (await self.renewal.outdated(issue) or await self.late(issue)):
            return False
        if await self.all_served(issue):
            return False
        await holdings.halt(self.fence, issue)
        return True

    async def all_served(self, issue: Issue) -> bool:
        """Whether nothing of it is left that could go out, or go out again."""
        if not await holdings.finished(self.fence, issue):
            return False
        cursor = (await self.fence.held(issue.plan)).value
        async for _, entry in self.ledger.entries(issue.plan, cursor):
            if not LEFT.isdisjoint(entry.value.rows):
                return False
        return True

    async def issue_again(self, issue: Issue) -> None:
        """The next issue, once nothing of this one can land any more. Raises Later."""
        await holdings.halt(self.fence, issue)  # whoever halted it may have died half-way
        await self.fence.quiet([issue.plan])
        stored = await self.book.again(await self.without_late(issue))
        left = sum(not item.out for item in stored.issue.items)
        log.info("digest_issued_again", issue=stored.issue.revision, items=left)

    async def without_late(self, issue: Issue) -> Issue:
        """The next issue; an item that kept the others waiting stands in a later digest."""
        renewed, late = await self.renewal.renewed(issue), set(await self.late(issue))
        if not late:
            return renewed
        await self.book.carry(issue.frequency, [issue.items[number].seq for number in late])
        log.warning("digest_item_put_off", items=len(late))
        items = [
            item.model_copy(update={"out": item.out or number in late})
            for number, item in enumerate(renewed.items)
        ]
        return renewed.model_copy(update={"items": tuple(items)})

    async def late(self, issue: Issue) -> list[int]:
        """Items whose own plan keeps the digest waiting for hours: one must not stop them all."""
        if self.clock() - issue.issued.timestamp() < PATIENCE_S:
            return []
        return [number async for number, _ in self.unplanned(issue)]

    async def have_planned(self, stored: Stored) -> None:
        """Plan an issue, once it is known who has got each of its items alone. Raises Later.

        On a resume all of its batches are woken again, which the queue absorbs.
        """
        issue, plan = stored.issue, stored.issue.plan
        if plan in self.woken:
            return
        held = await self.ledger.plan(plan)
        if held is None or not held.value.complete:
            await self.items_planned(issue)
            await self.readers.directory.ready()
            held = await self.ledger.create_plan(plan, await self.fresh(stored))
        await self.wake(plan, range(held.value.count), held.value)
        ended = (await self.cut_up(plan, held, partial(self.readers.behind, issue))).value
        crash_point("digest.planned")
        self.woken.add(plan)
        log.info("digest_planned", batches=ended.count, recipients=ended.planned)

    async def fresh(self, stored: Stored) -> Cursor:
        """A plan that is not begun. After a restore it may have been, before."""
        due = stored.issue.due
        doubt = self.doubtful is not None and await self.doubtful.may_be_cut(due)
        return Cursor(source=stored.order, lane=Lane.BULK, doubt=doubt, created=self.clock())

    async def items_planned(self, issue: Issue) -> None:
        """Who gets an item alone is settled only when its own plan is made."""
        async for _, plan in self.unplanned(issue):
            raise Later(LOOK_S, f"{plan} is not planned yet")

    async def unplanned(self, issue: Issue) -> AsyncIterator[tuple[int, PlanKey]]:
        """Items whose own plan is not complete, by their number."""
        for number, item in enumerate(issue.items):
            plan = PlanKey(ChannelName.EMAIL, item.content_id, item.revision)
            held = None if item.out else await self.ledger.plan(plan)
            if not (item.out or (held and held.value.complete)):
                yield number, plan
