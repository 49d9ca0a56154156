"""Woken by a publication: freezes who gets it on one channel, as batches in the ledger."""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import structlog
from pydantic import BaseModel
from structlog.contextvars import bound_contextvars

from consumers.audience import Audience, Row, Telling
from consumers.fence import Fence, distinct
from consumers.lanes import Gate
from consumers.ledger.cursor import Cursor
from consumers.ledger.store import Held, Ledger
from consumers.plans import Planner
from consumers.settle import Later
from consumers.wake import Waker
from contracts.crash import crash_point
from contracts.delivery import ChannelName, PlanKey
from contracts.publication import Publication

log = structlog.get_logger()
LONGEST_WAIT_S = 600.0


class Released(BaseModel):
    """A publication and its place in the stream."""

    publication: Publication
    seq: int


class Positions(Protocol):
    """The released positions of an item; see `consumers.release`."""

    async def positions(self, content_id: str) -> Sequence[int]: ...
    async def overtaken(self, content_id: str, revision: int) -> str: ...


class Doubts(Protocol):
    """What may have gone out before a restore; see `consumers.restore`."""

    async def may_be_out(self, publication: Publication, seq: int) -> bool: ...


class Part(NamedTuple):
    """An item's place in one issue of a digest."""

    plan: PlanKey
    number: int


class Digests(Protocol):
    """Digests that hold an item; see `consumers.digests`."""

    async def stop(self, content_id: str, below: int) -> Sequence[Part]:
        """Halt what would still send a position of the item *below* that one; all that held it."""


@dataclass
class Dispatch(Planner):
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
    digests: Digests | None = None  # where readers may have got an item in a digest
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
        if publication.not_before and (why := await self.positions.overtaken(*plan[1:])):
            await self.fence.halt(plan, why)
            return
        before = await self.stopped(plan, publication)
        if self.channel not in publication.channels and not before.begun:
            return
        crash_point("dispatch.older_halted")
        held = await self.ledger.create_plan(plan, await self.fresh(released))
        crash_point("dispatch.cursor_created")
        await self.wake(plan, range(held.value.count), held.value)
        if held.value.complete or held.value.halt:
            return
        if self.waits:
            await self.fence.quiet(before.plans)
        await self.audience.ready()
        before = before._replace(begun=before.begun or held.value.doubt)
        await self.fill(plan, publication, held, before)

    async def stopped(self, plan: PlanKey, publication: Publication) -> "Before":
        """Halt what was planned, or still might be, for the item's older positions."""
        lower = await self.lower(plan)
        mark = "w" if publication.action == "withdrawn" else "v"
        for one in lower:
            await self.fence.halt(one, f"{mark}{publication.revision}")
        parts = await self.digests.stop(*plan[1:]) if self.digests else ()
        before = Before(lower, parts)
        return before._replace(begun=await self.fence.any_planned(before.plans))

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
        self, plan: PlanKey, publication: Publication, held: Held[Cursor], before: "Before"
    ) -> None:
        """Plan the audience, and whoever got (or may have got) what was there *before*."""
        following = self.channel in publication.channels and publication.action != "withdrawn"

        def behind(after: str) -> AsyncIterator[Row]:
            reached = before.reached(self.fence, after)
            told = Telling(publication, following, reached, before.begun)
            return self.audience.rows(told, after)

        count = (lambda: self.audience.count(publication)) if following else None
        ended = (await self.cut_up(plan, held, behind, count)).value
        log.info("publication_planned", batches=ended.count, recipients=ended.planned)


class Before(NamedTuple):
    """An item's older positions on one channel: plans of their own, and parts of digests.

    `begun`: somebody was planned for one of them, or may have been before a restore.
    """

    lower: Sequence[PlanKey]
    parts: Sequence[Part]
    begun: bool = False

    @property
    def plans(self) -> list[PlanKey]:
        return [*self.lower, *(part.plan for part in self.parts)]

    def reached(self, fence: Fence, after: str) -> AsyncIterator[str]:
        """Ids > *after* that got, or may have got, any of them: sorted, unique."""
        alone = fence.reached(self.lower, after)
        if not self.parts:
            return alone
        return distinct([alone, *(fence.picked(*part, after) for part in self.parts)])
